//! A window at twice its rate, its slope and its noise.

use super::{MODEL_RATE_HZ, R_INDEX, WINDOW_SAMPLES};

/// Samples of the finer window.
pub(super) const LEN: usize = 2 * WINDOW_SAMPLES;
/// The R peak in it.
pub(super) const R: usize = 2 * R_INDEX;
/// Milliseconds from sample to sample of it: 4.
pub(super) const STEP_MS: f32 = 1e3 / (2.0 * MODEL_RATE_HZ as f32);

/// The window with the samples between those of 125 Hz put in: the conditioned signal holds nothing
/// above 60 Hz, so nothing is guessed.
pub(super) struct Trace {
    /// µV.
    pub(super) uv: [f32; LEN],
    /// Mean of 28 ms around each sample, µV: P and T waves without muscle noise.
    pub(super) smooth: [f32; LEN],
    /// Size of the slope over 16 ms around each sample, µV per sample.
    pub(super) steepness: [f32; LEN],
    /// What the slope is where nothing happens, µV per sample.
    pub(super) quiet: f32,
    /// Root mean square of what the smoothing takes away outside the QRS complex, µV.
    pub(super) noise_uv: f32,
}

impl Trace {
    pub(super) fn new(window_uv: &[f32; WINDOW_SAMPLES]) -> Self {
        let uv = doubled(window_uv);
        let smooth = smoothed(&uv);
        let mut steepness = [0.0; LEN];
        for (k, slope) in steepness.iter_mut().enumerate() {
            let (before, after) = (k.saturating_sub(2), (k + 2).min(LEN - 1));
            *slope = (uv[after] - uv[before]).abs() / 4.0;
        }
        let mut sorted = steepness;
        sorted.sort_unstable_by(f32::total_cmp);
        let outside = (0..LEN).filter(|k| k.abs_diff(R) > 40);
        let squares: f32 = outside.clone().map(|k| (uv[k] - smooth[k]).powi(2)).sum();
        Self {
            quiet: sorted[LEN / 4],
            noise_uv: (squares / outside.count() as f32).sqrt(),
            uv,
            smooth,
            steepness,
        }
    }
}

/// Milliseconds of a sample from the R peak.
pub(super) fn to_ms(sample: usize) -> f32 {
    (sample as f32 - R as f32) * STEP_MS
}

/// Samples of so many milliseconds.
pub(super) const fn samples(ms: usize) -> usize {
    ms * 2 * MODEL_RATE_HZ as usize / 1000
}

/// Twice the rate: a windowed sinc (Hann, eight samples to either side) between the samples; beyond
/// the ends the nearest sample stays.
fn doubled(window_uv: &[f32; WINDOW_SAMPLES]) -> [f32; LEN] {
    /// `sinc(k + 1/2)` times the window, for k from 0 to 7, made to sum to 1/2.
    const TAPS: [f32; 8] = [
        0.630263, -0.194251, 0.098993, -0.054323, 0.028457, -0.012856, 0.004125, -0.000408,
    ];
    let at = |k: isize| window_uv[k.clamp(0, WINDOW_SAMPLES.cast_signed() - 1).unsigned_abs()];
    let mut uv = [0.0; LEN];
    for (k, pair) in uv.chunks_exact_mut(2).enumerate() {
        let k = k.cast_signed();
        pair[0] = at(k);
        pair[1] = TAPS
            .iter()
            .zip(0_isize..)
            .map(|(tap, far)| tap * (at(k - far) + at(k + 1 + far)))
            .sum();
    }
    uv
}

/// Mean of seven samples, 28 ms.
fn smoothed(uv: &[f32; LEN]) -> [f32; LEN] {
    const REACH: usize = 3;
    let mut smooth = [0.0; LEN];
    for (k, value) in smooth.iter_mut().enumerate() {
        let around = &uv[k.saturating_sub(REACH)..(k + REACH + 1).min(LEN)];
        *value = around.iter().sum::<f32>() / around.len() as f32;
    }
    smooth
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_in_the_passband_is_kept_between_the_samples() {
        for hz in [3.0_f32, 12.0, 25.0, 35.0] {
            let value = |place: f32| (std::f32::consts::TAU * hz * place / 125.0).sin();
            let window = std::array::from_fn(|k| value(k as f32));
            let uv = doubled(&window);
            for (k, found) in uv.iter().enumerate().take(LEN - 20).skip(20) {
                let expected = value(k as f32 / 2.0);
                assert!(
                    (found - expected).abs() < 0.02,
                    "{hz} Hz at {k}: {found} {expected}"
                );
            }
        }
    }
}
