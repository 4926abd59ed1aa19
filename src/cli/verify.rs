//! `ecg-gateway verify`: whether a database is as it was written.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use ecg_chain::WallUs;
use serde::Serialize;

use super::failure::{Cause, Failure};
use super::output;
use super::terminal::printable;
use crate::store::{ChainHead, HeadVerdict, StoreReader, Verification};

/// Findings that are printed as text; --json has the first thousand.
const MOST_LINES: usize = 20;

/// Verify a database: SQLite's own check, and the chain of hashes over everything that was committed.
///
/// Finds damage, and rows that something else than the gateway has changed, deleted, added or moved.
/// Whoever computes the whole chain anew after that is found with --head: the log has a head
/// (SESSION:LINK:HASH) every hour and at the end of each session. The gateway may be writing
/// meanwhile. Ends with code 53 where anything is found.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The database.
    #[arg(value_name = "DATABASE")]
    database: PathBuf,
    /// A head from the log that the chain must still have; may be given more than once.
    #[arg(long, value_name = "SESSION:LINK:HASH")]
    head: Vec<ChainHead>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let found = StoreReader::open(&arguments.database)?.verify(&arguments.head)?;
    if arguments.json {
        output::json(&Summary {
            database: arguments.database.to_string_lossy(),
            sound: found.is_sound(),
            found: &found,
        })?;
    } else {
        output::text_line(&text(&found))?;
    }
    if found.is_sound() {
        return Ok(());
    }
    Err(Failure::new(
        Cause::NotAsWritten,
        format!(
            "{}: not as it was written: damage found by SQLite {}, rows and links {}, heads {}",
            arguments.database.display(),
            found.damage.len(),
            found.findings_total,
            found.wrong_heads()
        ),
    ))
}

fn text(found: &Verification) -> String {
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{words}"); // into a String, which cannot fail
    };
    line(format_args!(
        "table            protected  unprotected  deleted by retention  with their session"
    ));
    for (table, rows) in &found.tables {
        line(format_args!(
            "{table:<16} {:>9}  {:>11}  {:>20}  {:>18}",
            rows.protected, rows.unprotected, rows.deleted, rows.deleted_with_session
        ));
    }
    for anchor in &found.anchors {
        let (first, last) = (anchor.first_id, anchor.last_id);
        let what = match &*anchor.what {
            "chain" => Cow::Borrowed("links"),
            table => printable(table),
        };
        match &*anchor.reason {
            "migration" => line(format_args!(
                "{what} {first} to {last} are from before there was a chain: unprotected"
            )),
            "restored" => line(format_args!(
                "ids {first} to {last} of {what} were passed over: given before a backup was restored"
            )),
            reason => line(format_args!(
                "{what} {first} to {last} were deleted by retention ({})",
                printable(reason)
            )),
        }
    }
    for deletion in &found.deletions {
        let rows = &deletion.rows;
        line(format_args!(
            "session {} was deleted by {} at {}: {} beats, {} gaps, {} events, {} blocks of ECG",
            deletion.session,
            printable(&deletion.by),
            WallUs(deletion.wall_us).to_rfc3339().unwrap_or_default(),
            rows.beats,
            rows.gaps,
            rows.events,
            rows.ecg_blocks
        ));
    }
    for damage in &found.damage {
        line(format_args!("DAMAGE: {}", printable(damage)));
    }
    for finding in found.findings.iter().take(MOST_LINES) {
        // What the database says of itself must not make lines of its own.
        let (table, problem) = (finding.table, printable(&finding.problem));
        match finding.id {
            0 => line(format_args!("WRONG: {table}: {problem}")),
            id => line(format_args!("WRONG: {table} {id}: {problem}")),
        }
    }
    if found.findings_total > MOST_LINES as u64 {
        let more = found.findings_total - MOST_LINES as u64;
        line(format_args!("and {more} more"));
    }
    for check in &found.heads {
        line(format_args!(
            "{}: {}",
            check.head,
            match check.verdict {
                HeadVerdict::Holds => "the chain has it",
                HeadVerdict::Differs =>
                    "WRONG: the chain has another hash or session there: it was computed anew",
                HeadVerdict::Missing => "WRONG: the chain does not reach it: its end was cut off",
                HeadVerdict::Removed => "removed by retention: give a newer one",
            }
        ));
    }
    let links = found.links;
    match &found.head {
        Some(head) => line(format_args!("{links} links, head {head}")),
        None => line(format_args!(
            "no links: nothing was committed since there is a chain"
        )),
    }
    let _ = write!(
        text,
        "{}",
        if found.is_sound() {
            "sound"
        } else {
            "NOT AS IT WAS WRITTEN"
        }
    );
    text
}

#[derive(Serialize)]
struct Summary<'a> {
    database: Cow<'a, str>,
    sound: bool,
    #[serde(flatten)]
    found: &'a Verification,
}
