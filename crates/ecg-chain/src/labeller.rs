//! Beats through a network: normalise, gather a batch, classify it, decide.

use std::sync::Arc;

use arrhythmianet::choose::SessionEngine;
use arrhythmianet::explain::{
    ExplainError, ExplainPolicy, ExplainWhich, Explainer, Method, SaliencyMap,
};
use arrhythmianet::{
    BeatClass, BeatInput, Classifier, ClassifyError, Decision, InputError, Limits, Outputs,
    Rejection, Unclassifiable, Wanted,
};
use ecg_signal::CutBeat;

/// Why a beat got no label.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// The engine failed or was called wrongly.
    #[error(transparent)]
    Classify(#[from] ClassifyError),
    /// The window or the logits hold values that are no numbers.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The beat has its label, but no explanation of it could be computed.
    #[error(transparent)]
    Explain(#[from] ExplainError),
}

/// What a network reads of a beat.
#[must_use]
pub fn network_input(cut: &CutBeat) -> BeatInput<'_> {
    BeatInput {
        window_uv: &cut.window_uv,
        template_uv: cut.template_uv.as_ref().map(<[f32; _]>::as_slice),
        context: &cut.rr.context,
    }
}

/// An engine with the buffers of its batch.
pub(super) struct Labeller {
    pub(super) classifier: SessionEngine,
    temperature: f64,
    limits: Limits,
    /// Values of one beat's input.
    window: usize,
    /// Room for a batch, of which the first `pending` beats are filled.
    input: Vec<f32>,
    pub(super) pending: usize,
    outputs: Outputs,
    /// Outputs of one beat that is classified again.
    single: Outputs,
    explainer: Option<Explainer>,
}

impl Labeller {
    pub(super) fn new(classifier: SessionEngine, rejection: Rejection) -> Self {
        let description = classifier.model().description();
        let window = description.input.len();
        let batch = classifier.max_batch();
        let limits = rejection.applied_to(description.limits);
        let wanted = match limits.novelty {
            Some(_) => Wanted::Pooled,
            None => Wanted::Logits,
        };
        Self {
            temperature: description.temperature,
            limits,
            window,
            input: vec![0.0; batch * window],
            pending: 0,
            outputs: Outputs::with_wanted(description, batch, wanted),
            single: Outputs::with_wanted(description, 1, wanted),
            classifier,
            explainer: None,
        }
    }

    /// Prepares the explanations that the policy asks for.
    pub(super) fn prepare_explanations(
        &mut self,
        policy: ExplainPolicy,
    ) -> Result<(), ExplainError> {
        if policy.which == ExplainWhich::OnRequest {
            return Ok(());
        }
        let explainer = Explainer::new(Arc::new(self.classifier.model().clone()));
        explainer.require(policy.method)?;
        if policy.method == Method::GradCam {
            let description = self.classifier.model().description();
            self.outputs = Outputs::with_wanted(description, self.capacity(), Wanted::Maps);
        }
        self.explainer = Some(explainer);
        Ok(())
    }

    /// Why a beat of the batch classified last is of `class`; `None` where no maps were prepared.
    pub(super) fn saliency_map(
        &mut self,
        beat: usize,
        method: Method,
        class: BeatClass,
    ) -> Result<Option<SaliencyMap>, ExplainError> {
        let Some(explainer) = &mut self.explainer else {
            return Ok(None);
        };
        let input = self.input.chunks_exact(self.window).nth(beat);
        match self.outputs.feature_maps(beat) {
            Some(maps) if method == Method::GradCam => explainer.grad_cam(maps, class),
            _ => explainer.explain(method, input.unwrap_or_default(), class),
        }
        .map(Some)
    }

    /// The input of a beat of the batch classified last.
    pub(super) fn input(&self, beat: usize) -> &[f32] {
        let mut beats = self.input.chunks_exact(self.window);
        beats.nth(beat).unwrap_or_default()
    }

    /// Adds a beat to the batch; there must be room ([`Labeller::is_full`]).
    pub(super) fn push(&mut self, cut: &CutBeat) -> Result<(), LabelError> {
        let room = self.input.chunks_exact_mut(self.window).nth(self.pending);
        let description = self.classifier.model().description();
        description.fill_input(&network_input(cut), room.unwrap_or_default())?;
        self.pending += 1;
        Ok(())
    }

    /// Whether no further beat has room.
    pub(super) fn is_full(&self) -> bool {
        self.pending >= self.capacity()
    }

    /// Most beats of a batch.
    pub(super) fn capacity(&self) -> usize {
        self.input.len() / self.window
    }

    /// Classifies the pending beats; afterwards [`Labeller::label`] has the decision on each.
    pub(super) fn classify(&mut self) -> Result<(), LabelError> {
        let beats = std::mem::take(&mut self.pending);
        let input = self.input.get(..beats * self.window).unwrap_or_default();
        Ok(self.classifier.classify(input, &mut self.outputs)?)
    }

    /// The decision on a beat of the batch classified last, in the order of [`Labeller::push`], and
    /// why the beat is unclassifiable, if it is. What rounding could decide the CPU decides,
    /// whichever engine classified.
    pub(super) fn label(
        &mut self,
        beat: usize,
        signal_usable: bool,
    ) -> Result<(Decision, Option<Unclassifiable>), LabelError> {
        let (mut decision, mut distance) = self.decide(&self.outputs, beat)?;
        if self.limits.is_close(&decision, distance) {
            let window = self.input.chunks_exact(self.window).nth(beat);
            let window = window.unwrap_or_default();
            if self.classifier.reconsider(window, &mut self.single)? {
                (decision, distance) = self.decide(&self.single, 0)?;
            }
        }
        let unclassifiable = self.limits.judge(&decision, distance, signal_usable);
        Ok((decision, unclassifiable))
    }

    /// The decision on a beat by an engine's outputs, and the distance from the classes.
    fn decide(
        &self,
        outputs: &Outputs,
        beat: usize,
    ) -> Result<(Decision, Option<f64>), LabelError> {
        let logits = outputs.logits().get(beat).copied().unwrap_or_default();
        let novelty = self.classifier.model().novelty();
        let distance = novelty
            .zip(outputs.pooled(beat))
            .map(|(novelty, pooled)| novelty.distance(pooled));
        Ok((Decision::from_logits(&logits, self.temperature)?, distance))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrhythmianet::best_cpu_engine;
    use arrhythmianet::test_support::{random_model, v1_json, with_context, with_novelty};
    use ecg_signal::{RrFeatures, SignalQuality};

    use super::*;

    fn cut() -> CutBeat {
        CutBeat {
            r_sample: 0,
            decided_at_sample: 0,
            channel: 0,
            window_uv: std::array::from_fn(|k| 500.0 * (k as f32 * 0.3).sin()),
            window_complete: true,
            readable: true,
            template_uv: None,
            rr: RrFeatures {
                rr_s: None,
                context: [0.5; 16],
            },
            quality: SignalQuality::Good,
        }
    }

    fn label(limit: f64, rejection: Rejection) -> (Decision, Option<Unclassifiable>) {
        let description = with_novelty(with_context(v1_json()), limit);
        let model = Arc::new(random_model(&description, 1));
        let mut labeller = Labeller::new(best_cpu_engine(model, 1).into(), rejection);
        labeller.push(&cut()).unwrap();
        labeller.classify().unwrap();
        labeller.label(0, true).unwrap()
    }

    #[test]
    fn beats_past_a_limit_are_unclassifiable_and_keep_their_class() {
        let own = |confidence, novelty| Rejection {
            confidence,
            novelty,
        };
        let (decision, fits) = label(1e9, Rejection::default());
        assert_eq!(fits, None);
        let probability = f64::from(decision.probabilities[decision.class.index()]);
        use Unclassifiable::{LowConfidence, OutOfClass};
        for (limit, rejection, expected) in [
            (0.0, Rejection::default(), Some(OutOfClass)),
            (0.0, own(None, false), None),
            (
                1e9,
                own(Some(probability + 1e-3), true),
                Some(LowConfidence),
            ),
            (1e9, own(Some(probability - 1e-3), true), None),
        ] {
            let (again, found) = label(limit, rejection);
            assert_eq!(found, expected, "{limit} {rejection:?}");
            assert_eq!(again, decision);
        }
    }
}
