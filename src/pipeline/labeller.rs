//! One beat through a network: normalise, classify, decide.

use crate::model::{BeatInput, Classifier, ClassifyError, Decision, InputError, Outputs};
use crate::signal::CutBeat;

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
    temperature: f64,
    input: Vec<f32>,
    outputs: Outputs,
}

impl Labeller {
    pub(super) fn new(classifier: Box<dyn Classifier>) -> Self {
        let description = classifier.model().description();
        let temperature = description.temperature;
        let input = vec![0.0; description.input.len()];
        let outputs = Outputs::logits_only(description, 1);
        Self {
            classifier,
            temperature,
            input,
            outputs,
        }
    }

    pub(super) fn label(&mut self, cut: &CutBeat) -> Result<Decision, LabelError> {
        let beat = BeatInput {
            window_uv: &cut.window_uv,
            template_uv: cut.template_uv.as_ref().map(<[f32; _]>::as_slice),
            context: &cut.rr.context,
        };
        let description = self.classifier.model().description();
        description.fill_input(&beat, &mut self.input)?;
        self.classifier.classify(&self.input, &mut self.outputs)?;
        let logits = self.outputs.logits().first().copied().unwrap_or_default();
        Ok(Decision::from_logits(&logits, self.temperature)?)
    }
}
