//! Backups that a timer makes, numbered in a folder.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::file::{check_header, io as io_at};
use super::super::quarantine::time_stamp;
use super::error::BackupError;

/// The backups of one database in a folder: `ecg-backup-000042-20261123T034500Z.db`. The number is their
/// order; the time is for people, and may be wrong.
#[derive(Debug)]
pub struct NumberedBackups {
    folder: PathBuf,
    stem: String,
    /// Number and file, ascending.
    found: Vec<(u64, PathBuf)>,
}

impl NumberedBackups {
    /// Those of `database` in `folder`.
    ///
    /// # Errors
    /// [`BackupError::Store`] if the folder cannot be read.
    pub fn look(folder: &Path, database: &Path) -> Result<Self, BackupError> {
        let stem = database
            .file_stem()
            .unwrap_or(OsStr::new("database"))
            .to_string_lossy()
            .into_owned();
        let io = io_at(folder);
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(&io)? {
            let entry = entry.map_err(&io)?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| number(name, &stem));
            if let Some(number) = number
                && entry.file_type().map_err(&io)?.is_file()
            {
                found.push((number, entry.path()));
            }
        }
        found.sort();
        Ok(Self {
            folder: folder.to_owned(),
            stem,
            found,
        })
    }

    /// The name of the next one.
    #[must_use]
    pub fn next(&self) -> PathBuf {
        let number = self
            .found
            .last()
            .map_or(1, |(newest, _)| newest.saturating_add(1));
        let time = time_stamp();
        self.folder
            .join(format!("{}-backup-{number:06}-{time}.db", self.stem))
    }

    /// Deletes all but the newest `keep`, counting `newest`, which has just been made. Only databases of
    /// this program are deleted. What was deleted.
    ///
    /// # Errors
    /// [`BackupError::Store`] where one cannot be deleted.
    pub fn prune(&self, newest: &Path, keep: usize) -> Result<Vec<PathBuf>, BackupError> {
        let mut deleted = Vec::new();
        let older = self.found.iter().rev().map(|(_, path)| path);
        for path in older
            .filter(|path| *path != newest)
            .skip(keep.saturating_sub(1))
        {
            if check_header(path).is_ok_and(|ours| ours) {
                fs::remove_file(path).map_err(io_at(path))?;
                deleted.push(path.clone());
            }
        }
        Ok(deleted)
    }
}

/// The number in a file name of this form.
fn number(name: &str, stem: &str) -> Option<u64> {
    let rest = name.strip_prefix(stem)?.strip_prefix("-backup-")?;
    let (number, time) = rest.strip_suffix(".db")?.split_once('-')?;
    let digits = number.len() >= 6 && number.bytes().all(|byte| byte.is_ascii_digit());
    let word = !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (digits && word).then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_form_are_backups() {
        assert_eq!(
            number("ecg-backup-000042-20261123T034500Z.db", "ecg"),
            Some(42)
        );
        assert_eq!(
            number("ecg-backup-1000000-19700101T000000Z.db", "ecg"),
            Some(1_000_000)
        );
        for other in [
            "ecg.db",
            "ecg-backup-000042-20261123T034500Z.db-wal",
            "ecg-backup-42-20261123T034500Z.db",
            "ecg-backup-000042-.db",
            "ecg-backup-000042-a b.db",
            "ecg-backup-00x042-20261123T034500Z.db",
            "ecg2-backup-000042-20261123T034500Z.db",
            "my-ecg-backup-000042-20261123T034500Z.db",
        ] {
            assert_eq!(number(other, "ecg"), None, "{other}");
        }
    }
}
