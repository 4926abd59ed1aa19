//! One beat through a network: normalise, classify, decide.

use crate::model::{Classifier, ClassifyError, Decision, InputError, Normalisation, Outputs};

/// Why a beat got no label.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LabelError {
    /// The engine failed or was called wrongly.
    #[error(transparent)]
    Classify(#[from] ClassifyError),
    /// The window or the logits hold values that are no numbers.
    #[error(transparent)]
    Input(#[from] InputError),
}

/// An engine with the buffers one beat needs.
pub(super) struct Labeller {
    classifier: Box<dyn Classifier>,
    normalisation: Normalisation,
    temperature: f64,
    input: Vec<f32>,
    outputs: Outputs,
}

impl Labeller {
    pub(super) fn new(classifier: Box<dyn Classifier>) -> Self {
        let description = classifier.model().description();
        let normalisation = description.normalisation;
        let temperature = description.temperature;
        let input = vec![0.0; description.input.samples];
        let outputs = Outputs::logits_only(description, 1);
        Self {
            classifier,
            normalisation,
            temperature,
            input,
            outputs,
        }
    }

    pub(super) fn label(&mut self, window_uv: &[f32]) -> Result<Decision, LabelError> {
        self.normalisation.apply(window_uv, &mut self.input)?;
        self.classifier.classify(&self.input, &mut self.outputs)?;
        let logits = self.outputs.logits().first().copied().unwrap_or_default();
        Ok(Decision::from_logits(&logits, self.temperature)?)
    }
}
