//! The int8 variants: exact sums, one answer on every instruction set, labels as in float32.

use std::sync::Arc;

use super::isa::{Isa, Kernel, integers_mut, on_every_isa, scalars};
use crate::parity_support::Parity;
use crate::{
    CLASS_COUNT, Classifier, CpuIsa, CpuReference, CpuSimd, Model, Outputs, builtin_models,
};

/// One dot product of every lane.
struct Dot<'a, I: Isa> {
    inputs: [u8; 4],
    weights: &'a [I::I32; 1],
    sums: &'a mut [I::F32; 1],
}

impl<I: Isa> Kernel<I> for Dot<'_, I> {
    #[inline(always)]
    fn eval(self, isa: I) {
        let sums = isa.dot(isa.splat_i32(1_000), self.inputs, self.weights[0]);
        self.sums[0] = isa.to_f32(sums);
    }
}

fn sums_are_exact<I: Isa>(isa: I) {
    let rows: [([u8; 4], [i8; 4]); 5] = [
        ([255; 4], [127; 4]),
        ([255; 4], [-128; 4]),
        ([255, 0, 255, 0], [-128, 127, 127, -128]),
        ([1, 2, 3, 4], [10, -20, 30, -40]),
        ([0; 4], [-1; 4]),
    ];
    for (inputs, weights) in rows {
        let mut packed = [isa.splat_i32(0)];
        // Every lane its own weights, so that a mix-up of lanes shows.
        for (lane, value) in integers_mut::<I>(&mut packed).iter_mut().enumerate() {
            let turned = std::array::from_fn(|byte| weights[(byte + lane) % 4]);
            *value = i32::from_le_bytes(turned.map(i8::cast_unsigned));
        }
        let mut found = [isa.splat(0.0)];
        isa.run(Dot::<I> {
            inputs,
            weights: &packed,
            sums: &mut found,
        });
        for (lane, &found) in scalars::<I>(&found).iter().enumerate() {
            let expected: i32 = (0..4)
                .map(|byte| i32::from(inputs[byte]) * i32::from(weights[(byte + lane) % 4]))
                .sum();
            assert!(
                (f64::from(found) - f64::from(1_000 + expected)).abs() < 0.5,
                "{inputs:?} {weights:?} lane {lane}: {found}"
            );
        }
    }
}

#[test]
fn integer_sums_are_exact_on_every_instruction_set() {
    on_every_isa!(sums_are_exact);
}

fn logits(engine: &mut dyn Classifier, inputs: &[f32]) -> Vec<[f32; CLASS_COUNT]> {
    let window = engine.model().description().input.len();
    let mut outputs = Outputs::logits_only(engine.model().description(), 64);
    inputs
        .chunks(64 * window)
        .flat_map(|batch| {
            engine.classify(batch, &mut outputs).unwrap();
            outputs.logits().to_vec()
        })
        .collect()
}

fn label(logits: &[f32; CLASS_COUNT]) -> usize {
    (0..CLASS_COUNT).fold(0, |best, class| {
        if logits[class] > logits[best] {
            class
        } else {
            best
        }
    })
}

/// On 1,024 real beats, every class alike: the int8 variant gives the label of the float32 network
/// to at least 98.5 % of them, and every instruction set that of the reference engine to 99.5 %
/// (rounding decides at the edge of a step).
#[test]
fn int8_variants_label_as_float32() {
    for name in builtin_models() {
        let parity = Parity::load(name);
        let float = logits(
            &mut CpuReference::new(Arc::clone(&parity.model), 64),
            &parity.input,
        );
        let int8 = Arc::new(Model::load(&format!("{name}-int8")).unwrap());
        assert_eq!(int8.description().name, format!("{name}-int8"));
        let reference = logits(&mut CpuReference::new(Arc::clone(&int8), 64), &parity.input);
        let alike = |a: &[[f32; CLASS_COUNT]], b: &[[f32; CLASS_COUNT]]| {
            let same = a
                .iter()
                .zip(b)
                .filter(|(a, b)| label(a) == label(b))
                .count();
            same as f64 / a.len() as f64
        };
        let share = alike(&float, &reference);
        println!("{name}: int8 labels as float32: {:.2} %", 100.0 * share);
        assert!((0.985..=1.0).contains(&share), "{name}: {share}");
        assert!(float != reference, "{name}: nothing was rounded");
        for isa in CpuIsa::ALL {
            let Some(mut engine) = CpuSimd::with_isa(Arc::clone(&int8), 64, isa) else {
                continue;
            };
            let share = alike(&logits(&mut engine, &parity.input), &reference);
            assert!(share >= 0.995, "{name} {}: {share}", isa.engine());
        }
    }
}

#[test]
fn a_file_without_ranges_has_no_int8_variant() {
    use crate::test_support::{random_model, v1_json};
    let error = random_model(&v1_json(), 1).into_int8().unwrap_err();
    assert!(error.to_string().contains("int8"), "{error}");
}
