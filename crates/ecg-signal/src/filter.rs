//! Filters of the conditioned signal, all designed for [`super::CHAIN_RATE_HZ`].

use std::f64::consts::PI;

use super::CHAIN_RATE_HZ;
use super::kaiser;
use super::ring::{SlidingWindow, dot, padded};

/// Cutoff (-3 dB) of the baseline high-pass, Hz.
pub(super) const HIGH_PASS_HZ: f64 = 0.5;
/// Quality of the mains notch: 5 Hz (6 Hz) wide at -3 dB, so a mains frequency 0.2 Hz off is still
/// reduced 12-fold, while the ringing after a QRS complex dies with a time constant of 64 ms
/// (53 ms) and the delay it adds below 20 Hz stays under half a millisecond.
pub(super) const NOTCH_QUALITY: f64 = 10.0;
/// Centre (-6 dB) of the low-pass transition, Hz.
pub(super) const LOW_PASS_HZ: f64 = 45.0;
/// Delay of the low-pass, in samples of the chain's rate.
pub(super) const LOW_PASS_DELAY_SAMPLES: usize = 15;
/// Stop-band attenuation the low-pass is designed for.
const LOW_PASS_ATTENUATION_DB: f64 = 60.0;
/// States below this are set to zero: denormal numbers would slow a silent channel down.
const NEGLIGIBLE_STATE: f64 = 1e-30;

/// Second-order recursive filter, transposed direct form II, in double precision because a 0.5 Hz
/// pole pair at 250 Hz loses microvolts in single.
#[derive(Debug, Clone)]
pub(super) struct Biquad {
    feedforward: [f64; 3],
    feedback: [f64; 2],
    state: [f64; 2],
}

impl Biquad {
    /// Butterworth high-pass (bilinear transform, cutoff prewarped).
    pub(super) fn high_pass(cutoff_hz: f64) -> Self {
        let (sine, cosine) = angle(cutoff_hz).sin_cos();
        let alpha = sine / 2.0_f64.sqrt();
        let edge = f64::midpoint(1.0, cosine);
        Self::normalised([edge, -2.0 * edge, edge], alpha, cosine)
    }

    /// Notch with zeros on the unit circle at `centre_hz`.
    pub(super) fn notch(centre_hz: f64, quality: f64) -> Self {
        let cosine = angle(centre_hz).cos();
        let alpha = (angle(centre_hz / quality) / 2.0).tan();
        Self::normalised([1.0, -2.0 * cosine, 1.0], alpha, cosine)
    }

    fn normalised(numerator: [f64; 3], alpha: f64, cosine: f64) -> Self {
        let scale = 1.0 + alpha;
        Self {
            feedforward: numerator.map(|b| b / scale),
            feedback: [-2.0 * cosine / scale, (1.0 - alpha) / scale],
            state: [0.0; 2],
        }
    }

    #[inline]
    pub(super) fn apply(&mut self, input: f64) -> f64 {
        let [b0, b1, b2] = self.feedforward;
        let [a1, a2] = self.feedback;
        let output = b0 * input + self.state[0];
        self.state[0] = b1 * input - a1 * output + self.state[1];
        self.state[1] = b2 * input - a2 * output;
        if self.state[0].abs() < NEGLIGIBLE_STATE {
            self.state[0] = 0.0;
        }
        if self.state[1].abs() < NEGLIGIBLE_STATE {
            self.state[1] = 0.0;
        }
        output
    }

    pub(super) fn reset(&mut self) {
        self.state = [0.0; 2];
    }
}

/// Linear-phase low-pass: flat to 30 Hz, -6 dB at 45 Hz, at least 55 dB down from 60 Hz on, so that
/// every second sample of its output is free of aliases.
#[derive(Debug, Clone)]
pub(super) struct LowPass {
    taps: Box<[f32]>,
    window: SlidingWindow,
}

impl LowPass {
    pub(super) fn new() -> Self {
        let half = LOW_PASS_DELAY_SAMPLES;
        let cutoff = LOW_PASS_HZ / f64::from(CHAIN_RATE_HZ);
        let shape = kaiser::shape(LOW_PASS_ATTENUATION_DB);
        let exact: Vec<f64> = (0..=2 * half)
            .map(|k| kaiser::windowed_sinc(k as f64 - half as f64, half as f64, cutoff, shape))
            .collect();
        let length = padded(exact.len());
        Self {
            taps: leading_zeros(&exact, length),
            window: SlidingWindow::new(length),
        }
    }

    /// The output [`LOW_PASS_DELAY_SAMPLES`] before the input.
    #[inline]
    pub(super) fn apply(&mut self, input: f32) -> f32 {
        self.window.push(input);
        dot(&self.taps, self.window.values())
    }

    /// The input that the newest output belongs to.
    #[inline]
    pub(super) fn centre_input(&self) -> f32 {
        self.window.back(LOW_PASS_DELAY_SAMPLES)
    }

    pub(super) fn fill(&mut self, value: f32) {
        self.window.fill(value);
    }
}

/// `taps` scaled to a gain of one at 0 Hz, with zeros before them up to `length`: the zeros meet
/// the oldest samples of a window.
#[allow(clippy::cast_possible_truncation, reason = "taps are stored in single")]
pub(super) fn leading_zeros(taps: &[f64], length: usize) -> Box<[f32]> {
    let sum: f64 = taps.iter().sum();
    std::iter::repeat_n(0.0, length - taps.len())
        .chain(taps.iter().map(|tap| (tap / sum) as f32))
        .collect()
}

fn angle(frequency_hz: f64) -> f64 {
    2.0 * PI * frequency_hz / f64::from(CHAIN_RATE_HZ)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Amplitude of the output for a sine of amplitude one, measured over its last ten seconds.
    fn gain(mut apply: impl FnMut(f64) -> f64, frequency_hz: f64) -> f64 {
        let (mut sine, mut cosine) = (0.0, 0.0);
        for k in 0..7500 {
            let phase = angle(frequency_hz) * f64::from(k);
            let output = apply(phase.sin());
            if k >= 5000 {
                sine += output * phase.sin();
                cosine += output * phase.cos();
            }
        }
        (sine * sine + cosine * cosine).sqrt() / 1250.0
    }

    fn failures(rows: &[(f64, f64, f64)], gain_at: impl Fn(f64) -> f64) -> Vec<String> {
        rows.iter()
            .filter_map(|&(hz, least, most)| {
                let found = gain_at(hz);
                (found < least || found > most)
                    .then(|| format!("{hz} Hz: {found} not in {least}..={most}"))
            })
            .collect()
    }

    #[test]
    fn high_pass_keeps_the_ecg_and_drops_the_baseline() {
        let rows = [
            (0.05, 0.0, 0.0101),
            (0.1, 0.0, 0.041),
            (0.5, 0.705, 0.709),
            (1.0, 0.965, 0.975),
            (5.0, 0.999, 1.001),
            (40.0, 0.999, 1.001),
        ];
        let failed = failures(&rows, |hz| {
            let mut filter = Biquad::high_pass(HIGH_PASS_HZ);
            gain(|x| filter.apply(x), hz)
        });
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[test]
    fn notch_removes_the_mains_alone() {
        for mains_hz in [50.0, 60.0] {
            let rows = [
                (mains_hz, 0.0, 1e-6),
                (mains_hz + 0.2, 0.0, 1.0 / 12.0),
                (mains_hz - 0.2, 0.0, 1.0 / 12.0),
                (mains_hz / (2.0 * NOTCH_QUALITY) + mains_hz, 0.69, 0.73),
                (20.0, 0.99, 1.001),
                (30.0, 0.99, 1.001),
                (2.0, 0.999, 1.001),
            ];
            let failed = failures(&rows, |hz| {
                let mut filter = Biquad::notch(mains_hz, NOTCH_QUALITY);
                gain(|x| filter.apply(x), hz)
            });
            assert!(failed.is_empty(), "{mains_hz}: {failed:#?}");
        }
    }

    #[test]
    #[allow(clippy::cast_possible_truncation)]
    fn low_pass_is_flat_to_30_hz_and_strong_from_60_hz() {
        let rows = [
            (1.0, 0.998, 1.002),
            (15.0, 0.998, 1.002),
            (30.0, 0.995, 1.005),
            (45.0, 0.48, 0.52),
            (60.0, 0.0, 0.0018),
            (62.5, 0.0, 0.0018),
            (80.0, 0.0, 0.0018),
            (110.0, 0.0, 0.0018),
        ];
        let failed = failures(&rows, |hz| {
            let mut filter = LowPass::new();
            gain(|x| f64::from(filter.apply(x as f32)), hz)
        });
        assert!(failed.is_empty(), "{failed:#?}");
    }
}
