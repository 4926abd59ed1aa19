//! `doctor` against the simulated board, as a program.

use super::common::run;

#[test]
fn a_good_board_passes() {
    let outcome = run(["doctor", "--simulated"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.lines().count() >= 11, "{}", outcome.stdout);
    // The default set-up does not watch the right leg.
    let skipped = |line: &str| line.starts_with('-') && line.contains("lead_off_rld");
    assert!(
        outcome
            .stdout
            .lines()
            .all(|line| line.starts_with("ok") || skipped(line)),
        "{}",
        outcome.stdout
    );
}

#[test]
fn a_fault_is_told_with_advice_and_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let faults = folder.path().join("faults");
    std::fs::write(&faults, "at 0s lead-off in2p\nat 0s noise ch1 60\n").unwrap();
    let faults = faults.to_str().unwrap();
    let outcome = run(["doctor", "--simulated", "--faults", faults, "--json"]);
    assert_eq!(outcome.code, Some(25), "{outcome:?}");
    assert!(
        outcome.stderr.contains("failed: noise, lead_off_in2p"),
        "{}",
        outcome.stderr
    );
    let summary: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        (&summary["passed"], &summary["failed"]),
        (&false.into(), &2.into())
    );
    let noise = summary["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["step"] == "noise")
        .unwrap();
    assert!(noise["values"]["ch1_uv_rms"].as_f64().unwrap() > 30.0);
    assert!(noise["advice"].as_str().unwrap().contains("decoupling"));
}

#[test]
fn devices_that_are_not_there_are_a_step_too() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let missing = folder.path().join("spidev0.0");
    std::fs::write(&config, format!("[device]\nspi_path = {missing:?}\n")).unwrap();
    let outcome = run(["doctor", "--config", config.to_str().unwrap()]);
    assert_eq!(outcome.code, Some(25), "{outcome:?}");
    assert!(
        outcome.stdout.starts_with("FAILED  devices"),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome.stdout.contains("dtparam=spi=on"),
        "{}",
        outcome.stdout
    );
}
