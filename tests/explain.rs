//! `ecg-gateway explain` and maps over the socket of a served database, by the built binary.

use super::common;
use super::common::{run, scratch};

/// Each class of the shipped traces has an example, maps that lie on the beat, and a picture.
#[test]
fn the_shipped_traces_are_explained() {
    let folder = scratch();
    let pictures = folder.path().join("pictures");
    let to = pictures.to_str().unwrap();
    for method in ["gradcam", "gradcam-fine", "shap"] {
        let demo = ["explain", "--demo", "--method", method];
        let found = run([&demo[..], &["--json", "--pictures", to]].concat()).json();
        assert_eq!(found["method"], method);
        let classes = found["classes"].as_array().unwrap();
        assert_eq!(classes.len(), 5, "{method}");
        for class in classes {
            let example = &class["example"];
            assert_eq!(class["called"], example["class"]);
            for values in [
                &class["mean"],
                &class["spread"],
                &example["map"],
                &example["window_uv"],
            ] {
                assert_eq!(values.as_array().unwrap().len(), 128);
            }
            let share = |name: &str| class["shares"][name].as_f64().unwrap();
            let sum: f64 = ["p", "qrs", "st_t", "outside"].map(share).iter().sum();
            assert!((sum - 1.0).abs() < 1e-6);
            assert!(example["qrs_ms"][0].as_f64().unwrap() < 0.0);
            let name = class["called"].as_str().unwrap();
            for kind in ["beat", "class"] {
                let path = pictures.join(format!("{kind}-{name}.svg"));
                let svg = std::fs::read_to_string(&path).unwrap();
                assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
                assert!(
                    !svg.contains("NaN") && !svg.contains("inf"),
                    "{}",
                    path.display()
                );
            }
        }
    }
}

/// A database's beats, one and all, and the class asked for.
#[test]
fn stored_beats_are_explained() {
    let folder = scratch();
    let database = folder.path().join("beats.db");
    let database = database.to_str().unwrap();
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/200.ecgtrace.gz");
    let replay = ["replay", trace, "--db", database, "--explain", "abnormal"];
    assert_eq!(run(replay).code, Some(0));
    let connection = rusqlite::Connection::open(database).unwrap();
    let count = |sql: &str| -> i64 { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    let abnormal = "class != 'N' OR unclassifiable IS NOT NULL";
    let mapped = count(&format!(
        "SELECT count(*) FROM saliency WHERE beat IN (SELECT id FROM beats WHERE {abnormal})"
    ));
    assert_eq!(count("SELECT count(*) FROM saliency"), mapped);
    assert_eq!(
        count(&format!("SELECT count(*) FROM beats WHERE {abnormal}")),
        mapped
    );
    assert!(mapped > 20, "{mapped}");
    let explain = ["explain", "--db", database];
    let of_v = ["--beat", "20", "--class", "V", "--json"];
    let one = run([&explain[..], &of_v].concat()).json();
    assert_eq!(one["classes"].as_array().unwrap().len(), 1);
    assert_eq!(one["classes"][0]["example"]["class"], "V");
    assert_eq!(one["classes"][0]["example"]["beat"], 20);
    let all = run([&explain[..], &["--session", "1", "--limit", "40"]].concat());
    assert!(
        all.code == Some(0) && all.stdout.contains("model v1-context, gradcam"),
        "{all:?}"
    );
    assert!(!all.stdout.contains("not explained"), "{all:?}");
}

/// A directory is its records: a whole database in one word.
#[test]
fn a_directory_stands_for_its_records() {
    let folder = scratch();
    // A minute of beats 0.8 s apart, at 250 Hz and 200 units a millivolt.
    let wave = |ms: f64, at: f64, width: f64, uv: f64| uv * (-((ms - at) / width).powi(2)).exp();
    let signal = (0..15_000).map(|k| {
        let ms = f64::from(k * 4 % 800);
        let uv = wave(ms, 300.0, 12.0, 1200.0)
            + wave(ms, 150.0, 30.0, 120.0)
            + wave(ms, 560.0, 60.0, 250.0);
        #[expect(clippy::cast_possible_truncation, reason = "at most 1.2 mV")]
        let code = (uv / 5.0).round() as i16;
        code
    });
    let signal: Vec<u8> = signal.flat_map(i16::to_le_bytes).collect();
    for name in ["one", "two"] {
        let header = format!("{name} 1 250 15000\n{name}.dat 16 200 16 0 0 0 0 MLII\n");
        std::fs::write(folder.path().join(format!("{name}.hea")), header).unwrap();
        std::fs::write(folder.path().join(format!("{name}.dat")), &signal).unwrap();
    }
    let beats = |path: &std::path::Path| -> u64 {
        let found = run(["explain", "--json", "--record", path.to_str().unwrap()]).json();
        let classes = found["classes"].as_array().unwrap().iter();
        classes.map(|class| class["beats"].as_u64().unwrap()).sum()
    };
    let one = beats(&folder.path().join("one"));
    assert!((70..=75).contains(&one), "{one}");
    assert_eq!(beats(folder.path()), 2 * one);
}

/// A network of its own with one layer of 64 steps, which has no finer one.
fn shallow(folder: &std::path::Path) {
    let description = serde_json::json!({
        "format": 1, "name": "shallow", "architecture": "stem and dense layer",
        "layers": [
            {"op": "stem", "out": 4, "kernel": 7, "stride": 2}, {"op": "pool"}, {"op": "dense", "out": 5}
        ],
        "input": {"channels": 1, "samples": 128, "rate_hz": 125, "r_index": 55},
        "normalisation": {"kind": "zscore", "floor_uv": 20.0},
        "labels": ["N", "L", "R", "A", "V"], "temperature": 1.0, "parameters": 57,
        "training": {"protocol": "none", "data": "none", "patients_shared": false},
    });
    let mut header = serde_json::json!({"__metadata__": {"ecg_gateway": description.to_string()}});
    let mut values = Vec::new();
    for (name, shape) in [
        ("layers.0.conv.weight", &[4, 1, 7][..]),
        ("layers.0.conv.bias", &[4]),
        ("layers.2.dense.weight", &[5, 4]),
        ("layers.2.dense.bias", &[5]),
    ] {
        let begin = values.len() * 4;
        let len = shape.iter().product::<usize>();
        values.extend((0..len).map(|k| [0.3_f32, -0.2, 0.5][(k + len) % 3]));
        let end = values.len() * 4;
        header[name] =
            serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, end]});
    }
    let header = header.to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    std::fs::write(folder.join("shallow.safetensors"), file).expect("a weights file is written");
}

/// Over the socket and on the command line; what does not need the layer works.
#[test]
fn a_model_without_the_layer_is_a_clear_problem() {
    let folder = scratch();
    shallow(folder.path());
    let socket = folder.path().join("s");
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/231.ecgtrace.gz");
    let mut server = common::gateway()
        .args(["replay", trace, "--model", "shallow", "--serve", "--db"])
        .arg(folder.path().join("beats.db"))
        .arg("--socket")
        .arg(&socket)
        .env("ECG_MODELS", folder.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let began = std::time::Instant::now();
    let beats = || {
        let connected = std::os::unix::net::UnixStream::connect(&socket).is_ok();
        let found = connected.then(|| common::get(&socket, "/v1/beats?limit=30").1)?;
        (found["beats"].as_array()?.len() == 30).then_some(())
    };
    while beats().is_none() {
        assert!(began.elapsed().as_secs() < 120, "no beats came");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let (_, refused) = common::get(&socket, "/v1/beats/20/saliency?method=gradcam-fine");
    let (_, answered) = common::get(&socket, "/v1/beats/20/saliency?method=gradcam");
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(refused["status"], 409, "{refused}");
    assert!(
        refused["type"]
            .as_str()
            .unwrap()
            .ends_with("not-explainable")
    );
    let detail = refused["detail"].as_str().unwrap();
    assert!(
        detail.contains("shallow") && detail.contains("no layer"),
        "{refused}"
    );
    assert_eq!(answered["map"].as_array().unwrap().len(), 128, "{answered}");

    let mut command = common::gateway();
    command.env("ECG_MODELS", folder.path());
    command.args([
        "explain",
        trace,
        "--model",
        "shallow",
        "--method",
        "gradcam-fine",
    ]);
    let outcome = command.output().unwrap();
    assert!(!outcome.status.success());
    let text = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert!(
        text.contains("shallow") && text.contains("no layer"),
        "{text}"
    );
}

#[test]
fn bad_input_is_one_clear_error() {
    let folder = scratch();
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let empty = empty.to_str().unwrap();
    let database = folder.path().join("beats.db");
    let database = database.to_str().unwrap();
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/231.ecgtrace.gz");
    assert_eq!(run(["replay", trace, "--db", database]).code, Some(0));
    let absent = folder.path().join("absent.db");
    let absent = absent.to_str().unwrap();
    for (arguments, code, expected) in [
        (vec!["explain"], 2, "required"),
        (vec!["explain", "--demo", "--method", "lime"], 2, "lime"),
        (vec!["explain", "--demo", "--class", "X"], 2, "X"),
        (vec!["explain", "--demo", "--model", "v9"], 40, "v9"),
        (vec!["explain", "--demo", "--beat", "1"], 2, "--db"),
        (
            vec!["explain", "--db", database, "--beat", "99999"],
            2,
            "beat 99999",
        ),
        (
            vec!["explain", "--db", database, "--session", "7"],
            2,
            "session 7",
        ),
        (vec!["explain", "--db", absent], 51, "absent.db"),
        (vec!["explain", "--record", absent], 30, "absent.db"),
        (vec!["explain", "--record", empty], 30, "no WFDB record"),
        (
            vec!["explain", trace, "--pictures", "/dev/null/x"],
            1,
            "/dev/null/x",
        ),
    ] {
        let outcome = run(&arguments);
        assert_eq!(outcome.code, Some(code), "{arguments:?}: {outcome:?}");
        assert!(
            outcome.stderr.contains(expected),
            "{arguments:?}: {outcome:?}"
        );
    }
}
