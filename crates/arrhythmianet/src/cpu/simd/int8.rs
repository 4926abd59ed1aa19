//! Pointwise convolution in 8-bit integers: weights with a scale for each output channel, inputs
//! with one range for all channels, calibrated on real beats. Sums are exact; what a convolution
//! writes is float32 again.
#![expect(
    unsafe_code,
    reason = "reads of the inner loop, whose bounds are checked once before it"
)]

use std::ops::Range;

use super::isa::{Isa, Kernel, integers_mut, scalars_mut};
use super::tiling::{
    MAX_ROWS, MAX_VECTORS, Output, Rows, TileSizes, even_parts, most_rows, most_vectors, row_tiles,
    store, tile_sizes, with_rows,
};
use crate::cpu::rounding::{InputSteps, rounded_weights};
use crate::description::ActivationRange;

/// Weights in the order the kernel reads them: groups of up to [`MAX_VECTORS`] vectors of outputs;
/// in each group one row of weights per four inputs, four bytes per lane.
pub(super) struct PackedInt8<I: Isa> {
    weights: Vec<I::I32>,
    /// From the integer sums to the outputs, per vector of outputs.
    scale: Vec<I::F32>,
    bias: Vec<I::F32>,
    groups: Vec<usize>,
    inputs: usize,
    steps: InputSteps,
}

impl<I: Isa> PackedInt8<I> {
    /// Rounds and packs `weight(output, input)` for as many outputs as there are biases, to be
    /// applied to inputs within `range`; inputs beyond it count as its end.
    pub(super) fn new(
        isa: I,
        bias: &[f32],
        inputs: usize,
        range: ActivationRange,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let steps = InputSteps::new(range);
        let depth = inputs.div_ceil(4);
        let vectors = bias.len().div_ceil(I::LANES);
        let groups = even_parts(vectors, most_vectors(I::REGISTERS));
        let mut packed = Self {
            weights: vec![isa.splat_i32(0); vectors * depth],
            scale: vec![isa.splat(0.0); vectors],
            bias: vec![isa.splat(0.0); vectors],
            groups,
            inputs,
            steps,
        };
        let mut bytes: Vec<Vec<i8>> = Vec::with_capacity(bias.len());
        for (output, &bias) in bias.iter().enumerate() {
            let row: Vec<f32> = (0..inputs).map(|input| weight(output, input)).collect();
            let (row, per_unit) = rounded_weights(&row);
            let sum: f32 = row.iter().map(|&weight| f32::from(weight)).sum();
            let scale = 1.0 / (per_unit * steps.per_unit);
            scalars_mut::<I>(&mut packed.scale)[output] = scale;
            // Takes off again what the integer that stands for 0 adds to every sum.
            scalars_mut::<I>(&mut packed.bias)[output] = bias - scale * steps.zero * sum;
            bytes.push(row);
        }
        let mut values = integers_mut::<I>(&mut packed.weights).iter_mut();
        let mut first = 0;
        for &group in &packed.groups {
            let outputs = first..first + group * I::LANES;
            for four in 0..depth {
                for (output, value) in outputs.clone().zip(&mut values) {
                    let weights = std::array::from_fn(|offset| {
                        let row = bytes.get(output).map_or(&[][..], Vec::as_slice);
                        row.get(four * 4 + offset).copied().unwrap_or(0)
                    });
                    *value = i32::from_le_bytes(weights.map(i8::cast_unsigned));
                }
            }
            first = outputs.end;
        }
        packed
    }

    /// Groups of four input bytes that [`PackedInt8::run`] needs room for, for `rows` rows.
    pub(super) const fn scratch(&self, rows: usize) -> usize {
        rows * self.inputs.div_ceil(4)
    }

    /// Computes all rows of the first `beats` beats; `scratch` has room for their bytes.
    pub(super) fn run(
        &self,
        isa: I,
        beats: usize,
        rows: Rows<'_>,
        scratch: &mut [[u8; 4]],
        mut output: Output<'_, I::F32>,
    ) {
        let time = output.layout.shape.time;
        isa.run(ToBytes {
            rows,
            beats,
            time,
            inputs: self.inputs,
            steps: self.steps,
            bytes: &mut *scratch,
        });
        let depth = self.inputs.div_ceil(4);
        let (mut first_vector, mut rest) = (0, self.weights.as_slice());
        for &vectors in &self.groups {
            let (weights, after) = rest.split_at(vectors * depth);
            let group = Group {
                weights,
                scale: &self.scale[first_vector..][..vectors],
                bias: &self.bias[first_vector..][..vectors],
                first_vector,
                beats,
                depth,
                bytes: scratch,
                output: &mut output,
            };
            match vectors {
                1 => isa.run(OfWidth::<I, 1>(group)),
                2 => isa.run(OfWidth::<I, 2>(group)),
                3 => isa.run(OfWidth::<I, 3>(group)),
                _ => isa.run(OfWidth::<I, MAX_VECTORS>(group)),
            }
            first_vector += vectors;
            rest = after;
        }
    }
}

/// Float32 rows as bytes `[beat][time][four inputs]`.
struct ToBytes<'a> {
    rows: Rows<'a>,
    beats: usize,
    time: usize,
    inputs: usize,
    steps: InputSteps,
    bytes: &'a mut [[u8; 4]],
}

impl<I: Isa> Kernel<I> for ToBytes<'_> {
    #[inline(always)]
    fn eval(self, _isa: I) {
        let depth = self.inputs.div_ceil(4);
        let mut rows = self.bytes.chunks_exact_mut(depth);
        for beat in 0..self.beats {
            for row in 0..self.time {
                let values = &self.rows.values[self.rows.strides.at(beat, row)..][..self.inputs];
                let bytes = rows.next().unwrap_or_default().as_flattened_mut();
                for (byte, &value) in bytes.iter_mut().zip(values) {
                    *byte = self.steps.byte(value);
                }
            }
        }
    }
}

struct Group<'a, 'b, I: Isa> {
    weights: &'a [I::I32],
    scale: &'a [I::F32],
    bias: &'a [I::F32],
    first_vector: usize,
    beats: usize,
    depth: usize,
    bytes: &'a [[u8; 4]],
    output: &'a mut Output<'b, I::F32>,
}

/// `V` vectors of outputs for every row.
struct OfWidth<'a, 'b, I: Isa, const V: usize>(Group<'a, 'b, I>);

impl<I: Isa, const V: usize> Kernel<I> for OfWidth<'_, '_, I, V> {
    #[inline(always)]
    fn eval(mut self, isa: I) {
        let time = self.0.output.layout.shape.time;
        for beat in 0..self.0.beats {
            let mut row = 0;
            for (rows, count) in row_tiles(time, Self::ROWS, &Self::SIZES) {
                let end = row + rows * count;
                with_rows!(rows, self.tiles(isa, beat, row..end));
                row = end;
            }
        }
    }
}

impl<I: Isa, const V: usize> OfWidth<'_, '_, I, V> {
    /// Most rows that are summed together.
    const ROWS: usize = most_rows(I::REGISTERS, V);
    /// Tiles that code is generated for.
    const SIZES: TileSizes = tile_sizes(Self::ROWS);

    /// Rows of a beat, `T` together.
    #[inline(always)]
    fn tiles<const T: usize>(&mut self, isa: I, beat: usize, rows: Range<usize>) {
        for row in rows.step_by(T) {
            self.tile::<T>(isa, beat, row);
        }
    }

    /// `T` rows from `row` on.
    #[inline(always)]
    fn tile<const T: usize>(&mut self, isa: I, beat: usize, row: usize) {
        if const { T > Self::ROWS || Self::SIZES[T] < T } {
            return; // never called; keeps the compiler from generating the code
        }
        let Group {
            weights,
            scale,
            bias,
            depth,
            bytes,
            ..
        } = self.0;
        let time = self.0.output.layout.shape.time;
        let inputs = &bytes[(beat * time + row) * depth..][..T * depth];
        let (weights, _) = weights.as_chunks::<V>();
        let mut sums = [[isa.splat_i32(0); V]; T];
        for (four, weights) in weights[..depth].iter().enumerate() {
            for (t, sums) in sums.iter_mut().enumerate() {
                debug_assert!(t * depth + four < inputs.len());
                // SAFETY: t <= T - 1 and four <= depth - 1: below T * depth, the length of `inputs`.
                let input = unsafe { *inputs.get_unchecked(t * depth + four) };
                for (sum, &weight) in sums.iter_mut().zip(weights) {
                    *sum = isa.dot(*sum, input, weight);
                }
            }
        }
        let mut outputs = [[isa.splat(0.0); V]; T];
        for (outputs, sums) in outputs.iter_mut().zip(sums) {
            for (vector, (output, sum)) in outputs.iter_mut().zip(sums).enumerate() {
                *output = isa.multiply_add(isa.to_f32(sum), scale[vector], bias[vector]);
            }
        }
        let first = self.0.first_vector;
        store(isa, self.0.output, (beat, row), first, outputs);
    }
}
