//! What every runtime has to do.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use ecg_gateway::model::{CLASS_COUNT, Model};
use safetensors::SafeTensors;

/// Largest difference of a logit to the golden vectors.
const TOLERANCE: f32 = 1e-4;

/// A network in a runtime, with its input already where the runtime wants it.
pub(crate) trait Contender {
    fn name(&self) -> String;

    /// Runs the whole batch.
    fn run(&mut self) -> Result<(), Box<dyn Error>>;

    /// Logits of the last run, `[batch][5]`.
    fn logits(&mut self) -> Result<Vec<f32>, Box<dyn Error>>;
}

/// One batch of one network on a number of threads.
pub(crate) struct Task {
    pub(crate) network: String,
    pub(crate) model: Arc<Model>,
    pub(crate) batch: usize,
    pub(crate) threads: usize,
    /// Real beats, normalised: the golden vectors over and over.
    pub(crate) windows: Vec<f32>,
    expected: Vec<f32>,
}

impl Task {
    pub(crate) fn read(
        weights: &Path,
        network: &str,
        batch: usize,
        threads: usize,
    ) -> Result<Self, Box<dyn Error>> {
        let file = weights.join(format!("{network}.safetensors"));
        let model = Arc::new(Model::from_file(&file)?);
        let golden = weights
            .join("golden")
            .join(format!("{network}.safetensors"));
        let bytes = std::fs::read(&golden)?;
        let golden = SafeTensors::deserialize(&bytes)?;
        let repeated = |name: &str, each: usize| -> Result<Vec<f32>, Box<dyn Error>> {
            let values: Vec<f32> = golden
                .tensor(name)?
                .data()
                .as_chunks()
                .0
                .iter()
                .map(|&bytes| f32::from_le_bytes(bytes))
                .collect();
            Ok(values.into_iter().cycle().take(batch * each).collect())
        };
        Ok(Self {
            windows: repeated("input", model.description().input.len())?,
            expected: repeated("logits", CLASS_COUNT)?,
            network: network.to_owned(),
            model,
            batch,
            threads,
        })
    }

    /// Runs once and compares with the golden vectors.
    pub(crate) fn check(&self, contender: &mut dyn Contender) -> Result<(), Box<dyn Error>> {
        contender.run()?;
        let found = contender.logits()?;
        if found.len() != self.expected.len() {
            let (name, found) = (contender.name(), found.len());
            return Err(format!("{name}: {found} logits, not {}", self.expected.len()).into());
        }
        let worst = found
            .iter()
            .zip(&self.expected)
            .map(|(found, expected)| (found - expected).abs())
            .fold(0.0, f32::max);
        if worst.is_nan() || worst > TOLERANCE {
            let name = contender.name();
            return Err(format!("{name}: a logit is {worst} off, not within {TOLERANCE}").into());
        }
        Ok(())
    }
}
