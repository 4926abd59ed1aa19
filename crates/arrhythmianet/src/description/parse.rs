//! From the metadata's JSON to a checked [`NetworkDescription`].

use std::ops::RangeInclusive;

use serde_json::Value;

use super::json::{Object, quoted};
use super::layer::{Layer, Op, PartKind};
use super::network::{
    ActivationRange, InputDescription, MAX_PARAMETERS, NetworkDescription, V1_MAX_PARAMETERS,
    V2_MAX_PARAMETERS,
};
use crate::error::ModelError;
use crate::input::Normalisation;
use crate::outcome::Limits;
use crate::{BeatClass, CLASS_COUNT};

/// Key of the safetensors metadata that holds the description.
pub const METADATA_KEY: &str = "ecg_gateway";

/// The only layout of the description there is.
const FORMAT: usize = 1;

const CHANNELS: RangeInclusive<usize> = 1..=1024;
const STRIDES: RangeInclusive<usize> = 1..=4;
/// An expansion of 1 is left out: whether the block then still has its first convolution differs
/// between implementations.
const EXPANSIONS: RangeInclusive<usize> = 2..=8;
const MAX_KERNEL: usize = 31;
const LAYERS: RangeInclusive<usize> = 3..=64;
const INPUT_CHANNELS: RangeInclusive<usize> = 1..=8;
const INPUT_SAMPLES: RangeInclusive<usize> = 8..=4096;
const CONTEXT: RangeInclusive<usize> = 0..=64;
const RATES_HZ: RangeInclusive<f64> = 1.0..=8000.0;
const FLOORS_UV: RangeInclusive<f64> = 0.001..=10_000.0;
const PROBABILITIES: RangeInclusive<f64> = 0.0..=1.0;
const DISTANCES: RangeInclusive<f64> = 0.0..=1e9;
const RANGE_END: f64 = 1e6;
const TEMPERATURES: RangeInclusive<f64> = 0.05..=20.0;

impl NetworkDescription {
    /// Parses and checks a description.
    ///
    /// # Errors
    /// Any unknown field, operation or value, any impossible shape, and a parameter count over the
    /// limit of the model's name, each naming `file`, the field, what was found and expected.
    pub fn from_json(file: &str, text: &str) -> Result<Self, ModelError> {
        let value = serde_json::from_str(text).map_err(|error| ModelError::Json {
            file: file.to_owned(),
            error: error.to_string(),
        })?;
        let mut top = Object::new(file, "", value)?;
        top.integer("format", FORMAT..=FORMAT)?;
        let name = top.text("name", "a short name")?;
        let architecture = top.text("architecture", "the architecture in words")?;
        let input = input(&mut top)?;
        let layers = layers(file, &mut top, &input)?;
        let activation_ranges = activation_ranges(&mut top, &layers)?;
        let normalisation = normalisation(&mut top)?;
        labels(&mut top)?;
        let temperature = top.number("temperature", TEMPERATURES)?;
        let limits = limits(&mut top)?;
        let training = top.value("training", "an object about the training")?;
        let description = NetworkDescription {
            name,
            architecture,
            input,
            normalisation,
            temperature,
            limits,
            activation_ranges,
            int8: false,
            layers,
            training,
        };
        check_parameters(&mut top, &description)?;
        top.finish()?;
        Ok(description)
    }
}

fn input(top: &mut Object<'_>) -> Result<InputDescription, ModelError> {
    let mut object = top.object("input")?;
    let channels = object.integer("channels", INPUT_CHANNELS)?;
    let samples = object.integer("samples", INPUT_SAMPLES)?;
    let input = InputDescription {
        channels,
        samples,
        rate_hz: object.number("rate_hz", RATES_HZ)?,
        r_index: object.integer("r_index", 0..=samples - 1)?,
        context: object
            .optional("context", |object, key| object.integer(key, CONTEXT))?
            .unwrap_or(0),
    };
    object.finish()?;
    Ok(input)
}

fn normalisation(top: &mut Object<'_>) -> Result<Normalisation, ModelError> {
    let mut object = top.object("normalisation")?;
    let kind = object.text("kind", "\"zscore\"")?;
    if kind != "zscore" {
        return Err(object.refuse("kind", &format!("{kind:?}"), "\"zscore\"".to_owned()));
    }
    let floor_uv = object.number("floor_uv", FLOORS_UV)?;
    object.finish()?;
    Ok(Normalisation::ZScore { floor_uv })
}

fn limits(top: &mut Object<'_>) -> Result<Limits, ModelError> {
    let Some(mut object) = top.optional("limits", Object::object)? else {
        return Ok(Limits::default());
    };
    let limits = Limits {
        confidence: object.optional("confidence", |object, key| {
            object.number(key, PROBABILITIES)
        })?,
        novelty: object.optional("novelty", |object, key| object.number(key, DISTANCES))?,
    };
    object.finish()?;
    Ok(limits)
}

/// `int8`: the calibrated range of every pointwise convolution's input.
fn activation_ranges(
    top: &mut Object<'_>,
    layers: &[Layer],
) -> Result<Vec<ActivationRange>, ModelError> {
    let Some(mut object) = top.optional("int8", Object::object)? else {
        return Ok(Vec::new());
    };
    let expected = layers
        .iter()
        .flat_map(|layer| &layer.parts)
        .filter(|part| part.kind == PartKind::Pointwise)
        .count();
    let low = ends(&mut object, "low", -RANGE_END..=0.0, expected)?;
    let high = ends(&mut object, "high", 1e-6..=RANGE_END, expected)?;
    object.finish()?;
    Ok(low
        .into_iter()
        .zip(high)
        .map(|(low, high)| ActivationRange { low, high })
        .collect())
}

/// One end of every range.
fn ends(
    object: &mut Object<'_>,
    key: &'static str,
    allowed: RangeInclusive<f64>,
    count: usize,
) -> Result<Vec<f32>, ModelError> {
    let values = object.array(key)?;
    let wanted = format!(
        "{count} numbers from {} to {}, one for each pointwise convolution",
        allowed.start(),
        allowed.end()
    );
    if values.len() != count {
        return Err(object.refuse(key, &format!("{} values", values.len()), wanted));
    }
    values
        .iter()
        .map(|value| match value.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "at most 1e6")]
            Some(number) if allowed.contains(&number) => Ok(number as f32),
            _ => Err(object.refuse(key, &quoted(value), wanted.clone())),
        })
        .collect()
}

/// The order of the logits is the order of [`BeatClass::ALL`]; anything else would swap diagnoses.
fn labels(top: &mut Object<'_>) -> Result<(), ModelError> {
    let expected: Vec<Value> = BeatClass::ALL
        .iter()
        .map(|class| Value::String(class.symbol().to_string()))
        .collect();
    let found = top.array("labels")?;
    if found == expected {
        return Ok(());
    }
    let (found, expected) = (Value::Array(found), Value::Array(expected));
    Err(top.refuse(
        "labels",
        &quoted(&found),
        format!("{expected} in this order"),
    ))
}

fn layers(
    file: &str,
    top: &mut Object<'_>,
    input: &InputDescription,
) -> Result<Vec<Layer>, ModelError> {
    let values = top.array("layers")?;
    if !LAYERS.contains(&values.len()) {
        return Err(top.refuse(
            "layers",
            &format!("{} layers", values.len()),
            format!("{} to {} layers", LAYERS.start(), LAYERS.end()),
        ));
    }
    let count = values.len();
    let mut shape = input.waveform();
    let mut layers = Vec::with_capacity(count);
    for (index, value) in values.into_iter().enumerate() {
        let mut object = Object::new(file, &format!("layers[{index}]"), value)?;
        let op = op(&mut object, allowed(index, count))?;
        object.finish()?;
        let context = if index == 0 { input.context } else { 0 };
        let layer = Layer::derive(op, shape, context);
        shape = layer.output;
        layers.push(layer);
    }
    Ok(layers)
}

/// The operations that layer `index` of `count`, at least 3, may be.
const fn allowed(index: usize, count: usize) -> &'static [&'static str] {
    match (index, count - index) {
        (0, _) => &["stem"],
        (_, 1) => &["dense"],
        (_, 2) => &["pool"],
        _ => &["separable", "inverted", "pointwise"],
    }
}

fn op(object: &mut Object<'_>, allowed: &[&str]) -> Result<Op, ModelError> {
    let expected = format!("{} at this place", allowed.join(" or "));
    let name = object.text("op", &expected)?;
    if !allowed.contains(&name.as_str()) {
        return Err(object.refuse("op", &format!("{name:?}"), expected));
    }
    Ok(match name.as_str() {
        "stem" => Op::Stem {
            out: object.integer("out", CHANNELS)?,
            kernel: kernel(object)?,
            stride: object.integer("stride", STRIDES)?,
        },
        "separable" => Op::Separable {
            out: object.integer("out", CHANNELS)?,
            kernel: kernel(object)?,
            stride: object.integer("stride", STRIDES)?,
        },
        "inverted" => Op::Inverted {
            out: object.integer("out", CHANNELS)?,
            kernel: kernel(object)?,
            stride: object.integer("stride", STRIDES)?,
            expansion: object.integer("expansion", EXPANSIONS)?,
        },
        "pointwise" => Op::Pointwise {
            out: object.integer("out", CHANNELS)?,
        },
        "pool" => Op::Pool,
        _ => Op::Dense {
            out: object.integer("out", CLASS_COUNT..=CLASS_COUNT)?,
        },
    })
}

/// Odd, so that the same number of zeros on both sides keeps a beat in its place.
fn kernel(object: &mut Object<'_>) -> Result<usize, ModelError> {
    let kernel = object.integer("kernel", 1..=MAX_KERNEL)?;
    if kernel % 2 == 0 {
        return Err(object.refuse(
            "kernel",
            &kernel.to_string(),
            format!("an odd integer 1 to {MAX_KERNEL}"),
        ));
    }
    Ok(kernel)
}

fn check_parameters(
    top: &mut Object<'_>,
    description: &NetworkDescription,
) -> Result<(), ModelError> {
    let limit = match description.name.get(..2) {
        Some("v1") => V1_MAX_PARAMETERS,
        Some("v2") => V2_MAX_PARAMETERS,
        _ => MAX_PARAMETERS,
    };
    let derived = description.parameters();
    let all = derived + description.novelty_values();
    if all > limit {
        return Err(top.refuse(
            "layers",
            &format!("{all} parameters"),
            format!("at most {limit} for a model named {:?}", description.name),
        ));
    }
    let stated = top.integer("parameters", 1..=limit)?;
    if stated != derived {
        return Err(top.refuse(
            "parameters",
            &stated.to_string(),
            format!("{derived}, which is what the layers add up to"),
        ));
    }
    Ok(())
}
