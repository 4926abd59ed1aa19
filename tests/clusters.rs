//! Beats by their shape, of a recorded patient, through the whole program.

use std::collections::HashMap;

use serde_json::Value;
use wfdb_io::read_annotations;

use super::common;
use super::common::process::Daemon;

/// A beat is the annotated one within this, samples at 500 SPS (the 150 ms of EC57).
const NEAR: u64 = 75;

/// Most ventricular beats of record 200 are in clusters of ventricular beats: by the cardiologists'
/// annotations, which no network has seen here.
#[test]
fn ventricular_beats_of_a_patient_are_apart_from_the_normal_ones() {
    let folder = common::scratch();
    let (database, socket) = (folder.path().join("d.db"), folder.path().join("s"));
    let trace = common::demo_trace("200");
    let arguments = [
        "replay".as_ref(),
        trace.as_os_str(),
        "--engine".as_ref(),
        "cpu".as_ref(),
        "--mains".as_ref(),
        "60".as_ref(),
        "--db".as_ref(),
        database.as_os_str(),
        "--serve".as_ref(),
        "--socket".as_ref(),
        socket.as_os_str(),
    ];
    let mut running = Daemon::serving(arguments, &socket);
    running.until("all is stored", || {
        let status = common::get(&socket, "/v1/status").1;
        status["state"] == "finished" && status["session"]["end_reason"] == "completed"
    });
    let get = |target: &str| {
        let (status, answer) = common::get(&socket, target);
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let beats = get("/v1/beats?limit=5000");
    let answer = get("/v1/clusters");
    let intervals = get("/v1/rr");
    running.terminate();

    let beats = beats["beats"].as_array().unwrap();
    let ids: Vec<_> = beats.iter().map(|beat| beat["id"].clone()).collect();
    let rr_ms: Vec<_> = beats.iter().map(|beat| beat["rr_ms"].clone()).collect();
    assert_eq!(intervals["beat_ids"], Value::from(ids));
    assert_eq!(intervals["rr_ms"], Value::from(rr_ms));

    let annotations = common::repository("assets/demo/200.atr");
    let annotations = read_annotations(&annotations).unwrap().annotations;
    let is_ventricular: HashMap<u64, bool> = beats
        .iter()
        .filter_map(|beat| {
            let r_sample = beat["r_sample"].as_u64().unwrap();
            let beats = annotations
                .iter()
                .filter(|annotation| annotation.code.is_beat());
            let nearest = beats.min_by_key(|annotation| annotation.sample.abs_diff(r_sample))?;
            let is_near = nearest.sample.abs_diff(r_sample) <= NEAR;
            let is_ventricular = nearest.code.mnemonic() == Some("V");
            is_near.then_some((beat["id"].as_u64().unwrap(), is_ventricular))
        })
        .collect();
    let clusters = answer["clusters"].as_array().unwrap();
    let (mut apart, mut astray) = ([0, 0], [0, 0]);
    let mut counts = Vec::new();
    for cluster in clusters {
        let ids = cluster["beat_ids"].as_array().unwrap();
        let known = ids
            .iter()
            .filter_map(|id| is_ventricular.get(&id.as_u64()?));
        let of = |is: bool| known.clone().filter(|known| **known == is).count();
        let (ventricular, others) = (of(true), of(false));
        let (own, strange) = if ventricular > others {
            (&mut apart[1], &mut astray[0])
        } else {
            (&mut apart[0], &mut astray[1])
        };
        *own += ventricular.max(others);
        *strange += ventricular.min(others);
        counts.push((others, ventricular));
    }
    let left_out = &answer["beats_left_out_by_reason"];
    println!(
        "record 200: {} clusters (N, V: {counts:?}); in clusters of their own {} of {} V and {} of {} N; \
         left out {left_out}",
        clusters.len(),
        apart[1],
        apart[1] + astray[1],
        apart[0],
        apart[0] + astray[0],
    );
    let all = |kind: usize| apart[kind] + astray[kind];
    assert!(all(1) >= 55 && all(0) >= 95, "{apart:?} {astray:?}");
    assert!(apart[1] * 100 >= all(1) * 95, "V: {apart:?} {astray:?}");
    assert!(apart[0] * 100 >= all(0) * 95, "N: {apart:?} {astray:?}");
    assert!(clusters.len() <= 16, "{}", clusters.len());
}
