//! What an explanation is.

use super::upsample::upsample;
use crate::{BeatClass, CLASS_COUNT};

/// How a beat is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Method {
    /// Grad-CAM over the last feature maps.
    #[cfg_attr(feature = "clap", value(name = "gradcam"))]
    GradCam,
    /// Grad-CAM over an earlier, finer layer.
    #[cfg_attr(feature = "clap", value(name = "gradcam-fine"))]
    GradCamFine,
    /// SHAP values against 32 real beats.
    ///
    /// Those beats are the background of `DeepSHAP`.
    Shap,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 3] = [Self::GradCam, Self::GradCamFine, Self::Shap];

    /// The name used in JSON, in the store and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GradCam => "gradcam",
            Self::GradCamFine => "gradcam-fine",
            Self::Shap => "shap",
        }
    }

    /// The method of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// Why one beat's logit of one class is what it is. Positive values speak for the class, negative ones
/// against it; all are in units of the logit.
#[derive(Debug, Clone, PartialEq)]
pub struct SaliencyMap {
    /// How it was made.
    pub method: Method,
    /// The class explained.
    pub class: BeatClass,
    /// Values along time of each waveform channel the method tells apart: Grad-CAM has one row of its
    /// layer's time steps, SHAP a row of samples for the window and, where the network reads one, for
    /// what differs from the usual beat.
    pub channels: Vec<Vec<f32>>,
    /// Values of the added inputs (the rhythm); empty where there are none or the method has none.
    pub context: Vec<f32>,
    /// The logit.
    pub logit: f32,
    /// What the values count from: the bias, or the logit's mean over the background.
    pub base: f32,
    /// Samples of the window.
    pub samples: usize,
}

impl SaliencyMap {
    /// Memory of its values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let values: usize = self.channels.iter().map(Vec::capacity).sum();
        (values + self.context.capacity()) * size_of::<f32>()
    }

    /// One value a sample of the window, channels summed, in units of the logit per time step of the
    /// layer.
    #[must_use]
    pub fn waveform(&self) -> Vec<f32> {
        let mut sum = vec![0.0; self.samples];
        for channel in &self.channels {
            for (sum, value) in sum.iter_mut().zip(upsample(channel, self.samples)) {
                *sum += value;
            }
        }
        sum
    }

    /// How far the values are from summing to `logit - base`, in units of their range: the sum of
    /// their sizes, or of the logit's distance from the base where that is larger. `None` for a method
    /// that only holds to first order.
    #[must_use]
    pub fn incompleteness(&self) -> Option<f32> {
        if self.method == Method::GradCamFine {
            return None;
        }
        let values = || self.channels.iter().flatten().chain(&self.context);
        let sum: f32 = values().sum();
        let range: f32 = values().map(|value| value.abs()).sum();
        let difference = self.logit - self.base;
        let range = range.max(difference.abs()).max(f32::MIN_POSITIVE);
        Some((sum - difference).abs() / range)
    }
}

/// The weights that pick one class's logit.
pub(super) fn one_hot(class: BeatClass) -> [f32; CLASS_COUNT] {
    let mut weights = [0.0; CLASS_COUNT];
    weights[class.index()] = 1.0;
    weights
}
