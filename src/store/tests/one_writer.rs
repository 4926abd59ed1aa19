//! One file has one writer, whatever it is called and whoever removes what.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;

use super::super::{Store, StoreError, StoreReader};
use super::hardship::{patient, quarantined_files};
use super::{fill, options, place, session_info, start, writer};

/// A database in `folder`, and every other way to it: name, path.
fn names(folder: &Path) -> (PathBuf, Vec<(&'static str, PathBuf)>) {
    let home = folder.join("home");
    fs::create_dir(&home).unwrap();
    let path = home.join("ecg.db");
    drop(Store::open(&path, options()).unwrap());
    let mut names = vec![("itself", path.clone())];
    let link = folder.join("link.db");
    symlink(&path, &link).unwrap();
    names.push(("symbolic link", link));
    let linked = folder.join("linked");
    symlink(&home, &linked).unwrap();
    names.push(("folder behind a symbolic link", linked.join("ecg.db")));
    let hard = folder.join("hard.db");
    fs::hard_link(&path, &hard).unwrap();
    names.push(("hard link", hard));
    names.push(("way round", folder.join("home/../home/./ecg.db")));
    (path, names)
}

#[test]
fn a_file_has_one_writer_whatever_it_is_called() {
    for lock_file_removed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (path, names) = names(folder.path());
        let written = start(&path, patient());
        written.begin_session(&session_info(0)).unwrap();
        let mut failures = Vec::new();
        for (name, other) in &names {
            if lock_file_removed {
                let _ = fs::remove_file(path.with_file_name("ecg.db.lock"));
            }
            match Store::open(other, options()) {
                Err(StoreError::InUse { .. }) => {}
                outcome => failures.push(format!("{name}: {outcome:?}")),
            }
            let lock = other.with_file_name(format!(
                "{}.lock",
                other.file_name().unwrap().to_string_lossy()
            ));
            if *name == "hard link" && lock.exists() {
                failures.push(format!("{name}: a lock file was left beside it"));
            }
        }
        written.close().unwrap();
        assert!(failures.is_empty(), "{failures:#?}");
    }
}

/// The lock lies on the file, where other processes meet it, and an older program's lock counts.
#[test]
fn the_locks_of_other_processes_count() {
    let (folder, path) = place("ecg.db");
    drop(Store::open(&path, options()).unwrap());
    for locked in ["ecg.db", "ecg.db.lock"] {
        // a descriptor of its own is to the kernel what another process would be
        let other = File::open(folder.path().join(locked)).unwrap();
        other.lock().unwrap();
        let outcome = Store::open(&path, options());
        assert!(
            matches!(outcome, Err(StoreError::InUse { .. })),
            "{locked}: {outcome:?}"
        );
        drop(other);
        let store = Store::open(&path, options()).unwrap();
        let other = File::open(folder.path().join(locked)).unwrap();
        assert!(other.try_lock().is_err(), "{locked} is not locked");
        drop(store);
        other.try_lock().unwrap();
    }
}

/// What SQLite has locked of the file in this process, by the kernel's list: `POSIX ADVISORY READ`.
fn sqlite_locks(path: &Path) -> usize {
    let inode = fs::metadata(path).unwrap().ino();
    let mine = std::process::id().to_string();
    fs::read_to_string("/proc/locks")
        .unwrap()
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.get(1) == Some(&"POSIX") && words.get(4) == Some(&&*mine))
        .filter(|words| words[5].rsplit(':').next() == Some(&*inode.to_string()))
        .count()
}

/// Closing any descriptor of a file frees all of the process's POSIX locks on it. Without its lock another
/// program would take the log for its own to remove.
#[test]
fn a_reader_that_comes_and_goes_leaves_sqlite_its_lock() {
    let (_folder, path) = place("ecg.db");
    let written = writer(&path);
    fill(&written, 0, 3);
    let before = sqlite_locks(&path);
    assert!(before > 0, "no lock to be lost");
    for _ in 0..3 {
        drop(StoreReader::open(&path).unwrap());
        assert!(matches!(
            Store::open(&path, options()),
            Err(StoreError::InUse { .. })
        ));
    }
    assert_eq!(sqlite_locks(&path), before);
    let reader = StoreReader::open(&path).unwrap();
    written.close().unwrap();
    assert!(sqlite_locks(&path) > 0, "the reader's own");
    drop(writer(&path)); // the lock of the writer is free although the reader stays
    assert_eq!(reader.totals().unwrap().sessions, 1);
}

#[test]
fn a_link_to_nothing_is_refused_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let medium = folder.path().join("medium");
    fs::create_dir(&medium).unwrap();
    let (link, target) = (folder.path().join("ecg.db"), medium.join("ecg.db"));
    symlink(&target, &link).unwrap();
    for options in [options(), patient()] {
        let error = Store::open(&link, options).unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with(link.to_str().unwrap()) && text.contains(target.to_str().unwrap()),
            "{text}"
        );
    }
    assert_eq!(fs::read_dir(&medium).unwrap().count(), 0);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        2,
        "nothing new"
    );
    // an empty file says that a new database is meant
    File::create(&target).unwrap();
    let store = Store::open(&link, options()).unwrap();
    assert_eq!(store.path(), target.canonicalize().unwrap());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(medium.join("ecg.db.lock").exists(), "beside the file");
}

#[test]
fn the_file_is_quarantined_not_the_link_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let medium = folder.path().join("medium");
    fs::create_dir(&medium).unwrap();
    let (link, target) = (folder.path().join("ecg.db"), medium.join("ecg.db"));
    let garbage = vec![0x5a; 10_000];
    fs::write(&target, &garbage).unwrap();
    fs::write(medium.join("ecg.db.lock"), "1\n").unwrap();
    symlink(&target, &link).unwrap();
    let written = start(&link, patient());
    written.begin_session(&session_info(0)).unwrap().unwrap();
    written.close().unwrap();
    assert_eq!(fs::read_link(&link).unwrap(), target);
    assert!(quarantined_files(folder.path()).is_empty());
    assert_eq!(fs::read(&quarantined_files(&medium)[0]).unwrap(), garbage);
    assert_eq!(
        StoreReader::open(&link).unwrap().totals().unwrap().sessions,
        1
    );
}

/// A log lies beside one name of a file: a crash would leave it there, and the other name would not see it.
#[test]
fn a_second_name_is_refused_and_the_first_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (path, names) = names(folder.path());
    let hard = &names
        .iter()
        .find(|(name, _)| *name == "hard link")
        .unwrap()
        .1;
    let error = Store::open(hard, options()).unwrap_err();
    assert!(
        matches!(&error, StoreError::Refused { detail, .. } if detail.contains("with 2 names")),
        "{error}"
    );
    drop(Store::open(&path, options()).unwrap());
    fs::remove_file(&path).unwrap();
    drop(Store::open(hard, options()).unwrap());
}

/// A file mounted at a second place, where mounting is allowed: the same file to the kernel.
#[test]
fn a_bind_mount_is_no_second_file() {
    let (folder, path) = place("ecg.db");
    let other = folder.path().join("other.db");
    drop(Store::open(&path, options()).unwrap());
    fs::write(&other, "").unwrap();
    let mounted = Command::new("mount")
        .arg("--bind")
        .args([&path, &other])
        .output();
    if !mounted.as_ref().is_ok_and(|output| output.status.success()) {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "CI must be able to mount: {mounted:?}"
        );
        println!("SKIPPED: nothing can be mounted here: {mounted:?}");
        return;
    }
    let written = writer(&path);
    let outcome = Store::open(&other, options());
    written.close().unwrap();
    let unmounted = Command::new("umount").arg(&other).status();
    assert!(unmounted.unwrap().success());
    assert!(
        matches!(outcome, Err(StoreError::InUse { .. })),
        "{outcome:?}"
    );
}

/// While a fresh database takes a damaged one's place, a second process that follows the rules - the file,
/// and where there is none the one in the making - finds a lock at every moment.
#[test]
fn there_is_no_moment_for_a_second_writer_while_a_database_is_quarantined() {
    let mut tried = 0;
    for round in 0..12 {
        let (folder, path) = place("ecg.db");
        let written = start(&path, patient());
        let info = session_info(0);
        written.begin_session(&info).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let intruder = scope.spawn(|| {
                let mut tried = 0_u64;
                while !done.load(Ordering::Relaxed) {
                    let file = match File::open(&path) {
                        Err(error) if error.kind() == ErrorKind::NotFound => {
                            File::open(folder.path().join("ecg.db.new")).map(|file| (file, ".new"))
                        }
                        other => other.map(|file| (file, "")),
                    };
                    let Ok((file, suffix)) = file else { continue };
                    tried += 1;
                    if file.try_lock().is_ok() {
                        let at = folder.path().join(format!("ecg.db{suffix}"));
                        let same = fs::metadata(&at)
                            .is_ok_and(|at| at.ino() == file.metadata().unwrap().ino());
                        assert!(!same, "round {round}: {} was free", at.display());
                    }
                }
                tried
            });
            fs::remove_file(folder.path().join("ecg.db-wal")).unwrap();
            written.flush().unwrap();
            written
                .record(ecg_chain::PipelineEvent::Beat(super::beat(&info, 0)))
                .unwrap();
            written.flush().unwrap();
            done.store(true, Ordering::Relaxed);
            tried += intruder.join().unwrap();
        });
        assert_eq!(written.monitor().status().quarantined, 1);
        written.close().unwrap();
    }
    // On a busy machine the second process may sleep through a whole round.
    assert!(tried > 120, "{tried}");
}

#[test]
fn nobody_but_owner_and_group_reads_what_the_store_makes() {
    let (folder, path) = place("ecg.db");
    let written = writer(&path);
    fill(&written, 0, 3);
    let mut seen = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o137, 0, "{:?} has mode {mode:o}", entry.file_name());
        seen += 1;
    }
    assert_eq!(seen, 5, "database, log, index, lock and ids");
    // rights somebody has set are kept
    written.close().unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    drop(writer(&path));
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(Connection::open(&path).unwrap());
}
