//! Why a network decided as it did: Grad-CAM and SHAP, and how far they can be trusted.
//!
//! - **Grad-CAM** (Selvaraju et al. 2017) over the last feature maps. Behind them the networks have
//!   only a mean over time and a dense layer, so the gradient is the dense layer's weights and the map
//!   is exact: its values sum to the class's logit less its bias.
//! - **Grad-CAM, fine**: activation times gradient, summed over the channels (HiResCAM, Draelos and
//!   Carin 2020), at the deepest layer with at least [`FINE_TIME`] time steps.
//! - **SHAP**: `DeepSHAP` (Lundberg and Lee 2017) against 32 real beats ([`background()`]): what each
//!   input value adds to the logit, compared with the usual. Attributions sum to the logit less its
//!   mean over the background.

mod background;
mod error;
mod explainer;
mod faithful;
mod global;
mod map;
mod policy;
mod random;
mod shares;
#[cfg(test)]
mod tests;
mod upsample;

pub use background::{BACKGROUND_BEATS, background};
pub use error::ExplainError;
pub use explainer::{Explainer, FINE_TIME};
pub use faithful::{Curves, DELETION_STEPS, Faithfulness, correlation, deletion_order};
pub use global::GlobalMap;
pub use map::{Method, SaliencyMap};
pub use policy::{ExplainPolicy, ExplainWhich};
pub use random::{with_noise, with_random_weights};
pub use shares::WaveShares;
