//! Which engine classifies, as a user sees it.

use std::path::{Path, PathBuf};

use super::common::process::Daemon;
use super::common::{get, integers, scratch};
use serde_json::Value;

/// A configuration with this engine; its database and socket are in `folder`.
fn configuration(folder: &Path, engine: &str) -> PathBuf {
    let path = folder.join("c.toml");
    let text = format!(
        "[model]\nengine = \"{engine}\"\n[store]\npath = \"{0}/ecg.db\"\nbatch_ms = 100\n\
         [api]\nsocket_path = \"{0}/s\"\n[log]\nlevel = \"error\"\n",
        folder.display()
    );
    std::fs::write(&path, text).expect("a file");
    path
}

#[test]
#[cfg(not(feature = "gpu"))]
fn a_gpu_that_cannot_be_had_is_refused_where_it_was_asked_for() {
    let folder = scratch();
    let words = ["built without GPU support", "\"auto\""];
    let config = configuration(folder.path(), "gpu");
    let mut failures = Vec::new();
    for check in [&[][..], &["--check"]] {
        let mut arguments = vec!["run".as_ref(), "--config".as_ref(), config.as_os_str()];
        arguments.extend(check.iter().map(std::ffi::OsStr::new));
        failures.extend(super::common::run(arguments).failed_with(10, &words).err());
    }
    let database = folder.path().join("r.db");
    let trace = super::common::demo_trace("231");
    let arguments = [
        "replay".as_ref(),
        trace.as_os_str(),
        "--db".as_ref(),
        database.as_os_str(),
        "--engine".as_ref(),
        "gpu".as_ref(),
    ];
    failures.extend(super::common::run(arguments).failed_with(2, &words).err());
    if database.exists() {
        failures.push("a database was made all the same".to_owned());
    }
    super::common::report(&failures);
}

/// The daemon on a simulated chip: the status tells what was chosen and measured, and a stop stores
/// what had come in.
#[test]
fn the_daemon_tells_what_it_chose_and_stops_without_losing_a_sample() {
    let folder = scratch();
    let config = configuration(folder.path(), "auto");
    let socket = folder.path().join("s");
    let arguments = [
        "run".as_ref(),
        "--simulated".as_ref(),
        "synthetic".as_ref(),
        "--config".as_ref(),
        config.as_os_str(),
    ];
    let mut running = Daemon::serving(arguments, &socket);
    let mut status = Value::Null;
    running.until("samples came", || {
        status = get(&socket, "/v1/status").1;
        status["samples_received"].as_u64() > Some(600)
    });
    let engines = &status["engines"];
    assert_eq!(engines["asked"], "auto");
    let cpu = &engines["candidates"][0];
    assert_eq!(cpu["engine"], engines["single"]);
    assert_eq!(status["engine"], engines["single"]);
    assert!(status["engine_reason"].is_string());
    for figure in ["single_us", "batch_us_per_beat"] {
        assert!(cpu[figure].as_f64() > Some(1.0), "{figure}: {cpu}");
    }
    assert!(engines["candidates"][1]["state"].is_string(), "{engines}");

    let (code, took) = running.terminate();
    assert_eq!(code, Some(0));
    assert!(took.as_secs_f64() < 2.0, "{took:?}");
    let database = folder.path().join("ecg.db");
    let stored = integers(&database, "SELECT samples FROM sessions")[0];
    let ends = integers(
        &database,
        "SELECT max(first_sample + samples) FROM ecg_blocks",
    )[0];
    let missing = integers(&database, "SELECT missing_samples FROM sessions")[0];
    assert!(stored > 600, "{stored}");
    assert_eq!(stored + missing, ends);
}
