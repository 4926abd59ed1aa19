//! The gateway's SHAP values of given beats, for `arrhythmianet_training.kernelshap` to compare with.
//!
//! `attributions MODEL ROWS CLASSES OUT`: ROWS holds inputs as float32, one beat after the other,
//! CLASSES one byte a beat (0 to 4 in the order N L R A V); OUT gets as many float32 as ROWS.

use std::error::Error;
use std::sync::Arc;

use arrhythmianet::explain::{Explainer, Method};
use arrhythmianet::{BeatClass, Model};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, rows, classes, out] = arguments.as_slice() else {
        return Err("expected MODEL ROWS CLASSES OUT".into());
    };
    let model = Arc::new(Model::load(model)?);
    let len = model.description().input.len();
    let bytes = std::fs::read(rows)?;
    let (values, rest) = bytes.as_chunks::<4>();
    let values: Vec<f32> = values.iter().copied().map(f32::from_le_bytes).collect();
    let classes = std::fs::read(classes)?;
    if !rest.is_empty() || values.len() != classes.len() * len {
        return Err(format!(
            "{rows}: found {} values, expected {} beats of {len}",
            values.len(),
            classes.len()
        )
        .into());
    }
    let mut explainer = Explainer::new(model);
    let mut written = Vec::with_capacity(bytes.len());
    for (input, &class) in values.chunks_exact(len).zip(&classes) {
        let class = BeatClass::from_index(usize::from(class)).ok_or("a class above 4")?;
        let map = explainer.explain(Method::Shap, input, class)?;
        for value in map.channels.iter().flatten().chain(&map.context) {
            written.extend(value.to_le_bytes());
        }
    }
    std::fs::write(out, written)?;
    Ok(())
}
