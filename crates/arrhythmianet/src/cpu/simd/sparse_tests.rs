//! Products that skip zeros: the sums of those that skip none, whatever the mask.
#![expect(unsafe_code, reason = "writes the mask as the depthwise kernel does")]

use super::isa::{Isa, Kernel, on_every_isa, scalars, scalars_mut};
use super::layout::Layout;
use super::nonzero_mask::{self, MaskWord};
use super::sparse::PackedSparse;
use super::tiling::Output;
use crate::SplitMix64;
use crate::description::Shape;

/// Beats of every case, each with its own values.
const BEATS: usize = 2;

/// Writes the mask of an activation, as the depthwise kernel does.
struct MarkAll<'a, I: Isa> {
    values: &'a [I::F32],
    layout: Layout,
    mask: &'a mut [MaskWord],
}

impl<I: Isa> Kernel<I> for MarkAll<'_, I> {
    #[inline(always)]
    fn eval(self, isa: I) {
        for beat in 0..BEATS {
            for row in 0..self.layout.shape.time {
                for vector in 0..self.layout.width {
                    let value = self.values[self.layout.at(beat, row) + vector];
                    let at = nonzero_mask::at::<I>(&self.layout, beat, row);
                    // SAFETY: the row and the vector are the layout's, for which there is room.
                    unsafe { nonzero_mask::set_bits(isa, self.mask, (at, vector), value) };
                }
            }
        }
    }
}

/// An activation of `BEATS` beats whose share `zeros` is zero, and each value of it by
/// `(beat, row, channel)`.
fn activation<I: Isa>(isa: I, layout: &Layout, zeros: f32, seed: u64) -> Vec<I::F32> {
    let mut values = vec![isa.splat(0.0); BEATS * layout.beat_len()];
    let mut random = SplitMix64::new(seed);
    let Shape { channels, time } = layout.shape;
    for beat in 0..BEATS {
        for row in 0..time {
            let start = layout.at(beat, row) * I::LANES;
            let drawn = random.values(2 * channels);
            let (chance, drawn) = drawn.split_at(channels);
            let row = &mut scalars_mut::<I>(&mut values)[start..][..channels];
            for ((value, &drawn), &chance) in row.iter_mut().zip(drawn).zip(chance) {
                // Values lie between -1 and 1.
                if (chance + 1.0) / 2.0 >= zeros {
                    *value = drawn.abs();
                }
            }
        }
    }
    values
}

fn check<I: Isa>(isa: I) {
    let mut failures = Vec::new();
    for (case, (inputs, outputs, time, zeros)) in [
        (32, 48, 8, 0.5),
        (33, 50, 7, 0.5),
        (72, 24, 1, 0.4),
        (128, 144, 5, 0.9),
        (144, 128, 2, 0.0),
        (64, 64, 3, 1.0),
        (35, 72, 4, 0.3),
        (200, 100, 3, 0.6),
        (40, 24, 7, 0.6),
        (70, 48, 6, 0.4),
    ]
    .into_iter()
    .enumerate()
    {
        let seed = case as u64;
        let from = Layout::new::<I>(
            Shape {
                channels: inputs,
                time,
            },
            0,
        );
        let into = Layout::new::<I>(
            Shape {
                channels: outputs,
                time,
            },
            1,
        );
        let weights = SplitMix64::new(seed + 100).values(inputs * outputs);
        let bias = SplitMix64::new(seed + 200).values(outputs);
        let input = activation(isa, &from, zeros, seed + 300);
        // Bits beyond the inputs are set and stay so: they are not read.
        let mut mask = vec![[0xff; 8]; BEATS * nonzero_mask::words::<I>(&from)];
        isa.run(MarkAll::<I> {
            values: &input,
            layout: from,
            mask: &mut mask,
        });
        let mut values = vec![isa.splat(0.0); BEATS * into.beat_len()];
        let output = Output {
            values: &mut values,
            layout: into,
            relu: false,
            addend: None,
        };
        PackedSparse::new(isa, &bias, inputs, |output, input| {
            weights[output * inputs + input]
        })
        .run(isa, BEATS, (&input, from), &mask, output);
        let (input, values) = (scalars::<I>(&input), scalars::<I>(&values));
        for beat in 0..BEATS {
            for row in 0..time {
                let input = &input[from.at(beat, row) * I::LANES..][..inputs];
                let found = &values[into.at(beat, row) * I::LANES..][..outputs];
                for (output, &found) in found.iter().enumerate() {
                    let products = input.iter().zip(&weights[output * inputs..][..inputs]);
                    let sum: f64 = products.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                    let expected = sum + f64::from(bias[output]);
                    let difference = (f64::from(found) - expected).abs();
                    if difference.is_nan() || difference > 1e-4 {
                        failures.push(format!(
                            "case {case} beat {beat} row {row} output {output}: {found}, \
                             not {expected}"
                        ));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn skipping_zeros_changes_no_sum() {
    on_every_isa!(check);
}
