//! Beats through a network: normalise, hold back, classify together, decide.

use crate::model::choose::{EngineNotice, EngineReport};
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

/// An engine with the buffers of the beats that wait for it.
pub(super) struct Labeller {
    classifier: Box<dyn Classifier>,
    temperature: f64,
    /// Values of one beat's input.
    window: usize,
    /// Room for a batch, of which the first `waiting` beats are filled.
    input: Vec<f32>,
    waiting: usize,
    outputs: Outputs,
}

impl Labeller {
    pub(super) fn new(classifier: Box<dyn Classifier>) -> Self {
        let description = classifier.model().description();
        let window = description.input.len();
        let batch = classifier.max_batch();
        Self {
            temperature: description.temperature,
            window,
            input: vec![0.0; batch * window],
            waiting: 0,
            outputs: Outputs::logits_only(description, batch),
            classifier,
        }
    }

    /// Takes a beat; there must be room ([`Labeller::is_full`]).
    pub(super) fn push(&mut self, cut: &CutBeat) -> Result<(), LabelError> {
        let start = self.waiting * self.window;
        let room = self
            .input
            .get_mut(start..start + self.window)
            .unwrap_or_default();
        let beat = BeatInput {
            window_uv: &cut.window_uv,
            template_uv: cut.template_uv.as_ref().map(<[f32; _]>::as_slice),
            context: &cut.rr.context,
        };
        let description = self.classifier.model().description();
        description.fill_input(&beat, room)?;
        self.waiting += 1;
        Ok(())
    }

    /// Whether no further beat has room.
    pub(super) fn is_full(&self) -> bool {
        self.waiting >= self.capacity()
    }

    /// Most beats of a batch.
    pub(super) fn capacity(&self) -> usize {
        self.input.len() / self.window
    }

    /// Beats that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Classifies the waiting beats; afterwards [`Labeller::decision`] has the decision of each.
    pub(super) fn classify(&mut self) -> Result<(), LabelError> {
        let beats = std::mem::take(&mut self.waiting);
        let input = self.input.get(..beats * self.window).unwrap_or_default();
        Ok(self.classifier.classify(input, &mut self.outputs)?)
    }

    /// The decision on a beat of the batch classified last, in the order of [`Labeller::push`].
    pub(super) fn decision(&self, beat: usize) -> Result<Decision, LabelError> {
        let logits = self.outputs.logits().get(beat).copied().unwrap_or_default();
        Ok(Decision::from_logits(&logits, self.temperature)?)
    }

    pub(super) fn engine(&self) -> &str {
        self.classifier.engine()
    }

    pub(super) fn notice(&mut self) -> Option<EngineNotice> {
        self.classifier.notice()
    }

    pub(super) fn report(&self) -> Option<EngineReport> {
        self.classifier.report()
    }

    pub(super) fn lose_device(&mut self) {
        self.classifier.lose_device();
    }
}
