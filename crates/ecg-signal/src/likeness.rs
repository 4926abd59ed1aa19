//! How much two stretches of signal look alike: their correlation, whatever their size and offset.

/// The values without their mean, scaled to length one.
pub(super) fn to_unit<const N: usize>(values: [f32; N]) -> [f32; N] {
    let mean = values.iter().sum::<f32>() / N as f32;
    let length = centred_length(&values);
    values.map(|value| (value - mean) / length)
}

/// Length of the vector without its mean, at least a little.
pub(super) fn centred_length(values: &[f32]) -> f32 {
    const LEAST: f32 = 1e-3;
    let (mut sum, mut squares) = (0.0, 0.0);
    for value in values {
        sum += value;
        squares += value * value;
    }
    (squares - sum * sum / values.len() as f32)
        .max(LEAST * LEAST)
        .sqrt()
}

/// Correlation of values of this [length](centred_length) with a [unit](to_unit) of as many, -1 to 1.
pub(super) fn likeness(values: &[f32], length: f32, unit: &[f32]) -> f32 {
    let product: f32 = values.iter().zip(unit).map(|(a, b)| a * b).sum();
    product / length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn correlation<const N: usize>(values: [f32; N], unit: &[f32; N]) -> f32 {
        likeness(&values, centred_length(&values), unit)
    }

    #[test]
    fn size_and_offset_do_not_matter_and_the_sign_does() {
        let shape = [0.0, 1.0, 4.0, -2.0, 0.5];
        let unit = to_unit(shape);
        for (scale, offset, expected) in [(1.0, 0.0, 1.0), (300.0, 50.0, 1.0), (-2.0, 7.0, -1.0)] {
            let found = correlation(shape.map(|value| scale * value + offset), &unit);
            assert!((found - expected).abs() < 1e-5, "{scale} {offset}: {found}");
        }
        // Nothing is like a straight line.
        assert!(correlation([3.0; 5], &unit).abs() < 1e-3);
        // By hand: (1, 0, -1) and (1, -2, 1) stand at right angles.
        assert!(correlation([1.0, 0.0, -1.0], &to_unit([1.0, -2.0, 1.0])).abs() < 1e-6);
    }
}
