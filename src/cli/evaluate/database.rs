//! The records of a database directory.

use std::collections::HashSet;
use std::path::Path;

use wfdb_io::Header;

use super::{Cause, Failure};

/// No list of records is longer, bytes.
const MOST_LIST_BYTES: u64 = 1 << 24;

/// Names as the database's RECORDS file lists them; without one, those of all headers in the
/// directory that are not segments of another record, sorted.
pub(in crate::cli) fn record_names(directory: &Path) -> Result<Vec<String>, Failure> {
    let list = directory.join("RECORDS");
    let names = match ecg_files::read_regular(&list, MOST_LIST_BYTES) {
        Ok(bytes) => String::from_utf8_lossy(&bytes)
            .lines()
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => headers(directory)?,
        Err(error) => {
            let message = format!("{}: {error}", list.display());
            return Err(Failure::new(Cause::Wfdb, message));
        }
    };
    if names.is_empty() {
        return Err(Failure::new(
            Cause::Wfdb,
            format!(
                "{}: no WFDB record (neither a RECORDS file nor a .hea)",
                directory.display()
            ),
        ));
    }
    Ok(names)
}

fn headers(directory: &Path) -> Result<Vec<String>, Failure> {
    let wfdb = |error| Failure::new(Cause::Wfdb, format!("{}: {error}", directory.display()));
    let mut names = Vec::new();
    let mut segments = HashSet::new();
    for entry in std::fs::read_dir(directory).map_err(wfdb)? {
        let path = entry.map_err(wfdb)?.path();
        if path.extension().is_some_and(|extension| extension == "hea")
            && let Some(name) = path.file_stem()
        {
            names.push(name.to_string_lossy().into_owned());
            // A header that cannot be read is reported when its record's turn comes.
            if let Ok(header) = Header::read(&path) {
                segments.extend(header.segments.into_iter().filter_map(|part| part.name));
            }
        }
    }
    // Segments are read as parts of their record.
    names.retain(|name| !segments.contains(name));
    names.sort();
    Ok(names)
}
