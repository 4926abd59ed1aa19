//! `kill -9` while beats are written: what was committed stays, and work goes on.

use std::path::Path;

use super::common;
use super::common::process::Daemon;
use super::common::{beats_of, integers, run};
use rusqlite::types::Value;

/// Beats in the database when the process is killed, at least.
const MOMENTS: [u64; 4] = [0, 1, 200, 900];

/// How often the trace is replayed: longer than any of the moments takes.
const REPETITIONS: usize = 100;

#[test]
fn nothing_committed_is_lost() {
    let folder = common::scratch();
    let trace = common::demo_trace("231");
    let reference = folder.path().join("reference.db");
    let outcome = run(replay(&trace, &reference));
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let whole = beats_of(&reference, 1);
    assert!(whole.len() > 100);

    let mut failures = Vec::new();
    for moment in MOMENTS {
        let database = folder.path().join(format!("killed-at-{moment}.db"));
        let socket = folder.path().join("s");
        let mut arguments = vec!["replay".as_ref()];
        arguments.extend([trace.as_os_str()].repeat(REPETITIONS));
        arguments.extend([
            "--db".as_ref(),
            database.as_os_str(),
            "--socket".as_ref(),
            socket.as_os_str(),
        ]);
        let mut running = Daemon::serving(arguments, &socket);
        let mut announced = 0;
        running.until("the moment has come", || {
            let (_, status) = common::get(&socket, "/v1/status");
            announced = status["totals"]["beats"].as_u64().unwrap_or(0);
            announced >= moment && status["totals"]["sessions"].as_u64() >= Some(1)
        });
        if !running.kill() {
            failures.push(format!("{moment}: it had ended before it was killed"));
        }
        let verdict = look(&database, announced, &whole)
            .and_then(|stored| go_on(&trace, &database, &socket, stored, &whole));
        failures.extend(verdict.err().map(|problem| format!("{moment}: {problem}")));
    }
    common::report(&failures);
}

fn replay(trace: &Path, database: &Path) -> Vec<std::ffi::OsString> {
    vec![
        "replay".into(),
        trace.into(),
        "--db".into(),
        database.into(),
    ]
}

/// Looks at the database as the kill left it; gives the number of beats.
fn look(database: &Path, announced: u64, whole: &[common::Row]) -> Result<usize, String> {
    common::integrity(database)?;
    let ids = integers(database, "SELECT id FROM beats ORDER BY id");
    let expected: Vec<i64> = (1..).take(ids.len()).collect();
    if ids != expected {
        return Err(format!("ids with holes: {ids:?}"));
    }
    if (ids.len() as u64) < announced {
        return Err(format!("{announced} beats announced, {} left", ids.len()));
    }
    for session in integers(database, "SELECT id FROM sessions ORDER BY id") {
        let beats = beats_of(database, session);
        if !whole.starts_with(&beats) {
            return Err(format!("beats of session {session} are not the trace's"));
        }
        let counted = integers(
            database,
            &format!(
                "SELECT beats_n + beats_l + beats_r + beats_a + beats_v FROM sessions \
                 WHERE id = {session}"
            ),
        );
        if i64::try_from(beats.len()) != Ok(counted[0]) {
            return Err(format!(
                "session {session} counts {counted:?} beats and has {}",
                beats.len()
            ));
        }
    }
    Ok(ids.len())
}

/// Replays once more into the same database and onto the dead socket.
fn go_on(
    trace: &Path,
    database: &Path,
    socket: &Path,
    stored: usize,
    whole: &[common::Row],
) -> Result<(), String> {
    let open = integers(database, "SELECT id FROM sessions WHERE end_reason IS NULL");
    let before = common::snapshot(database);
    let mut arguments = replay(trace, database);
    arguments.extend(["--socket".into(), socket.into()]);
    let outcome = run(arguments);
    if outcome.code != Some(0) || socket.exists() {
        return Err(format!("the next replay: {outcome:?}"));
    }
    common::integrity(database)?;
    let after = common::snapshot(database);
    if !after["beats"].starts_with(&before["beats"]) {
        return Err("beats of before have changed".to_owned());
    }
    let newest = integers(database, "SELECT max(id) FROM sessions");
    if beats_of(database, newest[0]) != whole {
        return Err("the next replay's beats are not the trace's".to_owned());
    }
    let ids = integers(database, "SELECT id FROM beats ORDER BY id");
    let expected: Vec<i64> = (1..).take(stored + whole.len()).collect();
    if ids != expected {
        return Err(format!("{} ids, expected {}", ids.len(), expected.len()));
    }
    for session in open {
        let found = common::query(
            database,
            &format!("SELECT end_reason, end_wall_us FROM sessions WHERE id = {session}"),
        );
        if found != [[Value::Text("interrupted".to_owned()), Value::Null]] {
            return Err(format!("session {session} ended as {found:?}"));
        }
    }
    Ok(())
}
