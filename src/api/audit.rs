//! Who connected, read what kind of thing, was refused, changed something: for the journal (target
//! `audit`) and the table `audit`.
//!
//! The first time within a minute is noted at once, with the process; how often the same was done
//! again in that minute is noted when it is over. So however often a user does the same, it makes two
//! rows per minute at most. Nothing is noted of what was asked for or answered.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::browser::TokenName;
use super::counters::{Counters, count};
use super::locked::locked;
use super::peer::{Peer, Who};
use crate::acquisition::SystemClock;
use crate::store::{AuditKind, AuditRow, WriterMonitor};

/// What is done again within this is counted, not noted.
const PERIOD: Duration = Duration::from_secs(60);
/// Different things remembered at a time. Beyond them users are no longer told apart.
const MOST_REMEMBERED: usize = 512;

/// What connections are called here, and the outcome of what was neither refused nor went wrong.
pub(super) const SOCKET: &str = "socket";
pub(super) const WEB: &str = "web";
pub(super) const DONE: &str = "done";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    /// `None` of users that are no longer told apart.
    who: Option<Who>,
    kind: AuditKind,
    what: &'static str,
    outcome: &'static str,
}

impl Key {
    fn uid(&self) -> Option<u32> {
        match self.who {
            Some(Who::User(uid)) => Some(uid),
            _ => None,
        }
    }
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

    /// Notes what a client did: what kind of thing, with what (an endpoint, [`SOCKET`] or [`WEB`]), and [`DONE`]
    /// or the name of the problem.
    pub(super) fn note(
        &self,
        peer: &Peer,
        kind: AuditKind,
        what: &'static str,
        outcome: &'static str,
    ) {
        if let Some(note) = self.count_in(peer, (kind, what, outcome), Instant::now()) {
            self.emit(note);
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
        for note in self.counted(Instant::now(), is_over) {
            self.emit(note);
        }
    }

    /// The note to be written now, if this is the first time in a while.
    fn count_in(
        &self,
        peer: &Peer,
        (kind, what, outcome): (AuditKind, &'static str, &'static str),
        now: Instant,
    ) -> Option<AuditRow> {
        let mut key = Key {
            who: Some(peer.who()),
            kind,
            what,
            outcome,
        };
        let mut seen = locked(&self.seen);
        if seen.len() >= MOST_REMEMBERED && !seen.contains_key(&key) {
            key.who = None;
        }
        match seen.entry(key) {
            Entry::Occupied(mut again) => {
                again.get_mut().more += 1;
                None
            }
            Entry::Vacant(first) => {
                let gid = key.uid().map(|_| peer.gid);
                first.insert(Seen {
                    gid,
                    until: now + PERIOD,
                    more: 0,
                });
                Some(note(key, gid, key.uid().and(peer.pid), 1))
            }
        }
    }

    /// Notes of what was counted in periods that are over, which begin anew.
    fn counted(&self, now: Instant, is_over: impl Fn(&Seen, Instant) -> bool) -> Vec<AuditRow> {
        let mut notes = Vec::new();
        locked(&self.seen).retain(|key, seen| {
            if !is_over(seen, now) {
                return true;
            }
            let more = std::mem::take(&mut seen.more);
            if more > 0 {
                notes.push(note(*key, seen.gid, None, more));
                seen.until = now + PERIOD;
            }
            more > 0
        });
        notes
    }

    fn emit(&self, row: AuditRow) {
        tracing::info!(
            target: "audit",
            token = row.token,
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
}

fn note(key: Key, gid: Option<u32>, pid: Option<u32>, count: u64) -> AuditRow {
    let now = SystemClock::relation();
    AuditRow {
        wall: now.wall,
        time: now.monotonic,
        uid: key.uid(),
        gid,
        pid,
        kind: key.kind,
        what: key.what,
        outcome: key.outcome,
        count,
        token: match key.who {
            Some(Who::Token(name)) if name != TokenName::STRANGER => Some(name.to_string()),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: (AuditKind, &str, &str) = (AuditKind::Read, "beats", DONE);

    fn short(row: &AuditRow) -> (Option<u32>, Option<u32>, &'static str, &'static str, u64) {
        (row.uid, row.pid, row.kind.name(), row.what, row.count)
    }

    #[test]
    fn the_first_is_noted_at_once_and_the_others_are_counted() {
        let audit = Audit::new(None, std::sync::Arc::default());
        let start = Instant::now();
        let over = |seen: &Seen, now| seen.until <= now;
        let first = audit.count_in(&Peer::of_user(5), READ, start).unwrap();
        assert_eq!(short(&first), (Some(5), Some(77), "read", "beats", 1));
        for _ in 0..1_000 {
            assert_eq!(audit.count_in(&Peer::of_user(5), READ, start), None);
        }
        let refused = (AuditKind::Refused, SOCKET, "not-permitted");
        let other = audit.count_in(&Peer::of_user(5), refused, start).unwrap();
        assert_eq!(
            (other.kind.name(), other.outcome),
            ("refused", "not-permitted")
        );
        assert!(audit.count_in(&Peer::of_user(6), READ, start).is_some());
        assert!(audit.counted(start + PERIOD / 2, over).is_empty());
        let rows = audit.counted(start + PERIOD, over);
        let rows: Vec<_> = rows.iter().map(short).collect();
        assert_eq!(rows, [(Some(5), None, "read", "beats", 1_000)]);
        // who goes on is counted on, who does not is forgotten
        assert_eq!(
            audit.count_in(&Peer::of_user(5), READ, start + PERIOD),
            None
        );
        assert!(
            audit
                .count_in(&Peer::of_user(6), READ, start + PERIOD)
                .is_some()
        );
        assert_eq!(audit.counted(start + 2 * PERIOD, over).len(), 1);
        assert!(audit.counted(start + 9 * PERIOD, over).is_empty());
        assert!(locked(&audit.seen).is_empty());
    }

    #[test]
    fn a_browser_is_its_token_and_no_user() {
        let audit = Audit::new(None, std::sync::Arc::default());
        let [ward, desk] = ["ward", "desk"].map(|name| TokenName::new(name).unwrap());
        let of = |token| Peer {
            token: Some(token),
            ..Peer::of_user(u32::MAX)
        };
        let now = Instant::now();
        for token in [ward, desk] {
            let note = audit.count_in(&of(token), READ, now).unwrap();
            assert_eq!((note.token, note.uid), (Some(token.to_string()), None));
            assert_eq!((note.gid, note.what), (None, "beats"));
            assert!(audit.count_in(&of(token), READ, now).is_none());
        }
        let mut counted = audit.counted(now, |_, _| true);
        counted.sort_by_key(|note| note.token.clone());
        let counted: Vec<_> = counted
            .iter()
            .map(|note| (note.token.as_deref(), note.count))
            .collect();
        assert_eq!(counted, [(Some("desk"), 1), (Some("ward"), 1)]);
    }

    #[test]
    fn many_users_do_not_take_memory_without_end() {
        let audit = Audit::new(None, std::sync::Arc::default());
        let now = Instant::now();
        let rows = (0..100_000)
            .filter_map(|uid| audit.count_in(&Peer::of_user(uid), READ, now))
            .count();
        assert_eq!(rows, MOST_REMEMBERED + 1);
        let counted = audit.counted(now, |_, _| true);
        let lumped: Vec<_> = counted.iter().map(short).collect();
        let rest = 100_000 - MOST_REMEMBERED as u64 - 1;
        assert_eq!(lumped, [(None, None, "read", "beats", rest)]);
    }
}
