use proptest::prelude::*;
use safetensors::Dtype;
use serde_json::Value;

use super::test_support::{
    Tensor, file, odd_json, random_tensors, tensor, v1_json, with_context, with_novelty,
};
use super::{Model, PartKind};

fn load(description: &Value, tensors: &[Tensor]) -> Result<Model, String> {
    Model::from_safetensors("m", &file(Some(&description.to_string()), tensors))
        .map_err(|error| error.to_string())
}

#[test]
fn weights_arrive_where_they_belong() {
    let description = v1_json();
    let tensors = random_tensors(&description, 3);
    let model = load(&description, &tensors).unwrap();
    let mut read = tensors.iter();
    for (part, weights) in model.layers().flatten() {
        for values in [&weights.weight, &weights.bias] {
            let bytes: Vec<u8> = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            assert!(bytes == read.next().unwrap().bytes, "{part:?}");
        }
    }
    assert!(read.next().is_none());
    let (weight, bias) = model.dense();
    assert_eq!((weight.len(), bias.len()), (5 * 128, 5));
    let dense = model.layers().flatten().last().unwrap();
    assert_eq!(dense.0.kind, PartKind::Dense);
    assert_eq!(dense.1.weight, weight);
}

#[test]
fn the_map_of_the_context_is_a_tensor_of_its_own() {
    let description = with_context(v1_json());
    let mut tensors = random_tensors(&description, 3);
    let model = load(&description, &tensors).unwrap();
    let (_, stem) = model.layers().flatten().next().unwrap();
    let name = "layers.0.context.weight";
    let at = tensors.iter().position(|tensor| tensor.name == name);
    let bytes: Vec<u8> = stem.context.iter().flat_map(|v| v.to_le_bytes()).collect();
    assert!(bytes == tensors[at.unwrap()].bytes);
    tensors.remove(at.unwrap());
    assert_eq!(
        load(&description, &tensors),
        Err(format!(
            "m: tensor {name}: missing, expected float32 of shape [16, 16]"
        ))
    );
}

#[test]
fn novelty_comes_with_its_limit() {
    let plain = load(&v1_json(), &random_tensors(&v1_json(), 3)).unwrap();
    assert_eq!(plain.novelty(), None);
    let description = with_novelty(v1_json(), 4.5);
    let mut tensors = random_tensors(&description, 3);
    let model = load(&description, &tensors).unwrap();
    assert_eq!(model.description().limits.novelty, Some(4.5));
    assert!(model.novelty().unwrap().distance(&[0.0; 128]) > 0.0);
    let scale = tensors.last_mut().unwrap();
    scale.bytes[4..8].copy_from_slice(&0.0_f32.to_le_bytes());
    assert_eq!(
        load(&description, &tensors),
        Err("m: tensor novelty.scale: found 0 at element 1, expected a number above 0".to_owned())
    );
    tensors.pop();
    assert_eq!(
        load(&description, &tensors),
        Err("m: tensor novelty.scale: missing, expected float32 of shape [128]".to_owned())
    );
}

#[test]
fn wrong_tensors_are_refused_by_name() {
    type Change = fn(&mut Vec<Tensor>);
    let rows: &[(Change, &str)] = &[
        (
            |t| drop(t.remove(2)),
            "tensor layers.1.depthwise.weight: missing, expected float32 of shape [16, 1, 7]",
        ),
        (
            |t| t[0].shape = vec![16, 7, 1],
            "tensor layers.0.conv.weight: found shape [16, 7, 1], expected [16, 1, 7]",
        ),
        (
            |t| t[1] = tensor("layers.0.conv.bias", vec![15], &[0.0; 15]),
            "tensor layers.0.conv.bias: found shape [15], expected [16]",
        ),
        (
            |t| t[1].dtype = Dtype::I32,
            "tensor layers.0.conv.bias: found element type I32, expected F32",
        ),
        (
            |t| t[1].bytes[8..12].copy_from_slice(&f32::NAN.to_le_bytes()),
            "tensor layers.0.conv.bias: found NaN at element 2, expected a finite number",
        ),
        (
            |t| t[0].bytes[..4].copy_from_slice(&f32::NEG_INFINITY.to_le_bytes()),
            "tensor layers.0.conv.weight: found -inf at element 0, expected a finite number",
        ),
        (
            |t| t.push(tensor("layers.1.bn.weight", vec![1], &[1.0])),
            "tensor layers.1.bn.weight: not part of the described network",
        ),
    ];
    let mut failures = Vec::new();
    for (change, expected) in rows {
        let mut tensors = random_tensors(&v1_json(), 1);
        change(&mut tensors);
        let found = load(&v1_json(), &tensors).map_or_else(|error| error, |_| "accepted".into());
        if found != format!("m: {expected}") {
            failures.push(format!("found    {found}\nexpected m: {expected}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_file_without_description_is_refused() {
    let error = Model::from_safetensors("m", &file(None, &[])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "m: ecg_gateway: missing, expected the network's description in the file's metadata"
    );
}

#[test]
fn every_truncation_is_refused() {
    let description = odd_json();
    let whole = file(
        Some(&description.to_string()),
        &random_tensors(&description, 1),
    );
    assert!(Model::from_safetensors("m", &whole).is_ok());
    for length in 0..whole.len() {
        let error = Model::from_safetensors("m", &whole[..length])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("m: not a complete safetensors file: "),
            "{length}: {error}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Model::from_safetensors("m", &bytes).is_err());
    }

    #[test]
    fn arbitrary_descriptions_never_panic(text in "[\\{\\}\\[\\]\":,a-z0-9 .-]{0,200}") {
        prop_assert!(Model::from_safetensors("m", &file(Some(&text), &[])).is_err());
    }

    /// Damage anywhere in a good file: refused, or read without a panic where only a number changed.
    #[test]
    fn damaged_files_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let description = odd_json();
        let mut bytes = file(Some(&description.to_string()), &random_tensors(&description, 1));
        let at = at.index(bytes.len().min(3000)); // the header, where the structure is
        bytes[at] = byte;
        let _ = Model::from_safetensors("m", &bytes);
    }
}
