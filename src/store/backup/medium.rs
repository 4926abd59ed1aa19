//! The media that database and copy lie on.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::descriptor::inode;
use super::super::error::StoreError;
use super::super::file::io;
use super::super::space::{MinFree, Space, SpaceSource};
use super::error::BackupError;

pub(super) fn metadata(path: &Path) -> Result<fs::Metadata, StoreError> {
    fs::metadata(path).map_err(io(path))
}

/// The folder a file is or will be in.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

pub(super) fn refuse_same(database: &Path, copy: &Path) -> Result<(), BackupError> {
    let same = match (fs::metadata(database), fs::metadata(copy)) {
        (Ok(one), Ok(other)) => inode(&one) == inode(&other),
        _ => false,
    };
    if same {
        return Err(BackupError::SameFile {
            path: copy.to_owned(),
        });
    }
    Ok(())
}

/// Bytes that recording wants to stay free where the backup goes.
pub(super) fn recording_needs(database: &Path, target: &Path) -> Result<u64, StoreError> {
    let folder = folder_of(target);
    if metadata(database)?.dev() != metadata(folder)?.dev() {
        return Ok(0);
    }
    let least = MinFree {
        percent: 10,
        bytes: 1 << 30,
    };
    Ok(least.wanted(space(folder)?.total))
}

fn space(folder: &Path) -> Result<Space, StoreError> {
    SpaceSource::default().at(folder).map_err(io(folder))
}

pub(super) fn refuse_full(target: &Path, needed: u64, keep_free: u64) -> Result<(), BackupError> {
    let free = space(folder_of(target))?.free;
    if free < needed.saturating_add(keep_free) {
        return Err(BackupError::NoRoom {
            path: target.to_owned(),
            needed,
            keep_free,
            free,
        });
    }
    Ok(())
}
