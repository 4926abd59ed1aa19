//! `ecg-gateway explain` and maps over the socket of a served database, by the built binary.

mod common;

use common::{run, scratch};

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
        all.code == Some(0) && all.stdout.contains("model v1, gradcam"),
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
