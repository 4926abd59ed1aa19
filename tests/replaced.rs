//! The daemon while somebody removes, replaces or copies over its database, or starts a second daemon on
//! it: no acknowledged beat is lost that a file still had, no id is given twice, and all is told.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::common;
use super::common::daemon::Home;
use super::common::process::Daemon;
use super::common::{get, integers, integrity, query};
use rusqlite::types::Value;

/// Twenty times as fast as real time: a beat every 40 ms.
const SPEED: [&str; 2] = ["--speed", "20"];

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

fn home(folder: &Path) -> Home {
    Home::new(folder, "batch_ms = 50", "")
}

fn recording(home: &Home, beats: u64) -> Daemon {
    let daemon = home.start(&SPEED);
    home.until("beats are stored", |status| {
        status["store"]["beats_committed"].as_u64() >= Some(beats)
    });
    daemon
}

/// Ids and samples of the beats a client is told of.
fn acknowledged(home: &Home) -> BTreeMap<i64, i64> {
    let (_, answer) = get(&home.socket, "/v1/beats?limit=1000");
    let beats = answer["beats"].as_array().expect("beats").iter();
    beats
        .map(|beat| {
            let number = |name: &str| beat[name].as_i64().expect("a number");
            (number("id"), number("r_sample"))
        })
        .collect()
}

fn stored(database: &Path) -> BTreeMap<i64, i64> {
    query(database, "SELECT id, r_sample FROM beats")
        .into_iter()
        .map(|row| match row[..] {
            [Value::Integer(id), Value::Integer(sample)] => (id, sample),
            _ => panic!("{row:?}"),
        })
        .collect()
}

fn goes_on(home: &Home, set_aside: u64) {
    home.until("the replacement is noticed", |status| {
        status["store"]["databases_set_aside"].as_u64() == Some(set_aside)
    });
    let before = home.status()["store"]["beats_committed"].as_u64();
    home.until("beats are stored again", |status| {
        status["store"]["beats_committed"].as_u64() > before.map(|beats| beats + 5)
    });
}

fn ends_well(home: &Home, daemon: Daemon) {
    assert_eq!(daemon.terminate().0, Some(0), "{}", home.log());
    integrity(&home.database).expect("an undamaged database");
}

type Harm = fn(&Path);

#[test]
fn what_is_removed_under_the_daemon_is_saved() {
    let harms: [(&str, Harm); 4] = [
        ("rm ecg.db-wal", |path| {
            fs::remove_file(beside(path, "-wal")).expect("removed");
        }),
        ("rm ecg.db-shm", |path| {
            fs::remove_file(beside(path, "-shm")).expect("removed");
        }),
        ("rm ecg.db", |path| fs::remove_file(path).expect("removed")),
        ("rm ecg.db*", |path| {
            for suffix in ["", "-wal", "-shm", ".lock", ".ids"] {
                fs::remove_file(beside(path, suffix)).expect("removed");
            }
        }),
    ];
    let mut failures = Vec::new();
    for (name, harm) in harms {
        let folder = common::scratch();
        let home = home(folder.path());
        let daemon = recording(&home, 16);
        let before = acknowledged(&home);
        harm(&home.database);
        goes_on(&home, 1);
        ends_well(&home, daemon);
        let after = stored(&home.database);
        let lost: Vec<_> = before
            .iter()
            .filter(|(id, sample)| after.get(id) != Some(sample))
            .collect();
        if before.len() < 16 || !lost.is_empty() {
            failures.push(format!(
                "{name}: {} acknowledged, lost {lost:?}",
                before.len()
            ));
        }
        let sessions = integers(&home.database, "SELECT count(*) FROM sessions");
        let told = integers(
            &home.database,
            "SELECT count(*) FROM events WHERE kind = 'store_set_aside'",
        );
        let kept = match name {
            "rm ecg.db*" => "nothing was left of it",
            _ => "quarantined as",
        };
        if (sessions, told) != (vec![1], vec![1]) || !home.log().contains(kept) {
            failures.push(format!("{name}: not told: {}", home.log()));
        }
    }
    common::report(&failures);
}

#[test]
fn a_copy_over_the_database_gives_no_id_twice() {
    let folder = common::scratch();
    let home = home(folder.path());
    ends_well(&home, recording(&home, 10));
    let backup = beside(&home.database, ".backup");
    fs::copy(&home.database, &backup).expect("a backup");
    let epoch = query(&home.database, "SELECT epoch FROM store_identity");
    // rows the copy lacks, and the log of the next life does not have
    ends_well(&home, recording(&home, 40));
    let daemon = recording(&home, 16);
    let before = acknowledged(&home);
    // as `cp` does it: the inode stays
    fs::copy(&backup, &home.database).expect("copied over");
    goes_on(&home, 1);
    let after = acknowledged(&home);
    ends_well(&home, daemon);
    let newest = before.keys().max().expect("beats");
    let first = after.keys().min().expect("beats");
    assert!(first > newest, "{newest} and then {first}");
    assert_ne!(
        query(&home.database, "SELECT epoch FROM store_identity"),
        epoch
    );
    let mut kept = fs::read_dir(folder.path())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().contains(".damaged-"));
    let is_the_copy = |path: PathBuf| fs::read(path).ok() == fs::read(&backup).ok();
    assert!(kept.any(is_the_copy), "the copy is kept");
}

#[test]
fn a_second_daemon_is_refused_by_every_name_and_without_the_lock_file() {
    let folder = common::scratch();
    let home = home(folder.path());
    let daemon = recording(&home, 5);
    let other = folder.path().join("other");
    fs::create_dir(&other).expect("a folder");
    let (link, hard) = (other.join("link.db"), other.join("hard.db"));
    let linked = folder.path().join("linked");
    symlink(&home.database, &link).expect("a link");
    fs::hard_link(&home.database, &hard).expect("a link");
    symlink(folder.path(), &linked).expect("a link");
    let mut failures = Vec::new();
    for (name, path) in [
        ("itself", home.database.clone()),
        ("symbolic link", link),
        ("hard link", hard),
        ("linked folder", linked.join("ecg.db")),
    ] {
        let _ = fs::remove_file(beside(&home.database, ".lock"));
        let config = other.join("c.toml");
        let text = format!(
            "[store]\npath = {path:?}\n[api]\nsocket_path = {:?}\n",
            other.join("s")
        );
        fs::write(&config, text).expect("it is written");
        let arguments = ["run", "--simulated", "synthetic", "--config"];
        let outcome = common::run(arguments.into_iter().chain(config.to_str()));
        if outcome.code != Some(50) || !outcome.stderr.contains("in use by another ecg-gateway") {
            failures.push(format!("{name}: {outcome:?}"));
        }
    }
    goes_on(&home, 0);
    ends_well(&home, daemon);
    common::report(&failures);
}

/// A reader of the daemon's own must not free its lock: another program that then closes the database
/// last would remove the log.
#[test]
fn other_programs_leave_the_log_alone() {
    let folder = common::scratch();
    let home = home(folder.path());
    let daemon = recording(&home, 5);
    for _ in 0..5 {
        let before = acknowledged(&home);
        integers(&home.database, "SELECT count(*) FROM beats"); // opens and closes it
        assert!(beside(&home.database, "-wal").exists(), "{}", home.log());
        assert!(!before.is_empty());
    }
    goes_on(&home, 0);
    ends_well(&home, daemon);
}
