//! The records of a database directory.

use std::collections::HashSet;
use std::path::Path;

use wfdb_io::Header;

use super::error::RecordError;

/// No list of records is longer, bytes.
const MOST_LIST_BYTES: u64 = 1 << 24;

/// Names as the database's RECORDS file lists them; without one, those of all headers in the
/// directory that are not segments of another record, sorted.
///
/// # Errors
/// [`RecordError::Missing`] where the list or the directory cannot be read, or there is no record.
pub fn record_names(directory: &Path) -> Result<Vec<String>, RecordError> {
    let refuse = |path: &Path, problem: String| RecordError::Missing {
        path: path.to_owned(),
        problem,
    };
    let list = directory.join("RECORDS");
    let names = match ecg_files::read_regular(&list, MOST_LIST_BYTES) {
        Ok(bytes) => String::from_utf8_lossy(&bytes)
            .lines()
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            headers(directory).map_err(|error| refuse(directory, error.to_string()))?
        }
        Err(error) => return Err(refuse(&list, error.to_string())),
    };
    if names.is_empty() {
        let problem = "no WFDB record (neither a RECORDS file nor a .hea)";
        return Err(refuse(directory, problem.to_owned()));
    }
    Ok(names)
}

fn headers(directory: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    let mut segments = HashSet::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
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
