use serde_json::{Value, json};

use super::*;
use crate::model::test_support::{odd_json, v1_json, v2_json};

fn parse(description: &Value) -> Result<NetworkDescription, ModelError> {
    NetworkDescription::from_json("m.safetensors", &description.to_string())
}

#[test]
fn sizes_of_the_two_architectures() {
    for (description, parameters, macs, maps) in [
        (v1_json(), 74_165, 990_720, (128, 8)),
        (v2_json(), 34_357, 654_768, (112, 8)),
    ] {
        let network = parse(&description).unwrap();
        assert_eq!(network.parameters(), parameters, "{}", network.name);
        assert_eq!(network.macs_per_beat(), macs, "{}", network.name);
        let shape = network.feature_maps();
        assert_eq!((shape.channels, shape.time), maps, "{}", network.name);
    }
}

#[test]
fn residuals_are_added_where_shapes_agree() {
    let network = parse(&v2_json()).unwrap();
    let residuals: Vec<bool> = network.layers.iter().map(|layer| layer.residual).collect();
    assert_eq!(
        residuals,
        [
            false, true, false, true, false, true, false, false, false, false
        ]
    );
}

#[test]
fn lengths_follow_the_convolution_formula() {
    let network = parse(&odd_json()).unwrap();
    for part in network.parts() {
        let padded = part.input.time + 2 * (part.kernel / 2);
        let expected = (padded - part.kernel) / part.stride + 1;
        assert_eq!(part.output.time, expected, "{part:?}");
    }
}

#[test]
fn wrong_descriptions_are_refused_by_name() {
    type Change = fn(&mut Value);
    let rows: &[(Change, &str)] = &[
        (
            |d| d["format"] = json!(2),
            "format: found 2, expected an integer 1 to 1",
        ),
        (
            |d| d["format"] = json!("1"),
            "format: found \"1\", expected an integer 1 to 1",
        ),
        (
            |d| d["labels"] = json!(["N", "R", "L", "A", "V"]),
            "labels: found [\"N\",\"R\",\"L\",\"A\",\"V\"], expected [\"N\",\"L\",\"R\",\"A\",\"V\"] in this order",
        ),
        (
            |d| d["layers"][3]["op"] = json!("seperable"),
            "layers[3].op: found \"seperable\", expected separable or inverted or pointwise at this place",
        ),
        (
            |d| d["layers"][0]["op"] = json!("separable"),
            "layers[0].op: found \"separable\", expected stem at this place",
        ),
        (
            |d| d["layers"][8]["op"] = json!("dense"),
            "layers[8].op: found \"dense\", expected pool at this place",
        ),
        (
            |d| d["layers"][9]["out"] = json!(4),
            "layers[9].out: found 4, expected an integer 5 to 5",
        ),
        (
            |d| d["layers"][2]["kernel"] = json!(6),
            "layers[2].kernel: found 6, expected an odd integer 1 to 31",
        ),
        (
            |d| d["layers"][2]["stride"] = json!(0),
            "layers[2].stride: found 0, expected an integer 1 to 4",
        ),
        (
            |d| d["layers"][2]["out"] = json!(-1),
            "layers[2].out: found -1, expected an integer 1 to 1024",
        ),
        (
            |d| d["layers"][2]["out"] = json!(1e300),
            "layers[2].out: found 1e+300, expected an integer 1 to 1024",
        ),
        (
            |d| d["layers"][2]["padding"] = json!(3),
            "layers[2].padding: unknown field, expected only op, out, kernel, stride",
        ),
        (
            |d| drop(d["layers"][2].as_object_mut().unwrap().remove("kernel")),
            "layers[2].kernel: missing, expected an integer 1 to 31",
        ),
        (
            |d| d["layers"][2] = json!(7),
            "layers[2]: found 7, expected an object",
        ),
        (
            |d| d["layers"] = json!([]),
            "layers: found 0 layers, expected 3 to 64 layers",
        ),
        (
            |d| d["layers"][6]["out"] = json!(256),
            "layers: found 103845 parameters, expected at most 77358 for a model named \"v1\"",
        ),
        (
            |d| d["parameters"] = json!(74_164),
            "parameters: found 74164, expected 74165, which is what the layers add up to",
        ),
        (
            |d| d["input"]["samples"] = json!(0),
            "input.samples: found 0, expected an integer 8 to 4096",
        ),
        (
            |d| d["input"]["r_index"] = json!(128),
            "input.r_index: found 128, expected an integer 0 to 127",
        ),
        (
            |d| d["input"]["rate_hz"] = json!(0),
            "input.rate_hz: found 0, expected a number 1 to 8000",
        ),
        (
            |d| d["normalisation"]["kind"] = json!("minmax"),
            "normalisation.kind: found \"minmax\", expected \"zscore\"",
        ),
        (
            |d| d["normalisation"]["floor_uv"] = json!(0),
            "normalisation.floor_uv: found 0, expected a number 0.001 to 10000",
        ),
        (
            |d| d["temperature"] = json!(0),
            "temperature: found 0, expected a number 0.05 to 20",
        ),
        (
            |d| d["tempreature"] = json!(1),
            "tempreature: unknown field, expected only format, name, architecture, input, layers, \
             normalisation, labels, temperature, training, parameters",
        ),
        (
            |d| d["name"] = json!(""),
            "name: found \"\", expected a short name",
        ),
        (
            |d| d["name"] = json!(["x"].repeat(99)),
            "name: found [\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\"..., expected a short name",
        ),
        (
            |d| *d = json!([]),
            "ecg_gateway: found [], expected an object",
        ),
    ];
    let mut failures = Vec::new();
    for (change, expected) in rows {
        let mut description = v1_json();
        change(&mut description);
        let found =
            parse(&description).map_or_else(|error| error.to_string(), |_| "accepted".into());
        if found != format!("m.safetensors: {expected}") {
            failures.push(format!(
                "found    {found}\nexpected m.safetensors: {expected}"
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn text_that_is_no_json_is_refused() {
    let error = NetworkDescription::from_json("m", "{\"format\":1").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("m: metadata key ecg_gateway is not JSON: EOF"),
        "{error}"
    );
}

#[test]
fn a_window_that_differs_from_the_chains_is_named() {
    let network = parse(&v1_json()).unwrap();
    let window = network.input;
    assert!(network.require_window(&window).is_ok());
    let rows = [
        (
            InputDescription {
                channels: 2,
                ..window
            },
            "input.channels: found 1, expected 2",
        ),
        (
            InputDescription {
                samples: 100,
                ..window
            },
            "input.samples: found 128, expected 100",
        ),
        (
            InputDescription {
                rate_hz: 250.0,
                ..window
            },
            "input.rate_hz: found 125, expected 250",
        ),
        (
            InputDescription {
                r_index: 54,
                ..window
            },
            "input.r_index: found 55, expected 54",
        ),
    ];
    for (window, expected) in rows {
        let error = network.require_window(&window).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
