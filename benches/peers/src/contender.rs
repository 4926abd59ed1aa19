//! What every runtime has to do.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use arrhythmianet::{CLASS_COUNT, Model};
use safetensors::SafeTensors;

/// Largest difference of a logit to the golden vectors.
const TOLERANCE: f32 = 1e-4;

/// Fewest beats a task goes round.
const BEATS: usize = 1024;

/// A network in a runtime, with the first batch of beats already where the runtime wants it.
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
    /// Real beats, normalised: whole batches, at least [`BEATS`].
    pub(crate) beats: Vec<f32>,
    /// Logits of the first batch.
    expected: Vec<f32>,
}

impl Task {
    /// `models` holds `NAME-beats.safetensors`, with inputs and what PyTorch computed from them.
    pub(crate) fn read(
        (weights, models): (&Path, &Path),
        network: &str,
        batch: usize,
        threads: usize,
    ) -> Result<Self, Box<dyn Error>> {
        let file = weights.join(format!("{network}.safetensors"));
        let model = Arc::new(Model::from_file(&file)?);
        let bytes = std::fs::read(models.join(format!("{network}-beats.safetensors")))?;
        let known = SafeTensors::deserialize(&bytes)?;
        let repeated = |name: &str, len: usize| -> Result<Vec<f32>, Box<dyn Error>> {
            let values: Vec<f32> = known
                .tensor(name)?
                .data()
                .as_chunks()
                .0
                .iter()
                .map(|&bytes| f32::from_le_bytes(bytes))
                .collect();
            Ok(values.into_iter().cycle().take(len).collect())
        };
        let beats = BEATS.next_multiple_of(batch);
        Ok(Self {
            beats: repeated("input", beats * model.description().input.len())?,
            expected: repeated("logits", batch * CLASS_COUNT)?,
            network: network.to_owned(),
            model,
            batch,
            threads,
        })
    }

    /// The first batch of beats.
    pub(crate) fn windows(&self) -> &[f32] {
        &self.beats[..self.batch * self.model.description().input.len()]
    }

    /// Runs the first batch and compares with PyTorch's logits.
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
