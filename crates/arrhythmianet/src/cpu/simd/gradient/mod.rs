//! The backward pass of a network: gradients of logits with respect to the input, and the
//! multipliers of DeepLIFT's rescale rule (Shrikumar et al. 2017), which DeepSHAP averages over a
//! background (Lundberg and Lee 2017).
//!
//! Both run the transposed convolutions with the kernels of the forward pass. They differ in what a
//! ReLU passes on: the gradient its slope at the beat, the rescale rule the slope of the line from
//! the background beat's value to this beat's, so that attributions sum exactly to the difference of
//! the logits.

mod back;
mod background;
mod relu;
mod stage;
mod stem;
mod transposed;

use std::sync::Arc;

use self::back::Back;
use self::background::{Background, TOGETHER};
use self::stage::{ForwardValues, Stage};
use super::instruction_set::{CpuIsa, on_isa};
use super::isa::{Isa, scalars};
use crate::CLASS_COUNT;
use crate::classifier::ClassifyError;
use crate::description::{Layer, Op};
use crate::model::Model;

/// Computes gradients and attributions of one network on one core with the processor's vector
/// instructions. Allocates when it is made and when the background changes, never per beat.
pub struct CpuGradient {
    model: Arc<Model>,
    run: Box<dyn Run>,
}

impl std::fmt::Debug for CpuGradient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CpuGradient")
            .field("model", &self.model.description().name)
            .finish_non_exhaustive()
    }
}

impl CpuGradient {
    /// Prepares `model` with the fastest instruction set of this processor.
    #[must_use]
    pub fn new(model: Arc<Model>) -> Self {
        Self::with_isa(model, CpuIsa::best()).expect("the best instruction set is an available one")
    }

    /// As [`CpuGradient::new`] with a chosen instruction set; `None` where this processor lacks it.
    #[must_use]
    pub fn with_isa(model: Arc<Model>, isa: CpuIsa) -> Option<Self> {
        let run = on_isa!(isa, isa => Box::new(Runner::new(isa, &model)) as Box<dyn Run>)?;
        Some(Self { model, run })
    }

    /// The network.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The gradient of `sum(logit_weights[k] * logit[k])` with respect to every value of `input`, one beat
    /// laid out as [`crate::Classifier::classify`] takes it; `gradient` is as long. Returns the logits.
    ///
    /// # Errors
    /// [`ClassifyError::InputLength`] where either slice is not one beat long.
    pub fn gradient(
        &mut self,
        input: &[f32],
        logit_weights: &[f32; CLASS_COUNT],
        gradient: &mut [f32],
    ) -> Result<[f32; CLASS_COUNT], ClassifyError> {
        self.check(input.len())?;
        self.check(gradient.len())?;
        let logits = self.run.forward(input);
        self.run.gradient(logit_weights, gradient);
        Ok(logits)
    }

    /// Beats to compare with from here on, one after the other; replaces those before.
    ///
    /// # Errors
    /// [`ClassifyError::InputLength`] where `beats` is not a whole number of beats, at least one.
    pub fn set_background(&mut self, beats: &[f32]) -> Result<(), ClassifyError> {
        let beat = self.model.description().input.len();
        if beats.is_empty() || !beats.len().is_multiple_of(beat) {
            return Err(ClassifyError::InputLength {
                found: beats.len(),
                window: beat,
            });
        }
        self.run.set_background(beats);
        Ok(())
    }

    /// Beats of the background.
    #[must_use]
    pub fn background_len(&self) -> usize {
        self.run.background_logits().len()
    }

    /// Logits of each beat of the background.
    #[must_use]
    pub fn background_logits(&self) -> &[[f32; CLASS_COUNT]] {
        self.run.background_logits()
    }

    /// DeepSHAP: what each value of `input` adds to `sum(logit_weights[k] * logit[k])`, compared with the
    /// background. The attributions sum to that value minus its mean over the background, to a
    /// thousandth of the sum of their sizes. Returns the logits.
    ///
    /// # Errors
    /// [`ClassifyError::InputLength`] where either slice is not one beat long, or there is no
    /// background.
    pub fn attributions(
        &mut self,
        input: &[f32],
        logit_weights: &[f32; CLASS_COUNT],
        attributions: &mut [f32],
    ) -> Result<[f32; CLASS_COUNT], ClassifyError> {
        self.check(input.len())?;
        self.check(attributions.len())?;
        if self.background_len() == 0 {
            self.check(0)?;
        }
        let logits = self.run.forward(input);
        self.run.attributions(input, logit_weights, attributions);
        Ok(logits)
    }

    /// What each time step of the output of layer `layer` adds to `sum(logit_weights[k] * logit[k])` to first
    /// order: activation times gradient, summed over the channels; `map` has the layer's
    /// [`crate::Shape::time`] values. Returns the logits.
    ///
    /// # Errors
    /// [`ClassifyError::InputLength`] where `input` is not one beat long or `map` not the layer's
    /// time, which is 0 of a layer without parts and of one that is not there.
    pub fn layer_map(
        &mut self,
        input: &[f32],
        logit_weights: &[f32; CLASS_COUNT],
        layer: usize,
        map: &mut [f32],
    ) -> Result<[f32; CLASS_COUNT], ClassifyError> {
        self.check(input.len())?;
        let layers = &self.model.description().layers;
        let parts = |layer: &Layer| layer.parts.len();
        let time = layers
            .get(layer)
            .filter(|layer| parts(layer) > 0 && !matches!(layer.op, Op::Dense { .. }))
            .map_or(0, |layer| layer.output.time);
        if time == 0 || map.len() != time {
            return Err(ClassifyError::InputLength {
                found: map.len(),
                window: time,
            });
        }
        let part = layers[..=layer].iter().map(parts).sum::<usize>() - 1;
        let logits = self.run.forward(input);
        self.run.layer_map(logit_weights, part, map);
        Ok(logits)
    }

    fn check(&self, found: usize) -> Result<(), ClassifyError> {
        let window = self.model.description().input.len();
        if found == window {
            Ok(())
        } else {
            Err(ClassifyError::InputLength { found, window })
        }
    }
}

/// A value for each class.
type PerClass = [f32; CLASS_COUNT];

/// A network and its buffers, whatever the instruction set. What is asked for is asked of the beat that went
/// forward last.
trait Run: Send {
    /// Runs a beat forward; its logits.
    fn forward(&mut self, input: &[f32]) -> PerClass;

    fn gradient(&mut self, logit_weights: &PerClass, gradient: &mut [f32]);

    fn set_background(&mut self, beats: &[f32]);

    fn background_logits(&self) -> &[PerClass];

    fn attributions(&mut self, input: &[f32], logit_weights: &PerClass, attributions: &mut [f32]);

    fn layer_map(&mut self, logit_weights: &PerClass, part: usize, map: &mut [f32]);
}

struct Runner<I: Isa> {
    isa: I,
    stages: Vec<Stage<I>>,
    back: Back<I>,
    /// The beat's values before each ReLU.
    beat: ForwardValues<I>,
    background: Background<I>,
    /// Multipliers of [`TOGETHER`] beats of the background.
    multipliers: Vec<f32>,
}

impl<I: Isa> Runner<I> {
    fn new(isa: I, model: &Model) -> Self {
        let stages = stage::stages(isa, model);
        Self {
            isa,
            back: Back::new(isa, model),
            beat: ForwardValues::new(isa, model, &stages),
            stages,
            background: Background::empty(),
            multipliers: vec![0.0; TOGETHER * model.description().input.len()],
        }
    }
}

impl<I: Isa> Run for Runner<I> {
    fn forward(&mut self, input: &[f32]) -> PerClass {
        self.beat.forward(self.isa, &self.stages, input)
    }

    fn gradient(&mut self, logit_weights: &PerClass, gradient: &mut [f32]) {
        self.back.start(logit_weights);
        self.back.run(self.isa, &self.beat, None, None, gradient);
    }

    fn set_background(&mut self, beats: &[f32]) {
        let (isa, kept, stages) = (self.isa, &self.beat, &self.stages);
        let beat_len = self.multipliers.len() / TOGETHER;
        self.background = Background::new(isa, beats, beat_len, &self.back.relus(), |beat| {
            let mut kept = kept.clone();
            (kept.forward(isa, stages, beat), kept)
        });
    }

    fn background_logits(&self) -> &[PerClass] {
        &self.background.logits
    }

    fn attributions(&mut self, input: &[f32], logit_weights: &PerClass, attributions: &mut [f32]) {
        self.back
            .start_comparing(self.isa, &self.beat, logit_weights);
        attributions.fill(0.0);
        let share = 1.0 / self.background.logits.len() as f32;
        for group in self.background.groups() {
            let multipliers = &mut self.multipliers[..group.beats * input.len()];
            self.back
                .run(self.isa, &self.beat, Some(group), None, multipliers);
            let references = group.inputs.chunks_exact(input.len());
            for (multipliers, reference) in multipliers.chunks_exact(input.len()).zip(references) {
                for (((sum, multiplier), value), reference) in attributions
                    .iter_mut()
                    .zip(multipliers)
                    .zip(input)
                    .zip(reference)
                {
                    *sum += share * multiplier * (value - reference);
                }
            }
        }
    }

    fn layer_map(&mut self, logit_weights: &PerClass, part: usize, map: &mut [f32]) {
        let slopes = self
            .back
            .gradient_at(self.isa, &self.beat, logit_weights, part);
        let activation = self.beat.activation(part, &self.stages);
        let row = activation.len() / map.len() * I::LANES;
        let rows = scalars::<I>(activation)
            .chunks_exact(row)
            .zip(scalars::<I>(slopes).chunks_exact(row));
        for (value, (activation, slopes)) in map.iter_mut().zip(rows) {
            *value = activation.iter().zip(slopes).map(|(a, g)| a * g).sum();
        }
    }
}

#[cfg(test)]
mod tests;
