//! For tests: what PyTorch computed for 1,024 real beats of each network (`models/golden/README.md`).

use std::path::Path;
use std::sync::Arc;

use safetensors::{Dtype, SafeTensors};

use super::weights::{float32, half_precision};
use super::{CLASS_COUNT, Classifier, Model, Outputs};

/// Largest difference of a logit from PyTorch's, in every engine.
pub(crate) const TOLERANCE: f32 = 1e-4;

/// Fewest beats the parity is shown on.
const LEAST_BEATS: usize = 1000;

pub(crate) struct Parity {
    pub(crate) name: &'static str,
    pub(crate) model: Arc<Model>,
    pub(crate) input: Vec<f32>,
    logits: Vec<[f32; CLASS_COUNT]>,
}

impl Parity {
    pub(crate) fn load(name: &'static str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("models/golden/parity-{name}.safetensors"));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let input = file.tensor("input").unwrap();
        assert_eq!(input.dtype(), Dtype::F16);
        let halves = input.data().as_chunks::<2>().0;
        let logits = float32("parity", "logits", &file.tensor("logits").unwrap()).unwrap();
        let parity = Self {
            name,
            model: Arc::new(Model::load(name).unwrap()),
            input: halves.iter().map(|&half| half_precision(half)).collect(),
            logits: logits.as_chunks().0.to_vec(),
        };
        assert!(parity.logits.len() >= LEAST_BEATS, "{name}");
        assert_eq!(
            parity.input.len(),
            parity.logits.len() * parity.model.description().input.len()
        );
        parity
    }

    /// What is wrong with the logits and labels that `engine` gives in batches of `batch`.
    pub(crate) fn failure(&self, engine: &mut dyn Classifier, batch: usize) -> Option<String> {
        let network = self.model.description();
        let mut outputs = Outputs::logits_only(network, batch);
        let mut found = Vec::new();
        for input in self.input.chunks(batch * network.input.len()) {
            engine.classify(input, &mut outputs).unwrap();
            found.extend_from_slice(outputs.logits());
        }
        assert_eq!(found.len(), self.logits.len());
        let difference = found
            .as_flattened()
            .iter()
            .zip(self.logits.as_flattened())
            .map(|(found, expected)| (found - expected).abs())
            .max_by(f32::total_cmp) // NaN is the largest
            .unwrap();
        let other_labels = found
            .iter()
            .zip(&self.logits)
            .filter(|(found, expected)| label(found) != label(expected))
            .count();
        let row = format!(
            "{} on {} in batches of {batch}: {difference:e} at most, {other_labels} of {} labels \
             differ",
            self.name,
            engine.engine(),
            found.len()
        );
        println!("{row}");
        let passes = difference <= TOLERANCE && other_labels == 0;
        (!passes).then_some(row)
    }
}

fn label(logits: &[f32; CLASS_COUNT]) -> usize {
    (0..CLASS_COUNT)
        .rev() // of equal ones the first
        .max_by(|&a, &b| logits[a].total_cmp(&logits[b]))
        .unwrap()
}

#[test]
fn half_precision_numbers_are_read() {
    for (bits, expected) in [
        (0x3c00_u16, 1.0_f32),
        (0xc000, -2.0),
        (0x3555, 0.333_251_95),
        (0x0001, 5.960_464_5e-8),
        (0x7bff, 65504.0),
    ] {
        assert_eq!(
            half_precision(bits.to_le_bytes()).to_bits(),
            expected.to_bits()
        );
    }
}
