//! Files that other programs remove, replace or write over while the store has them.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ecg_chain::PipelineEvent;
use rusqlite::Connection;

use super::super::ids::quarantined;
use super::super::{RowFilter, Store, StoreError, StoreReader};
use super::hardship::{Recording, beat_ids, kinds, patient, quarantined_files};
use super::{beat, fill, filled, options, place, put, session_info, start, until, writer};

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

fn epoch(path: &Path) -> String {
    Connection::open(path)
        .unwrap()
        .query_row("SELECT epoch FROM store_identity", [], |row| row.get(0))
        .unwrap()
}

/// Puts what `from` holds into the file at `to`, as `cp` does: the inode stays.
fn cp(from: &Path, to: &Path) {
    let bytes = fs::read(from).unwrap();
    let mut file = OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(to)
        .unwrap();
    file.write_all(&bytes).unwrap();
}

/// Sixteen beats, acknowledged; every file of it.
fn sixteen() -> Recording {
    let recording = Recording::begin();
    for k in 0..16 {
        recording.beat(k);
    }
    recording.written.flush().unwrap();
    recording
}

/// The rows are still there, under their ids and the same epoch, and so is what was put in their place.
#[test]
fn what_is_removed_or_replaced_loses_no_acknowledged_beat() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 6] = [
        ("rm log", |path| {
            fs::remove_file(beside(path, "-wal")).unwrap();
        }),
        ("rm index", |path| {
            fs::remove_file(beside(path, "-shm")).unwrap();
        }),
        ("rm log and index", |path| {
            fs::remove_file(beside(path, "-wal")).unwrap();
            fs::remove_file(beside(path, "-shm")).unwrap();
        }),
        ("rm database", |path| fs::remove_file(path).unwrap()),
        ("rm everything", |path| {
            for suffix in ["", "-wal", "-shm"] {
                fs::remove_file(beside(path, suffix)).unwrap();
            }
        }),
        ("mv", |path| {
            let other = beside(path, ".other");
            drop(Store::open(&other, options()).unwrap());
            fs::rename(other, path).unwrap();
        }),
    ];
    for (name, harm) in harms {
        for goes_on in [true, false] {
            let recording = sixteen();
            let before = epoch(&recording.path);
            harm(&recording.path);
            let mut expected: Vec<i64> = (1..=16).collect();
            if goes_on {
                recording.beat(16);
                recording.written.flush().unwrap();
                expected.push(17);
                let reader = StoreReader::open(&recording.path).unwrap();
                assert_eq!(kinds(&reader), ["store_set_aside"], "{name}");
                let events = reader.events(&RowFilter::default()).unwrap();
                let detail = &events[0].detail;
                assert!(
                    detail.contains("by another program") && detail.contains("with all its rows"),
                    "{name}: {detail}"
                );
                let kept = match name {
                    "rm everything" => "nothing was left of it",
                    _ => "quarantined as",
                };
                assert!(detail.contains(kept), "{name}: {detail}");
                assert_eq!(
                    recording.written.monitor().status().quarantined,
                    1,
                    "{name}"
                );
            }
            let Recording {
                written,
                path,
                info,
                folder,
            } = recording;
            written.end_session(info.start, "stopped").unwrap();
            written.close().unwrap();
            let reader = StoreReader::open(&path).unwrap();
            assert_eq!(beat_ids(&reader), expected, "{name}");
            assert_eq!(epoch(&path), before, "{name}");
            // one session all along, and it is closed
            let sessions = reader.sessions(0, 10).unwrap();
            assert_eq!(sessions.len(), 1, "{name}");
            assert_eq!(sessions[0].end.as_ref().unwrap().reason, "stopped");
            assert_eq!(sessions[0].counts.beats(), expected.len() as u64);
            if !["rm everything", "rm database"].contains(&name) {
                assert_eq!(quarantined(&path).len(), 1, "{name}: {folder:?}");
            }
        }
    }
}

/// The last session is over, nothing is committed any more, and still nothing is lost.
#[test]
fn files_removed_after_the_last_commit_are_noticed_at_the_end() {
    let recording = sixteen();
    let Recording {
        written,
        path,
        info,
        folder: _folder,
    } = recording;
    written.end_session(info.start, "stopped").unwrap();
    fs::remove_file(&path).unwrap();
    written.close().unwrap();
    assert_eq!(beat_ids(&StoreReader::open(&path).unwrap()).len(), 16);
}

/// What a copy has overwritten is gone; the copy and the log are kept, ids go on, the epoch is another.
#[test]
fn a_copy_over_the_open_file_is_noticed_and_ids_go_on() {
    let (folder, path) = place("ecg.db");
    filled(&path, 0, 10);
    let backup = folder.path().join("backup");
    fs::copy(&path, &backup).unwrap();
    filled(&path, 100, 2_000);
    let before = epoch(&path);
    let written = start(&path, patient());
    let info = session_info(200);
    written.begin_session(&info).unwrap();
    for k in 0..16 {
        put(&written, PipelineEvent::Beat(beat(&info, k)));
    }
    written.flush().unwrap();
    cp(&backup, &path);
    put(&written, PipelineEvent::Beat(beat(&info, 16)));
    written.flush().unwrap();
    assert_eq!(written.monitor().status().quarantined, 1);
    written.close().unwrap();
    let reader = StoreReader::open(&path).unwrap();
    assert_eq!(beat_ids(&reader), [2_027]);
    let events = reader.events(&RowFilter::default()).unwrap();
    assert!(events[0].detail.contains("written over by another program"));
    assert_ne!(epoch(&path), before);
    let files = quarantined_files(folder.path());
    let bytes = fs::read(&backup).unwrap();
    assert_eq!(fs::read(&files[0]).unwrap(), bytes, "{files:?}");
    assert!(
        files
            .iter()
            .any(|path| path.to_str().unwrap().ends_with("-wal"))
    );
}

/// What the log still holds covers everything the copy lacks: nothing is lost, and nothing is put away.
#[test]
fn a_copy_that_the_log_makes_whole_is_kept() {
    let recording = sixteen();
    let Recording {
        written,
        path,
        info,
        folder,
    } = recording;
    let backup = folder.path().join("backup");
    fs::copy(&path, &backup).unwrap();
    let before = epoch(&path);
    cp(&backup, &path);
    written
        .record(PipelineEvent::Beat(beat(&info, 16)))
        .unwrap();
    written.flush().unwrap();
    assert_eq!(written.monitor().status().quarantined, 0);
    written.close().unwrap();
    assert_eq!(beat_ids(&StoreReader::open(&path).unwrap()).len(), 17);
    assert_eq!(epoch(&path), before);
}

/// Other programs may read, write and checkpoint, and people may change rights and names: none of that is
/// a replacement.
#[test]
fn a_sound_database_is_never_quarantined() {
    let recording = Recording::begin();
    let path = &recording.path;
    let other = Connection::open(path).unwrap();
    let mut k = 0;
    let mut commit = || {
        for _ in 0..5 {
            recording.beat(k);
            k += 1;
        }
        recording.written.flush().unwrap();
    };
    let checkpoint = |mode: &str| {
        other
            .query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))
            .unwrap();
    };
    for round in 0..6 {
        for mode in ["PASSIVE", "FULL", "RESTART", "TRUNCATE"] {
            commit();
            checkpoint(mode);
            commit();
            commit();
            checkpoint(mode);
            checkpoint(mode);
        }
        other
            .execute("UPDATE sessions SET samples = ?1", [round])
            .unwrap();
        checkpoint("PASSIVE");
        commit();
        fs::set_permissions(path, fs::Permissions::from_mode(0o640 - round % 2 * 0o40)).unwrap();
        commit();
        fs::hard_link(path, beside(path, &format!(".name-{round}"))).unwrap();
        commit();
        drop(StoreReader::open(path).unwrap());
        drop(fs::read(path).unwrap());
    }
    // as another program's checkpoint in the middle: written, and not yet said so
    let file = OpenOptions::new().write(true).open(path).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let length = file.metadata().unwrap().len();
            file.set_len(length).unwrap(); // touches the file's times alone
            std::thread::sleep(Duration::from_millis(300));
            Connection::open(path)
                .unwrap()
                .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
                .unwrap();
        });
        commit();
    });
    commit();
    // times that somebody sets, and the very content written once more
    file.set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    commit();
    cp(path, path);
    commit();
    assert_eq!(recording.written.monitor().status().quarantined, 0);
    assert!(quarantined_files(recording.folder.path()).is_empty());
    let Recording { written, path, .. } = recording;
    written.close().unwrap();
    let reader = StoreReader::open(&path).unwrap();
    assert_eq!(beat_ids(&reader).len(), usize::try_from(k).unwrap());
}

/// A recording that can be replayed ends instead.
#[test]
fn a_replay_ends_where_its_database_is_taken_away() {
    let (folder, path) = place("ecg.db");
    let written = writer(&path);
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    fs::remove_file(beside(&path, "-wal")).unwrap();
    put(&written, PipelineEvent::Beat(beat(&info, 0)));
    let error = written.flush().unwrap_err().to_string();
    assert!(error.contains("ecg.db-wal was removed"), "{error}");
    drop(written);
    assert!(quarantined_files(folder.path()).is_empty());
    Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0))
        .unwrap();
}

/// While the store is closed nobody watches; the next opening finds that rows are missing, or that it is
/// another database, and gives no id twice.
#[test]
fn an_older_copy_put_back_meanwhile_gets_another_epoch_and_new_ids() {
    let (folder, path) = place("ecg.db");
    let backup = folder.path().join("backup");
    filled(&path, 0, 10);
    fs::copy(&path, &backup).unwrap();
    let first = epoch(&path);
    filled(&path, 100, 30);
    cp(&backup, &path);
    filled(&path, 200, 1);
    let reader = StoreReader::open(&path).unwrap();
    let newest = reader.newest_beat_id().unwrap();
    assert!(newest > 40, "{newest}");
    assert_eq!(kinds(&reader), ["store_rows_missing"]);
    let second = epoch(&path);
    assert_ne!(first, second);
    drop(reader);

    // another database altogether, as `restore` would put it there: it keeps its own epoch
    let other = folder.path().join("other.db");
    let written = writer(&other);
    fill(&written, 0, 2);
    written.close().unwrap();
    let third = epoch(&other);
    cp(&other, &path);
    filled(&path, 300, 1);
    let reader = StoreReader::open(&path).unwrap();
    assert_eq!(epoch(&path), third);
    assert!(reader.newest_beat_id().unwrap() > newest);
    assert!(kinds(&reader).is_empty());
    // and a database in order goes on without holes
    let before = reader.newest_beat_id().unwrap();
    filled(&path, 400, 1);
    assert_eq!(reader.newest_beat_id().unwrap(), before + 1);
}

/// The loss is found for good, not only until the next rows come, and also where the process died before it
/// could reserve ids under the new epoch.
#[test]
fn missing_rows_are_found_also_after_others_were_added() {
    for dies in [false, true] {
        let (folder, path) = place("ecg.db");
        let backup = folder.path().join("backup");
        filled(&path, 0, 10);
        fs::copy(&path, &backup).unwrap();
        filled(&path, 100, 30);
        cp(&backup, &path);
        let reserved = fs::read(beside(&path, ".ids")).unwrap();
        drop(Store::open(&path, options()).unwrap());
        if dies {
            fs::write(beside(&path, ".ids"), reserved).unwrap();
        }
        for start_s in [200, 300] {
            filled(&path, start_s, 2);
        }
        let found = StoreReader::open(&path).unwrap().verify(&[]).unwrap();
        let findings = found.findings.iter();
        let named: Vec<_> = findings
            .map(|finding| (finding.table, finding.id))
            .collect();
        assert_eq!(named, [("sessions", 2), ("beats", 11)], "{found:#?}");
    }
}

/// No id is given that is not reserved: not the first of a table, either.
#[test]
fn a_tables_first_id_is_reserved_too() {
    let (folder, path) = place("ecg.db");
    let fresh = folder.path().join("fresh.db");
    let info = session_info(0);
    let first_event = |path: &Path| {
        let written = writer(path);
        written.begin_session(&info).unwrap();
        put(&written, PipelineEvent::Event(super::event(&info, 600)));
        written.flush().unwrap();
        // as where the process dies now
        fs::copy(beside(path, ".ids"), beside(path, ".ids.now")).unwrap();
        let reader = StoreReader::open(path).unwrap();
        reader.events(&RowFilter::default()).unwrap()[0].id
    };
    assert_eq!(first_event(&path), 1);
    fs::rename(beside(&path, ".ids.now"), beside(&fresh, ".ids")).unwrap();
    let later = first_event(&fresh);
    assert!(later > 1, "{later}");
}

/// What closing its open session adds to an older copy gets no id that the missing rows had.
#[test]
fn the_gap_of_a_crash_in_an_older_copy_gets_a_new_id() {
    let (folder, path) = place("ecg.db");
    let backup = folder.path().join("backup");
    let written = writer(&path);
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    put(&written, PipelineEvent::Ecg(super::block(&info, 0, 1_000)));
    for k in 0..5 {
        put(&written, PipelineEvent::Beat(beat(&info, k)));
    }
    written.flush().unwrap();
    for suffix in ["", "-wal"] {
        fs::copy(beside(&path, suffix), beside(&backup, suffix)).unwrap();
    }
    put(&written, PipelineEvent::Gap(super::gap(&info, 3_000, 2)));
    written.close().unwrap();
    for suffix in ["", "-wal"] {
        fs::copy(beside(&backup, suffix), beside(&path, suffix)).unwrap();
    }
    drop(Store::open(&path, options()).unwrap());
    let reader = StoreReader::open(&path).unwrap();
    let gaps = reader.gaps(&RowFilter::default()).unwrap();
    assert_eq!(gaps.len(), 1);
    assert!(gaps[0].id > 1, "{gaps:?}");
}

/// Files of which nothing can be read, a clock that may show anything, a file of reserved ids that may be
/// gone: ids of every table only ever go up.
#[test]
fn no_damage_makes_ids_come_twice() {
    let (_folder, path) = place("ecg.db");
    let tables = [
        "sessions",
        "beats",
        "events",
        "ecg_blocks",
        "clock_relations",
    ];
    let mut before = [0_i64; 5];
    for round in 0..6_u64 {
        let written = start(&path, patient());
        let info = session_info(100 * round);
        written.begin_session(&info).unwrap().unwrap();
        for event in [
            PipelineEvent::Beat(beat(&info, 0)),
            PipelineEvent::Event(super::event(&info, 600)),
            PipelineEvent::Ecg(super::block(&info, 0, 500)),
            PipelineEvent::Clock {
                relation: info.start,
                step_us: 1,
            },
        ] {
            written.record(event).unwrap();
        }
        written.close().unwrap();
        let connection = Connection::open(&path).unwrap();
        for (before, table) in before.iter_mut().zip(tables) {
            let ids: (i64, i64) = connection
                .query_row(
                    &format!("SELECT min(id), max(id) FROM {table}"),
                    [],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .unwrap();
            assert!(
                ids.0 > *before,
                "round {round}, {table}: {ids:?} after {before}"
            );
            *before = ids.1;
        }
        drop(connection);
        let length = fs::metadata(&path).unwrap().len();
        fs::write(&path, vec![0xa5; usize::try_from(length).unwrap()]).unwrap();
        if round == 3 {
            fs::remove_file(beside(&path, ".ids")).unwrap();
        }
        if round == 4 {
            // a life that ends before its first commit reserves ids, too
            let store = Store::open(&path, patient()).unwrap();
            drop(store);
            fs::write(&path, vec![0xa5; 5_000]).unwrap();
        }
    }
    assert_eq!(quarantined(&path).len(), 6);
}

#[test]
fn a_database_taken_away_while_it_cannot_be_opened_is_an_error_not_a_mix() {
    let (folder, path) = place("ecg.db");
    let mut store = Store::open(&path, options()).unwrap();
    store.forget();
    let other = folder.path().join("other.db");
    drop(Store::open(&other, options()).unwrap());
    cp(&other, &path); // the same file to the kernel, another database
    let error = store.connection().map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Replaced { .. }), "{error}");
    store.forget();
    fs::rename(&other, &path).unwrap();
    let error = store.connection().map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Replaced { .. }), "{error}");
}

/// The same database in a file of its own is the same database: a copy that somebody made of it and moved to
/// its place while it could not be reached.
#[test]
fn a_whole_copy_in_its_place_is_taken() {
    let (folder, path) = place("ecg.db");
    filled(&path, 0, 3);
    let mut store = Store::open(&path, options()).unwrap();
    store.forget();
    let copy = folder.path().join("copy");
    for suffix in ["", "-wal"] {
        fs::copy(beside(&path, suffix), beside(&copy, suffix)).unwrap();
        fs::rename(beside(&copy, suffix), beside(&path, suffix)).unwrap();
    }
    store.connection().unwrap();
    assert!(matches!(
        Store::open(&path, options()),
        Err(StoreError::InUse { .. })
    ));
}

/// A mount point whose medium is gone gets no database: rows wait for the medium.
#[test]
fn a_medium_taken_away_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let medium = folder.path().join("medium");
    fs::create_dir(&medium).unwrap();
    let path = medium.join("ecg.db");
    let written = start(&path, patient());
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    put(&written, PipelineEvent::Beat(beat(&info, 0)));
    written.flush().unwrap();
    let away = folder.path().join("away");
    fs::rename(&medium, &away).unwrap();
    fs::create_dir(&medium).unwrap();
    put(&written, PipelineEvent::Beat(beat(&info, 1)));
    until("the trouble shows", || {
        let trouble = written.monitor().status().trouble;
        trouble.is_some_and(|trouble| trouble.contains("is the medium mounted"))
    });
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(fs::read_dir(&medium).unwrap().count(), 0);
    fs::remove_dir(&medium).unwrap();
    fs::rename(&away, &medium).unwrap();
    written.flush().unwrap();
    written.close().unwrap();
    assert_eq!(beat_ids(&StoreReader::open(&path).unwrap()), [1, 2]);
    assert!(quarantined_files(&medium).is_empty());
}

/// Another daemon began a database where the first one's was removed, lock file and all. It is not driven
/// away; what the first one had acknowledged is saved beside it, and the first one stops.
#[test]
fn another_daemon_in_its_place_is_not_driven_away() {
    let recording = sixteen();
    let path = &recording.path;
    for suffix in ["", "-wal", "-shm", ".lock", ".ids"] {
        fs::remove_file(beside(path, suffix)).unwrap();
    }
    let second = start(path, patient());
    second.begin_session(&session_info(500)).unwrap().unwrap();
    recording.beat(16);
    let error = recording.written.flush().unwrap_err().to_string();
    assert!(error.contains("in use by another ecg-gateway"), "{error}");
    put(&second, PipelineEvent::Beat(beat(&session_info(500), 0)));
    second.flush().unwrap();
    assert_eq!(second.monitor().status().quarantined, 0);
    second.close().unwrap();
    let saved = quarantined(path);
    assert_eq!(saved.len(), 1);
    assert_eq!(beat_ids(&StoreReader::open(&saved[0]).unwrap()).len(), 16);
}
