//! Inputs of the benchmarks.

use std::path::Path;
use std::sync::Arc;

use arrhythmianet::Model;
use half::f16;
use safetensors::{Dtype, SafeTensors};

/// A built-in model and 1,024 real beats as it reads them, one after the other
/// (`models/golden/README.md`).
pub struct RealBeats {
    pub model: Arc<Model>,
    pub input: Vec<f32>,
}

impl RealBeats {
    /// Those of the built-in model `name`.
    ///
    /// # Panics
    /// Where the repository lacks the file, or it is damaged.
    #[must_use]
    pub fn load(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("../../models/golden/parity-{name}.safetensors"));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let input = file.tensor("input").expect("a tensor of beats");
        assert_eq!(input.dtype(), Dtype::F16);
        let halves = input.data().as_chunks::<2>().0;
        Self {
            model: Arc::new(Model::load(name).expect("a built-in model")),
            input: halves
                .iter()
                .map(|&half| f16::from_le_bytes(half).to_f32())
                .collect(),
        }
    }

    /// Values of one beat.
    #[must_use]
    pub fn window(&self) -> usize {
        self.model.description().input.len()
    }
}
