//! What is known about the trustworthiness of a stretch of signal.

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

/// Signal quality of one channel, ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum SignalQuality {
    /// Nothing found against it.
    #[default]
    Good,
    /// Strong high-frequency or baseline noise around the QRS complexes.
    Noisy,
    /// The input reached the limits of the converter.
    Clipped,
    /// No activity above the converter's own noise.
    Flat,
    /// The front-end reports an electrode off.
    LeadOff,
}

impl SignalQuality {
    /// All qualities, best first.
    pub const ALL: [Self; 5] = [
        Self::Good,
        Self::Noisy,
        Self::Clipped,
        Self::Flat,
        Self::LeadOff,
    ];

    /// Whether anything can be read from the signal at all.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        !matches!(self, Self::Flat | Self::LeadOff)
    }

    /// The name used in JSON and in the store, e.g. `lead_off`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Noisy => "noisy",
            Self::Clipped => "clipped",
            Self::Flat => "flat",
            Self::LeadOff => "lead_off",
        }
    }
}
