//! `ecg-gateway delete`: a session goes from a database that no gateway writes.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use rustix::process::{getgid, getpid, getuid};

use super::failure::{Cause, Failure, other};
use super::output;
use crate::acquisition::SystemClock;
use crate::store::{
    AuditKind, AuditRow, DeletedRows, Store, StoreError, StoreOptions, StoreReader,
};

/// Delete a session that has ended: its ECG, beats, maps, gaps, events, corrections with their notes, and
/// the patient's label. Who deleted how many rows when stays. There is no way back but a backup.
///
/// The daemon must not run: while it does, ask it (DELETE /v1/sessions/N on its socket).
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The database.
    #[arg(long, value_name = "FILE")]
    database: PathBuf,
    /// Number of the session.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    session: i64,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let session = arguments.session;
    if !arguments.database.exists() {
        // a writer would make one
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        let at = arguments.database.display();
        return Err(Failure::new(Cause::Database, format!("{at}: {missing}")));
    }
    if !arguments.yes {
        confirm(arguments)?;
    }
    let store = Store::open(&arguments.database, StoreOptions::default());
    let writer = store
        .map_err(|error| naming_the_daemons_way(error, session))?
        .into_writer(|_| {})?;
    let by = format!("uid {}", getuid().as_raw());
    let deleted = writer.delete_session(session, by);
    let now = SystemClock::relation();
    writer.monitor().audit(AuditRow {
        wall: now.wall,
        time: now.monotonic,
        uid: Some(getuid().as_raw()),
        gid: Some(getgid().as_raw()),
        pid: u32::try_from(getpid().as_raw_nonzero().get()).ok(),
        kind: AuditKind::Changed,
        what: "delete-session",
        outcome: match &deleted {
            Ok(_) => "done",
            Err(StoreError::NoSuchSession { .. }) => "no-such-session",
            Err(StoreError::SessionOpen { .. }) => "session-open",
            Err(_) => "store-unavailable",
        },
        count: 1,
        token: None,
    });
    let closed = writer.close();
    let failed = |error: StoreError| Failure::from(error).at_path(&arguments.database);
    let DeletedRows {
        beats,
        maps,
        gaps,
        events,
        ecg_blocks,
        corrections,
    } = deleted.map_err(failed)?.rows;
    closed?;
    output::text_line(&format!(
        "session {session} is deleted: {beats} beats, {maps} maps, {gaps} gaps, {events} events, \
         {ecg_blocks} blocks of ECG, {corrections} corrections"
    ))
}

fn naming_the_daemons_way(error: StoreError, session: i64) -> Failure {
    let in_use = matches!(error, StoreError::InUse { .. });
    let mut failure = Failure::from(error);
    if in_use {
        failure.message += &format!(
            ": a gateway that runs has it; ask that: \
             curl --unix-socket SOCKET -X DELETE http://localhost/v1/sessions/{session}"
        );
    }
    failure
}

/// Asks on the terminal whether it is meant.
fn confirm(arguments: &Arguments) -> Result<(), Failure> {
    let session = arguments.session;
    let input = std::io::stdin();
    if !input.is_terminal() {
        let detail = "nobody to ask on a terminal: give --yes to delete without asking";
        return Err(Failure::new(Cause::Usage, detail));
    }
    // An older database is migrated when it is opened to be written, so it cannot be shown before.
    let what = match StoreReader::open(&arguments.database).and_then(|it| it.session(session)) {
        Ok(Some(found)) => format!(
            " of {}, {} beats",
            found.info.start.wall.to_rfc3339().unwrap_or_default(),
            found.counts.beats()
        ),
        _ => String::new(),
    };
    let mut error = std::io::stderr().lock();
    let asked = write!(
        error,
        "Delete session {session}{what}? There is no way back but a backup. Type \"delete\": "
    );
    let mut answer = String::new();
    asked
        .and_then(|()| error.flush())
        .and_then(|()| input.lock().read_line(&mut answer))
        .map_err(|error| other("asking", error))?;
    if answer.trim() == "delete" {
        return Ok(());
    }
    Err(Failure::new(Cause::Usage, "nothing was deleted"))
}
