//! Makes the maps of one network.

use std::sync::Arc;

use super::background::background;
use super::error::ExplainError;
use super::map::{Method, SaliencyMap, one_hot};
use crate::{BeatClass, ClassifyError, CpuGradient, Model, NetworkDescription, Op};

/// Fewest time steps of the layer that the fine Grad-CAM reads: one at least every 32 ms.
/// The deepest layer that still tells the waves of a beat apart: of those layers its maps are on average
/// the most faithful (`tools/lab/src/bin/layers.rs`, models/README.md).
pub const FINE_TIME: usize = 32;

/// Explains beats of one network. The backward pass is made ready by the first beat that needs it.
#[derive(Debug)]
pub struct Explainer {
    model: Arc<Model>,
    gradient: Option<CpuGradient>,
    /// Whether the gradient has its background.
    compared: bool,
}

impl Explainer {
    /// For beats of `model`; those of an int8 variant are explained by the float32 weights it was
    /// rounded from.
    #[must_use]
    pub const fn new(model: Arc<Model>) -> Self {
        Self {
            model,
            gradient: None,
            compared: false,
        }
    }

    /// The network.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Whether `method` works with this network.
    ///
    /// # Errors
    /// [`ExplainError::Layer`].
    pub fn require(&self, method: Method) -> Result<(), ExplainError> {
        let network = self.model.description();
        let refuse = |found: String, expected: &str| {
            Err(ExplainError::Layer {
                method: method.name(),
                model: network.name.clone(),
                found,
                expected: expected.to_owned(),
            })
        };
        match method {
            Method::GradCam if self.model.dense().0.is_empty() => {
                refuse("no dense layer".to_owned(), "one behind the pooling")
            }
            Method::GradCamFine if fine_layer(network).is_none() => refuse(
                format!("no layer of {FINE_TIME} time steps or more"),
                "one that is finer than its last",
            ),
            Method::Shap if background(network.input.len()).is_none() => refuse(
                format!("{} input values", network.input.len()),
                "128 or 272, of which there is a background",
            ),
            _ => Ok(()),
        }
    }

    /// Grad-CAM of `class` from the last feature maps `[channels][time]` of a beat, as
    /// [`crate::Outputs::feature_maps`] gives them.
    ///
    /// # Errors
    /// [`ExplainError::Input`] where the maps are not this network's.
    pub fn grad_cam(
        &self,
        feature_maps: &[f32],
        class: BeatClass,
    ) -> Result<SaliencyMap, ExplainError> {
        let network = self.model.description();
        let shape = network.feature_maps();
        if feature_maps.len() != shape.len() || shape.is_empty() {
            return Err(ExplainError::Input(ClassifyError::InputLength {
                found: feature_maps.len(),
                window: shape.len(),
            }));
        }
        let (dense, bias) = self.model.dense();
        let weights = dense.chunks_exact(shape.channels).nth(class.index());
        let mut nodes = vec![0.0; shape.time];
        for (weight, row) in weights
            .unwrap_or_default()
            .iter()
            .zip(feature_maps.chunks_exact(shape.time))
        {
            for (node, value) in nodes.iter_mut().zip(row) {
                *node += weight * value;
            }
        }
        for node in &mut nodes {
            *node /= shape.time as f32;
        }
        let base = bias.get(class.index()).copied().unwrap_or_default();
        Ok(SaliencyMap {
            method: Method::GradCam,
            class,
            logit: base + nodes.iter().sum::<f32>(),
            channels: vec![nodes],
            context: Vec::new(),
            base,
            samples: network.input.samples,
        })
    }

    /// The map of one beat's `input`, laid out as [`crate::Classifier::classify`] takes it.
    ///
    /// # Errors
    /// [`ExplainError`].
    pub fn explain(
        &mut self,
        method: Method,
        input: &[f32],
        class: BeatClass,
    ) -> Result<SaliencyMap, ExplainError> {
        self.require(method)?;
        let network = self.model.description();
        match method {
            Method::GradCam => {
                let pool = network.layers.iter().position(|layer| layer.op == Op::Pool);
                self.by_layer(
                    method,
                    pool.unwrap_or_default().saturating_sub(1),
                    input,
                    class,
                )
            }
            Method::GradCamFine => {
                let layer = fine_layer(network).unwrap_or_default();
                self.by_layer(method, layer, input, class)
            }
            Method::Shap => self.shap(input, class),
        }
    }

    /// Activation times gradient at the output of layer `layer`, for comparing layers.
    ///
    /// # Errors
    /// [`ExplainError::Input`] also for a layer without time.
    pub fn by_layer(
        &mut self,
        method: Method,
        layer: usize,
        input: &[f32],
        class: BeatClass,
    ) -> Result<SaliencyMap, ExplainError> {
        let network = self.model.description();
        let samples = network.input.samples;
        let time = network
            .layers
            .get(layer)
            .map_or(0, |layer| layer.output.time);
        let (_, bias) = self.model.dense();
        let base = bias.get(class.index()).copied().unwrap_or_default();
        let mut nodes = vec![0.0; time];
        let gradient = self.gradient();
        let logits = gradient.layer_map(input, &one_hot(class), layer, &mut nodes)?;
        Ok(SaliencyMap {
            method,
            class,
            channels: vec![nodes],
            context: Vec::new(),
            logit: logits[class.index()],
            base,
            samples,
        })
    }

    fn shap(&mut self, input: &[f32], class: BeatClass) -> Result<SaliencyMap, ExplainError> {
        let len = self.model.description().input.len();
        if !self.compared {
            let beats = background(len).unwrap_or_default();
            self.gradient().set_background(&beats)?;
            self.compared = true;
        }
        let mut values = vec![0.0; input.len()];
        let gradient = self.gradient();
        let logits = gradient.attributions(input, &one_hot(class), &mut values)?;
        let background = gradient.background_logits();
        let sum: f32 = background.iter().map(|logits| logits[class.index()]).sum();
        let base = sum / background.len().max(1) as f32;
        let network = self.model.description();
        let context = values.split_off(network.input.waveform().len());
        Ok(SaliencyMap {
            method: Method::Shap,
            class,
            channels: values
                .chunks_exact(network.input.samples)
                .map(<[f32]>::to_vec)
                .collect(),
            context,
            logit: logits[class.index()],
            base,
            samples: network.input.samples,
        })
    }

    fn gradient(&mut self) -> &mut CpuGradient {
        self.gradient
            .get_or_insert_with(|| CpuGradient::new(Arc::clone(&self.model)))
    }
}

/// The deepest layer with [`FINE_TIME`] time steps or more, where that is not the last.
fn fine_layer(network: &NetworkDescription) -> Option<usize> {
    let last = network.feature_maps().time;
    network
        .layers
        .iter()
        .rposition(|layer| !layer.parts.is_empty() && layer.output.time >= FINE_TIME)
        .filter(|_| last < FINE_TIME)
}
