//! Pointwise convolution, full convolution and dense layer: one matrix product, register-blocked.
#![expect(
    unsafe_code,
    reason = "the kernel reads the inputs listed unchecked, which are checked when they are packed"
)]

use super::block_sparsity::{BlockSparsity, group_vectors};
use super::isa::{Isa, scalars_mut};
use super::tile::{Place, run_group};
use super::tiling::{Output, Rows, even_parts, most_vectors};

/// Weights of a matrix product in the order the kernel reads them: groups of up to
/// [`super::tiling::MAX_VECTORS`] vectors of outputs; in each group the biases, then one row of weights
/// per input that counts.
pub(super) struct PackedProduct<I: Isa> {
    packed: Vec<I::F32>,
    /// Vectors of outputs in each group.
    groups: Vec<usize>,
    /// Inputs per output.
    depth: usize,
    /// The inputs each group needs, all below `depth`; `None` where it needs all.
    sparsity: Option<BlockSparsity>,
}

impl<I: Isa> PackedProduct<I> {
    /// Packs `weight(output, input)` for as many outputs as there are biases. Groups of weights that
    /// are zero are left out where that pays: their inputs may then be infinite or no numbers.
    pub(super) fn new(
        isa: I,
        bias: &[f32],
        depth: usize,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let vectors = bias.len().div_ceil(I::LANES);
        let group = group_vectors(I::LANES);
        let sparsity = if skips_zero_blocks::<I>() {
            BlockSparsity::find(bias.len(), depth, group * I::LANES, &weight)
        } else {
            None
        };
        let groups = match sparsity {
            Some(_) => (0..vectors)
                .step_by(group)
                .map(|first| group.min(vectors - first))
                .collect(),
            None => even_parts(vectors, most_vectors(I::REGISTERS)),
        };
        Self::pack(isa, bias, depth, groups, sparsity, &weight)
    }

    /// As [`PackedProduct::new`], with given numbers of vectors in the groups, and no weights left
    /// out.
    pub(super) fn grouped(
        isa: I,
        bias: &[f32],
        depth: usize,
        groups: Vec<usize>,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        Self::pack(isa, bias, depth, groups, None, &weight)
    }

    fn pack(
        isa: I,
        bias: &[f32],
        depth: usize,
        groups: Vec<usize>,
        sparsity: Option<BlockSparsity>,
        weight: &dyn Fn(usize, usize) -> f32,
    ) -> Self {
        let mut packed = Vec::new();
        let mut first = 0;
        for (group, &vectors) in groups.iter().enumerate() {
            let inputs: Vec<usize> = match &sparsity {
                Some(sparsity) => sparsity
                    .inputs(group)
                    .iter()
                    .map(|&input| input as usize)
                    .collect(),
                None => (0..depth).collect(),
            };
            assert!(inputs.iter().all(|&input| input < depth)); // which `run` relies on
            let start = packed.len();
            packed.resize(start + vectors * (inputs.len() + 1), isa.splat(0.0));
            let outputs = first..first + vectors * I::LANES;
            let rows = scalars_mut::<I>(&mut packed[start..]).chunks_exact_mut(outputs.len());
            for (row, values) in rows.enumerate() {
                let input = row.checked_sub(1).map(|row| inputs[row]);
                for (output, value) in outputs.clone().zip(values) {
                    *value = match (bias.get(output), input) {
                        (None, _) => 0.0,
                        (Some(&bias), None) => bias,
                        (Some(_), Some(input)) => weight(output, input),
                    };
                }
            }
            first = outputs.end;
        }
        Self {
            packed,
            groups,
            depth,
            sparsity,
        }
    }

    /// Computes all rows of the first `beats` beats.
    pub(super) fn run(&self, isa: I, beats: usize, rows: Rows<'_>, mut output: Output<'_, I::F32>) {
        let sparsity = self.sparsity.as_ref().filter(|_| skips_zero_blocks::<I>());
        for (group, (first_vector, vectors, packed)) in self.groups().enumerate() {
            let place = Place {
                beats,
                first_vector,
                rows,
                depth: self.depth,
            };
            // SAFETY: `pack` has checked that the inputs listed are below the depth.
            unsafe {
                match sparsity {
                    None => run_group::<I, false>(isa, vectors, (packed, &[]), place, &mut output),
                    Some(sparsity) => {
                        let packed = (packed, sparsity.inputs(group));
                        run_group::<I, true>(isa, vectors, packed, place, &mut output);
                    }
                }
            }
        }
    }

    /// Each group: its first vector of outputs, its number of vectors, its part of the weights.
    pub(super) fn groups(&self) -> impl Iterator<Item = (usize, usize, &[I::F32])> {
        let mut first = 0;
        let mut rest = self.packed.as_slice();
        self.groups
            .iter()
            .enumerate()
            .map(move |(group, &vectors)| {
                let sparsity = self.sparsity.as_ref();
                let inputs = sparsity.map_or(self.depth, |found| found.inputs(group).len());
                let rows = inputs + 1;
                let (packed, others) = rest.split_at(vectors * rows);
                let start = first;
                (first, rest) = (first + vectors, others);
                (start, vectors, packed)
            })
    }
}

/// Whether groups of zeros are skipped: in tests on every instruction set.
const fn skips_zero_blocks<I: Isa>() -> bool {
    I::SKIPS_ZERO_BLOCKS || cfg!(test)
}
