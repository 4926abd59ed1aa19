//! Waits before something is deleted that was kept until now. Waits are in running time and stored, so
//! that a restart neither begins them anew nor skips them.
//!
//! - A database from before free space was kept: 24 h until raw ECG is deleted for its sake.
//! - Wall times that contradict the order in which rows were stored, or leap: 24 h until anything is
//!   deleted for its age. One of the clocks was wrong; which one, nobody knows yet.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

/// How long a doubted wall clock keeps ages from counting.
pub(super) const DOUBT: Duration = Duration::from_secs(24 * 3_600);
/// Times may go back by less than this without doubt: a clock set at the start, or by a person.
const BACK_US: i64 = 3_600 * 1_000_000;
/// Times may leap ahead by less than this without doubt: switched off over a weekend. Or by less than
/// the shortest age, where that is less: a leap as long as the age would delete everything.
const AHEAD: Duration = Duration::from_secs(3 * 86_400);
/// But not over night.
const LEAST_AHEAD: Duration = Duration::from_secs(86_400);
/// Running time is stored this often.
const STORE_EVERY: Duration = Duration::from_secs(600);

const WARNING_LEFT: &str = "warning_left_s";
const DOUBT_LEFT: &str = "doubt_left_s";
const DOUBT_SESSION: &str = "doubt_session";
const DOUBT_CLOCK: &str = "doubt_clock";
const TRUSTED_SESSION: &str = "trusted_session";
const TRUSTED_CLOCK: &str = "trusted_clock";

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Waits {
    /// Time until raw ECG may be deleted for the sake of free space.
    pub(super) warning: Option<Duration>,
    /// Time until ages count again, and why they do not.
    pub(super) doubt: Option<(Duration, String)>,
}

/// What of the running time is not yet stored, and how far the order of times was looked at.
#[derive(Debug, Default)]
pub(super) struct DeletionDelay {
    ahead_us: i64,
    not_stored: Duration,
    seen_session: i64,
    seen_clock: i64,
    why: Option<String>,
}

impl DeletionDelay {
    pub(super) fn new(shortest_age: Option<Duration>) -> Self {
        let ahead = shortest_age.map_or(AHEAD, |age| age.clamp(LEAST_AHEAD, AHEAD));
        Self {
            ahead_us: i64::try_from(ahead.as_micros()).unwrap_or(i64::MAX),
            ..Self::default()
        }
    }

    /// Counts `elapsed` running time and looks at rows that are new. What could not be stored is looked at
    /// again at the next turn.
    pub(super) fn turn(
        &mut self,
        connection: &mut Connection,
        elapsed: Duration,
    ) -> rusqlite::Result<Waits> {
        self.count_and_look(connection, elapsed)
            .inspect_err(|_| self.look_anew())
    }

    fn count_and_look(
        &mut self,
        connection: &mut Connection,
        elapsed: Duration,
    ) -> rusqlite::Result<Waits> {
        let contradiction = self.look(connection)?;
        self.not_stored += elapsed;
        let left = |name| -> rusqlite::Result<Option<Duration>> {
            let stored = read(connection, name)?.map(|left| u64::try_from(left).unwrap_or(0));
            Ok(stored.map(|left| Duration::from_secs(left).saturating_sub(self.not_stored)))
        };
        let (warning, doubt) = (left(WARNING_LEFT)?, left(DOUBT_LEFT)?);
        let ends = |wait: Option<Duration>| wait.is_some_and(|wait| wait.is_zero());
        let due = self.not_stored >= STORE_EVERY && (warning.is_some() || doubt.is_some());
        let waits = Waits {
            warning: warning.filter(|wait| !wait.is_zero()),
            doubt: match &contradiction {
                // a new one begins the wait anew
                Some(why) => Some((DOUBT, why.clone())),
                None => doubt.filter(|wait| !wait.is_zero()).map(|wait| {
                    let why = self.why.clone().unwrap_or_else(|| {
                        "wall times contradict the order of the rows".to_owned()
                    });
                    (wait, why)
                }),
            },
        };
        if contradiction.is_some() {
            self.why = contradiction;
        } else if !(due || ends(warning) || ends(doubt)) {
            return Ok(waits);
        }
        self.store(connection, &waits)?;
        Ok(waits)
    }

    /// A person says that the wall times are right and that what is to be deleted may be.
    pub(super) fn confirm(&mut self, connection: &mut Connection) -> rusqlite::Result<()> {
        self.look(connection)
            .and_then(|_| self.store(connection, &Waits::default()))
            .inspect_err(|_| self.look_anew())
    }

    /// The next look begins at what is stored.
    const fn look_anew(&mut self) {
        (self.seen_session, self.seen_clock) = (0, 0);
    }

    fn store(&mut self, connection: &mut Connection, waits: &Waits) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // rounded up: a wait is never shortened by being stored
        let seconds =
            |wait: Duration| i64::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(i64::MAX);
        let doubted = read(&transaction, DOUBT_LEFT)?.is_some();
        write(&transaction, WARNING_LEFT, waits.warning.map(seconds))?;
        let left = waits.doubt.as_ref().map(|(left, _)| seconds(*left));
        if left.is_some() || doubted {
            let (session, clock) = (Some(self.seen_session), Some(self.seen_clock));
            write(&transaction, DOUBT_LEFT, left)?;
            write(&transaction, DOUBT_SESSION, left.and(session))?;
            write(&transaction, DOUBT_CLOCK, left.and(clock))?;
            if left.is_none() {
                write(&transaction, TRUSTED_SESSION, session)?;
                write(&transaction, TRUSTED_CLOCK, clock)?;
            }
        }
        transaction.commit()?;
        self.not_stored = Duration::ZERO;
        if waits.doubt.is_none() {
            self.why = None;
        }
        Ok(())
    }

    /// Looks at the order of times in rows that are new since the last look, and since the newest that
    /// was ever trusted or doubted; the newest contradiction.
    fn look(&mut self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        for (trusted, doubted, seen) in [
            (TRUSTED_SESSION, DOUBT_SESSION, &mut self.seen_session),
            (TRUSTED_CLOCK, DOUBT_CLOCK, &mut self.seen_clock),
        ] {
            for name in [trusted, doubted] {
                *seen = read(connection, name)?.unwrap_or(0).max(*seen);
            }
        }
        let mut why = self.look_at_steps(connection)?;
        let mut statement = connection.prepare_cached(
            "SELECT s.id, s.start_wall_us, coalesce(s.end_wall_us, \
             (SELECT max(r_wall_us) FROM beats b WHERE b.session = s.id)) \
             FROM sessions s WHERE s.id >= ?1 ORDER BY s.id",
        )?;
        let mut rows = statement.query([self.seen_session])?;
        let mut before: Option<(i64, i64, Option<i64>)> = None;
        while let Some(row) = rows.next()? {
            let (id, start, end): (i64, i64, Option<i64>) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if let Some((previous, began, ended)) = before {
                let (by, what) = match ended {
                    Some(ended) => (start.saturating_sub(ended), "end"),
                    // It ended nobody knows how much later: only a time before it says anything.
                    None => (start.saturating_sub(began).min(0), "beginning"),
                };
                if let Some(leap) = self.leap(by) {
                    why = Some(format!(
                        "session {id} begins {leap} the {what} of session {previous}"
                    ));
                }
            }
            before = Some((id, start, end));
            self.seen_session = id;
        }
        Ok(why)
    }

    /// `3.2 days after` or `before`, where times do so beyond doubt.
    fn leap(&self, by_us: i64) -> Option<String> {
        const DAY_US: f64 = 86_400e6;
        let days = by_us.unsigned_abs() as f64 / DAY_US;
        if by_us < -BACK_US {
            Some(format!("{days:.1} days before"))
        } else if by_us > self.ahead_us {
            Some(format!("{days:.1} days after"))
        } else {
            None
        }
    }

    /// Steps of the clock within sessions.
    fn look_at_steps(&mut self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        let mut statement = connection.prepare_cached(
            "SELECT id, session, step_us FROM clock_relations WHERE id > ?1 ORDER BY id",
        )?;
        let mut rows = statement.query([self.seen_clock])?;
        let mut why = None;
        while let Some(row) = rows.next()? {
            let (id, session, step): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if let Some(leap) = self.leap(step) {
                why = Some(format!(
                    "in session {session} the clock was set to {leap} what it showed"
                ));
            }
            self.seen_clock = id;
        }
        Ok(why)
    }
}

fn read(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT value FROM retention_state WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

fn write(connection: &Connection, name: &str, value: Option<i64>) -> rusqlite::Result<()> {
    match value {
        Some(value) => connection.execute(
            "INSERT INTO retention_state (name, value) VALUES (?1, ?2) \
             ON CONFLICT (name) DO UPDATE SET value = ?2",
            params![name, value],
        ),
        None => connection.execute("DELETE FROM retention_state WHERE name = ?1", [name]),
    }
    .map(drop)
}
