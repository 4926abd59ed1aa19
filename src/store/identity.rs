//! Which database this is, and how far it has come.

use std::fmt;

use rusqlite::Connection;
use serde::{Serialize, Serializer};

use super::error::{RowError, StoreError};

/// Which database this is: 128 random bits, given when the file is begun or restored from a backup. Ids of
/// rows mean something only together with it. Shown as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(u128);

impl Epoch {
    /// The epoch that `text` shows: 32 hexadecimal digits in lower case, nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (digits && text.len() == 32)
            .then(|| u128::from_str_radix(text, 16).ok().map(Self))
            .flatten()
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A place in a database: everything up to these ids lies before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreMark {
    /// Which database.
    pub epoch: Epoch,
    /// Largest id given to a beat, 0 if none was.
    pub beat: i64,
    /// Largest id given to a gap.
    pub gap: i64,
    /// Largest id given to an event.
    pub event: i64,
}

impl StoreMark {
    /// Where the database behind `connection` stands.
    pub(super) fn read(connection: &Connection) -> Result<Self, RowError> {
        let (epoch, beat, gap, event) = connection
            .prepare_cached(
                "SELECT epoch, \
                 coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'beats'), 0), \
                 coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'gaps'), 0), \
                 coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) \
                 FROM store_identity",
            )?
            .query_row([], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                ))
            })?;
        Ok(Self {
            epoch: Epoch::parse(&epoch).ok_or(StoreError::value(
                "store_identity.epoch",
                &epoch,
                "32 hexadecimal digits in lower case",
            ))?,
            beat,
            gap,
            event,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_read_as_it_is_shown_and_in_no_other_way() {
        let shown = "00f3a2b4c5d6e7f8091a2b3c4d5e6f70";
        assert_eq!(Epoch::parse(shown).unwrap().to_string(), shown);
        for other in [
            "",
            "0",
            "+0f3a2b4c5d6e7f8091a2b3c4d5e6f70",
            "00F3A2B4C5D6E7F8091A2B3C4D5E6F70",
            "00f3a2b4c5d6e7f8091a2b3c4d5e6f7",
            "00f3a2b4c5d6e7f8091a2b3c4d5e6f700",
            "00f3a2b4c5d6e7f8091a2b3c4d5e6f7ä",
        ] {
            assert_eq!(Epoch::parse(other), None, "{other}");
        }
    }
}
