//! Ways to make another recording of one: rate, tempo, amplitude, polarity.

use super::whole::{place, whole};

/// A recording seen differently.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// New sampling rate, Hz; the old one if `None`.
    pub rate_hz: Option<f64>,
    /// The heart is this many times as fast.
    pub tempo: f64,
    /// The signal is this many times as large; negative turns it over.
    pub gain: f32,
}

impl Change {
    /// The recording as it is.
    pub const NONE: Self = Self {
        rate_hz: None,
        tempo: 1.0,
        gain: 1.0,
    };

    /// Sampled at `rate_hz`.
    pub fn rate(rate_hz: f64) -> Self {
        Self {
            rate_hz: Some(rate_hz),
            ..Self::NONE
        }
    }

    /// With a heart `tempo` times as fast.
    pub fn tempo(tempo: f64) -> Self {
        Self {
            tempo,
            ..Self::NONE
        }
    }

    /// `gain` times as large; negative turns it over.
    pub fn gain(gain: f32) -> Self {
        Self { gain, ..Self::NONE }
    }

    /// The rate of what [`Change::apply`] gives.
    pub fn new_rate_hz(&self, rate_hz: f64) -> f64 {
        self.rate_hz.unwrap_or(rate_hz * self.tempo)
    }

    /// Where sample `index` of a recording at `rate_hz` is afterwards.
    pub fn index(&self, index: u64, rate_hz: f64) -> u64 {
        self.rate_hz.map_or(index, |new_hz| {
            whole(index as f64 * new_hz / (rate_hz * self.tempo))
        })
    }

    /// One channel at `rate_hz`, µV, changed.
    pub fn apply(&self, uv: &[f32], rate_hz: f64) -> Vec<f32> {
        let mut changed = match self.rate_hz {
            Some(new_hz) => resampled(uv, new_hz / (rate_hz * self.tempo)),
            None => uv.to_vec(),
        };
        for uv in &mut changed {
            *uv *= self.gain;
        }
        changed
    }
}

/// Input samples on both sides of an output sample that it is made of, at the input's own rate.
const HALF: f64 = 12.0;

/// The signal at `ratio` times its rate: a sinc in a Hann window, cut off at nine tenths of the lower
/// of both Nyquist frequencies.
#[expect(clippy::cast_possible_truncation, reason = "back to single precision")]
fn resampled(uv: &[f32], ratio: f64) -> Vec<f32> {
    let band = 0.9 * ratio.min(1.0);
    let half = HALF / ratio.min(1.0);
    let last = uv.len() - 1;
    let count = place(last as f64 * ratio) + 1;
    (0..count)
        .map(|output| {
            let centre = output as f64 / ratio;
            let from = place((centre - half).ceil());
            let to = place(centre + half).min(last);
            let (mut sum, mut weights) = (0.0, 0.0);
            for (input, &uv) in (from..=to).zip(&uv[from..]) {
                let distance = input as f64 - centre;
                let x = std::f64::consts::PI * distance * band;
                let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
                let window = 0.5 + 0.5 * (std::f64::consts::PI * distance / half).cos();
                sum += sinc * window * f64::from(uv);
                weights += sinc * window;
            }
            (sum / weights) as f32
        })
        .collect()
}
