//! Where the P wave, the QRS complex and the T wave of a beat begin and end.
//!
//! A light delineation of one beat's window, whatever lead it is from and whatever class the beat has:
//! the QRS complex by slope around the known R peak, P and T wave as bumps that stand out of the noise
//! and out of the baseline beside them. A wave that is not there, or that cannot be told from what is
//! around it, is absent: most V beats have no P wave, an A beat's is often hidden in the T wave before,
//! and atrial fibrillation has none.

mod bump;
mod qrs;
mod trace;
mod wave;

use std::ops::Range;

pub use self::wave::Wave;

use self::trace::Trace;
use super::{MODEL_RATE_HZ, R_INDEX, WINDOW_SAMPLES};

/// The waves of a beat; `None` for a wave that is not there or cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Waves {
    /// P wave.
    pub p: Option<Wave>,
    /// QRS complex.
    pub qrs: Option<Wave>,
    /// T wave.
    pub t: Option<Wave>,
}

impl Waves {
    /// Looks for the waves in a beat's window, conditioned signal in µV as
    /// [`super::CutBeat::window_uv`]; `rr_s` is the RR interval ending in this beat, seconds, where
    /// known: what lies within the T wave of the beat before is no P wave.
    #[must_use]
    pub fn find(window_uv: &[f32; WINDOW_SAMPLES], rr_s: Option<f32>) -> Self {
        let trace = Trace::new(window_uv);
        let Some(qrs) = qrs::find(&trace) else {
            return Self::default();
        };
        Self {
            p: bump::p_wave(&trace, &qrs, rr_s),
            qrs: Some(Wave {
                onset_ms: trace::to_ms(qrs.onset),
                peak_ms: 0.0,
                end_ms: Some(trace::to_ms(qrs.end)),
            }),
            t: bump::t_wave(&trace, &qrs, rr_s),
        }
    }

    /// P wave, QRS complex, and all from its end to the end of the T wave (ST segment and T wave), as
    /// ranges of samples of the window. A T wave whose end is not seen reaches to the window's end.
    #[must_use]
    pub fn ranges(&self) -> [Option<Range<f32>>; 3] {
        let range = |onset_ms: f32, wave: &Wave| {
            let end = wave.end_ms.map_or(WINDOW_SAMPLES as f32, to_sample);
            to_sample(onset_ms)..end
        };
        let qrs_end = self.qrs.and_then(|qrs| qrs.end_ms);
        [
            self.p.map(|p| range(p.onset_ms, &p)),
            self.qrs.map(|qrs| range(qrs.onset_ms, &qrs)),
            self.t.map(|t| range(qrs_end.unwrap_or(t.onset_ms), &t)),
        ]
    }
}

/// From milliseconds after the R peak to a sample of the window.
fn to_sample(ms: f32) -> f32 {
    R_INDEX as f32 + ms * MODEL_RATE_HZ as f32 / 1e3
}

#[cfg(test)]
mod tests;
