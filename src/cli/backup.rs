//! `ecg-gateway backup`: a copy of the database, also while the daemon writes it.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::arguments::CONFIG_FILE;
use super::failure::{Cause, Failure};
use super::wait::stop_on_signals;
use super::{output, progress};
use crate::config::Config;
use crate::store::{BackupOptions, Contents, KeepFree, NumberedBackups, back_up};

/// Copy the database, also while the daemon writes it: one moment of it, checked before it gets its
/// name, in one file that stands alone. `restore` puts it back.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// File to write, or a folder: there the backups are numbered
    /// (ecg-backup-000001-20261123T034500Z.db).
    #[arg(value_name = "TO")]
    to: PathBuf,
    #[command(flatten)]
    database: DatabaseArguments,
    /// Replace TO where it exists, once the new backup is whole.
    #[arg(long)]
    overwrite: bool,
    /// Of the numbered backups in the folder TO keep the newest this many, delete older ones.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    keep: Option<u16>,
    /// Copy no more than this a second, so that the daemon's commits do not wait; 0 is no limit.
    #[arg(long, value_name = "MIB", default_value_t = 8)]
    mib_per_second: u32,
    /// Refuse where less than this would stay free on the medium [default: where the database lies on
    /// it, a tenth of it and at least 1024, but no more than half of it, else 0].
    #[arg(long, value_name = "MIB")]
    min_free_mib: Option<u32>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Which database.
#[derive(Debug, Args)]
pub(super) struct DatabaseArguments {
    /// The database [default: the one of the configuration].
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    db: Option<PathBuf>,
    /// Configuration file that names the database.
    #[arg(long, value_name = "FILE", default_value = CONFIG_FILE)]
    config: PathBuf,
}

impl DatabaseArguments {
    pub(super) fn path(&self) -> Result<PathBuf, Failure> {
        match &self.db {
            Some(path) => Ok(path.clone()),
            None => Ok(Config::load(&self.config)?.store.path),
        }
    }
}

#[derive(Serialize)]
struct Summary {
    backup: PathBuf,
    database: PathBuf,
    #[serde(flatten)]
    contents: Contents,
    seconds: f64,
    deleted: Vec<PathBuf>,
}

/// `2 sessions, 1042 beats, 3 gaps, 17 events, 41 blocks of ECG, 1.3 MiB`.
pub(super) fn contents_line(contents: &Contents) -> String {
    let rows = |table: &str| contents.rows.get(table).copied().unwrap_or(0);
    format!(
        "{} sessions, {} beats, {} gaps, {} events, {} blocks of ECG, {:.1} MiB",
        rows("sessions"),
        rows("beats"),
        rows("gaps"),
        rows("events"),
        rows("ecg_blocks"),
        contents.bytes as f64 / f64::from(1 << 20)
    )
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let database = arguments.database.path()?;
    let numbered = arguments
        .to
        .is_dir()
        .then(|| NumberedBackups::look(&arguments.to, &database))
        .transpose()?;
    if numbered.is_none() && arguments.keep.is_some() {
        return Err(Failure::new(
            Cause::Usage,
            format!(
                "{}: not a folder, and --keep is about the numbered backups in one",
                arguments.to.display()
            ),
        ));
    }
    let target = match &numbered {
        Some(numbered) => numbered.next(),
        None => arguments.to.clone(),
    };
    let options = BackupOptions {
        overwrite: arguments.overwrite,
        bytes_per_second: (arguments.mib_per_second > 0)
            .then(|| u64::from(arguments.mib_per_second) << 20),
        keep_free: arguments
            .min_free_mib
            .map_or(KeepFree::WhatRecordingNeeds, |mib| {
                KeepFree::Bytes(u64::from(mib) << 20)
            }),
    };
    let stop = stop_on_signals()?;
    let began = Instant::now();
    let bar = progress::bar(0, "bytes copied");
    let contents = back_up(&database, &target, &options, &stop, &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let contents = contents?;
    let deleted = match (&numbered, arguments.keep) {
        (Some(numbered), Some(keep)) => numbered.prune(&target, usize::from(keep))?,
        _ => Vec::new(),
    };
    let summary = Summary {
        backup: target,
        database,
        contents,
        seconds: began.elapsed().as_secs_f64(),
        deleted,
    };
    if arguments.json {
        return output::json(&summary);
    }
    output::text_line(&format!(
        "{}: {}; checked, {:.1} s",
        summary.backup.display(),
        contents_line(&summary.contents),
        summary.seconds
    ))?;
    for path in &summary.deleted {
        output::text_line(&format!("{}: deleted", path.display()))?;
    }
    Ok(())
}
