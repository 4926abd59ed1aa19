//! Block sparsity: groups of weights that are all zero, and the inputs each group of outputs needs.

/// Consecutive outputs whose weights for one input training leaves zero together: `GROUP` of
/// `arrhythmianet_training.sparsity`. As many as the widest vector has lanes, so that every instruction
/// set can skip them.
const GROUP: usize = 16;

/// One group of weights in this many has to be zero at least for a product to skip them. With AVX2 the
/// list of inputs has no measurable cost. With AVX-512 a vector is a whole group, so that an input that
/// is loaded then serves one vector only.
const WORTH: usize = 8;

/// Vectors of `lanes` outputs whose weights are skipped together.
pub(super) const fn group_vectors(lanes: usize) -> usize {
    if lanes < GROUP { GROUP / lanes } else { 1 }
}

/// For each group of outputs the inputs with a weight other than zero, in ascending order.
pub(super) struct BlockSparsity(Vec<Vec<u32>>);

impl BlockSparsity {
    /// Looks at `weight(output, input)` in groups of `group` outputs. `None` where too few groups are zero
    /// to be worth skipping.
    pub(super) fn find(
        outputs: usize,
        inputs: usize,
        group: usize,
        weight: &dyn Fn(usize, usize) -> f32,
    ) -> Option<Self> {
        let inputs_of: Vec<Vec<u32>> = (0..outputs)
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
        let all = inputs_of.len() * inputs;
        let zero = all - inputs_of.iter().map(Vec::len).sum::<usize>();
        (zero > 0 && zero * WORTH >= all).then_some(Self(inputs_of))
    }

    /// The inputs with a weight other than zero in a group.
    pub(super) fn inputs(&self, group: usize) -> &[u32] {
        &self.0[group]
    }
}
