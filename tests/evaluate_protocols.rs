//! `evaluate` with annotated R peaks, several models, degraded signals, other layouts, and the forms
//! its figures come in.

use std::path::Path;

use ecg_gateway::acquisition::SyntheticEcg;
use serde_json::{Value, json};
use wfdb_io::{
    Annotation, AnnotationCode, Header, read_annotations, write_annotations, write_record,
};

use super::common;
use super::common::run;

const RATE_HZ: f64 = 360.0;
const SECONDS: u64 = 60;
/// One regular beat every 0.8 s, the first R peak after 0.4 s.
const BEATS: u64 = 75;

fn r_sample(number: u64) -> u64 {
    ((number as f64 + 0.5) * 0.8 * RATE_HZ).round() as u64
}

fn code(index: u64) -> i32 {
    let heart = SyntheticEcg::new(75.0, None);
    (heart.uv_at(index as f64 / RATE_HZ) * 0.2).round() as i32
}

fn header(name: &str, leads: &[&str]) -> Header {
    let mut text = format!("{name} {} {RATE_HZ} 0\n", leads.len());
    for lead in leads {
        text.push_str(&format!("x.dat 16 200/mV 16 0 0 0 0 {lead}\n"));
    }
    Header::parse(&text, Path::new("x.hea")).expect("a good header")
}

/// A minute of regular beats; beat `number` is annotated `mnemonic(number)`.
fn write(folder: &Path, name: &str, leads: &[&str], mnemonic: impl Fn(u64) -> &'static str) {
    let frames = (0..SECONDS * RATE_HZ as u64).map(|index| vec![code(index); leads.len()]);
    write_record(folder, header(name, leads), frames).expect("the record is written");
    annotate(folder, name, mnemonic);
}

fn annotate(folder: &Path, name: &str, mnemonic: impl Fn(u64) -> &'static str) {
    let beats: Vec<Annotation> = (0..BEATS)
        .map(|number| {
            let code = AnnotationCode::from_mnemonic(mnemonic(number)).expect("a mnemonic");
            Annotation::new(r_sample(number), code)
        })
        .collect();
    write_annotations(&folder.join(format!("{name}.atr")), &beats, None).expect("annotations");
}

fn evaluate(folder: &Path, more: &[&str]) -> Value {
    let data = folder.to_str().expect("UTF-8");
    run(["evaluate", "--data", data, "--json"].iter().chain(more)).json()
}

fn text(folder: &Path, more: &[&str]) -> String {
    let data = folder.to_str().expect("UTF-8");
    let outcome = run(["evaluate", "--data", data].iter().chain(more));
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    outcome.stdout
}

fn sum(value: &Value) -> u64 {
    match value {
        Value::Array(list) => list.iter().map(sum).sum(),
        number => number.as_u64().expect("a count"),
    }
}

#[test]
fn between_patients_every_annotated_beat_is_labelled_once() {
    let folder = common::scratch();
    write(folder.path(), "one", &["V1", "MLII"], |number| {
        ["N", "N", "N", "V", "F", "/", "j", "A"][number as usize % 8]
    });
    let out = folder.path().join("out");
    let report = evaluate(
        folder.path(),
        &[
            "--protocol",
            "inter",
            "--write-annotations",
            "qrs",
            "--out",
            out.to_str().expect("UTF-8"),
        ],
    );
    assert_eq!(report["protocol"], "inter");
    assert_eq!(report["set"], "all");
    assert_eq!(report["escape_rule"], "normal");
    assert_eq!(report["records"][0]["signals"], json!(["MLII"]));
    let counts = report["gross"]["aami"]["counts"].as_array().expect("rows");
    // N N N V F / j A, nine times, and three N more; j is N.
    let annotated: Vec<u64> = counts.iter().map(sum).collect();
    assert_eq!(annotated, [39, 9, 9, 9, 9, 0]);
    assert_eq!(report["gross_whole_records"], Value::Null);
    let written = read_annotations(&out.join("one.qrs"))
        .expect("annotations")
        .annotations;
    let places: Vec<u64> = written.iter().map(|beat| beat.sample).collect();
    assert_eq!(places, (0..BEATS).map(r_sample).collect::<Vec<_>>());
    // With the other rule j is S.
    let report = evaluate(folder.path(), &["--protocol", "inter", "--escape", "sveb"]);
    assert_eq!(sum(&report["gross"]["aami"]["counts"][1]), 18);
}

#[test]
fn intra_patient_counts_the_test_beats_alone() {
    let folder = common::scratch();
    write(folder.path(), "one", &["MLII"], |_| "N");
    write(folder.path(), "two", &["MLII"], |_| "N");
    let split = folder.path().join("split.json");
    // 250 Hz; 0.4 s + n * 0.8 s. The last is no beat.
    let test = json!({"test_samples_250hz": {"one": [100, 300, 700, 701]}});
    std::fs::write(&split, test.to_string()).expect("the split");
    let split = split.to_str().expect("UTF-8");
    let report = evaluate(folder.path(), &["--protocol", "intra", "--split", split]);
    assert_eq!(sum(&report["confusion"]["counts"]), 3);
    assert_eq!(report["skipped"][0]["record"], "two");
    assert!(report["calibration"]["expected_calibration_error"].is_number());
    let coverage = report["calibration"]["coverage"].as_array().expect("rows");
    assert_eq!(coverage[0]["coverage"], 1.0);
    let absent = run([
        "evaluate",
        "--data",
        folder.path().to_str().expect("UTF-8"),
        "--protocol",
        "intra",
        "--split",
        "absent.json",
    ]);
    common::report(&Vec::from_iter(
        absent.failed_with(1, &["absent.json", "--split"]).err(),
    ));
}

#[test]
fn figures_that_do_not_exist_are_null_and_a_dash() {
    let folder = common::scratch();
    write(folder.path(), "one", &["I", "II"], |_| "N");
    for protocol in ["inter", "chain"] {
        let report = evaluate(folder.path(), &["--protocol", protocol]);
        assert_eq!(report["figures"]["veb_se"], Value::Null, "{protocol}");
        assert_eq!(report["intervals"]["veb_se"], Value::Null, "{protocol}");
        assert_eq!(report["gross"]["sveb"]["se"], Value::Null, "{protocol}");
        assert_eq!(
            report["gross"]["ve_runs"]["couplet"]["se"],
            Value::Null,
            "{protocol}"
        );
        let printed = text(folder.path(), &["--protocol", protocol]);
        assert!(printed.contains(" -"), "{printed}");
        assert!(!printed.contains("NaN"), "{printed}");
    }
}

#[test]
fn several_models_are_reported_side_by_side() {
    let folder = common::scratch();
    write(folder.path(), "one", &["MLII"], |_| "N");
    // Two seeds of one network, by their name alone.
    let report = evaluate(
        folder.path(),
        &["--protocol", "inter", "--model", "v1-context,v2-context"],
    );
    let models = report["models"].as_array().expect("models");
    assert_eq!(
        (&models[0]["model"], &models[1]["model"]),
        (&json!("v1-context"), &json!("v2-context"))
    );
    let groups = report["groups"].as_array().expect("groups");
    assert_eq!(groups.len(), 2, "different networks have no mean");
    for (group, model) in groups.iter().zip(models) {
        assert_eq!(group["name"], model["model"]);
        assert_eq!(
            group["figures"]["aami_n_se"]["mean"],
            model["figures"]["aami_n_se"]
        );
    }
    let same = evaluate(
        folder.path(),
        &["--protocol", "inter", "--model", "v1-context,v1-context"],
    );
    let group = &same["groups"][0];
    assert_eq!(group["models"], json!(["v1-context", "v1-context"]));
    assert_eq!(group["figures"]["aami_n_se"]["deviation"], 0.0);
}

#[test]
fn figures_come_as_markdown_and_as_a_picture() {
    let folder = common::scratch();
    write(folder.path(), "one", &["MLII"], |number| {
        if number % 5 == 0 { "V" } else { "N" }
    });
    let picture = folder.path().join("confusion.svg");
    for protocol in ["inter", "chain"] {
        let page = text(
            folder.path(),
            &[
                "--protocol",
                protocol,
                "--format",
                "markdown",
                "--confusion-picture",
                picture.to_str().expect("UTF-8"),
            ],
        );
        let width = |line: &str| line.matches('|').count();
        for table in page.split("\n\n").filter(|part| part.starts_with('|')) {
            let mut lines = table.lines();
            let columns = width(lines.next().expect("a head"));
            assert!(lines.all(|line| width(line) == columns), "{table}");
        }
        assert!(page.contains("| one |"), "{page}");
        let svg = std::fs::read_to_string(&picture).expect("the picture");
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
        assert!(svg.contains(protocol), "{svg}");
    }
}

#[test]
fn lost_samples_are_gaps_and_noise_costs_beats() {
    let folder = common::scratch();
    write(folder.path(), "one", &["MLII"], |_| "N");
    let clean = evaluate(folder.path(), &[]);
    let lossy = evaluate(folder.path(), &["--drop-samples", "0.2"]);
    assert_eq!(clean["records"][0]["dropped_samples"], 0);
    let dropped = lossy["records"][0]["dropped_samples"]
        .as_u64()
        .expect("a count");
    assert_eq!(lossy["records"][0]["missing_samples"], dropped);
    let share = dropped as f64 / (SECONDS as f64 * RATE_HZ);
    assert!((0.1..0.3).contains(&share), "{share}");
    assert!(lossy["gross"]["qrs"]["tp"].as_u64() < clean["gross"]["qrs"]["tp"].as_u64());
    let again = evaluate(folder.path(), &["--drop-samples", "0.2"]);
    assert_eq!(
        again["gross"], lossy["gross"],
        "the same samples every time"
    );

    // Seven minutes, of which the sixth and seventh are drowned.
    let long = common::scratch();
    let frames = (0..420 * RATE_HZ as u64).map(|index| vec![code(index)]);
    write_record(long.path(), header("long", &["MLII"]), frames).expect("the record");
    let beats: Vec<Annotation> = (0..420 * 5 / 4)
        .map(|number| Annotation::new(r_sample(number), AnnotationCode::NORMAL))
        .collect();
    write_annotations(&long.path().join("long.atr"), &beats, None).expect("annotations");
    let mut state = 1_u64;
    let noise = (0..30 * RATE_HZ as u64).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        vec![i32::from((state >> 56) as u8) - 128]
    });
    write_record(long.path(), header("noise", &["noise1"]), noise).expect("the noise");
    let tape = long.path().join("noise");
    let tape = tape.to_str().expect("UTF-8");
    let figure = |snr_db: &str| {
        let report = evaluate(
            long.path(),
            &[
                "--records",
                "long",
                "--noise",
                tape,
                "--noise-snr-db",
                snr_db,
            ],
        );
        assert_eq!(
            report["degradation"]["noise_snr_db"],
            snr_db.parse::<f64>().expect("a number")
        );
        report["figures"]["qrs_ppv"].as_f64().expect("a share")
    };
    let (quiet, loud) = (figure("40"), figure("-20"));
    assert!(quiet > 0.99 && loud < quiet, "{quiet} {loud}");
}

#[test]
fn impossible_requests_are_refused() {
    let folder = common::scratch();
    write(folder.path(), "one", &["MLII"], |_| "N");
    let data = folder.path().to_str().expect("UTF-8");
    let rows: [(&[&str], i32, &[&str]); 9] = [
        (
            &["--drop-samples", "0.95"],
            2,
            &["0.95", "expected 0 to 0.9"],
        ),
        (
            &["--noise", "absent", "--noise-snr-db", "6"],
            30,
            &["absent.hea"],
        ),
        (&["--set", "ds2"], 30, &["ds2", "MIT-BIH"]),
        (&["--model", "v9"], 40, &["v9"]),
        (
            &["--model", "v1,v2", "--confusion-picture", "x.svg"],
            2,
            &["--confusion-picture", "one"],
        ),
        (
            &["--model", "v1,v2", "--write-annotations", "x", "--out", "x"],
            2,
            &["--write-annotations", "one"],
        ),
        (
            &[
                "--protocol",
                "intra",
                "--write-annotations",
                "x",
                "--out",
                "x",
            ],
            2,
            &["--write-annotations", "inter"],
        ),
        (&["--protocol", "intra"], 0, &[]),
        (&["--records", "two"], 30, &["two.hea"]),
    ];
    let mut failures = Vec::new();
    for (more, code, words) in rows {
        let outcome = run(["evaluate", "--data", data].iter().chain(more));
        if code == 0 {
            // The shipped split knows other records: all are skipped, with the reason.
            if outcome.code != Some(0) || !outcome.stdout.contains("Skipped one: no test beats") {
                failures.push(format!("{more:?}: {outcome:?}"));
            }
            continue;
        }
        failures.extend(outcome.failed_with(code, words).err());
    }
    common::report(&failures);
}

#[test]
fn a_lead_is_found_by_its_name_and_records_without_it_are_skipped() {
    let folder = common::scratch();
    write(folder.path(), "one", &["I", "II", "V5"], |_| "N");
    write(folder.path(), "two", &["ECG1"], |_| "N");
    let report = evaluate(folder.path(), &["--lead", "v5"]);
    assert_eq!(report["records"].as_array().map(Vec::len), Some(1));
    assert_eq!(report["records"][0]["signals"], json!(["V5"]));
    assert_eq!(
        report["skipped"],
        json!([{"record": "two", "reason": "no lead v5, it has ECG1"}])
    );
    // Without annotations there is nothing to label in the other protocols.
    std::fs::remove_file(folder.path().join("two.atr")).expect("removed");
    let report = evaluate(folder.path(), &["--protocol", "inter"]);
    assert_eq!(
        report["skipped"],
        json!([{"record": "two", "reason": "no beats annotated in .atr"}])
    );
}

/// A record of two segments, with the annotations of the whole: the same beats are found as in one
/// piece.
#[test]
fn segments_and_several_samples_a_frame_make_no_difference() {
    let folder = common::scratch();
    write(folder.path(), "whole", &["MLII", "V1"], |_| "N");
    let half = SECONDS * RATE_HZ as u64 / 2;
    for (name, from) in [("first", 0), ("second", half)] {
        let frames = (from..from + half).map(|index| vec![code(index); 2]);
        write_record(folder.path(), header(name, &["MLII", "V1"]), frames).expect("a segment");
    }
    std::fs::write(
        folder.path().join("parts.hea"),
        format!("parts/2 2 360 {}\nfirst {half}\nsecond {half}\n", 2 * half),
    )
    .expect("the header");
    annotate(folder.path(), "parts", |_| "N");
    // Two samples of the first signal in each frame of 180 Hz, stored as one would measure them.
    let words: Vec<u8> = (0..half)
        .flat_map(|frame| [2 * frame, 2 * frame + 1, 2 * frame].map(|index| code(index) as i16))
        .flat_map(i16::to_le_bytes)
        .collect();
    std::fs::write(folder.path().join("double.dat"), words).expect("the signals");
    std::fs::write(
        folder.path().join("double.hea"),
        format!("double 2 180 {half}\ndouble.dat 16x2 200 16 0 0 0 0 MLII\ndouble.dat 16 200 16 0 0 0 0 V1\n"),
    )
    .expect("the header");
    let beats: Vec<Annotation> = (0..BEATS)
        .map(|number| Annotation::new(r_sample(number), AnnotationCode::NORMAL))
        .collect();
    // Annotated at the rate of the samples, not of the frames.
    write_annotations(&folder.path().join("double.atr"), &beats, Some(RATE_HZ))
        .expect("annotations");
    let listed = evaluate(folder.path(), &["--jobs", "1"]);
    let names: Vec<&Value> = listed["records"]
        .as_array()
        .expect("records")
        .iter()
        .map(|record| &record["name"])
        .collect();
    assert_eq!(
        names,
        ["double", "parts", "whole"],
        "segments are no records"
    );
    let report = evaluate(folder.path(), &["--records", "whole,parts,double"]);
    let records = report["records"].as_array().expect("records");
    assert_eq!(records[0]["qrs"], records[1]["qrs"]);
    assert_eq!(records[0]["confusion"], records[1]["confusion"]);
    assert_eq!(records[2]["sample_rate_hz"], 180.0);
    for record in records {
        let tp = record["qrs"]["tp"].as_u64().expect("a count");
        assert!(tp + 2 >= BEATS, "{record}");
        assert_eq!(record["qrs"]["fp"], 0, "{record}");
    }
}
