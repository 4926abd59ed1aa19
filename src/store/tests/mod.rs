//! The store against real SQLite files.

mod audit;
mod backup;
mod chained;
mod corrections;
mod deleted;
mod documented;
mod hardship;
mod one_writer;
mod opening;
mod reading;
mod replaced;
mod retaining;
mod room;
mod saliency;
mod writing;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrhythmianet::{BeatClass, Unclassifiable};
use ecg_chain::{ClockRelation, MonotonicNs, WallUs};
use ecg_chain::{
    EcgBlock, Event, EventKind, Gap, GapCause, LabelledBeat, PipelineEvent, SessionInfo,
};
use ecg_signal::{ChannelChoice, Mains, SignalQuality};
use rusqlite::Connection;
use tempfile::TempDir;

use super::migrate::{STEPS, migrate};
use super::query::column;
use super::{
    APPLICATION_ID, Change, CorrectionError, NewCorrection, Place, Says, Store, StoreOptions,
    StoreWriter, StoredCorrection, Synchronous, Target,
};

pub(super) const START_WALL_US: i64 = 1_700_000_000_000_000;
pub(super) const RATE_HZ: u64 = 500;

pub(super) fn session_info(start_s: u64) -> SessionInfo {
    SessionInfo {
        source: "replay".to_owned(),
        origin: "trace.ecgt".to_owned(),
        chip: "ADS1292R".to_owned(),
        sample_rate_hz: RATE_HZ as f64,
        uv_per_code: [0.5, 0.25],
        leads: ["I".to_owned(), "II".to_owned()],
        mains: Some(Mains::Hz60),
        channel: Some(ChannelChoice::Fixed(1)),
        patient_label: None,
        start: ClockRelation {
            monotonic: MonotonicNs(start_s * 1_000_000_000),
            wall: WallUs(START_WALL_US + i64::try_from(start_s).unwrap() * 1_000_000),
        },
        model: "v1".to_owned(),
        engine: "cpu-reference".to_owned(),
    }
}

fn time_of(info: &SessionInfo, sample: u64) -> MonotonicNs {
    info.start
        .monotonic
        .plus_ns(sample * 1_000_000_000 / RATE_HZ)
}

/// Beat `k` of a session: R peak every 400 samples, classes N N N N L R A V in turn; every other V is
/// unclassifiable.
pub(super) fn beat(info: &SessionInfo, k: u64) -> LabelledBeat {
    let class = [
        BeatClass::N,
        BeatClass::N,
        BeatClass::N,
        BeatClass::N,
        BeatClass::L,
        BeatClass::R,
        BeatClass::A,
        BeatClass::V,
    ][usize::try_from(k % 8).unwrap()];
    let mut probabilities = [0.02; 5];
    probabilities[class.index()] = 0.92;
    LabelledBeat {
        r_sample: 400 + 400 * k,
        r_time: time_of(info, 400 + 400 * k),
        rr_ms: (k > 0).then_some(800.0),
        class,
        unclassifiable: (k % 16 == 7).then_some(Unclassifiable::LowConfidence),
        probabilities,
        channel: u8::from(k % 2 == 1),
        quality: SignalQuality::Good,
        window_complete: k > 0,
        label_delay_ms: 612.5,
    }
}

pub(super) fn gap(info: &SessionInfo, first_missing_sample: u64, missing_samples: u64) -> Gap {
    Gap {
        first_missing_sample,
        missing_samples,
        time: time_of(info, first_missing_sample),
        cause: GapCause::MissedDrdy,
    }
}

pub(super) fn event(info: &SessionInfo, sample: u64) -> Event {
    Event::momentary(
        sample,
        time_of(info, sample),
        EventKind::LeadOff,
        "electrode IN1P is off".to_owned(),
    )
}

/// Channel 0 counts samples, channel 1 counts down.
pub(super) fn block(info: &SessionInfo, first_sample: u64, samples: u64) -> EcgBlock {
    EcgBlock {
        first_sample,
        first_time: time_of(info, first_sample),
        codes: (first_sample..first_sample + samples)
            .map(|k| i32::try_from(k).unwrap())
            .map(|k| [k, -k])
            .collect(),
    }
}

/// Fast options for throw-away databases.
pub(super) fn options() -> StoreOptions {
    StoreOptions {
        synchronous: Synchronous::Off,
        ..StoreOptions::default()
    }
}

pub(super) fn start(path: &Path, options: StoreOptions) -> StoreWriter {
    Store::open(path, options)
        .unwrap()
        .into_writer(|_| {})
        .unwrap()
}

pub(super) fn writer(path: &Path) -> StoreWriter {
    start(path, options())
}

pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The path of a database that is not there yet, in a folder that goes with the first value.
pub(super) fn place(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    (folder, path)
}

/// Opens a database, adds a closed session of `beats` beats, and closes it.
pub(super) fn filled(path: &Path, start_s: u64, beats: u64) {
    let written = writer(path);
    fill(&written, start_s, beats);
    written.close().unwrap();
}

pub(super) fn put(writer: &StoreWriter, row: PipelineEvent) {
    writer.record(row).unwrap();
}

pub(super) fn number(path: &Path, sql: &str) -> i64 {
    Connection::open(path)
        .unwrap()
        .query_row(sql, [], |row| row.get(0))
        .unwrap()
}

/// A database as schema version `version` made it, with the rows of `sql`.
pub(super) fn old_database(path: &Path, version: usize, sql: &str) {
    let mut connection = Connection::open(path).unwrap();
    connection
        .execute_batch(&format!(
            "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = {APPLICATION_ID}"
        ))
        .unwrap();
    migrate(&mut connection, &STEPS[..version]).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// A connection that the schema keeps from nothing.
pub(super) fn unguarded(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    let triggers = "SELECT name FROM sqlite_schema WHERE type = 'trigger'";
    for trigger in column::<String>(&connection, triggers, []).unwrap() {
        let sql = format!("DROP TRIGGER {trigger}");
        connection.execute_batch(&sql).unwrap();
    }
    connection
}

/// Stores a correction as the socket does.
pub(super) fn correct(
    writer: &StoreWriter,
    correction: NewCorrection,
) -> Result<StoredCorrection, CorrectionError> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let answer = move |outcome| sender.send(outcome).unwrap();
    let _claim = writer.monitor().correct(correction, answer)?;
    receiver.recv().unwrap()
}

fn asked(change: Change) -> NewCorrection {
    NewCorrection {
        change,
        note: None,
        author: "night-shift".to_owned(),
        origin: "person",
    }
}

pub(super) fn label(session: i64, beats: &[i64], class: char) -> NewCorrection {
    asked(Change::Correct {
        session: Some(session),
        says: Says::Label(class),
        target: match beats {
            [beat] => Target::Beat(*beat),
            _ => Target::Beats(beats.to_vec()),
        },
    })
}

/// A stretch of samples: of this class, or an artefact.
pub(super) fn stretch(
    info: &SessionInfo,
    session: i64,
    class: Option<char>,
    samples: std::ops::Range<u64>,
) -> NewCorrection {
    let place = |sample| Place {
        sample,
        wall: info.start.wall_at(time_of(info, sample)),
    };
    asked(Change::Correct {
        session: Some(session),
        says: class.map_or(Says::Artefact, Says::Label),
        target: Target::Stretch(place(samples.start), place(samples.end)),
    })
}

pub(super) fn undo(supersedes: i64) -> NewCorrection {
    asked(Change::Undo {
        session: None,
        supersedes,
    })
}

/// A closed session of `beats` beats.
pub(super) fn fill(writer: &StoreWriter, start_s: u64, beats: u64) -> i64 {
    let info = session_info(start_s);
    let id = writer.begin_session(&info).unwrap().unwrap();
    for k in 0..beats {
        put(writer, PipelineEvent::Beat(beat(&info, k)));
    }
    let end = ClockRelation {
        monotonic: time_of(&info, 400 * (beats + 2)),
        wall: info.start.wall_at(time_of(&info, 400 * (beats + 2))),
    };
    writer.end_session(end, "completed").unwrap();
    id
}
