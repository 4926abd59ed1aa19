//! From codes to microvolts.

use super::registers::{Gain, ReferenceSource};

/// Largest code: positive full scale.
pub const CODE_MAX: i32 = 0x7F_FFFF;
/// Smallest code: negative full scale.
pub const CODE_MIN: i32 = -0x80_0000;

/// The reference voltage and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reference {
    /// Internal, 2.42 V.
    #[default]
    Internal2V42,
    /// Internal, 4.033 V; only with a 5 V analog supply (SBAS502C, section 8.3.6 "Reference").
    Internal4V033,
    /// Fed to VREFP from outside, the internal buffer powered down.
    External {
        /// VREFP - VREFN in microvolts, as the board makes it.
        microvolts: u32,
    },
}

impl Reference {
    /// The voltage in microvolts.
    #[must_use]
    pub const fn microvolts(self) -> u32 {
        match self {
            Self::Internal2V42 => 2_420_000,
            Self::Internal4V033 => 4_033_000,
            Self::External { microvolts } => microvolts,
        }
    }

    /// What CONFIG2 says of it.
    #[must_use]
    pub const fn source(self) -> ReferenceSource {
        match self {
            Self::Internal2V42 => ReferenceSource::Internal2V42,
            Self::Internal4V033 => ReferenceSource::Internal4V033,
            Self::External { .. } => ReferenceSource::External,
        }
    }
}

/// Input-referred microvolts per code: VREF / gain / (2^23 - 1) (SBAS502C, section 8.3.8 "Data
/// Format").
#[must_use]
pub fn uv_per_code(gain: Gain, reference: Reference) -> f64 {
    f64::from(reference.microvolts()) / f64::from(gain.factor()) / f64::from(CODE_MAX)
}

/// The converter's limit on both sides of zero, microvolts, at this scale ([`uv_per_code`]).
#[must_use]
pub fn full_scale_uv(uv_per_code: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "a few volts at most")]
    let limit_uv = (f64::from(CODE_MAX) * uv_per_code) as f32;
    limit_uv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_is_vref_over_gain() {
        for gain in Gain::ALL {
            for (reference, volts) in [
                (Reference::Internal2V42, 2.42),
                (Reference::Internal4V033, 4.033),
                (
                    Reference::External {
                        microvolts: 3_000_000,
                    },
                    3.0,
                ),
            ] {
                let full_scale_uv = uv_per_code(gain, reference) * f64::from(CODE_MAX);
                let expected_uv = volts * 1e6 / f64::from(gain.factor());
                assert!(
                    (full_scale_uv - expected_uv).abs() < 1e-3,
                    "{gain:?} {reference:?}: {full_scale_uv} µV"
                );
            }
        }
        // One code at the ECG default, gain 6 and 2.42 V.
        assert!((uv_per_code(Gain::X6, Reference::Internal2V42) - 0.048_081).abs() < 1e-6);
    }
}
