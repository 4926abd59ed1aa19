//! The session that a question is about.

use super::problem::{Kind, Problem};
use crate::store::{StoreReader, StoredSession};

/// The session with this id, or the newest one.
///
/// # Errors
/// [`Kind::NoSuchSession`] where there is none.
pub(super) fn session_of(reader: &StoreReader, id: Option<i64>) -> Result<StoredSession, Problem> {
    let (found, detail) = match id {
        Some(id) => (
            reader.session(id)?,
            format!("session {id} is not in this database"),
        ),
        None => (
            reader.latest_session()?,
            "no session has been recorded yet".to_owned(),
        ),
    };
    found.ok_or_else(|| Problem::new(Kind::NoSuchSession, detail))
}
