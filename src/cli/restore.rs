//! `ecg-gateway restore`: a backup in the place of the database.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::backup::{DatabaseArguments, contents_line};
use super::failure::Failure;
use super::wait::stop_on_signals;
use super::{output, progress};
use crate::store::{Contents, Restored, check_backup, restore};

/// Put a backup in the place of the database, which is renamed and kept. The daemon must not run.
///
/// The backup is checked first and stays as it is. The database gets a new epoch, and its ids go on
/// after the largest of both, so that no client takes new rows for ones it knows.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The backup.
    backup: PathBuf,
    #[command(flatten)]
    database: DatabaseArguments,
    /// Only check whether the backup is whole; no database is touched.
    #[arg(long)]
    check: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Checked {
    backup: PathBuf,
    #[serde(flatten)]
    contents: Contents,
}

#[derive(Serialize)]
struct Summary {
    backup: PathBuf,
    database: PathBuf,
    #[serde(flatten)]
    restored: Restored,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.check {
        let checked = Checked {
            backup: arguments.backup.clone(),
            contents: check_backup(&arguments.backup)?,
        };
        if arguments.json {
            return output::json(&checked);
        }
        return output::text_line(&format!(
            "{}: whole; {}",
            checked.backup.display(),
            contents_line(&checked.contents)
        ));
    }
    let database = arguments.database.path()?;
    let stop = stop_on_signals()?;
    let bar = progress::bar(0, "bytes copied");
    let restored = restore(&arguments.backup, &database, &stop, &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let summary = Summary {
        backup: arguments.backup.clone(),
        database,
        restored: restored?,
    };
    if arguments.json {
        return output::json(&summary);
    }
    output::text_line(&format!(
        "{}: restored; {}",
        summary.database.display(),
        contents_line(&summary.restored.contents)
    ))?;
    match &summary.restored.previous {
        Some(previous) => output::text_line(&format!(
            "the database that was there is now {}",
            previous.display()
        ))?,
        None => output::text_line("there was no database of this name before")?,
    }
    if summary.restored.ids_guessed {
        output::text_line(
            "it did not tell how far its ids had come: they go on far behind those of the backup",
        )?;
    }
    Ok(())
}
