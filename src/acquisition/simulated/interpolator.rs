//! Band-limited interpolation of a sampled signal at any instant.

use std::f64::consts::PI;

/// Zero crossings of the kernel on each side.
const LOBES: usize = 40;
/// Table entries from one zero crossing to the next; between them the table is linear.
const ENTRIES_PER_LOBE: usize = 512;
/// Shape of the Kaiser window: side lobes below -80 dB.
const KAISER_BETA: f64 = 8.0;
/// Share of the smaller Nyquist frequency that passes.
const PASS_BAND: f64 = 0.94;

/// A Kaiser-windowed sinc, low-pass below both Nyquist frequencies.
#[derive(Debug, Clone)]
pub(super) struct Kernel {
    table: Vec<f64>,
    /// Cut-off frequency as a share of the input's Nyquist frequency.
    cutoff: f64,
    half_width: usize,
}

impl Kernel {
    /// For signals from `input_hz` to `output_hz`.
    pub(super) fn new(input_hz: f64, output_hz: f64) -> Self {
        let cutoff = PASS_BAND * (output_hz / input_hz).min(1.0);
        let table = (0..=LOBES * ENTRIES_PER_LOBE + 1)
            .map(|entry| {
                let lobes = entry as f64 / ENTRIES_PER_LOBE as f64;
                let edge = (lobes / LOBES as f64).min(1.0);
                let window =
                    bessel_i0(KAISER_BETA * (1.0 - edge * edge).sqrt()) / bessel_i0(KAISER_BETA);
                let sinc = if entry == 0 {
                    1.0
                } else {
                    (PI * lobes).sin() / (PI * lobes)
                };
                sinc * window
            })
            .collect();
        // Of no more than an hour's samples: rates are finite and above 0.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let half_width = (LOBES as f64 / cutoff).ceil().min(1e6) as usize;
        Self {
            table,
            cutoff,
            half_width,
        }
    }

    /// Input samples needed on each side of an instant.
    pub(super) const fn half_width(&self) -> usize {
        self.half_width
    }

    /// Weight of a sample this many input samples away.
    pub(super) fn weight(&self, distance: f64) -> f64 {
        let position = distance.abs() * self.cutoff * ENTRIES_PER_LOBE as f64;
        // Within the table or beyond its end, where there is nothing.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let entry = position as usize;
        match (self.table.get(entry), self.table.get(entry + 1)) {
            (Some(here), Some(next)) => here + (next - here) * position.fract(),
            _ => 0.0,
        }
    }
}

/// The modified Bessel function of order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..40 {
        let k = f64::from(k);
        term *= quarter / (k * k);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sine's value between its samples.
    fn interpolate(kernel: &Kernel, input_hz: f64, hz: f64, position: f64) -> f64 {
        let centre = position.floor();
        let (mut sum, mut weights) = (0.0, 0.0);
        let half = kernel.half_width() as f64;
        let mut index = centre - half;
        while index <= centre + half {
            let weight = kernel.weight(index - position);
            sum += weight * (2.0 * PI * hz * index / input_hz).sin();
            weights += weight;
            index += 1.0;
        }
        sum / weights
    }

    #[test]
    fn sines_below_both_nyquist_frequencies_pass_and_others_do_not() {
        for (input_hz, output_hz, hz, expected_gain) in [
            (360.0, 500.0, 0.5, 1.0),
            (360.0, 500.0, 40.0, 1.0),
            (360.0, 500.0, 150.0, 1.0),
            (360.0, 125.0, 45.0, 1.0),
            (360.0, 125.0, 70.0, 0.0),
            (1_000.0, 500.0, 200.0, 1.0),
            (1_000.0, 500.0, 260.0, 0.0),
            (128.0, 8_000.0, 50.0, 1.0),
        ] {
            let kernel = Kernel::new(input_hz, output_hz);
            let mut worst: f64 = 0.0;
            for step in 0..700 {
                let position = f64::from(step) * 0.137;
                let exact = expected_gain * (2.0 * PI * hz * position / input_hz).sin();
                worst = worst.max((interpolate(&kernel, input_hz, hz, position) - exact).abs());
            }
            // -66 dB: 1 mV is off by half a microvolt.
            assert!(
                worst < 5e-4,
                "{input_hz} to {output_hz} Hz, {hz} Hz: off by {worst}"
            );
        }
    }

    #[test]
    fn the_window_is_kaisers() {
        assert!((bessel_i0(0.0) - 1.0).abs() < 1e-12);
        assert!((bessel_i0(8.0) / 427.564_115_721_804_8 - 1.0).abs() < 1e-12);
    }
}
