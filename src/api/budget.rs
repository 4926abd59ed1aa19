//! How much memory answers may take that are being made or that clients have not read yet.
//!
//! An answer's share is reserved before it is made, becomes what the answer really takes, and is
//! given back when its last byte has gone to the kernel or its connection has ended. One user may
//! have half of it, all who may only read three quarters.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::locked::locked;
use super::peer::{Peer, Who};

/// A request waits this long at most until other answers have been read.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// All the memory answers may take.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    longest_wait: Duration,
    taken: Mutex<InUse>,
    freed: Notify,
}

/// Bytes.
#[derive(Debug, Default)]
struct InUse {
    all: usize,
    by_readers: usize,
    of_user: HashMap<Who, usize>,
    highest: usize,
}

/// An answer's share, given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    who: Who,
    may_control: bool,
    bytes: usize,
}

impl Budget {
    /// A budget of so many bytes, for which a request waits so long at most.
    pub(super) fn new(limit: usize, longest_wait: Duration) -> Arc<Self> {
        Arc::new(Self {
            limit,
            longest_wait,
            taken: Mutex::default(),
            freed: Notify::new(),
        })
    }

    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes taken now, and the most that ever were.
    pub(super) fn level(&self) -> (usize, usize) {
        let taken = locked(&self.taken);
        (taken.all, taken.highest)
    }

    /// A share of `bytes`, or of all this client may have where that is less: then its answer is made
    /// while no other of it is. Who may control gets the quarter that readers leave where there is no
    /// more, so that slow readers keep nobody from the longest answer. Waits a while for other answers to be read; `None` where they are
    /// not.
    pub(super) async fn reserve(self: &Arc<Self>, peer: &Peer, bytes: usize) -> Option<Share> {
        let bytes = bytes.min(self.most_of(peer.may_control));
        let least = if peer.may_control {
            bytes.min(self.limit / 4)
        } else {
            bytes
        };
        let deadline = Instant::now() + self.longest_wait;
        loop {
            // before looking, so that nothing given back in between is missed
            let freed = self.freed.notified();
            let mut sizes = [bytes, least].into_iter();
            let taken = sizes.find(|&bytes| self.reserve_now(peer.who(), peer.may_control, bytes));
            if let Some(bytes) = taken {
                return Some(Share {
                    budget: Arc::clone(self),
                    who: peer.who(),
                    may_control: peer.may_control,
                    bytes,
                });
            }
            timeout_at(deadline, freed).await.ok()?;
        }
    }

    /// The most one client may have.
    const fn most_of(&self, may_control: bool) -> usize {
        if may_control {
            self.limit
        } else {
            self.limit / 2
        }
    }

    fn reserve_now(&self, who: Who, may_control: bool, bytes: usize) -> bool {
        let mut taken = locked(&self.taken);
        if taken.all + bytes > self.limit {
            return false;
        }
        if !may_control {
            let of_user = taken.of_user.get(&who).copied().unwrap_or(0);
            if taken.by_readers + bytes > self.limit / 4 * 3
                || of_user + bytes > self.most_of(false)
            {
                return false;
            }
            taken.by_readers += bytes;
            *taken.of_user.entry(who).or_default() += bytes;
        }
        taken.all += bytes;
        taken.highest = taken.highest.max(taken.all);
        true
    }

    fn give_back(&self, who: Who, may_control: bool, bytes: usize) {
        let mut taken = locked(&self.taken);
        taken.all -= bytes;
        if !may_control {
            taken.by_readers -= bytes;
            let of_user = taken.of_user.entry(who).or_default();
            *of_user = of_user.saturating_sub(bytes);
            if *of_user == 0 {
                taken.of_user.remove(&who);
            }
        }
        drop(taken);
        self.freed.notify_waiters();
    }
}

impl Share {
    /// Changes the share to what the answer really takes; false, and unchanged, where there is not
    /// that much.
    pub(super) fn resize(&mut self, bytes: usize) -> bool {
        if bytes > self.bytes {
            let more = bytes - self.bytes;
            if !self.budget.reserve_now(self.who, self.may_control, more) {
                return false;
            }
        } else if bytes < self.bytes {
            let less = self.bytes - bytes;
            self.budget.give_back(self.who, self.may_control, less);
        }
        self.bytes = bytes;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget
            .give_back(self.who, self.may_control, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_user_leaves_half_readers_a_quarter_and_waiting_ends() {
        let budget = Budget::new(100, Duration::from_millis(20));
        let mine = budget.reserve(&Peer::of_user(1), 80).await.unwrap();
        assert_eq!(budget.level(), (50, 50), "more than half it never has");
        assert!(budget.reserve(&Peer::of_user(1), 1).await.is_none());
        let other = budget.reserve(&Peer::of_user(2), 25).await.unwrap();
        assert!(
            budget.reserve(&Peer::of_user(3), 1).await.is_none(),
            "the last is kept"
        );
        let root = budget.reserve(&Peer::of_user(0), 60).await.unwrap();
        assert!(budget.reserve(&Peer::of_user(0), 1).await.is_none());
        drop((mine, other, root));
        assert_eq!(budget.level(), (0, 100));
        assert!(locked(&budget.taken).of_user.is_empty());
    }

    #[tokio::test]
    async fn who_waits_goes_on_as_soon_as_there_is_room() {
        let budget = Budget::new(100, Duration::from_secs(60));
        let mut first = budget.reserve(&Peer::of_user(0), 100).await.unwrap();
        let waiting = {
            let budget = Arc::clone(&budget);
            tokio::spawn(async move { budget.reserve(&Peer::of_user(7), 30).await })
        };
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!waiting.is_finished());
        assert!(first.resize(60));
        let share = waiting.await.unwrap().unwrap();
        assert_eq!(budget.level().0, 90);
        assert!(!first.resize(71), "there is not that much");
        assert_eq!(budget.level().0, 90);
        drop(share);
        assert!(first.resize(71));
    }
}
