//! The daemon killed again and again, on a disk and a chip that misbehave: every beat that was
//! acknowledged is stored exactly once, and every missing sample lies in a recorded gap.
//!
//! Short by default; `ECG_TORTURE_KILLS=200` is the long form (about ten minutes), `ECG_TORTURE_SEED`
//! another course of events, `ECG_GATEWAY` a release build.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use super::common;
use super::common::daemon::{Disk, Home, length, stream_after};
use super::common::process::Daemon;
use super::common::{integers, integrity, query};
use arrhythmianet::SplitMix64;
use rusqlite::Connection;
use rusqlite::types::Value;

/// What identifies a beat in whatever database it is: the wall time of its R peak, microseconds, and
/// its sample.
type Key = (i64, i64);

const SPEED: &str = "50";
/// Bytes overwritten at the head of a database to damage it.
const DAMAGE: [u8; 100] = [0xa5; 100];

#[derive(Debug, Default)]
struct Counts {
    kills: u64,
    disk_faults: [u64; 4],
    locks: u64,
    chip_faults: u64,
    damaged: Vec<(PathBuf, Vec<u8>)>,
    resets: u64,
    twice: u64,
}

#[test]
fn every_acknowledged_beat_is_stored_exactly_once() {
    let kills = length("ECG_TORTURE_KILLS", 8);
    let mut dice = SplitMix64::new(length("ECG_TORTURE_SEED", 1));
    let folder = common::scratch();
    let home = Home::new(folder.path(), "batch_ms = 50\necg_block_seconds = 5", "");
    let mut counts = Counts::default();
    let mut acknowledged: HashMap<Key, i64> = HashMap::new();
    let mut last_id = 0;
    while counts.kills < kills {
        let faults = chip_faults(&home, &mut dice, &mut counts);
        let mut daemon = home.start(&["--speed", SPEED, "--faults", &faults]);
        let client = listen(&home, &mut daemon, last_id);
        misbehave(&home, &mut dice, &mut counts);
        std::thread::sleep(Duration::from_millis(200 + dice.below(1_200)));
        assert!(
            daemon.ended().is_none(),
            "it ended by itself: {}",
            home.log()
        );
        daemon.kill();
        counts.kills += 1;
        for message in client {
            match message {
                Heard::Beat(key, id) => {
                    last_id = id;
                    if acknowledged
                        .insert(key, id)
                        .is_some_and(|before| before != id)
                    {
                        counts.twice += 1;
                    }
                }
                Heard::Reset => counts.resets += 1,
            }
        }
        if dice.below(2) == 0 {
            home.disk(Disk::Fine); // else the next life begins with this one's trouble
        }
        if counts.kills % 7 == 3 {
            damage(&home, &mut counts);
        }
    }
    home.disk(Disk::Fine);
    let mut daemon = home.start(&["--speed", SPEED]);
    let client = listen(&home, &mut daemon, last_id);
    home.until("the last life stores", |status| {
        status["store"]["beats_committed"].as_u64() > Some(5)
    });
    assert_eq!(daemon.terminate().0, Some(0), "{}", home.log());
    for message in client {
        if let Heard::Beat(key, id) = message {
            acknowledged.insert(key, id);
        }
    }
    verify(&home, &counts, &acknowledged);
}

/// What a client heard.
enum Heard {
    Beat(Key, i64),
    Reset,
}

/// Listens to the stream from after `last_id` on until the line is dead.
fn listen(home: &Home, daemon: &mut Daemon, last_id: i64) -> mpsc::Receiver<Heard> {
    let mut stream = loop {
        if let Ok(stream) = stream_after(&home.socket, last_id) {
            break stream;
        }
        assert!(daemon.ended().is_none(), "no start: {}", home.log());
        std::thread::sleep(Duration::from_millis(10));
    };
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        while let Some(message) = stream.next() {
            let heard = match &*message.event {
                "beat" => {
                    let data = message.json();
                    let (id, ..) = message.place();
                    Heard::Beat(
                        (
                            data["r_time_us"].as_i64().expect("a time"),
                            data["r_sample"].as_i64().expect("a sample"),
                        ),
                        id,
                    )
                }
                "reset" => Heard::Reset,
                _ => continue,
            };
            if tell.send(heard).is_err() {
                return;
            }
        }
    });
    told
}

/// A script of a few faults within the first minute of signal.
fn chip_faults(home: &Home, dice: &mut SplitMix64, counts: &mut Counts) -> String {
    let mut script = String::new();
    for _ in 0..dice.below(6) {
        let at = 1_000 + dice.below(50_000);
        let fault = match dice.below(6) {
            0 => format!("missed-drdy for {}ms", 2 + dice.below(40)),
            1 => format!("flip-bits {}", dice.below(4)),
            2 => format!(
                "clip ch{} for {}ms",
                1 + dice.below(2),
                dice.below(900) + 10
            ),
            3 => format!("lead-off in2n for {}ms", dice.below(900) + 10),
            4 => "brown-out".to_owned(),
            _ => format!("flip-bits 20,{} for 4ms", 24 + dice.below(40)),
        };
        script.push_str(&format!("at {at}ms {fault}\n"));
        counts.chip_faults += 1;
    }
    let path = home.folder.join("faults");
    fs::write(&path, script).expect("a script is written");
    path.to_str().expect("UTF-8").to_owned()
}

/// One fault of the disk, or a lock of another program, for a random time; or none.
fn misbehave(home: &Home, dice: &mut SplitMix64, counts: &mut Counts) {
    std::thread::sleep(Duration::from_millis(dice.below(500)));
    let disks = [
        Disk::Full,
        Disk::ReadOnly,
        Disk::InputOutputError,
        Disk::SlowSync,
    ];
    match dice.below(7) {
        kind @ 0..4 => {
            let kind = usize::try_from(kind).expect("small");
            counts.disk_faults[kind] += 1;
            home.disk(disks[kind]);
        }
        4 => {
            counts.locks += 1;
            if let Ok(other) = Connection::open(&home.database)
                && other.execute_batch("BEGIN IMMEDIATE").is_ok()
            {
                std::thread::sleep(Duration::from_millis(dice.below(800)));
                let _ = other.execute_batch("ROLLBACK");
            }
        }
        _ => home.disk(Disk::Fine),
    }
    if dice.below(2) == 0 {
        std::thread::sleep(Duration::from_millis(dice.below(900)));
        home.disk(Disk::Fine);
    }
}

/// Overwrites the head of the database as a dying card might. What stood there is kept, so that the
/// beats in it can be counted in the end.
fn damage(home: &Home, counts: &mut Counts) {
    let before = quarantined_files(home);
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&home.database)
        .expect("the database");
    let mut head = vec![0; DAMAGE.len()];
    file.read_exact_at(&mut head, 0).expect("a head");
    file.write_all_at(&DAMAGE, 0).expect("damaged");
    drop(file);
    // its life: it must set the file aside, not touch it
    home.disk(Disk::Fine);
    let daemon = home.start(&["--speed", SPEED]);
    home.until("the damaged database is set aside", |status| {
        status["store"]["databases_set_aside"] == 1
    });
    daemon.kill();
    let quarantined: Vec<_> = quarantined_files(home)
        .into_iter()
        .filter(|path| !before.contains(path))
        .collect();
    let [found] = quarantined.as_slice() else {
        panic!("set aside: {quarantined:?}");
    };
    counts.damaged.push((found.clone(), head));
}

/// Databases set aside, without their logs.
fn quarantined_files(home: &Home) -> Vec<PathBuf> {
    fs::read_dir(&home.folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            let name = path.to_str().expect("UTF-8");
            name.contains(".damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm")
        })
        .collect()
}

fn verify(home: &Home, counts: &Counts, acknowledged: &HashMap<Key, i64>) {
    for (path, head) in &counts.damaged {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .expect("a database set aside");
        let mut found = vec![0; DAMAGE.len()];
        file.read_exact_at(&mut found, 0).expect("a head");
        assert_eq!(found, DAMAGE, "{} was written to", path.display());
        file.write_all_at(head, 0).expect("mended");
    }
    let mut databases = quarantined_files(home);
    assert_eq!(databases.len(), counts.damaged.len(), "{databases:?}");
    databases.push(home.database.clone());
    let mut stored: HashMap<Key, Vec<i64>> = HashMap::new();
    let (mut samples, mut missing, mut gaps) = (0, 0, 0);
    for database in &databases {
        integrity(database).unwrap_or_else(|error| panic!("{}: {error}", database.display()));
        for row in query(database, "SELECT r_wall_us, r_sample, id FROM beats") {
            if let [
                Value::Integer(wall),
                Value::Integer(sample),
                Value::Integer(id),
            ] = row[..]
            {
                stored.entry((wall, sample)).or_default().push(id);
            }
        }
        for session in integers(database, "SELECT id FROM sessions") {
            let whole = everything_is_accounted_for(database, session);
            samples += whole.0;
            missing += whole.1;
            gaps += whole.2;
        }
    }
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|(key, id)| stored.get(key).is_none_or(|ids| ids[..] != [**id]))
        .collect();
    let doubled = stored.values().filter(|ids| ids.len() > 1).count();
    println!(
        "{} kills; disk faults: {} full, {} read-only, {} I/O error, {} slow; {} locks; {} chip \
         faults; {} databases damaged and set aside\n{} beats acknowledged, {} stored, {} \
         acknowledged and not there, {doubled} stored twice, {} acknowledged under two ids, {} \
         resets\n{samples} samples stored, {missing} missing in {gaps} gaps, 0 unaccounted for; \
         integrity_check ok in {} databases",
        counts.kills,
        counts.disk_faults[0],
        counts.disk_faults[1],
        counts.disk_faults[2],
        counts.disk_faults[3],
        counts.locks,
        counts.chip_faults,
        counts.damaged.len(),
        acknowledged.len(),
        stored.len(),
        lost.len(),
        counts.twice,
        counts.resets,
        databases.len(),
    );
    assert!(
        lost.is_empty() && doubled == 0 && counts.twice == 0,
        "{lost:?}"
    );
    let few = usize::try_from(counts.kills).expect("small");
    assert!(acknowledged.len() > few, "{} beats", acknowledged.len());
}

/// Every position of the session from 0 to its last beat or block lies in a block or in a gap.
/// Samples stored, samples missing, gaps.
fn everything_is_accounted_for(database: &Path, session: i64) -> (i64, i64, i64) {
    let rows = |sql: &str| -> Vec<(i64, i64)> {
        query(database, &sql.replace('?', &session.to_string()))
            .into_iter()
            .map(|row| match row[..] {
                [Value::Integer(first), Value::Integer(length)] => (first, length),
                _ => panic!("{row:?}"),
            })
            .collect()
    };
    let blocks = rows("SELECT first_sample, samples FROM ecg_blocks WHERE session = ?");
    let gaps = rows("SELECT first_missing_sample, missing_samples FROM gaps WHERE session = ?");
    let known = rows("SELECT r_sample, 1 FROM beats WHERE session = ?");
    let mut all: Vec<_> = blocks.iter().chain(&gaps).copied().collect();
    all.sort_unstable();
    let mut end = 0;
    for (first, length) in all {
        assert!(
            first <= end,
            "{} session {session}: {end} to {first} are neither stored nor in a gap",
            database.display()
        );
        end = end.max(first + length);
    }
    let last = known
        .iter()
        .map(|(sample, _)| sample + 1)
        .max()
        .unwrap_or(0);
    let open = integers(
        database,
        &format!("SELECT count(*) FROM sessions WHERE id = {session} AND end_reason IS NULL"),
    );
    // a session whose database was set aside in the middle is closed by nobody
    if open == [0] {
        assert!(
            last <= end,
            "{} session {session}: a beat at {last}, the ECG ends at {end}",
            database.display()
        );
    }
    let sum = |rows: &[(i64, i64)]| rows.iter().map(|(_, length)| length).sum();
    (
        sum(&blocks),
        sum(&gaps),
        i64::try_from(gaps.len()).expect("few"),
    )
}
