//! Convolutions on `[channel][time]` activations, written so that the compiler vectorises their
//! inner loops over time.

use crate::description::{Part, PartKind};

/// Values of time computed together.
const COLUMNS: usize = 8;
/// Output channels computed together: with [`COLUMNS`], as many sums as registers hold.
const ROWS: usize = 4;

/// One row of input with zeros on both sides, split by its index modulo the stride, so that each
/// tap of a convolution reads consecutive values at any stride.
#[derive(Debug, Clone)]
pub(super) struct PaddedRow {
    padded: Vec<f32>,
    split: Vec<f32>,
}

impl PaddedRow {
    /// Room for rows up to `max_time` values and kernels up to `max_kernel` taps.
    pub(super) fn new(max_time: usize, max_kernel: usize, max_stride: usize) -> Self {
        let values = max_time + 2 * max_kernel + max_stride;
        Self {
            padded: vec![0.0; values],
            split: vec![0.0; values + max_stride],
        }
    }

    /// Loads a row for a convolution of `kernel` taps (odd) and `stride`.
    fn load(&mut self, row: &[f32], kernel: usize, stride: usize) -> Taps<'_> {
        let padding = kernel / 2;
        let used = row.len() + 2 * padding;
        let phase_len = used.div_ceil(stride);
        let padded = &mut self.padded[..phase_len * stride];
        padded[..padding].fill(0.0);
        padded[padding..padding + row.len()].copy_from_slice(row);
        padded[padding + row.len()..].fill(0.0);
        if stride == 1 {
            return Taps {
                phases: padded,
                phase_len,
                stride,
            };
        }
        let split = &mut self.split[..phase_len * stride];
        for (phase, values) in split.chunks_exact_mut(phase_len).enumerate() {
            for (value, &source) in values
                .iter_mut()
                .zip(padded[phase..].iter().step_by(stride))
            {
                *value = source;
            }
        }
        Taps {
            phases: split,
            phase_len,
            stride,
        }
    }
}

/// The input of each tap, consecutive in output time.
struct Taps<'a> {
    phases: &'a [f32],
    phase_len: usize,
    stride: usize,
}

impl Taps<'_> {
    /// Adds the row filtered with `kernel` to `output`.
    fn accumulate(&self, kernel: &[f32], output: &mut [f32]) {
        for (tap, &weight) in kernel.iter().enumerate() {
            let start = (tap % self.stride) * self.phase_len + tap / self.stride;
            for (sum, &value) in output.iter_mut().zip(&self.phases[start..]) {
                *sum += weight * value;
            }
        }
    }
}

/// Full or depthwise convolution of `part`, with its weights and these biases. A depthwise one has groups of
/// one channel.
pub(super) fn convolution(
    part: &Part,
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    row: &mut PaddedRow,
    output: &mut [f32],
) {
    let taps = part.kernel;
    let (in_time, out_time) = (part.input.time, part.output.time);
    for (out_row, &bias) in output.chunks_exact_mut(out_time).zip(bias) {
        out_row.fill(bias);
    }
    let depthwise = part.kind == PartKind::Depthwise;
    for (channel, in_row) in input.chunks_exact(in_time).enumerate() {
        let filtered = row.load(in_row, taps, part.stride);
        if depthwise {
            let out_row = &mut output[channel * out_time..][..out_time];
            filtered.accumulate(&weight[channel * taps..][..taps], out_row);
            continue;
        }
        for (out_row, weights) in output
            .chunks_exact_mut(out_time)
            .zip(weight.chunks_exact(part.input.channels * taps))
        {
            filtered.accumulate(&weights[channel * taps..][..taps], out_row);
        }
    }
}

/// Weights of a pointwise convolution in the order [`pointwise`] reads them: blocks of [`ROWS`]
/// outputs, in each block one group of [`ROWS`] weights per input channel; zeros fill the last
/// block.
#[derive(Debug, Clone)]
pub(super) struct PackedPointwise {
    weight: Vec<[f32; ROWS]>,
    bias: Vec<[f32; ROWS]>,
    in_channels: usize,
}

impl PackedPointwise {
    /// `weight` is `[out][in]`.
    pub(super) fn new(weight: &[f32], bias: &[f32], in_channels: usize) -> Self {
        let rows: Vec<&[f32]> = weight.chunks_exact(in_channels).collect();
        let packed = rows
            .chunks(ROWS)
            .flat_map(|block| {
                (0..in_channels).map(move |channel| {
                    std::array::from_fn(|row| {
                        block.get(row).map_or(0.0, |weights| weights[channel])
                    })
                })
            })
            .collect();
        let bias = bias
            .chunks(ROWS)
            .map(|block| std::array::from_fn(|row| block.get(row).copied().unwrap_or(0.0)))
            .collect();
        Self {
            weight: packed,
            bias,
            in_channels,
        }
    }
}

/// Pointwise convolution over rows of `time` values.
pub(super) fn pointwise(input: &[f32], time: usize, packed: &PackedPointwise, output: &mut [f32]) {
    for ((out_rows, weight), bias) in output
        .chunks_mut(ROWS * time)
        .zip(packed.weight.chunks_exact(packed.in_channels))
        .zip(&packed.bias)
    {
        for start in (0..time).step_by(COLUMNS) {
            let width = COLUMNS.min(time - start);
            let sums = if width == COLUMNS {
                sums(weight, bias, input.chunks_exact(time), |row| {
                    row[start..].first_chunk().copied().unwrap_or_default()
                })
            } else {
                sums(weight, bias, input.chunks_exact(time), |row| {
                    std::array::from_fn(|column| row.get(start + column).copied().unwrap_or(0.0))
                })
            };
            for (out_row, sums) in out_rows.chunks_exact_mut(time).zip(&sums) {
                out_row[start..start + width].copy_from_slice(&sums[..width]);
            }
        }
    }
}

/// One tile of the output: every sum runs over the input channels in order.
#[inline(always)]
fn sums<'a>(
    weight: &[[f32; ROWS]],
    bias: &[f32; ROWS],
    rows: impl Iterator<Item = &'a [f32]>,
    columns: impl Fn(&[f32]) -> [f32; COLUMNS],
) -> [[f32; COLUMNS]; ROWS] {
    let mut sums = bias.map(|bias| [bias; COLUMNS]);
    for (weights, row) in weight.iter().zip(rows) {
        let values = columns(row);
        for (sums, &weight) in sums.iter_mut().zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(&values) {
                *sum += weight * value;
            }
        }
    }
    sums
}

/// Negative values become zero.
pub(super) fn relu(values: &mut [f32]) {
    for value in values {
        *value = value.max(0.0);
    }
}

/// Mean of each row of `time` values.
pub(super) fn pool(input: &[f32], time: usize, output: &mut [f32]) {
    for (mean, row) in output.iter_mut().zip(input.chunks_exact(time)) {
        *mean = row.iter().sum::<f32>() / time as f32;
    }
}

/// `output += values`, for the residual connection.
pub(super) fn add(values: &[f32], output: &mut [f32]) {
    for (sum, &value) in output.iter_mut().zip(values) {
        *sum += value;
    }
}
