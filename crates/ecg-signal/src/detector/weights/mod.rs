//! The fitted weights the detector can be run with.

#[rustfmt::skip]
#[allow(clippy::approx_constant, clippy::unreadable_literal, reason = "fitted, whatever they look like")]
mod ds1;
#[rustfmt::skip]
#[allow(clippy::approx_constant, clippy::unreadable_literal, reason = "fitted, whatever they look like")]
mod shipped;

use std::sync::Arc;

use super::network::Network;

/// Which records the detector's weights were fitted on.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum DetectorWeights {
    /// All 48 records of the MIT-BIH Arrhythmia Database.
    #[default]
    Shipped,
    /// The 22 records of DS1 (de Chazal 2004): for figures on DS2 in which DS2 had no part.
    Ds1,
    /// Others, for fitting and for figures on records left out.
    #[cfg_attr(feature = "clap", value(skip))]
    Fitted(Arc<Network>),
}

impl DetectorWeights {
    pub(super) fn network(&self) -> &Network {
        match self {
            Self::Shipped => &shipped::NETWORK,
            Self::Ds1 => &ds1::NETWORK,
            Self::Fitted(network) => network,
        }
    }
}
