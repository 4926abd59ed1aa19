//! The beats that SHAP compares with.

use std::sync::OnceLock;

use safetensors::{Dtype, SafeTensors};

use crate::half_precision;

/// Beats of the background.
pub const BACKGROUND_BEATS: usize = 32;

/// `input` f16 `[32][272]`, made by `arrhythmianet_training.background`.
const FILE: &[u8] = include_bytes!("../../models/background.safetensors");

/// Values of one beat in the file: window, residual, context; and of the window alone.
const WIDTH: usize = 272;
const WINDOW: usize = 128;

/// Real beats of the five classes as a network reads them that has `len` input values, one after the
/// other: all of a context network's 272, or the 128 of the window alone. `None` for any other length.
#[must_use]
pub fn background(len: usize) -> Option<Vec<f32>> {
    static ROWS: OnceLock<Vec<f32>> = OnceLock::new();
    if len != WIDTH && len != WINDOW {
        return None;
    }
    let rows = ROWS.get_or_init(read);
    let shortened = rows.chunks_exact(WIDTH).flat_map(|row| &row[..len]);
    (rows.len() == BACKGROUND_BEATS * WIDTH).then(|| shortened.copied().collect())
}

/// The file's rows; empty, which a test excludes, where it is not what it should be.
fn read() -> Vec<f32> {
    let Ok(file) = SafeTensors::deserialize(FILE) else {
        return Vec::new();
    };
    match file.tensor("input") {
        Ok(rows) if rows.dtype() == Dtype::F16 => {
            let (halves, _) = rows.data().as_chunks::<2>();
            halves.iter().map(|&half| half_precision(half)).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_background_is_there_for_every_network_and_normalised() {
        let all = background(WIDTH).unwrap();
        let windows = background(128).unwrap();
        assert_eq!(windows.len(), BACKGROUND_BEATS * 128);
        for (beat, window) in windows.chunks_exact(128).enumerate() {
            assert_eq!(window, &all[beat * WIDTH..][..128]);
            let mean = window.iter().sum::<f32>() / 128.0;
            let power = window.iter().map(|x| x * x).sum::<f32>() / 128.0;
            assert!(
                mean.abs() < 2e-3 && (power - 1.0).abs() < 5e-3,
                "{mean} {power}"
            );
        }
        assert!(all.iter().all(|value| value.is_finite()));
        assert_eq!(background(200), None);
    }
}
