//! Which beats get a map as they come.

use super::map::Method;
use crate::{BeatClass, Unclassifiable};

/// Which beats get a map as they come; any stored beat can be explained later on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum ExplainWhich {
    /// None as they come; any stored beat later.
    #[default]
    OnRequest,
    /// Every beat.
    All,
    /// Those not called N, and unclassifiable ones.
    Abnormal,
    /// Those of a class less probable than [`ExplainPolicy::low_confidence`], and unclassifiable ones.
    #[cfg_attr(
        feature = "clap",
        value(
            help = "Those of a class less probable than 0.8 (or what the configuration says), and \
                      unclassifiable ones"
        )
    )]
    LowConfidence,
}

/// The policy of a session.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ExplainPolicy {
    /// Which beats.
    pub which: ExplainWhich,
    /// How.
    pub method: Method,
    /// Below which probability of its class a beat is of low confidence, 0 to 1.
    pub low_confidence: f64,
}

impl ExplainPolicy {
    /// Grad-CAM maps for these beats; of low confidence are those less probable than 0.8.
    #[must_use]
    pub const fn new(which: ExplainWhich) -> Self {
        Self {
            which,
            method: Method::GradCam,
            low_confidence: 0.8,
        }
    }

    /// With another [`ExplainPolicy::method`].
    #[must_use]
    pub const fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// With another [`ExplainPolicy::low_confidence`].
    #[must_use]
    pub const fn low_confidence(mut self, below: f64) -> Self {
        self.low_confidence = below;
        self
    }

    /// Whether a beat gets a map.
    #[must_use]
    pub fn wants(
        &self,
        class: BeatClass,
        probability: f32,
        unclassifiable: Option<Unclassifiable>,
    ) -> bool {
        match self.which {
            ExplainWhich::OnRequest => false,
            ExplainWhich::All => true,
            ExplainWhich::Abnormal => class != BeatClass::N || unclassifiable.is_some(),
            ExplainWhich::LowConfidence => {
                f64::from(probability) < self.low_confidence || unclassifiable.is_some()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_takes_its_beats() {
        let beats = [
            (BeatClass::N, 0.99, None),
            (BeatClass::N, 0.6, None),
            (BeatClass::V, 0.99, None),
            (BeatClass::N, 0.99, Some(Unclassifiable::OutOfClass)),
        ];
        for (which, expected) in [
            (ExplainWhich::OnRequest, [false; 4]),
            (ExplainWhich::All, [true; 4]),
            (ExplainWhich::Abnormal, [false, false, true, true]),
            (ExplainWhich::LowConfidence, [false, true, false, true]),
        ] {
            let policy = ExplainPolicy::new(which);
            let found = beats.map(|(class, p, why)| policy.wants(class, p, why));
            assert_eq!(found, expected, "{which:?}");
        }
    }
}
