//! ArrhythmiNet V1 and V2: small convolutional networks that classify single heartbeats, with engines
//! written for them, and with explanations. The weights are built in ([`builtin_models`]).
//!
//! # Classify one beat and explain it
//!
//! ```
//! use std::sync::Arc;
//!
//! use arrhythmianet::explain::Explainer;
//! use arrhythmianet::{BeatInput, Decision, Model, Outputs, best_cpu_engine};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = Arc::new(Model::load("v1")?);
//! let network = model.description();
//!
//! // One beat in microvolts: 128 samples at 125 Hz, the R peak where the network expects it.
//! let window_uv: Vec<f32> = (0..network.input.samples)
//!     .map(|sample| {
//!         let from_r_peak = sample as f32 - network.input.r_index as f32;
//!         1200.0 * (-from_r_peak.powi(2) / 8.0).exp()
//!     })
//!     .collect();
//! let beat = BeatInput {
//!     window_uv: &window_uv,
//!     template_uv: None, // V1 reads neither the patient's usual beat
//!     context: &[],      // nor the rhythm; `v1-context` reads both
//! };
//! let mut input = vec![0.0; network.input.len()];
//! network.fill_input(&beat, &mut input)?;
//!
//! let mut engine = best_cpu_engine(Arc::clone(&model), 1);
//! let mut outputs = Outputs::new(network, 1);
//! engine.classify(&input, &mut outputs)?;
//! let decision = Decision::from_logits(&outputs.logits()[0], network.temperature)?;
//! println!("{} {:?}", decision.class.symbol(), decision.probabilities);
//!
//! let feature_maps = outputs.feature_maps(0).ok_or("no feature maps")?;
//! let map = Explainer::new(Arc::clone(&model)).grad_cam(feature_maps, decision.class)?;
//! // One value per sample of the window: how much it speaks for the class, in logits.
//! assert_eq!(map.waveform().len(), window_uv.len());
//! # Ok(())
//! # }
//! ```
//!
//! # Units and shapes
//!
//! | what | unit | shape |
//! | --- | --- | --- |
//! | a window and a template ([`BeatInput`]) | µV | `[samples]`, 128 at 125 Hz in the built-in networks |
//! | what an engine reads ([`Classifier::classify`]) | normalised, no unit | `[batch][input]`: channels times samples, then the context |
//! | logits ([`Outputs::logits`]) | none | `[batch][5]` in the order N, L, R, A, V |
//! | feature maps ([`Outputs::feature_maps`]) | none | `[channels][time]` of one beat |
//! | probabilities ([`Decision`]) | 0 to 1 | `[5]`, calibrated by the model's temperature |
//!
//! All arrays are row-major `f32`.
//!
//! # Which engine
//!
//! [`best_cpu_engine`] is the fastest on this processor (AVX-512, AVX2, NEON or portable code);
//! [`CpuReference`] gives the same bits on every machine. With the feature `gpu` there is a GPU engine,
//! and [`choose::Engines`] takes the faster of both after a self-test, falling back to the CPU when the
//! device is lost.
//!
//! # Features
//!
//! None is on by default.
//! - `gpu`: the engine on GPUs, by `wgpu` on Vulkan and OpenGL ES.
//! - `serde`: serialisation of the classes.
//! - `clap`: what can be chosen as values of a command line (`clap::ValueEnum`).
//!
//! This is an engineering and research library, not a certified medical device.

mod builtin;
pub mod choose;
mod class;
mod classifier;
mod cpu;
mod description;
mod error;
pub mod explain;
#[cfg(feature = "gpu")]
pub mod gpu;
mod input;
mod model;
mod outcome;
#[cfg(test)]
pub(crate) mod parity_support;
mod random;
mod reach;
#[cfg(any(test, feature = "test-support"))]
#[doc(hidden)]
pub mod test_support;
mod weights;
#[cfg(test)]
mod weights_tests;

pub use builtin::{DEFAULT_MODEL, builtin_models};
pub use class::{AamiClass, BeatClass, CLASS_COUNT};
pub use classifier::{Classifier, ClassifyError, Outputs, OutputsMut, Wanted};
pub use cpu::{CpuGradient, CpuIsa, CpuReference, CpuSimd, best_cpu_engine};
pub use description::{
    ActivationRange, InputDescription, Layer, MAX_PARAMETERS, METADATA_KEY, NetworkDescription, Op,
    Part, PartKind, Shape, V1_MAX_PARAMETERS, V2_MAX_PARAMETERS,
};
pub use error::ModelError;
pub use input::{BeatInput, Decision, InputError, Normalisation};
pub use model::{Model, PartWeights};
pub use outcome::{Limits, Novelty, Rejection, Unclassifiable};
pub use random::SplitMix64;
pub(crate) use weights::half_precision;
