//! The backward pass through a depthwise convolution.

use super::super::depthwise::{PackedDepthwise, Phase};
use super::super::isa::Isa;
use super::super::layout::Layout;
use crate::description::Part;

/// Transposed depthwise convolution. With a stride `s` every `s`th row of the input was multiplied
/// with the same taps, so that each of the `s` phases is a convolution of the derivatives as they are,
/// without zeros between their rows.
pub(super) struct TransposedDepthwise<I: Isa>(Vec<PackedDepthwise<I>>);

impl<I: Isa> TransposedDepthwise<I> {
    /// `weight` is `[channels][taps]`.
    pub(super) fn new(isa: I, part: &Part, weight: &[f32]) -> Self {
        let no_bias = vec![0.0; part.output.channels];
        let phases = (0..part.stride).map(|phase| {
            let PhaseTaps {
                first,
                count,
                reach,
            } = PhaseTaps::new(part, phase);
            let taps = |weight: &[f32]| {
                let met = (0..count)
                    .rev()
                    .map(|tap| weight.get(first + tap * part.stride));
                met.map(|weight| weight.copied().unwrap_or(0.0))
                    .collect::<Vec<_>>()
            };
            let weight: Vec<f32> = weight.chunks_exact(part.kernel).flat_map(taps).collect();
            PackedDepthwise::new(isa, &weight, &no_bias, 1, false).with_phase(Phase {
                first: phase,
                step: part.stride,
                read: margin(part) + reach + 1 - count,
            })
        });
        Self(phases.collect())
    }

    /// From the first `beats` beats' derivatives with respect to the output, with a margin of [`margin`]
    /// rows, to those with respect to the input.
    pub(super) fn run(
        &self,
        isa: I,
        beats: usize,
        from: (&[I::F32], Layout),
        (output, into): (&mut [I::F32], Layout),
    ) {
        for phase in &self.0 {
            phase.run(isa, beats, from, (output, into), None);
        }
    }
}

/// The taps that the input's rows of one phase were multiplied with.
struct PhaseTaps {
    /// The first of them, of every `stride`th.
    first: usize,
    /// One at least, which may lie beyond the kernel.
    count: usize,
    /// Row `n` of the phase was multiplied with the first of them for output `n + reach`, with each other
    /// for one output earlier.
    reach: usize,
}

impl PhaseTaps {
    const fn new(part: &Part, phase: usize) -> Self {
        let centre = phase + part.kernel / 2;
        let first = centre % part.stride;
        let count = part.kernel.saturating_sub(first).div_ceil(part.stride);
        Self {
            first,
            count: if count == 0 { 1 } else { count },
            reach: centre / part.stride,
        }
    }
}

/// Rows of zeros around the derivatives that are read.
pub(super) fn margin(part: &Part) -> usize {
    let beyond = |phase| {
        let PhaseTaps { count, reach, .. } = PhaseTaps::new(part, phase);
        reach.max((count - 1).saturating_sub(reach))
    };
    (0..part.stride).map(beyond).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::super::isa::{on_every_isa, scalars, scalars_mut};
    use super::*;
    use crate::SplitMix64;
    use crate::description::{PartKind, Shape};

    fn check_all<I: Isa>(isa: I) {
        for kernel in [1, 3, 5, 7] {
            for stride in [1, 2, 3, 4] {
                for time in [1, 9, 16, 33] {
                    check(isa, kernel, stride, time);
                }
            }
        }
    }

    /// Against the sum over all that each input has met, in float64.
    fn check<I: Isa>(isa: I, kernel: usize, stride: usize, time: usize) {
        const CHANNELS: usize = 5;
        const BEATS: usize = 2;
        let shape = |time| Shape {
            channels: CHANNELS,
            time,
        };
        let part = Part {
            name: "depthwise",
            kind: PartKind::Depthwise,
            input: shape(time),
            output: shape(time.div_ceil(stride)),
            kernel,
            stride,
            relu: false,
            context: 0,
        };
        let mut random = SplitMix64::new(3);
        let weight = random.values(CHANNELS * kernel);
        let from = Layout::new::<I>(part.output, margin(&part));
        let into = Layout::new::<I>(part.input, 0);
        let mut passed = vec![isa.splat(0.0); BEATS * from.beat_len()];
        let outputs = part.output.time;
        for beat in 0..BEATS {
            for row in 0..outputs {
                let place = from.at(beat, row) * I::LANES;
                let values = random.values(CHANNELS);
                scalars_mut::<I>(&mut passed)[place..][..CHANNELS].copy_from_slice(&values);
            }
        }
        let mut found = vec![isa.splat(f32::NAN); BEATS * into.beat_len()];
        TransposedDepthwise::new(isa, &part, &weight).run(
            isa,
            BEATS,
            (&passed, from),
            (&mut found, into),
        );
        for beat in 0..BEATS {
            for row in 0..time {
                for channel in 0..CHANNELS {
                    let met = (0..outputs).filter_map(|output| {
                        let tap = (row + kernel / 2).checked_sub(output * stride)?;
                        let weight = weight[channel * kernel..][..kernel].get(tap)?;
                        let place = from.at(beat, output) * I::LANES + channel;
                        Some(f64::from(*weight) * f64::from(scalars::<I>(&passed)[place]))
                    });
                    let place = into.at(beat, row) * I::LANES + channel;
                    let found = f64::from(scalars::<I>(&found)[place]);
                    let expected: f64 = met.sum();
                    assert!(
                        (found - expected).abs() < 1e-5,
                        "kernel {kernel}, stride {stride}, {time} rows, beat {beat}, row {row}: \
                         {found} for {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_input_gets_what_the_outputs_that_read_it_pass_back() {
        on_every_isa!(check_all);
    }
}
