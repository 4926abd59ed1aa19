//! Streaming polyphase resampling to the chain's rate with exact integer time.

use std::sync::Arc;

use super::filter::leading_zeros;
use super::rate::gcd;
use super::ring::{SlidingWindow, dot, padded};
use super::{CHAIN_RATE_HZ, SampleRate, kaiser};

/// Highest frequency the chain uses, Hz: the low-pass behind the resampler has removed everything
/// from here on, so aliases and images are only kept out of what lies below.
const BAND_HZ: f64 = 62.5;
/// The band as a fraction of input rates too low for all of [`BAND_HZ`].
const BAND_OF_LOW_RATES: f64 = 0.36;
/// Attenuation of what would alias into the band.
const ATTENUATION_DB: f64 = 80.0;
/// Phases beyond this number are rounded to the nearest of a table; the instants are not.
const MOST_PHASES: u64 = 2048;
/// The table is never coarser than this, even where many taps a phase make it large.
const LEAST_PHASES: u64 = 512;

/// The filter bank for one input rate, shared by all channels.
#[derive(Debug)]
pub(super) struct Kernel {
    /// Input samples per output sample, as a fraction in lowest terms.
    step_numerator: u64,
    step_denominator: u64,
    /// Steps of the phase table in one input sample.
    phase_count: u64,
    /// Newest input sample needed behind an output instant, in input samples.
    half: usize,
    taps_per_phase: usize,
    taps: Box<[f32]>,
}

impl Kernel {
    pub(super) fn new(rate: SampleRate) -> Self {
        let numerator = u64::from(rate.numerator());
        let denominator = u64::from(rate.denominator()) * u64::from(CHAIN_RATE_HZ);
        let divisor = gcd(numerator, denominator);
        let (step_numerator, step_denominator) = (numerator / divisor, denominator / divisor);
        let mut kernel = Self {
            step_numerator,
            step_denominator,
            phase_count: 1,
            half: 0,
            taps_per_phase: 0,
            taps: Box::default(),
        };
        if !kernel.is_identity() {
            kernel.design(rate.hz());
        }
        kernel
    }

    /// True where the input already has the chain's rate and is passed through untouched.
    fn is_identity(&self) -> bool {
        self.step_numerator == self.step_denominator
    }

    fn design(&mut self, rate_hz: f64) {
        let chain_rate_hz = f64::from(CHAIN_RATE_HZ);
        let band_hz = BAND_HZ.min(BAND_OF_LOW_RATES * rate_hz);
        let stop_hz = rate_hz.min(chain_rate_hz) - band_hz;
        let cutoff = f64::midpoint(band_hz, stop_hz) / rate_hz;
        let shape = kaiser::shape(ATTENUATION_DB);
        self.half = kaiser::half_length(ATTENUATION_DB, (stop_hz - band_hz) / rate_hz);
        self.phase_count = self
            .step_denominator
            .min(table_phases(self.step_numerator, self.step_denominator));
        self.taps_per_phase = padded(2 * self.half);
        let half = self.half as f64;
        // One more phase than steps: rounding may choose the start of the next input sample.
        self.taps = (0..=self.phase_count)
            .flat_map(|phase| {
                let offset = phase as f64 / self.phase_count as f64;
                let exact: Vec<f64> = (0..2 * self.half)
                    .map(|k| k as f64 - (half - 1.0) - offset)
                    .map(|distance| kaiser::windowed_sinc(distance, half, cutoff, shape))
                    .collect();
                leading_zeros(&exact, self.taps_per_phase)
            })
            .collect();
    }

    /// Input samples that must follow an instant before its output is known.
    #[cfg(test)]
    pub(super) fn half(&self) -> usize {
        self.half
    }

    /// Taps for an instant `remainder / step_denominator` after an input sample.
    #[inline]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a phase is below 2049 by construction"
    )]
    fn phase(&self, remainder: u64) -> &[f32] {
        let phase = if self.phase_count == self.step_denominator {
            remainder
        } else {
            (2 * remainder * self.phase_count + self.step_denominator) / (2 * self.step_denominator)
        } as usize;
        &self.taps[phase * self.taps_per_phase..][..self.taps_per_phase]
    }
}

/// Size of a rounded phase table: enough for an error of 1/4096 of an output sample.
fn table_phases(step_numerator: u64, step_denominator: u64) -> u64 {
    (MOST_PHASES * step_denominator / step_numerator).clamp(LEAST_PHASES, MOST_PHASES)
}

/// One output of the resampler.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Resampled {
    /// Index at the chain's rate, counted from the instant of input sample 0.
    pub(super) index: u64,
    pub(super) value: f32,
}

/// One channel's resampler.
#[derive(Debug, Clone)]
pub(super) struct Resampler {
    kernel: Arc<Kernel>,
    window: SlidingWindow,
    /// Index of the next input sample.
    next_input: u64,
    /// The next output and its instant: `base + remainder / step_denominator` input samples.
    next_output: u64,
    base: u64,
    remainder: u64,
    /// True until the first sample after a start has filled the window.
    empty: bool,
}

impl Resampler {
    pub(super) fn new(kernel: Arc<Kernel>) -> Self {
        let mut resampler = Self {
            window: SlidingWindow::new(kernel.taps_per_phase),
            kernel,
            next_input: 0,
            next_output: 0,
            base: 0,
            remainder: 0,
            empty: true,
        };
        resampler.restart(0);
        resampler
    }

    /// Continue at input index `next_input`, forgetting what came before. The first output is the
    /// first instant of the chain's grid at or after it.
    pub(super) fn restart(&mut self, next_input: u64) {
        let (a, b) = (
            u128::from(self.kernel.step_numerator),
            u128::from(self.kernel.step_denominator),
        );
        let output = (u128::from(next_input) * b).div_ceil(a);
        let instant = output * a;
        self.next_input = next_input;
        self.next_output = u64::try_from(output).unwrap_or(u64::MAX);
        self.base = u64::try_from(instant / b).unwrap_or(u64::MAX);
        self.remainder = u64::try_from(instant % b).unwrap_or(0);
        self.empty = true;
    }

    /// Index of the next output.
    pub(super) fn next_output(&self) -> u64 {
        self.next_output
    }

    #[inline]
    pub(super) fn push(&mut self, value: f32, sink: &mut impl FnMut(Resampled)) {
        if self.empty {
            self.empty = false;
            self.window.fill(value);
        }
        self.window.push(value);
        let input = self.next_input;
        self.next_input += 1;
        while self.base + self.kernel.half as u64 <= input {
            self.emit(sink);
        }
    }

    /// Put out every instant up to the last input sample, as if it were held from there on.
    pub(super) fn flush(&mut self, sink: &mut impl FnMut(Resampled)) {
        if self.empty {
            return;
        }
        let (end, last) = (self.next_input, self.window.back(0));
        for ahead in 0..self.kernel.half as u64 {
            self.window.push(last);
            while self.base + self.kernel.half as u64 <= end + ahead && self.instant_before(end) {
                self.emit(sink);
            }
        }
    }

    /// True if the next output is not later than the input sample before `end`.
    fn instant_before(&self, end: u64) -> bool {
        self.base + 1 < end || (self.base + 1 == end && self.remainder == 0)
    }

    #[inline]
    fn emit(&mut self, sink: &mut impl FnMut(Resampled)) {
        let value = if self.kernel.is_identity() {
            self.window.back(0)
        } else {
            dot(self.kernel.phase(self.remainder), self.window.values())
        };
        sink(Resampled {
            index: self.next_output,
            value,
        });
        self.next_output += 1;
        self.base += self.kernel.step_numerator / self.kernel.step_denominator;
        self.remainder += self.kernel.step_numerator % self.kernel.step_denominator;
        if self.remainder >= self.kernel.step_denominator {
            self.remainder -= self.kernel.step_denominator;
            self.base += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use proptest::prelude::*;

    use super::*;

    fn resampler(rate: SampleRate) -> Resampler {
        Resampler::new(Arc::new(Kernel::new(rate)))
    }

    /// Signal-to-noise ratio of a resampled sine against the sine itself, dB.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn sine_snr_db(rate: SampleRate, frequency_hz: f64, first: u32) -> f64 {
        let sine = |seconds: f64| (2.0 * PI * frequency_hz * seconds).sin();
        let mut resampler = resampler(rate);
        resampler.restart(u64::from(first));
        let (mut signal, mut noise) = (0.0, 0.0);
        let start = f64::from(first) / rate.hz();
        for k in 0..(8.0 * rate.hz()) as u32 {
            let value = sine(f64::from(k + first) / rate.hz()) as f32;
            resampler.push(value, &mut |output| {
                let seconds = output.index as f64 / f64::from(CHAIN_RATE_HZ);
                if seconds - start > 0.5 {
                    signal += sine(seconds).powi(2);
                    noise += (f64::from(output.value) - sine(seconds)).powi(2);
                }
            });
        }
        10.0 * (signal / noise.max(1e-300)).log10()
    }

    const RATES: [(u32, u32); 14] = [
        (100, 1),
        (125, 1),
        (128, 1),
        (200, 1),
        (250, 1),
        (257, 1),
        (360, 1),
        (499_500, 1000),
        (500, 1),
        (1000, 1),
        (2000, 1),
        (4000, 1),
        (8000, 1),
        (123_456_789, 500_000),
    ];

    #[test]
    fn sines_of_the_band_survive_from_every_rate() {
        let mut failed = Vec::new();
        for (numerator, denominator) in RATES {
            let rate = SampleRate::new(numerator, denominator).unwrap();
            for frequency_hz in [1.0, 10.0, 20.0, 36.0] {
                let snr_db = sine_snr_db(rate, frequency_hz, 0);
                if snr_db < 65.0 {
                    failed.push((rate, frequency_hz, snr_db));
                }
            }
        }
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[test]
    fn instants_do_not_drift_over_weeks() {
        for (numerator, denominator) in RATES {
            let rate = SampleRate::new(numerator, denominator).unwrap();
            let snr_db = sine_snr_db(rate, 10.0, 1_000_000_007);
            assert!(snr_db > 60.0, "{rate:?}: {snr_db} dB");
        }
    }

    #[test]
    fn what_would_alias_into_the_band_is_removed() {
        for rate_hz in [500, 1000, 8000] {
            let rate = SampleRate::new(rate_hz, 1).unwrap();
            for frequency_hz in [190.0, 220.0, 245.0] {
                let mut resampler = resampler(rate);
                let mut largest = 0.0_f32;
                for k in 0..4 * rate_hz {
                    let phase = 2.0 * PI * frequency_hz * f64::from(k) / rate.hz();
                    #[allow(clippy::cast_possible_truncation)]
                    resampler.push(phase.sin() as f32, &mut |output| {
                        if output.index > 100 {
                            largest = largest.max(output.value.abs());
                        }
                    });
                }
                assert!(largest < 3e-4, "{rate_hz} {frequency_hz}: {largest}");
            }
        }
    }

    #[test]
    fn chain_rate_passes_untouched() {
        let mut resampler = resampler(SampleRate::new(250, 1).unwrap());
        let mut outputs = Vec::new();
        for value in [3.5_f32, -1.25, 1e6] {
            resampler.push(value, &mut |output| {
                outputs.push((output.index, output.value));
            });
        }
        resampler.flush(&mut |output| outputs.push((output.index, output.value)));
        assert_eq!(outputs, [(0, 3.5), (1, -1.25), (2, 1e6)]);
    }

    proptest! {
        /// Whatever the rate, the start and the length: every instant of the grid between the first
        /// and the last input sample comes out once, in order, and never before it is known.
        #[test]
        fn outputs_cover_the_grid_exactly(
            numerator in 100_000_u32..10_000_000,
            denominator in 1_u32..1000,
            first in 0_u64..1 << 40,
            count in 1_u64..200,
        ) {
            let denominator = denominator.min(numerator / 100);
            let Ok(rate) = SampleRate::new(numerator, denominator * 10) else { return Ok(()); };
            let mut resampler = resampler(rate);
            resampler.restart(first);
            let per_second = u128::from(rate.numerator());
            let chain = u128::from(CHAIN_RATE_HZ) * u128::from(rate.denominator());
            let mut indices = Vec::new();
            for input in first..first + count {
                resampler.push(1.0, &mut |output| {
                    prop_assert_or_panic(
                        u128::from(output.index) * per_second <= u128::from(input) * chain,
                    );
                    indices.push(output.index);
                });
            }
            resampler.flush(&mut |output| indices.push(output.index));
            let last = first + count - 1;
            let expected_first = (u128::from(first) * chain).div_ceil(per_second);
            let expected_last = u128::from(last) * chain / per_second;
            let expected: Vec<u64> = (expected_first..=expected_last)
                .map(|index| u64::try_from(index).unwrap())
                .collect();
            prop_assert_eq!(&indices, &expected);
            prop_assert_eq!(u128::from(resampler.next_output()), expected_last.max(expected_first.saturating_sub(1)) + 1);
        }
    }

    fn prop_assert_or_panic(condition: bool) {
        assert!(condition, "an output came before its instant");
    }
}
