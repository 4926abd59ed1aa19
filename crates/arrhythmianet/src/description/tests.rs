use serde_json::{Value, json};

use super::*;
use crate::ModelError;
use crate::test_support::{odd_json, v1_json, v2_json, with_context};

fn parse(description: &Value) -> Result<NetworkDescription, ModelError> {
    NetworkDescription::from_json("m.safetensors", &description.to_string())
}

#[test]
fn sizes_of_the_two_architectures() {
    for (description, parameters, macs, maps) in [
        (v1_json(), 74_165, 990_720, (128, 8)),
        (v2_json(), 34_357, 654_768, (112, 8)),
        (
            with_context(v1_json()),
            74_165 + 112 + 256,
            990_720 + 64 * 112 + 256,
            (128, 8),
        ),
        (
            with_context(v2_json()),
            34_357 + 112 + 256,
            654_768 + 64 * 112 + 256,
            (112, 8),
        ),
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
            |d| {
                d["name"] = json!("v2-context-ds1");
            },
            "layers: found 74165 parameters, expected at most 40386 for a model named \"v2-context-ds1\"",
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
            |d| d["input"]["context"] = json!(65),
            "input.context: found 65, expected an integer 0 to 64",
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
            "tempreature: unknown field, expected only format, name, architecture, input, layers, int8, \
             normalisation, labels, temperature, limits, training, parameters",
        ),
        (
            |d| d["limits"] = json!({"confidence": 1.5}),
            "limits.confidence: found 1.5, expected a number 0 to 1",
        ),
        (
            |d| d["limits"] = json!({"novelty": -1}),
            "limits.novelty: found -1, expected a number 0 to 1000000000",
        ),
        (
            |d| d["limits"] = json!({"noise": 1}),
            "limits.noise: unknown field, expected only confidence, novelty",
        ),
        (
            |d| {
                d["layers"][6]["out"] = json!(155);
                d["limits"] = json!({"novelty": 3});
            },
            "layers: found 77848 parameters, expected at most 77358 for a model named \"v1\"",
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
fn an_input_that_the_chain_does_not_give_is_named() {
    let offered = InputDescription {
        channels: 2,
        samples: 128,
        rate_hz: 125.0,
        r_index: 55,
        context: 16,
    };
    for description in [v1_json(), with_context(v1_json())] {
        let network = parse(&description).unwrap();
        assert!(network.require_window(&offered).is_ok(), "{description}");
    }
    type Change = fn(&mut InputDescription);
    let rows: [(Change, &str); 7] = [
        (
            |input| input.channels = 1,
            "input.channels: found 1, expected 2, ",
        ),
        (
            |input| input.channels = 3,
            "input.channels: found 3, expected 2, ",
        ),
        (
            |input| input.context = 0,
            "input.context: found 0, expected 16, ",
        ),
        (
            |input| input.context = 8,
            "input.context: found 8, expected 16, ",
        ),
        (
            |input| input.samples = 100,
            "input.samples: found 100, expected 128, ",
        ),
        (
            |input| input.rate_hz = 250.0,
            "input.rate_hz: found 250, expected 125, ",
        ),
        (
            |input| input.r_index = 54,
            "input.r_index: found 54, expected 55, ",
        ),
    ];
    for (change, expected) in rows {
        let mut network = parse(&with_context(v1_json())).unwrap();
        change(&mut network.input);
        let error = network.require_window(&offered).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
