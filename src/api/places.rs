//! Places for connections and streams: how many there are, how many one user may have, and which are
//! kept for those who must always get in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::locked::locked;
use super::peer::{Limit, Peer, Who};

/// Connections beside all others that answer `/v1/status` and nothing else.
pub(super) const KEPT_FOR_STATUS: usize = 4;
/// Most places kept for clients that may control.
const MOST_KEPT_FOR_CONTROL: usize = 8;

/// How many there are of what. Those who may control are held to the first alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Connections, those of [`KEPT_FOR_STATUS`] not counted.
    pub(super) connections: usize,
    /// Of them, only for clients that may control.
    pub(super) kept_for_control: usize,
    /// Connections of one user.
    pub(super) of_user: usize,
    /// Event streams.
    pub(super) streams: usize,
}

impl Limits {
    /// The shares of a number of connections: a sixteenth is kept for control (none of fewer than
    /// four, eight at most), one user has a quarter at most, streams have half.
    pub(super) fn for_connections(connections: usize) -> Self {
        let kept_for_control = if connections < 4 {
            0
        } else {
            connections.div_ceil(16).min(MOST_KEPT_FOR_CONTROL)
        };
        Self {
            connections,
            kept_for_control,
            of_user: connections.div_ceil(4),
            streams: connections.div_ceil(2),
        }
    }
}

/// Who has which places.
#[derive(Debug)]
pub(super) struct Places {
    limits: Limits,
    taken: Mutex<InUse>,
}

#[derive(Debug, Default)]
struct InUse {
    connections: usize,
    /// Those of clients that may control, among them.
    by_control: usize,
    of_user: HashMap<Who, usize>,
    /// Users on the connections for `/v1/status`, each at most once.
    status: Vec<Who>,
    streams: usize,
}

/// A place, free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    holds: Holds,
}

#[derive(Debug, Clone, Copy)]
enum Holds {
    Connection { who: Who, control: bool },
    Status { who: Who },
    Stream,
}

impl Places {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            taken: Mutex::default(),
        })
    }

    pub(super) const fn limits(&self) -> Limits {
        self.limits
    }

    /// A place for a client's connection. Where there is none, one for `/v1/status` alone, with the
    /// limit that was reached.
    ///
    /// # Errors
    /// The limit, where that is taken, too.
    pub(super) fn connection(
        self: &Arc<Self>,
        peer: &Peer,
    ) -> Result<(Place, Option<Limit>), Limit> {
        let who = peer.who();
        let mut taken = locked(&self.taken);
        let full = match self.limit_reached(&taken, peer) {
            None => {
                taken.connections += 1;
                taken.by_control += usize::from(peer.may_control);
                *taken.of_user.entry(who).or_default() += 1;
                let control = peer.may_control;
                return Ok((self.place(Holds::Connection { who, control }), None));
            }
            Some(limit) => limit,
        };
        if taken.status.len() >= KEPT_FOR_STATUS || taken.status.contains(&who) {
            return Err(full);
        }
        taken.status.push(who);
        Ok((self.place(Holds::Status { who }), Some(full)))
    }

    fn limit_reached(&self, taken: &InUse, peer: &Peer) -> Option<Limit> {
        let limits = &self.limits;
        if taken.connections >= limits.connections {
            return Some(Limit::Connections);
        }
        if peer.may_control {
            return None;
        }
        // what those who may control have of their own is not kept for them a second time
        let kept = limits.kept_for_control.saturating_sub(taken.by_control);
        if taken.connections + kept >= limits.connections {
            return Some(Limit::Connections);
        }
        let of_user = taken.of_user.get(&peer.who()).copied().unwrap_or(0);
        (of_user >= limits.of_user).then_some(Limit::OfUser)
    }

    /// A place for an event stream of this client; `None` where all are taken.
    pub(super) fn stream(self: &Arc<Self>, peer: &Peer) -> Option<Place> {
        let mut taken = locked(&self.taken);
        if !peer.may_control && taken.streams >= self.limits.streams {
            return None;
        }
        taken.streams += 1;
        Some(self.place(Holds::Stream))
    }

    fn place(self: &Arc<Self>, holds: Holds) -> Place {
        Place {
            places: Arc::clone(self),
            holds,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = locked(&self.places.taken);
        match self.holds {
            Holds::Connection { who, control } => {
                taken.connections -= 1;
                taken.by_control -= usize::from(control);
                let of_user = taken.of_user.entry(who).or_default();
                *of_user = of_user.saturating_sub(1);
                if *of_user == 0 {
                    taken.of_user.remove(&who);
                }
            }
            Holds::Status { who } => taken.status.retain(|other| *other != who),
            Holds::Stream => taken.streams -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_leave_something_for_everybody() {
        for (connections, control, of_user, streams) in [
            (1, 0, 1, 1),
            (2, 0, 1, 1),
            (4, 1, 1, 2),
            (16, 1, 4, 8),
            (64, 4, 16, 32),
            (128, 8, 32, 64),
            (1_024, 8, 256, 512),
        ] {
            let expected = Limits {
                connections,
                kept_for_control: control,
                of_user,
                streams,
            };
            assert_eq!(Limits::for_connections(connections), expected);
        }
    }

    #[test]
    fn one_user_leaves_places_for_others_and_all_users_some_for_control_and_status() {
        let places = Places::new(Limits::for_connections(16));
        let mut held = Vec::new();
        let mut take = |uid: u32| match places.connection(&Peer::of_user(uid)) {
            Ok((place, status)) => {
                held.push(place);
                Ok(status)
            }
            Err(limit) => Err(limit),
        };
        for uid in [1_000, 1_001, 1_002] {
            for _ in 0..4 {
                assert_eq!(take(uid), Ok(None));
            }
            assert_eq!(take(uid), Ok(Some(Limit::OfUser)));
            assert_eq!(take(uid), Err(Limit::OfUser), "{uid}: one for status each");
        }
        for _ in 0..3 {
            assert_eq!(take(1_003), Ok(None));
        }
        // the last is kept for control
        assert_eq!(take(1_004), Ok(Some(Limit::Connections)));
        assert_eq!(take(1_005), Err(Limit::Connections), "four for status");
        assert_eq!(take(0), Ok(None));
        assert_eq!(take(0), Err(Limit::Connections));
        held.clear();
        let free = InUse::default();
        let taken = locked(&places.taken);
        assert_eq!(
            (taken.connections, taken.by_control, taken.of_user.len()),
            (free.connections, free.by_control, 0)
        );
        assert!(taken.status.is_empty());
    }

    #[test]
    fn streams_have_a_limit_of_their_own_that_control_passes() {
        let places = Places::new(Limits::for_connections(4));
        let held: Vec<_> = (0..2)
            .map(|_| places.stream(&Peer::of_user(1_000)))
            .collect();
        assert!(held.iter().all(Option::is_some));
        assert!(places.stream(&Peer::of_user(1_001)).is_none());
        assert!(places.stream(&Peer::of_user(0)).is_some());
        drop(held);
        assert!(places.stream(&Peer::of_user(1_001)).is_some());
    }
}
