//! Products with groups of weights that are zero: the sums of all products, of which only those of
//! other groups are done.

use super::block_sparsity::group_vectors;
use super::isa::{Isa, on_every_isa, scalars, scalars_mut};
use super::layout::Layout;
use super::product::PackedProduct;
use super::tiling::{Addend, Output, Rows};
use crate::SplitMix64;
use crate::description::Shape;

/// Beats of every case, each with its own values.
const BEATS: usize = 2;

/// Outputs that training zeroes together.
const GROUP: usize = 16;

/// Weights `[output][input]`, of which so large a share of the groups is zero.
fn weights(outputs: usize, inputs: usize, zeros: f32, seed: u64) -> Vec<f32> {
    let mut weights = SplitMix64::new(seed).values(outputs * inputs);
    let chances = SplitMix64::new(seed + 1).values(outputs.div_ceil(GROUP) * inputs);
    for (index, weight) in weights.iter_mut().enumerate() {
        let (output, input) = (index / inputs, index % inputs);
        let chance = f32::midpoint(chances[output / GROUP * inputs + input], 1.0);
        if chance < zeros {
            *weight = if output % 2 == 0 { 0.0 } else { -0.0 };
        } else if output % 3 == 0 && output % GROUP != 0 {
            *weight = 0.0; // of a group that counts
        }
    }
    weights
}

/// Vectors of weights that may not be left out, by the groups of 16 outputs.
fn counting<I: Isa>(weights: &[f32], inputs: usize) -> usize {
    let group = group_vectors(I::LANES) * I::LANES;
    weights
        .chunks(group * inputs)
        .map(|rows| {
            let outputs = rows.len() / inputs;
            let counts = |input: &usize| (0..outputs).any(|row| rows[row * inputs + input] != 0.0);
            (0..inputs).filter(counts).count() * outputs.div_ceil(I::LANES)
        })
        .sum()
}

fn packed<I: Isa>(isa: I, bias: &[f32], inputs: usize, weights: &[f32]) -> PackedProduct<I> {
    PackedProduct::new(isa, bias, inputs, |output, input| {
        weights[output * inputs + input]
    })
}

/// Vectors of weights that a product reads.
fn read<I: Isa>(product: &PackedProduct<I>) -> usize {
    product
        .groups()
        .map(|(_, vectors, packed)| packed.len() - vectors)
        .sum()
}

/// Where a product of two beats of noise, added to other noise, is not what float64 makes of it.
fn failures<I: Isa>(
    isa: I,
    (product, bias, weights): (&PackedProduct<I>, &[f32], &[f32]),
    (inputs, time, relu): (usize, usize, bool),
    seed: u64,
) -> Vec<String> {
    let outputs = bias.len();
    let layout = |channels| Layout::new::<I>(Shape { channels, time }, 1);
    let (from, into) = (layout(inputs), layout(outputs));
    let noise = |layout: &Layout, seed| {
        let mut values = vec![isa.splat(0.0); BEATS * layout.beat_len()];
        let all = scalars_mut::<I>(&mut values);
        all.copy_from_slice(&SplitMix64::new(seed).values(all.len()));
        values
    };
    let (input, residual) = (noise(&from, seed), noise(&into, seed + 1));
    let mut values = vec![isa.splat(0.0); BEATS * into.beat_len()];
    let rows = Rows {
        values: scalars::<I>(&input),
        strides: from.scalar_strides::<I>(),
    };
    let output = Output {
        values: &mut values,
        layout: into,
        relu,
        addend: Some(Addend {
            values: &residual,
            strides: into.strides(),
        }),
    };
    product.run(isa, BEATS, rows, output);
    let (input, residual) = (scalars::<I>(&input), scalars::<I>(&residual));
    let values = scalars::<I>(&values);
    let mut failures = Vec::new();
    for (beat, row) in (0..BEATS).flat_map(|beat| (0..time).map(move |row| (beat, row))) {
        let input = &input[from.at(beat, row) * I::LANES..][..inputs];
        for (output, bias) in bias.iter().enumerate() {
            let at = into.at(beat, row) * I::LANES + output;
            let products = input.iter().zip(&weights[output * inputs..][..inputs]);
            let sum: f64 = products.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            let sum = sum + f64::from(*bias) + f64::from(residual[at]);
            let expected = if relu { sum.max(0.0) } else { sum };
            let difference = (f64::from(values[at]) - expected).abs();
            if difference.is_nan() || difference > 1e-5 {
                let found = values[at];
                failures.push(format!(
                    "{inputs} to {outputs}, beat {beat} row {row} of {time}, output {output}: \
                     {found}, not {expected}"
                ));
            }
        }
    }
    failures
}

fn sums_are_right<I: Isa>(isa: I) {
    let mut wrong = Vec::new();
    for outputs in [1, 8, 16, 24, 32, 72, 96, 112] {
        for inputs in [1, 2, 3, 4, 5, 8, 11, 16, 24, 47, 48] {
            for (step, zeros) in [0.0, 0.3, 0.6, 1.0].into_iter().enumerate() {
                let seed = (outputs * 1000 + inputs * 10 + step) as u64;
                let weights = weights(outputs, inputs, zeros, seed);
                let bias = SplitMix64::new(seed + 2).values(outputs);
                let product = packed(isa, &bias, inputs, &weights);
                for (time, relu) in [(1, false), (5, true), (8, false), (16, true), (64, true)] {
                    let packed = (&product, bias.as_slice(), weights.as_slice());
                    wrong.extend(failures(isa, packed, (inputs, time, relu), seed + 3));
                }
            }
        }
    }
    wrong.truncate(20);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn left_out_is_what_is_zero<I: Isa>(isa: I) {
    for (outputs, inputs) in [(16, 16), (48, 16), (72, 24), (96, 32), (112, 48)] {
        let bias = vec![0.0; outputs];
        for zeros in [0.3, 0.6, 1.0] {
            let weights = weights(outputs, inputs, zeros, 7);
            let found = read(&packed(isa, &bias, inputs, &weights));
            assert_eq!(found, counting::<I>(&weights, inputs), "{outputs} {zeros}");
        }
        // An eighth of the groups is worth it, less is not, nor are single zeros.
        let groups = outputs.div_ceil(GROUP) * inputs;
        let all = outputs.div_ceil(I::LANES) * inputs;
        for (zero, worth) in [(0, false), (groups / 8 - 1, false), (groups / 8, true)] {
            let weights: Vec<f32> = (0..outputs * inputs)
                .map(|index| {
                    let group = index / inputs / GROUP * inputs + index % inputs;
                    let single = index / inputs % 2 == 0;
                    f32::from(u8::from(group >= zero && single))
                })
                .collect();
            let found = read(&packed(isa, &bias, inputs, &weights));
            assert_eq!(found == all, !worth, "{outputs}: {zero} of {groups}");
            assert!(!worth || found == counting::<I>(&weights, inputs));
        }
    }
}

#[test]
fn leaving_out_groups_of_zeros_changes_no_sum() {
    on_every_isa!(sums_are_right);
}

#[test]
fn groups_of_zeros_are_left_out_and_nothing_else() {
    on_every_isa!(left_out_is_what_is_zero);
}
