//! `evaluate` on databases of every shape: rates, leads, line ends, with and without annotations.

use std::path::Path;

use ecg_gateway::acquisition::SyntheticEcg;
use serde_json::Value;
use wfdb_io::{
    Annotation, AnnotationCode, Header, MISSING_SAMPLE, SignalFormat, read_annotations,
    write_annotations, write_record,
};

use super::common;
use super::common::run;

/// Seconds of each record.
const SECONDS: f64 = 60.0;
/// Regular beats a minute; the first R peak comes half an RR interval after the start.
const BEATS_PER_MINUTE: u64 = 72;

/// A record of the test database.
struct Shape {
    name: &'static str,
    rate_hz: f64,
    leads: &'static [&'static str],
    format: u16,
    annotated: bool,
    crlf: bool,
    /// Samples from here for two seconds are marked as not measured.
    missing_from_s: Option<f64>,
}

const TWELVE: &[&str] = &[
    "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6",
];

#[rustfmt::skip]
const SHAPES: [Shape; 7] = [
    Shape { name: "one", rate_hz: 128.0, leads: &["ECG1"], format: 212, annotated: true, crlf: false, missing_from_s: None },
    Shape { name: "twelve", rate_hz: 257.0, leads: TWELVE, format: 16, annotated: true, crlf: false, missing_from_s: None },
    Shape { name: "fast", rate_hz: 500.0, leads: &["V5", "V2"], format: 16, annotated: true, crlf: false, missing_from_s: None },
    Shape { name: "quarter", rate_hz: 250.0, leads: &["V1", "MLII"], format: 212, annotated: true, crlf: false, missing_from_s: None },
    Shape { name: "odd", rate_hz: 999.5, leads: &["II"], format: 16, annotated: true, crlf: true, missing_from_s: None },
    Shape { name: "bare", rate_hz: 360.0, leads: &["MLII", "V1"], format: 212, annotated: false, crlf: true, missing_from_s: None },
    Shape { name: "gap", rate_hz: 360.0, leads: &["MLII", "V1"], format: 212, annotated: true, crlf: false, missing_from_s: Some(30.1) },
];

fn samples(shape: &Shape) -> u64 {
    (SECONDS * shape.rate_hz) as u64
}

/// Sample of beat `number`, counted from 0.
fn r_sample(shape: &Shape, number: u64) -> u64 {
    let rr_s = 60.0 / BEATS_PER_MINUTE as f64;
    ((number as f64 + 0.5) * rr_s * shape.rate_hz).round() as u64
}

fn write(folder: &Path, shape: &Shape) {
    let format = SignalFormat::from_number(shape.format).expect("a known format");
    let signals = shape.leads.len();
    let text = format!("{} {signals} {} 0\n", shape.name, shape.rate_hz);
    let lines: String = shape
        .leads
        .iter()
        .map(|lead| format!("x.dat {} 200/mV 12 0 0 0 0 {lead}\n", format.number()))
        .collect();
    let header = Header::parse(&(text + &lines), &folder.join("shape.hea")).expect("a good header");
    let heart = SyntheticEcg::new(BEATS_PER_MINUTE as f64, None);
    let frames = (0..samples(shape)).map(|index| {
        let time_s = index as f64 / shape.rate_hz;
        let missing = shape
            .missing_from_s
            .is_some_and(|from| (from..from + 2.0).contains(&time_s));
        let code = (heart.uv_at(time_s) * 0.2).round() as i32;
        vec![if missing { MISSING_SAMPLE } else { code }; signals]
    });
    write_record(folder, header, frames).expect("the record is written");
    let header_path = folder.join(format!("{}.hea", shape.name));
    if shape.crlf {
        let text = std::fs::read_to_string(&header_path).expect("the header");
        std::fs::write(&header_path, text.replace('\n', "\r\n")).expect("the header");
    }
    if shape.annotated {
        let beats: Vec<Annotation> = (0..BEATS_PER_MINUTE)
            .map(|number| Annotation {
                sample: r_sample(shape, number),
                code: AnnotationCode::NORMAL,
                subtype: 0,
                chan: 0,
                num: 0,
                aux: None,
            })
            .collect();
        write_annotations(&folder.join(format!("{}.atr", shape.name)), &beats, None)
            .expect("annotations are written");
    }
}

fn evaluate(folder: &Path, more: &[&str]) -> Value {
    let data = folder.to_str().expect("UTF-8");
    run(["evaluate", "--data", data, "--json"].iter().chain(more)).json()
}

fn figure(score: &Value, name: &str) -> f64 {
    score[name]
        .as_f64()
        .unwrap_or_else(|| panic!("no {name} in {score}"))
}

#[test]
fn records_of_every_shape_are_evaluated() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    for shape in &SHAPES {
        write(folder.path(), shape);
    }
    let report = evaluate(
        folder.path(),
        &[
            "--write-annotations",
            "qrs",
            "--out",
            out.to_str().expect("UTF-8"),
        ],
    );
    let mut wrong = Vec::new();
    for shape in &SHAPES {
        let records = report["records"].as_array().expect("records");
        let Some(record) = records.iter().find(|record| record["name"] == shape.name) else {
            wrong.push(format!("{}: not in the report", shape.name));
            continue;
        };
        if record["annotated"] != shape.annotated {
            wrong.push(format!("{}: annotated {}", shape.name, record["annotated"]));
        }
        let written = read_annotations(&out.join(format!("{}.qrs", shape.name)))
            .expect("annotations were written")
            .annotations;
        if record["beats"] != written.len() {
            wrong.push(format!(
                "{}: {} written, {record}",
                shape.name,
                written.len()
            ));
        }
        // The detector may take a beat or two to learn; a gap of two seconds holds two or three.
        let least = BEATS_PER_MINUTE - if shape.missing_from_s.is_some() { 5 } else { 2 };
        let right = written
            .iter()
            .filter(|found| {
                (0..BEATS_PER_MINUTE).any(|number| {
                    let distance = found.sample.abs_diff(r_sample(shape, number));
                    distance as f64 <= 0.02 * shape.rate_hz
                })
            })
            .count() as u64;
        if right < least || written.len() as u64 > right + 1 {
            wrong.push(format!(
                "{}: {right} of {} beats within 20 ms of the truth",
                shape.name,
                written.len()
            ));
        }
        if shape.annotated && figure(&record["qrs"], "se") < 0.9 {
            wrong.push(format!("{}: {}", shape.name, record["qrs"]));
        }
        let missing = if shape.missing_from_s.is_some() {
            (2.0 * shape.rate_hz) as u64
        } else {
            0
        };
        if record["missing_samples"] != missing {
            wrong.push(format!(
                "{}: {} samples missing",
                shape.name, record["missing_samples"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_report_keeps_its_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    for shape in &SHAPES[..2] {
        write(folder.path(), shape);
    }
    let report = evaluate(
        folder.path(),
        &["--records", "twelve,one", "--model", "v2-context"],
    );
    assert_eq!(report["protocol"], "chain");
    assert_eq!(report["model"], "v2-context");
    assert!(
        report["engine"]
            .as_str()
            .is_some_and(|engine| engine.starts_with("cpu"))
    );
    let names: Vec<&Value> = report["records"]
        .as_array()
        .expect("records")
        .iter()
        .map(|record| &record["name"])
        .collect();
    assert_eq!(names, ["twelve", "one"], "in the order asked for");
    for (part, fields) in [
        ("qrs", &["tp", "fn", "fp"]),
        ("veb", &["tp", "fn", "fp"]),
        ("sveb", &["tp", "fn", "fp"]),
    ] {
        for field in fields {
            let sum: f64 = report["records"]
                .as_array()
                .expect("records")
                .iter()
                .map(|record| figure(&record[part], field))
                .sum();
            let gross = figure(&report["gross"][part], field);
            assert!(
                (gross - sum).abs() < 0.5,
                "{part}.{field}: gross {gross}, records {sum}"
            );
        }
        for ratio in ["se", "ppv"] {
            let value = &report["gross"][part][ratio];
            assert!(
                value.is_null() || (0.0..=1.0).contains(&figure(&report["gross"][part], ratio))
            );
        }
    }
    assert_eq!(
        report["confusion"]["labels"],
        serde_json::json!(["N", "L", "R", "A", "V"])
    );
    let counts = report["confusion"]["counts"].as_array().expect("a matrix");
    assert!(
        counts.len() == 5
            && counts
                .iter()
                .all(|row| row.as_array().is_some_and(|row| row.len() == 5))
    );
    for part in ["qrs", "veb", "sveb"] {
        for ratio in ["se", "ppv"] {
            let mean = &report["average"][format!("{part}_{ratio}")];
            assert!(
                mean.is_number() || mean.is_null(),
                "average.{part}_{ratio}: {mean}"
            );
        }
        assert!(report["gross_whole_records"][part]["tp"].is_number());
    }
    for part in ["ve_runs", "sve_runs"] {
        for length in ["couplet", "short", "long"] {
            for count in ["annotated", "annotated_found", "found", "found_annotated"] {
                assert!(report["gross"][part][length][count].is_number());
            }
        }
    }
    assert_eq!(report["escape_rule"], "supraventricular");
    assert_eq!(report["set"], "chosen");
    assert_eq!(report["bootstrap"]["resamples"], 2000);
    assert!(
        report["disclosure"]
            .as_array()
            .is_some_and(|list| list.len() == 2)
    );
    for (name, value) in report["figures"].as_object().expect("figures") {
        let interval = &report["intervals"][name];
        let Some(value) = value.as_f64() else {
            assert!(interval.is_null(), "{name}: {interval}");
            continue;
        };
        let ends = [0, 1].map(|end| interval[end].as_f64().expect("an end"));
        assert!(
            ends[0] <= value + 1e-9 && value <= ends[1] + 1e-9,
            "{name}: {ends:?} {value}"
        );
    }
    assert!(report["average"]["qrs_se"].is_number() && report["training_data"].is_string());
    for number in ["accuracy", "macro_f1", "seconds"] {
        assert!(report[number].is_number(), "{number}: {}", report[number]);
    }
}

#[test]
fn a_records_file_and_a_channel_are_obeyed() {
    let folder = tempfile::tempdir().expect("a folder");
    for shape in &SHAPES[1..4] {
        write(folder.path(), shape);
    }
    std::fs::write(folder.path().join("RECORDS"), "quarter\r\nfast\n").expect("RECORDS");
    let auto = evaluate(folder.path(), &[]);
    assert_eq!(
        auto["records"][0]["signals"],
        serde_json::json!(["MLII", "V1"])
    );
    assert_eq!(
        auto["records"][1]["signals"],
        serde_json::json!(["V5", "V2"])
    );
    let fixed = evaluate(folder.path(), &["--channel", "1", "--jobs", "1"]);
    assert_eq!(fixed["records"][0]["signals"], serde_json::json!(["V1"]));
}

#[test]
fn the_database_itself_is_never_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    write(&data, &SHAPES[0]);
    let contents = || {
        ["one.hea", "one.dat", "one.atr"].map(|name| std::fs::read(data.join(name)).expect("file"))
    };
    let before = contents();
    let out = folder.path().join("out");
    let data_text = data.to_str().expect("UTF-8");
    let out = out.to_str().expect("UTF-8");
    let mut failures = Vec::new();
    for (records, ending, out, words) in [
        ("one", "atr", data_text, "left untouched"),
        ("one", "hea", data_text, "left untouched"),
        ("one", "dat", data_text, "left untouched"),
        ("../data/one", "test", out, "not inside --out"),
        ("one", "../one", out, "not inside --out"),
    ] {
        let arguments = [
            "evaluate",
            "--data",
            data_text,
            "--records",
            records,
            "--write-annotations",
            ending,
            "--out",
            out,
        ];
        failures.extend(run(arguments).failed_with(1, &[words]).err());
        if contents() != before {
            failures.push(format!("--write-annotations {ending} changed the database"));
        }
    }
    common::report(&failures);
    evaluate(&data, &["--write-annotations", "test", "--out", data_text]);
    assert!(data.join("one.test").exists());
    assert!(contents() == before);
}
