//! A heart made of bell curves.

use ads1292::simulator::{SampleSource, SampleTime};

/// A regular sinus rhythm: P, Q, R, S and T as Gaussians, the second channel an inverted half of
/// the first. The first R peak comes half an RR interval after the first conversion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SyntheticEcg {
    /// Beats a minute.
    pub heart_rate_bpm: f64,
    /// Length in seconds; `None` never ends.
    pub duration_s: Option<f64>,
    start_ns: Option<u64>,
}

/// Offset from the R peak in seconds, width (standard deviation) in seconds, height in microvolts.
const WAVES: [(f64, f64, f64); 5] = [
    (-0.17, 0.025, 120.0),
    (-0.028, 0.009, -110.0),
    (0.0, 0.010, 1_100.0),
    (0.028, 0.010, -220.0),
    (0.24, 0.050, 280.0),
];

impl SyntheticEcg {
    /// A heart at this rate.
    #[must_use]
    pub fn new(heart_rate_bpm: f64, duration_s: Option<f64>) -> Self {
        Self {
            heart_rate_bpm,
            duration_s,
            start_ns: None,
        }
    }

    /// Microvolts on channel 1 this long after the start.
    #[must_use]
    pub fn uv_at(&self, time_s: f64) -> f64 {
        let rr_s = 60.0 / self.heart_rate_bpm;
        let from_r_s = (time_s - rr_s / 2.0).rem_euclid(rr_s);
        // The beat before and the beat to come.
        [from_r_s, from_r_s - rr_s]
            .into_iter()
            .flat_map(|offset_s| {
                WAVES.map(|(centre_s, width_s, height_uv)| {
                    let distance = (offset_s - centre_s) / width_s;
                    height_uv * (-0.5 * distance * distance).exp()
                })
            })
            .sum()
    }
}

impl SampleSource for SyntheticEcg {
    fn sample_uv(&mut self, at: SampleTime) -> Option<[f64; 2]> {
        let start_ns = *self.start_ns.get_or_insert(at.time_ns);
        let time_s = at.time_ns.saturating_sub(start_ns) as f64 / 1e9;
        if self
            .duration_s
            .is_some_and(|duration_s| time_s >= duration_s)
        {
            return None;
        }
        let uv = self.uv_at(time_s);
        Some([uv, -uv / 2.0])
    }
}
