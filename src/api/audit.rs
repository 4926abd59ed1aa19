//! Who connected, read what kind of thing, was refused, changed something: for the journal (target
//! `audit`) and the table `audit`.
//!
//! The first time within a minute is noted at once, with the process; how often the same was done
//! again in that minute is noted when it is over. So however often a user does the same, it makes two
//! rows per minute at most. Nothing is noted of what was asked for or answered.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::counters::{Counters, count};
use super::peer::Peer;
use crate::acquisition::SystemClock;
use crate::store::{AuditKind, AuditRow, WriterMonitor};

/// What is done again within this is counted, not noted.
const PERIOD: Duration = Duration::from_secs(60);
/// Different things remembered at a time. Beyond them users are no longer told apart.
const MOST_REMEMBERED: usize = 512;

/// What a client did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Connected,
    /// Its connection was refused before a request was read.
    TurnedAway {
        why: &'static str,
    },
    /// A request was answered.
    Asked {
        /// The endpoint, without what was asked for there.
        what: &'static str,
        /// Whether it is one that changes something.
        changes: bool,
        /// The name of the problem it was answered with.
        problem: Option<&'static str>,
        /// Whether that means that it was refused.
        refused: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    /// `None` of users that are no longer told apart.
    uid: Option<u32>,
    kind: AuditKind,
    what: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    gid: Option<u32>,
    until: Instant,
    more: u64,
}

/// The notes of the last minute.
#[derive(Debug)]
pub(super) struct Audit {
    seen: Mutex<HashMap<Key, Seen>>,
    writer: Option<WriterMonitor>,
    counters: std::sync::Arc<Counters>,
}

impl Audit {
    pub(super) fn new(writer: Option<WriterMonitor>, counters: std::sync::Arc<Counters>) -> Self {
        Self {
            seen: Mutex::default(),
            writer,
            counters,
        }
    }

    pub(super) fn note(&self, peer: &Peer, deed: Deed) {
        if let Some(row) = self.take_down(peer, deed, Instant::now()) {
            self.emit(row);
        }
    }

    /// Notes what was counted in minutes that are over; to be called about once a second.
    pub(super) fn turn(&self) {
        self.close_periods(|seen, now| seen.until <= now);
    }

    /// Notes all that was counted so far.
    pub(super) fn flush(&self) {
        self.close_periods(|_, _| true);
    }

    fn close_periods(&self, is_over: impl Fn(&Seen, Instant) -> bool) {
        for row in self.counted(Instant::now(), is_over) {
            self.emit(row);
        }
    }

    /// The row to be written now, if this is the first time in a while.
    fn take_down(&self, peer: &Peer, deed: Deed, now: Instant) -> Option<AuditRow> {
        let (kind, what, outcome) = match deed {
            Deed::Connected => (AuditKind::Connected, "socket", "done"),
            Deed::TurnedAway { why } => (AuditKind::Refused, "socket", why),
            Deed::Asked {
                what,
                changes,
                problem,
                refused,
            } => {
                let kind = match (refused, changes) {
                    (true, _) => AuditKind::Refused,
                    (false, true) => AuditKind::Changed,
                    (false, false) => AuditKind::Read,
                };
                (kind, what, problem.unwrap_or("done"))
            }
        };
        let mut key = Key {
            uid: Some(peer.uid),
            kind,
            what,
            outcome,
        };
        let mut seen = self.lock();
        if seen.len() >= MOST_REMEMBERED && !seen.contains_key(&key) {
            key.uid = None;
        }
        match seen.entry(key) {
            Entry::Occupied(mut again) => {
                again.get_mut().more += 1;
                None
            }
            Entry::Vacant(first) => {
                let gid = key.uid.map(|_| peer.gid);
                first.insert(Seen {
                    gid,
                    until: now + PERIOD,
                    more: 0,
                });
                Some(row(key, gid, key.uid.and(peer.pid), 1))
            }
        }
    }

    /// Rows for what was counted in periods that are over, which begin anew.
    fn counted(&self, now: Instant, is_over: impl Fn(&Seen, Instant) -> bool) -> Vec<AuditRow> {
        let mut rows = Vec::new();
        self.lock().retain(|key, seen| {
            if !is_over(seen, now) {
                return true;
            }
            let more = std::mem::take(&mut seen.more);
            if more > 0 {
                rows.push(row(*key, seen.gid, None, more));
                seen.until = now + PERIOD;
            }
            more > 0
        });
        rows
    }

    fn emit(&self, row: AuditRow) {
        tracing::info!(
            target: "audit",
            uid = row.uid,
            gid = row.gid,
            pid = row.pid,
            kind = row.kind.name(),
            what = row.what,
            outcome = row.outcome,
            count = row.count,
            "client"
        );
        let kept = self.writer.as_ref().is_none_or(|writer| writer.audit(row));
        if !kept {
            count(&self.counters.audit_lost);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn row(key: Key, gid: Option<u32>, pid: Option<u32>, count: u64) -> AuditRow {
    let now = SystemClock::relation();
    AuditRow {
        wall: now.wall,
        time: now.monotonic,
        uid: key.uid,
        gid,
        pid,
        kind: key.kind,
        what: key.what,
        outcome: key.outcome,
        count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uid: u32) -> Peer {
        Peer {
            uid,
            gid: 9,
            pid: Some(77),
            may_read: true,
            may_control: false,
            unmapped: None,
            status_only: None,
        }
    }

    const READ: Deed = Deed::Asked {
        what: "beats",
        changes: false,
        problem: None,
        refused: false,
    };

    fn short(row: &AuditRow) -> (Option<u32>, Option<u32>, &'static str, &'static str, u64) {
        (row.uid, row.pid, row.kind.name(), row.what, row.count)
    }

    #[test]
    fn the_first_is_noted_at_once_and_the_others_are_counted() {
        let audit = Audit::new(None, std::sync::Arc::default());
        let start = Instant::now();
        let over = |seen: &Seen, now| seen.until <= now;
        let first = audit.take_down(&peer(5), READ, start).unwrap();
        assert_eq!(short(&first), (Some(5), Some(77), "read", "beats", 1));
        for _ in 0..1_000 {
            assert_eq!(audit.take_down(&peer(5), READ, start), None);
        }
        let refused = Deed::TurnedAway {
            why: "not-permitted",
        };
        let other = audit.take_down(&peer(5), refused, start).unwrap();
        assert_eq!(
            (other.kind.name(), other.outcome),
            ("refused", "not-permitted")
        );
        assert!(audit.take_down(&peer(6), READ, start).is_some());
        assert!(audit.counted(start + PERIOD / 2, over).is_empty());
        let rows = audit.counted(start + PERIOD, over);
        let rows: Vec<_> = rows.iter().map(short).collect();
        assert_eq!(rows, [(Some(5), None, "read", "beats", 1_000)]);
        // who goes on is counted on, who does not is forgotten
        assert_eq!(audit.take_down(&peer(5), READ, start + PERIOD), None);
        assert!(audit.take_down(&peer(6), READ, start + PERIOD).is_some());
        assert_eq!(audit.counted(start + 2 * PERIOD, over).len(), 1);
        assert!(audit.counted(start + 9 * PERIOD, over).is_empty());
        assert!(audit.lock().is_empty());
    }

    #[test]
    fn many_users_do_not_take_memory_without_end() {
        let audit = Audit::new(None, std::sync::Arc::default());
        let now = Instant::now();
        let rows = (0..100_000)
            .filter_map(|uid| audit.take_down(&peer(uid), READ, now))
            .count();
        assert_eq!(rows, MOST_REMEMBERED + 1);
        let counted = audit.counted(now, |_, _| true);
        let lumped: Vec<_> = counted.iter().map(short).collect();
        let rest = 100_000 - MOST_REMEMBERED as u64 - 1;
        assert_eq!(lumped, [(None, None, "read", "beats", rest)]);
    }
}
