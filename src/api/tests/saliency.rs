//! Maps over the socket: stored ones, summaries, and clear problems.

use super::House;
use super::client::{fetch, get};

#[test]
fn a_stored_map_is_answered_as_it_was_stored() {
    let house = House::new();
    house.furnish();
    let map = fetch(house.socket(), "/v1/beats/1/saliency");
    assert_eq!(
        (&map["source"], &map["class"]),
        (&"stored".into(), &"N".into())
    );
    let values = map["map"].as_array().unwrap();
    assert_eq!(values.len(), 128);
    assert!(
        (values[48].as_f64().unwrap() - 4.0).abs() < 1e-3,
        "its fourth value at sample 48"
    );
    assert!((map["shares"]["qrs"].as_f64().unwrap() - 0.6).abs() < 1e-6);
    assert!((map["waves"]["t"]["end_ms"].as_f64().unwrap() - 380.0).abs() < 1e-6);

    let summary = fetch(house.socket(), "/v1/saliency/summary");
    let classes = summary["classes"].as_array().unwrap();
    assert_eq!(classes.len(), 1);
    assert_eq!(
        (&classes[0]["class"], &classes[0]["maps"]),
        (&"N".into(), &1.into())
    );
    assert!(classes[0]["spread"][48].as_f64().unwrap() < 1e-6);
    for none in ["?class=V", "?session=7", "?method=shap"] {
        let summary = fetch(house.socket(), &format!("/v1/saliency/summary{none}"));
        assert_eq!(summary["classes"].as_array().unwrap().len(), 0, "{none}");
    }
}

#[test]
fn what_cannot_be_explained_is_a_clear_problem() {
    let house = House::new();
    house.furnish();
    let mut wrong = Vec::new();
    for (path, status, kind, detail) in [
        ("/v1/beats/99/saliency", 404, "no-such-beat", "beat 99"),
        (
            "/v1/beats/x/saliency",
            400,
            "invalid-parameter",
            "id: found",
        ),
        (
            "/v1/beats/1/saliency?method=lime",
            400,
            "invalid-parameter",
            "gradcam, gradcam-fine, shap",
        ),
        (
            "/v1/beats/1/saliency?class=X",
            400,
            "invalid-parameter",
            "\"X\"",
        ),
        (
            "/v1/beats/1/saliency?class=N,V",
            400,
            "invalid-parameter",
            "one of N",
        ),
        // The stored ECG is a ramp: nothing like the beat is found in it.
        ("/v1/beats/2/saliency", 409, "not-reproduced", "beat 2"),
        (
            "/v1/saliency/summary?method=lime",
            400,
            "invalid-parameter",
            "lime",
        ),
        (
            "/v1/saliency/summary?limit=3",
            400,
            "unknown-parameter",
            "limit",
        ),
    ] {
        let answer = get(house.socket(), path);
        let problem = answer.json();
        let found = (&problem["status"], problem["type"].as_str().unwrap());
        let text = problem["detail"].as_str().unwrap();
        if *found.0 != status || !found.1.ends_with(kind) || !text.contains(detail) {
            wrong.push(format!("{path}: {problem}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let without = House::new();
    without.beat(0);
    without.writer.flush().unwrap();
    let problem = get(without.socket(), "/v1/beats/1/saliency").json();
    assert_eq!(problem["status"], 410, "{problem}");
    assert!(
        problem["type"]
            .as_str()
            .unwrap()
            .ends_with("ecg-not-stored")
    );
}
