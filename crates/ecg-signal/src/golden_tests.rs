//! Context values and template against what the training project computes from the same intervals
//! and windows: `models/golden/context-features.safetensors`.

use std::path::Path;

use safetensors::SafeTensors;

use super::rr::RrHistory;
use super::template::RunningTemplate;
use super::{CONTEXT_VALUES, WINDOW_SAMPLES};

/// Smallest deviation a window is divided by, µV, as in the shipped networks' metadata.
const FLOOR_UV: f64 = 20.0;

fn file() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/golden");
    std::fs::read(path.join("context-features.safetensors")).unwrap()
}

fn float32(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let (groups, _) = file.tensor(name).unwrap().data().as_chunks::<4>();
    groups.iter().copied().map(f32::from_le_bytes).collect()
}

fn integers(file: &SafeTensors<'_>, name: &str) -> Vec<i16> {
    let (groups, _) = file.tensor(name).unwrap().data().as_chunks::<2>();
    groups.iter().copied().map(i16::from_le_bytes).collect()
}

/// A float16 as IEEE 754 defines it; no infinities are in the file.
fn float16(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
    let magnitude = if exponent == 0 {
        fraction * 2.0_f64.powi(-14)
    } else {
        (1.0 + fraction) * 2.0_f64.powi(exponent - 15)
    };
    if bits >> 15 == 1 {
        -magnitude
    } else {
        magnitude
    }
}

#[test]
fn context_values_are_those_of_the_training() {
    let bytes = file();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let (rows, expected) = (float32(&file, "rr"), float32(&file, "context"));
    let rows = rows
        .chunks_exact(257)
        .zip(expected.chunks_exact(CONTEXT_VALUES));
    assert!(rows.len() >= 90, "{} rows", rows.len());
    let mut failures = Vec::new();
    for (number, (rr_s, expected)) in rows.enumerate() {
        let mut history = RrHistory::new();
        let known = |rr_s: f32| (!rr_s.is_nan()).then_some(f64::from(rr_s));
        for interval_s in rr_s[1..].iter().rev().filter_map(|&rr_s| known(rr_s)) {
            history.add_interval(interval_s);
        }
        let found = history.context(known(rr_s[0]));
        for (value, (found, expected)) in found.iter().zip(expected).enumerate() {
            if (found - expected).abs() > 1e-5 {
                failures.push(format!("row {number} value {value}: {found}, {expected}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn templates_are_those_of_the_training() {
    let bytes = file();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut failures = Vec::new();
    for record in ["100", "119", "233"] {
        let tensor = |part: &str| format!("template.{record}.{part}");
        let windows = integers(&file, &tensor("window_uv"));
        let complete = file.tensor(&tensor("complete")).unwrap();
        let residuals = integers(&file, &tensor("residual"));
        let windows = windows.chunks_exact(WINDOW_SAMPLES);
        assert!(
            windows.len() > 72,
            "the template wanders, and is renewed past 64 beats"
        );
        let mut template = RunningTemplate::new();
        for (beat, ((window, residual), complete)) in windows
            .zip(residuals.chunks_exact(WINDOW_SAMPLES))
            .zip(complete.data())
            .enumerate()
        {
            let mut window_uv = [0.0; WINDOW_SAMPLES];
            for (to, &from) in window_uv.iter_mut().zip(window) {
                *to = f32::from(from);
            }
            let found = template.get().map_or([0.0; WINDOW_SAMPLES], |template_uv| {
                let (window, template) = (normalised(&window_uv), normalised(&template_uv));
                std::array::from_fn(|sample| window[sample] - template[sample])
            });
            let worst = found
                .iter()
                .zip(residual)
                .map(|(found, bits)| (found - float16(bits.cast_unsigned())).abs())
                .fold(0.0, f64::max);
            // Float16 of values up to 16.
            if worst > 0.005 {
                failures.push(format!("{record} beat {beat}: {worst}"));
            }
            if *complete == 1 {
                template.add_window(&window_uv);
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn normalised(uv: &[f32; WINDOW_SAMPLES]) -> [f64; WINDOW_SAMPLES] {
    let values = uv.map(f64::from);
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>();
    let deviation = (variance / values.len() as f64).sqrt().max(FLOOR_UV);
    values.map(|value| (value - mean) / deviation)
}
