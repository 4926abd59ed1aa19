//! From samples at any rate to the conditioned signal.

use std::sync::Arc;

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::SampleRate;
use super::filter::{Biquad, HIGH_PASS_HZ, LOW_PASS_DELAY_SAMPLES, LowPass, NOTCH_QUALITY};
use super::resample::{Kernel, Resampled, Resampler};

/// The mains frequency to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Mains {
    /// 50 Hz.
    #[default]
    #[cfg_attr(feature = "serde", serde(rename = "50"))]
    #[cfg_attr(feature = "clap", value(name = "50"))]
    Hz50,
    /// 60 Hz.
    #[cfg_attr(feature = "serde", serde(rename = "60"))]
    #[cfg_attr(feature = "clap", value(name = "60"))]
    Hz60,
    /// Leave it in.
    ///
    /// No notch: a battery-powered unit far from mains.
    #[cfg_attr(feature = "serde", serde(rename = "none"))]
    None,
}

impl Mains {
    /// The frequency, 0 for none.
    #[must_use]
    pub const fn hz(self) -> u32 {
        match self {
            Self::Hz50 => 50,
            Self::Hz60 => 60,
            Self::None => 0,
        }
    }
}

/// One sample of the conditioned signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConditionedSample {
    /// Index at [`super::CHAIN_RATE_HZ`]: the sample belongs to exactly `index / 250` seconds after
    /// input sample 0.
    pub index: u64,
    /// Conditioned value, µV.
    pub uv: f32,
    /// What the low-pass took away at this instant (muscle noise, mostly), µV.
    pub removed_uv: f32,
}

/// One channel's conditioning: resampling to 250 Hz, second-order Butterworth high-pass at 0.5 Hz,
/// mains notch (2nd order, Q 10), linear-phase low-pass (flat to 30 Hz, -6 dB at 45 Hz, at least
/// 55 dB down from 60 Hz).
///
/// The delays of the linear-phase parts (resampler and low-pass) are compensated in the indices.
/// There is no start transient: the first sample is taken for the baseline.
#[derive(Debug, Clone)]
pub struct Conditioner {
    resampler: Resampler,
    filters: Filters,
}

#[derive(Debug, Clone)]
struct Filters {
    /// The first sample after a start, µV.
    baseline_uv: Option<f32>,
    high_pass: Biquad,
    notch: Option<Biquad>,
    low_pass: LowPass,
    /// Samples that entered the low-pass since the start, up to its delay.
    entered: usize,
    newest: Resampled,
}

impl Conditioner {
    /// A conditioner whose next input sample has index 0.
    #[must_use]
    pub fn new(rate: SampleRate, mains: Mains) -> Self {
        Self::with_kernel(Arc::new(Kernel::new(rate)), mains)
    }

    pub(super) fn with_kernel(kernel: Arc<Kernel>, mains: Mains) -> Self {
        let notch_at = |hz| Some(Biquad::notch(hz, NOTCH_QUALITY));
        Self {
            resampler: Resampler::new(kernel),
            filters: Filters {
                baseline_uv: None,
                high_pass: Biquad::high_pass(HIGH_PASS_HZ),
                notch: match mains {
                    Mains::None => None,
                    Mains::Hz50 => notch_at(50.0),
                    Mains::Hz60 => notch_at(60.0),
                },
                low_pass: LowPass::new(),
                entered: 0,
                newest: Resampled {
                    index: 0,
                    value: 0.0,
                },
            },
        }
    }

    /// Take the next input sample, in µV; `sink` gets each conditioned sample that became known.
    #[inline]
    pub fn push(&mut self, uv: f32, sink: &mut impl FnMut(ConditionedSample)) {
        let filters = &mut self.filters;
        self.resampler
            .push(uv, &mut |resampled| filters.push(resampled, sink));
    }

    /// Put out the conditioned samples up to the last input sample, as if the signal stayed at its
    /// last value. Call [`Conditioner::restart`] before pushing again.
    pub fn flush(&mut self, sink: &mut impl FnMut(ConditionedSample)) {
        let filters = &mut self.filters;
        self.resampler
            .flush(&mut |resampled| filters.push(resampled, sink));
        filters.flush(sink);
    }

    /// Index of the first conditioned sample after a start; behind it, of the next resampled one.
    pub(super) fn next_index(&self) -> u64 {
        self.resampler.next_output()
    }

    /// Continue with input index `next_index` after a gap, knowing nothing of what came before.
    pub fn restart(&mut self, next_index: u64) {
        self.resampler.restart(next_index);
        self.filters.restart();
    }
}

impl Filters {
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "back to single precision")]
    fn push(&mut self, resampled: Resampled, sink: &mut impl FnMut(ConditionedSample)) {
        let baseline_uv = *self.baseline_uv.get_or_insert(resampled.value);
        let mut value = self
            .high_pass
            .apply(f64::from(resampled.value) - f64::from(baseline_uv));
        if let Some(notch) = &mut self.notch {
            value = notch.apply(value);
        }
        self.newest = Resampled {
            index: resampled.index,
            value: value as f32,
        };
        if self.entered == 0 {
            self.low_pass.fill(value as f32);
        }
        self.enter(value as f32, 0, sink);
    }

    /// `ahead` counts the values made up behind the newest one.
    #[inline]
    fn enter(&mut self, value: f32, ahead: u64, sink: &mut impl FnMut(ConditionedSample)) {
        let uv = self.low_pass.apply(value);
        if self.entered < LOW_PASS_DELAY_SAMPLES {
            self.entered += 1;
            return;
        }
        sink(ConditionedSample {
            index: (self.newest.index + ahead) - LOW_PASS_DELAY_SAMPLES as u64,
            uv,
            removed_uv: self.low_pass.centre_input() - uv,
        });
    }

    fn flush(&mut self, sink: &mut impl FnMut(ConditionedSample)) {
        if self.entered == 0 {
            return;
        }
        // Fewer samples than the delay: the first outputs are those of the made-up values.
        for ahead in 1..=LOW_PASS_DELAY_SAMPLES as u64 {
            self.enter(self.newest.value, ahead, sink);
        }
    }

    fn restart(&mut self) {
        self.baseline_uv = None;
        self.high_pass.reset();
        if let Some(notch) = &mut self.notch {
            notch.reset();
        }
        self.entered = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::super::CHAIN_RATE_HZ;
    use super::*;

    const RATES: [f64; 8] = [125.0, 128.0, 250.0, 257.0, 360.0, 499.5, 1000.0, 8000.0];

    /// A Gaussian bump of 1000 µV and 10 ms standard deviation centred at `centre_s`.
    #[allow(clippy::cast_possible_truncation)]
    fn bump_uv(seconds: f64, centre_s: f64) -> f32 {
        (1000.0 * (-((seconds - centre_s) / 0.01).powi(2) / 2.0).exp()) as f32
    }

    fn condition(
        rate_hz: f64,
        indices: std::ops::Range<u64>,
        signal: impl Fn(f64) -> f32,
    ) -> Vec<ConditionedSample> {
        let rate = SampleRate::from_hz(rate_hz).unwrap();
        let mut conditioner = Conditioner::new(rate, Mains::Hz50);
        conditioner.restart(indices.start);
        let mut samples = Vec::new();
        for index in indices {
            conditioner.push(signal(index as f64 / rate.hz()), &mut |s| samples.push(s));
        }
        conditioner.flush(&mut |s| samples.push(s));
        samples
    }

    #[test]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn a_peak_stays_where_it_was_at_every_rate() {
        let mut failed = Vec::new();
        for rate_hz in RATES {
            // 4 s and 1 day after the start.
            for centre_s in [4.0, 86_404.0] {
                let first = ((centre_s - 4.0) * rate_hz) as u64;
                let count = (8.0 * rate_hz) as u64;
                let samples = condition(rate_hz, first..first + count, |s| bump_uv(s, centre_s));
                let peak = samples.iter().max_by(|a, b| a.uv.total_cmp(&b.uv)).unwrap();
                let expected = centre_s * f64::from(CHAIN_RATE_HZ);
                if (peak.index as f64 - expected).abs() > 0.0 {
                    failed.push((rate_hz, centre_s, *peak));
                }
            }
        }
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[test]
    fn samples_are_consecutive_and_complete() {
        for rate_hz in RATES {
            let samples = condition(rate_hz, 0..1000, |s| bump_uv(s, 0.3));
            let consecutive = samples.windows(2).all(|w| w[0].index + 1 == w[1].index);
            assert!(consecutive, "{rate_hz}");
            assert_eq!(samples[0].index, 0, "{rate_hz}");
            let last_s = samples[samples.len() - 1].index as f64 / f64::from(CHAIN_RATE_HZ);
            let end_s = 999.0 / rate_hz;
            assert!((0.0..0.004).contains(&(end_s - last_s)), "{rate_hz}");
        }
    }

    #[test]
    fn offset_baseline_and_mains_are_gone() {
        let samples = condition(500.0, 0..10_000, |s| {
            let wander = 500.0 * (2.0 * PI * 0.05 * s).cos();
            let mains = 300.0 * (2.0 * PI * 50.0 * s).sin();
            #[allow(clippy::cast_possible_truncation)]
            let uv = (150_000.0 + wander + mains) as f32;
            uv
        });
        // The offset leaves no trace from the first sample on; mains rings for 0.3 s at most.
        let largest = |from: usize| {
            samples[from..]
                .iter()
                .map(|s| s.uv.abs())
                .fold(0.0, f32::max)
        };
        assert!(largest(0) < 310.0, "{}", largest(0));
        assert!(largest(100) < 10.0, "{}", largest(100));
    }

    #[test]
    fn a_gap_does_not_shift_what_follows() {
        let rate = SampleRate::from_hz(360.0).unwrap();
        let mut conditioner = Conditioner::new(rate, Mains::Hz60);
        let mut samples = Vec::new();
        for (from, to) in [(0_u64, 1000_u64), (1777, 4000)] {
            conditioner.restart(from);
            for index in from..to {
                let uv = bump_uv(index as f64 / 360.0, 8.0);
                conditioner.push(uv, &mut |s| samples.push(s));
            }
            conditioner.flush(&mut |s| samples.push(s));
        }
        let peak = samples.iter().max_by(|a, b| a.uv.total_cmp(&b.uv)).unwrap();
        assert_eq!(peak.index, 2000);
        assert!(samples.windows(2).all(|w| w[0].index < w[1].index));
    }
}
