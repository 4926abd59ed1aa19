//! The daemon on a disk that is full, read-only, broken or slow: no beat is lost, all is told.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::common;
use super::common::daemon::{Disk, Home};
use super::common::process::Daemon;
use super::common::{integers, integrity, query};
use rusqlite::types::Value;

/// Twenty times as fast as real time: a beat every 40 ms.
const SPEED: [&str; 2] = ["--speed", "20"];

/// Beats must follow each other as the synthetic rhythm has them, none missing, none twice.
fn beats_are_whole(database: &Path) {
    let r = integers(database, "SELECT r_sample FROM beats ORDER BY id");
    let rr: Vec<i64> = r.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(r.len() > 20, "{} beats", r.len());
    // 72 a minute at 500 SPS
    assert!(
        rr.iter().all(|rr| (400..=433).contains(rr)),
        "beats are missing or doubled: {rr:?}"
    );
}

fn kinds(database: &Path) -> Vec<String> {
    query(database, "SELECT kind FROM events ORDER BY id")
        .into_iter()
        .filter_map(|row| match row.into_iter().next() {
            Some(Value::Text(kind)) => Some(kind),
            _ => None,
        })
        .collect()
}

/// A home whose disk can misbehave; `None`, and said so, where none can.
fn home(folder: &Path) -> Option<Home> {
    let home = Home::new(folder, "batch_ms = 50", "");
    if !home.has_shim() {
        println!("skipped: no misbehaving disk");
        return None;
    }
    Some(home)
}

/// Starts the daemon and waits for its first beats.
fn recording(home: &Home) -> Daemon {
    let daemon = home.start(&SPEED);
    home.until("beats are stored", |status| {
        status["store"]["beats_committed"].as_u64() > Some(5)
    });
    daemon
}

fn ends_well(home: &Home, daemon: Daemon) {
    assert_eq!(daemon.terminate().0, Some(0), "{}", home.log());
}

fn has_no_gap(home: &Home) {
    let gaps = integers(&home.database, "SELECT count(*) FROM gaps");
    assert_eq!(gaps, [0], "{}", home.log());
}

/// Rows wait for two seconds while `trouble` lasts, and are stored once it is over.
fn is_bridged(home: &Home, trouble: impl FnOnce(u32), relief: impl FnOnce(u32)) {
    let daemon = recording(home);
    trouble(daemon.id());
    home.until("the trouble shows", |status| {
        status["store"]["state"] == "retrying"
    });
    let before = home.status()["samples_received"].as_u64();
    std::thread::sleep(Duration::from_secs(2));
    let status = home.status();
    assert!(status["samples_received"].as_u64() > before, "{status}");
    assert!(
        status["store"]["rows_waiting"].as_u64() > Some(20),
        "{status}"
    );
    relief(daemon.id());
    home.until("all is written again", |status| {
        status["store"]["state"] == "ok"
    });
    ends_well(home, daemon);
    integrity(&home.database).expect("an undamaged database");
    beats_are_whole(&home.database);
    assert_eq!(
        kinds(&home.database),
        ["store_outage", "store_recovered"],
        "{}",
        home.log()
    );
    has_no_gap(home);
}

#[test]
fn a_disk_that_refuses_is_bridged() {
    for disk in [Disk::Full, Disk::ReadOnly, Disk::InputOutputError] {
        let folder = common::scratch();
        let Some(home) = home(folder.path()) else {
            return;
        };
        is_bridged(&home, |_| home.disk(disk), |_| home.disk(Disk::Fine));
    }
}

/// SIGXFSZ would end the daemon without a word.
#[test]
fn a_limit_of_file_sizes_is_bridged_like_a_full_disk() {
    let limit = |pid: u32, soft: &str| {
        let set = Command::new("prlimit")
            .args([
                &format!("--pid={pid}"),
                &format!("--fsize={soft}:unlimited"),
            ])
            .status();
        assert!(set.expect("the prlimit command").success());
    };
    let folder = common::scratch();
    let Some(home) = home(folder.path()) else {
        return;
    };
    is_bridged(
        &home,
        |pid| limit(pid, "4096"),
        |pid| limit(pid, "unlimited"),
    );
}

#[test]
fn a_slow_card_delays_beats_and_loses_none() {
    let folder = common::scratch();
    let Some(home) = home(folder.path()) else {
        return;
    };
    let daemon = recording(&home);
    home.disk(Disk::SlowSync); // 2 s each
    std::thread::sleep(Duration::from_secs(5));
    let status = home.status();
    assert_eq!(status["store"]["state"], "ok", "{status}");
    home.disk(Disk::Fine);
    ends_well(&home, daemon);
    beats_are_whole(&home.database);
    has_no_gap(&home);
}

/// A daemon that is slow to close its database gets SIGTERM, and `later` once more: its exit code and
/// the time from the second one on.
fn terminated_twice(later: Duration) -> Option<(Option<i32>, Duration)> {
    let folder = common::scratch();
    let home = home(folder.path())?;
    let daemon = recording(&home);
    home.disk(Disk::SlowSync); // 2 s each
    daemon.ask_to_stop();
    std::thread::sleep(later);
    let ended = daemon.terminate();
    home.disk(Disk::Fine);
    integrity(&home.database).expect("an undamaged database");
    Some(ended)
}

/// `timeout` and wrappers that pass signals on send one request twice.
#[test]
fn a_signal_that_comes_twice_in_one_breath_stops_in_order() {
    if let Some((code, took)) = terminated_twice(Duration::from_millis(100)) {
        assert_eq!(code, Some(0));
        assert!(took > Duration::from_secs(1), "{took:?}: not slow to close");
    }
}

#[test]
fn a_signal_that_comes_again_later_ends_at_once() {
    if let Some((code, _)) = terminated_twice(Duration::from_millis(1500)) {
        assert_eq!(code, Some(130));
    }
}

#[test]
fn a_daemon_that_starts_on_a_full_disk_records_and_stores_later() {
    let folder = common::scratch();
    let Some(home) = home(folder.path()) else {
        return;
    };
    // a life before, so that there is a database to serve
    ends_well(&home, recording(&home));
    home.disk(Disk::Full);
    let daemon = home.start(&SPEED);
    home.until("rows wait", |status| {
        status["store"]["rows_waiting"].as_u64() > Some(10)
    });
    home.disk(Disk::Fine);
    home.until("they are stored", |status| {
        status["store"]["beats_committed"].as_u64() > Some(20)
    });
    ends_well(&home, daemon);
    let second = integers(&home.database, "SELECT max(id) FROM sessions");
    let sql = format!(
        "SELECT min(r_sample) FROM beats WHERE session = {}",
        second[0]
    );
    // the detector has found a beat by its first second
    assert!(integers(&home.database, &sql)[0] < 1_000);
}

/// A file system of one megabyte really fills up and is given room again.
#[test]
fn a_full_file_system_is_bridged() {
    let folder = common::scratch();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).expect("a folder");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(&disk)
        .output();
    if !mounted.as_ref().is_ok_and(|output| output.status.success()) {
        println!("skipped: a file system cannot be mounted here: {mounted:?}");
        return;
    }
    let outcome = std::panic::catch_unwind(|| {
        let home = Home::new(&disk, "batch_ms = 50", "");
        let ballast = disk.join("ballast");
        is_bridged(
            &home,
            |_| {
                // takes what is left; the last write fails, as it should
                let _ = std::fs::write(&ballast, vec![0; 2 << 20]);
            },
            |_| std::fs::remove_file(&ballast).expect("our own file"),
        );
    });
    let unmounted = Command::new("umount").arg("-l").arg(&disk).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn a_second_daemon_on_the_same_database_is_refused() {
    let folder = common::scratch();
    let home = Home::new(folder.path(), "", "");
    let first = home.start(&[]);
    home.until("it records", |status| status["state"] == "recording");
    let other = folder.path().join("other");
    std::fs::create_dir(&other).expect("a folder");
    let config = other.join("c.toml");
    let text = format!(
        "[store]\npath = {:?}\n[api]\nsocket_path = {:?}\n",
        home.database,
        other.join("s")
    );
    std::fs::write(&config, text).expect("it is written");
    let outcome = common::run([
        "run",
        "--simulated",
        "synthetic",
        "--config",
        config.to_str().unwrap(),
    ]);
    assert_eq!(outcome.code, Some(50), "{outcome:?}");
    let words = format!(
        "in use by another ecg-gateway with process id {}",
        first.id()
    );
    assert!(outcome.stderr.contains(&words), "{outcome:?}");
    assert_eq!(home.status()["state"], "recording");
}
