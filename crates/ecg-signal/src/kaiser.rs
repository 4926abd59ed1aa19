//! Kaiser-windowed sinc design (Oppenheim and Schafer, Discrete-Time Signal Processing, 7.5.3).

use std::f64::consts::PI;

/// Shape parameter of the window for a stop band `attenuation_db` (above 50) below the pass band.
pub(super) fn shape(attenuation_db: f64) -> f64 {
    0.1102 * (attenuation_db - 8.7)
}

/// Half the number of tap intervals needed for a transition `width` (in cycles per sample).
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "widths are positive and lengths a few hundred at most"
)]
pub(super) fn half_length(attenuation_db: f64, width: f64) -> usize {
    let intervals = (attenuation_db - 8.0) / (2.285 * 2.0 * PI * width);
    (intervals / 2.0).ceil() as usize
}

/// The ideal low-pass with cutoff `cutoff` (cycles per sample) at `distance` samples from its
/// centre, windowed to zero beyond `half` samples.
pub(super) fn windowed_sinc(distance: f64, half: f64, cutoff: f64, shape: f64) -> f64 {
    let place = distance / half;
    if place.abs() > 1.0 {
        return 0.0;
    }
    let window = bessel_i0(shape * (1.0 - place * place).sqrt()) / bessel_i0(shape);
    let angle = 2.0 * PI * cutoff * distance;
    let sinc = if angle.abs() < 1e-9 {
        1.0
    } else {
        angle.sin() / angle
    };
    2.0 * cutoff * sinc * window
}

/// Modified Bessel function of the first kind, order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter_square = x * x / 4.0;
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-16 {
        term *= quarter_square / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bessel_function_matches_the_tables() {
        for (x, expected) in [
            (0.0, 1.0),
            (1.0, 1.266_065_877_752_008_4),
            (5.0, 27.239_871_823_604_44),
            (8.0, 427.564_115_721_804_74),
        ] {
            assert!((bessel_i0(x) / expected - 1.0).abs() < 1e-13, "{x}");
        }
    }
}
