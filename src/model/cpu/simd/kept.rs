//! Groups of zeros among the weights of a product: which inputs count for which outputs.

/// Consecutive outputs whose weights for one input training leaves zero together: `GROUP` of
/// `models/training/sparsity.py`. As many as the widest vector has lanes, so that every instruction
/// set can skip them.
const GROUP: usize = 16;

/// Of so many groups of weights one at least has to be zero for a product to skip them. With AVX2 the
/// list of inputs costs nothing that can be measured; AVX-512, whose vector is a whole group, then
/// shares an input that is read among no other vectors.
const WORTH: usize = 8;

/// Vectors of `lanes` outputs whose weights are skipped together.
pub(super) const fn group_vectors(lanes: usize) -> usize {
    if lanes < GROUP { GROUP / lanes } else { 1 }
}

/// For each group of outputs the inputs with a weight other than zero, in ascending order.
pub(super) struct Kept(Vec<Vec<u32>>);

impl Kept {
    /// Looks at `weight(output, input)` in groups of so many outputs. `None` where too few are zero to
    /// be worth skipping.
    pub(super) fn find(
        outputs: usize,
        inputs: usize,
        group: usize,
        weight: &dyn Fn(usize, usize) -> f32,
    ) -> Option<Self> {
        let kept: Vec<Vec<u32>> = (0..outputs)
            .step_by(group)
            .map(|first| {
                let last = outputs.min(first + group);
                let counts = |input| (first..last).any(|output| weight(output, input) != 0.0);
                (0..)
                    .zip(0..inputs)
                    .filter_map(|(index, input)| counts(input).then_some(index))
                    .collect()
            })
            .collect();
        let all = kept.len() * inputs;
        let zero = all - kept.iter().map(Vec::len).sum::<usize>();
        (zero > 0 && zero * WORTH >= all).then_some(Self(kept))
    }

    /// The inputs that count for a group.
    pub(super) fn of(&self, group: usize) -> &[u32] {
        &self.0[group]
    }
}
