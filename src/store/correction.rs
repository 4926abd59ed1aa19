//! What people correct: rows that say how beats or a stretch are to be read, notes, and rows that take such a
//! row back.
//!
//! The label a model gave is never touched. The last row about a beat that is not undone decides, whether it names
//! the beat or a stretch it lies in. Only the newest undo about a row can itself be undone, so a row is in force
//! while an even number of them is about it.

use ecg_chain::WallUs;
use rusqlite::{Connection, Row};

use super::error::{RowError, StoreError};

/// Classes a person may name: those of the models, `F` for a fusion beat, `Q` for what is none of them.
pub const CORRECTED_CLASSES: [char; 7] = ['N', 'L', 'R', 'A', 'V', 'F', 'Q'];
/// Beats that one correction may name.
pub const MOST_CORRECTED_BEATS: usize = 5_000;

/// What a correction says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// The beats are of this class, one of [`CORRECTED_CLASSES`].
    Label(char),
    /// There are no beats here.
    Artefact,
    /// Nothing but its note.
    Note,
}

/// What a correction is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One beat.
    Beat(i64),
    /// Beats: a cluster, or a selection.
    Beats(Vec<i64>),
    /// From the first instant until before the second.
    Stretch(Place, Place),
    /// An instant.
    Moment(Place),
}

/// An instant in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Position of the sample.
    pub sample: u64,
    /// What the wall clock showed then.
    pub wall: WallUs,
}

/// What is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A correction of a session; `None` is the open one.
    Correct {
        /// The session.
        session: Option<i64>,
        /// What is said.
        says: Says,
        /// About what.
        target: Target,
    },
    /// Takes a row back; where that is an undo, what it took back is in force again.
    Undo {
        /// The session, where it is told: it must be the row's.
        session: Option<i64>,
        /// The row.
        supersedes: i64,
    },
}

/// A correction that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCorrection {
    /// What is to be stored.
    pub change: Change,
    /// What its author wrote.
    pub note: Option<String>,
    /// Who asks: the name of a token, or `uid` and a number.
    pub author: String,
    /// Where it comes from: `person`, `mark`, `import` or `label-engine`.
    pub origin: &'static str,
}

/// A row of the table `corrections`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCorrection {
    /// Row id, ascending in the order of committing.
    pub id: i64,
    /// Its session.
    pub session: i64,
    /// `label`, `artefact`, `note` or `undo`.
    pub kind: String,
    /// `beat`, `beats`, `stretch` or `moment`; `None` of an undo.
    pub target: Option<String>,
    /// Ids of its beats, ascending; `None` where it names none.
    pub beats: Option<Vec<i64>>,
    /// Where it begins: its first R peak, or that of the row it is about.
    pub from: Place,
    /// Where it ends: behind its last R peak, behind the stretch, or with the moment.
    pub to: Place,
    /// Of a label.
    pub class: Option<char>,
    /// What its author wrote.
    pub note: Option<String>,
    /// Who made it.
    pub author: String,
    /// Where it comes from.
    pub origin: String,
    /// Of an undo: the row it takes back.
    pub supersedes: Option<i64>,
    /// The undo because of which it is not in force.
    pub superseded_by: Option<i64>,
    /// When it was stored.
    pub wall: WallUs,
}

impl StoredCorrection {
    /// Memory it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let beats = self.beats.as_ref().map_or(0, Vec::len);
        size_of::<Self>() + beats * size_of::<i64>() + self.note.as_ref().map_or(0, String::len)
    }
}

/// What decides how a beat is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The correction.
    pub id: i64,
    /// Its class; `None` of an artefact.
    pub class: Option<char>,
}

/// Why a correction is not stored. Nothing of it is, then.
#[derive(Debug, thiserror::Error)]
pub enum CorrectionError {
    /// There is no such beat, or no longer.
    #[error("beat {0} is not in this database")]
    NoSuchBeat(i64),
    /// The beat or the correction is of another session.
    #[error("{what} {id} is of session {found}, expected session {expected}")]
    OtherSession {
        /// `beat` or `correction`.
        what: &'static str,
        /// Its id.
        id: i64,
        /// Its session.
        found: i64,
        /// The one that was named.
        expected: i64,
    },
    /// There is no such session.
    #[error("session {0} is not in this database")]
    NoSuchSession(i64),
    /// There is no such correction.
    #[error("correction {0} is not in this database")]
    NoSuchCorrection(i64),
    /// It is undone already, or a later undo is about the same row.
    #[error("correction {id} is undone or followed by {by}: undo that one")]
    NotInForce {
        /// The correction.
        id: i64,
        /// The undo.
        by: i64,
    },
    /// No session is open.
    #[error("no session is recorded now")]
    NoOpenSession,
    /// Writing fails at the moment, or the writer has ended or is too busy.
    #[error("{0}")]
    OutOfReach(String),
    /// The write failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Says {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Label(_) => "label",
            Self::Artefact => "artefact",
            Self::Note => "note",
        }
    }

    pub(super) const fn class(self) -> Option<char> {
        match self {
            Self::Label(class) => Some(class),
            Self::Artefact | Self::Note => None,
        }
    }
}

impl Target {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Beat(_) => "beat",
            Self::Beats(_) => "beats",
            Self::Stretch(..) => "stretch",
            Self::Moment(_) => "moment",
        }
    }
}

/// Whether row `c` of `corrections` is in force, in SQL.
const IN_FORCE: &str = "(SELECT count(*) FROM corrections u WHERE u.about = c.id) % 2 = 0";

/// The correction that decides what a beat is, in SQL; 0 where none does. The three name its columns.
pub(super) fn deciding(beat: &str, session: &str, r_sample: &str) -> String {
    let decides = format!("c.kind IN ('label', 'artefact') AND {IN_FORCE}");
    format!(
        "max(coalesce((SELECT max(c.id) FROM corrected_beats x JOIN corrections c \
         ON c.id = x.correction WHERE x.beat = {beat} AND {decides}), 0), \
         coalesce((SELECT max(c.id) FROM corrected_stretches x JOIN corrections c \
         ON c.id = x.correction WHERE x.session = {session} AND x.part = {r_sample} >> 16 \
         AND c.from_sample <= {r_sample} AND c.to_sample > {r_sample} AND {decides}), 0))"
    )
}

/// The class that a correction gives, in a column.
pub(super) fn corrected_class(row: &Row<'_>, index: usize) -> Result<Option<char>, RowError> {
    let text = row.get_ref(index)?.as_str_or_null();
    let Some(text) = text.map_err(rusqlite::Error::from)? else {
        return Ok(None);
    };
    let mut classes = CORRECTED_CLASSES.into_iter();
    let class = classes.find(|class| text.chars().eq([*class]));
    let expected = "N, L, R, A, V, F or Q";
    let class = class.ok_or_else(|| StoreError::value("corrections.class", text, expected))?;
    Ok(Some(class))
}

/// What decides how a beat is to be read that is being stored: a stretch it lies in.
pub(super) fn decision_of(
    connection: &Connection,
    beat: i64,
    session: i64,
    r_sample: i64,
) -> Result<Option<Decision>, RowError> {
    let sql = format!(
        "SELECT k.id, k.class FROM corrections k WHERE k.id = {}",
        deciding("?1", "?2", "?3")
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([beat, session, r_sample])?;
    match rows.next()? {
        None => Ok(None),
        Some(row) => decision(row, 0),
    }
}

/// A decision in two columns.
pub(super) fn decision(row: &Row<'_>, first: usize) -> Result<Option<Decision>, RowError> {
    let id: Option<i64> = row.get(first)?;
    let class = corrected_class(row, first + 1)?;
    Ok(id.map(|id| Decision { id, class }))
}
