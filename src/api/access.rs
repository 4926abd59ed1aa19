//! Who may read and who may control, by the kernel's word on the other end (`SO_PEERCRED` and
//! `SO_PEERGROUPS`).

use std::os::fd::AsFd;

use tokio::net::UnixStream;

use super::peer::{Peer, Unmapped};
use super::peer_groups::peer_groups;
use crate::mapped::OverflowIds;

/// Users and groups that are named.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    /// User ids.
    pub uids: Vec<u32>,
    /// Group ids: of the client's own group and of the further ones it is in.
    pub gids: Vec<u32>,
}

/// Two permissions; root and the server's own user have both. A client whose user id is the overflow
/// id has neither: it could be anybody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// Who may read; with nobody named, everybody whom the socket's mode lets connect.
    pub read: Named,
    /// Who may control, beside root and the server's own user. Controlling takes reading, too.
    pub control: Named,
    /// The ids that stand for users and groups that are not mapped here; they match nothing.
    pub unmapped: OverflowIds,
}

/// What the kernel says about a client.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Credentials {
    uid: u32,
    gid: u32,
    pid: Option<u32>,
    /// The further groups.
    groups: Vec<u32>,
}

/// What stands for a client whose credentials the kernel does not tell: nobody has this id.
const UNKNOWN: u32 = u32::MAX;

impl Named {
    fn holds(&self, uid: u32, mut groups: impl Iterator<Item = u32>) -> bool {
        self.uids.contains(&uid) || groups.any(|gid| self.gids.contains(&gid))
    }

    fn is_empty(&self) -> bool {
        self.uids.is_empty() && self.gids.is_empty()
    }
}

impl Credentials {
    fn read(stream: &UnixStream) -> Self {
        let (uid, gid, pid) = match stream.peer_cred() {
            Ok(credentials) => (credentials.uid(), credentials.gid(), credentials.pid()),
            Err(error) => {
                tracing::warn!(%error, "a client without credentials");
                (UNKNOWN, UNKNOWN, None)
            }
        };
        let groups = peer_groups(stream.as_fd()).unwrap_or_else(|error| {
            tracing::warn!(uid, %error, "a client's further groups are not known and do not count");
            Vec::new()
        });
        Self {
            uid,
            gid,
            pid: pid.and_then(|pid| u32::try_from(pid).ok().filter(|pid| *pid > 0)),
            groups,
        }
    }
}

impl Access {
    /// What the client at the other end may do.
    pub(super) fn peer(&self, stream: &UnixStream) -> Peer {
        self.judge(
            &Credentials::read(stream),
            rustix::process::geteuid().as_raw(),
        )
    }

    fn judge(&self, client: &Credentials, own_uid: u32) -> Peer {
        let &Credentials { uid, gid, pid, .. } = client;
        let all_groups = || std::iter::once(gid).chain(client.groups.iter().copied());
        let groups = || all_groups().filter(|gid| *gid != self.unmapped.gid);
        // our own user, too, is the overflow id where it is not mapped: then everybody would be us
        let known = uid != self.unmapped.uid;
        let may_control =
            known && (uid == 0 || uid == own_uid || self.control.holds(uid, groups()));
        let may_read =
            may_control || (known && (self.read.is_empty() || self.read.holds(uid, groups())));
        let unmapped = if !known {
            Some(Unmapped::User)
        } else if !may_read && all_groups().any(|gid| gid == self.unmapped.gid) {
            Some(Unmapped::Group)
        } else {
            None
        };
        Peer {
            uid,
            gid,
            pid,
            token: None,
            may_read,
            may_control,
            unmapped,
            status_only: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_and_controlling_are_two_permissions() {
        let open = Access::default();
        let named = Access {
            read: Named {
                uids: vec![10],
                gids: vec![200],
            },
            control: Named {
                uids: vec![20],
                gids: vec![300],
            },
            ..Access::default()
        };
        // what the configuration refuses would not help here either
        let careless = Access {
            read: Named {
                uids: vec![65_534],
                gids: vec![65_534],
            },
            control: Named {
                uids: vec![65_534],
                gids: vec![65_534],
            },
            ..Access::default()
        };
        let own = 7;
        let none: &[u32] = &[];
        let mut failures = Vec::new();
        for (access, uid, gid, groups, read, control, unmapped) in [
            (&open, 1_000, 1_000, none, true, false, None),
            (&open, 0, 0, none, true, true, None),
            (&open, own, 5, none, true, true, None),
            (&open, 1_000, 65_534, none, true, false, None),
            (
                &open,
                65_534,
                1_000,
                none,
                false,
                false,
                Some(Unmapped::User),
            ),
            (&named, 1_000, 1_000, none, false, false, None),
            (&named, 10, 1_000, none, true, false, None),
            (&named, 1_000, 200, none, true, false, None),
            (&named, 1_000, 1_000, &[7, 200, 9], true, false, None),
            (&named, 1_000, 1_000, &[201, 20], false, false, None),
            (&named, 20, 1_000, none, true, true, None),
            (&named, 1_000, 300, none, true, true, None),
            (&named, 1_000, 1_000, &[300], true, true, None),
            (
                &named,
                1_000,
                1_000,
                &[65_534],
                false,
                false,
                Some(Unmapped::Group),
            ),
            (&named, 1_000, 65_534, &[200], true, false, None),
            (
                &named,
                65_534,
                200,
                &[300],
                false,
                false,
                Some(Unmapped::User),
            ),
            (&named, 0, 0, none, true, true, None),
            (&named, own, 5, none, true, true, None),
            (&named, UNKNOWN, UNKNOWN, none, false, false, None),
            (
                &careless,
                65_534,
                65_534,
                &[65_534],
                false,
                false,
                Some(Unmapped::User),
            ),
            (
                &careless,
                1_000,
                65_534,
                &[65_534],
                false,
                false,
                Some(Unmapped::Group),
            ),
        ] {
            let client = Credentials {
                uid,
                gid,
                pid: None,
                groups: groups.to_vec(),
            };
            let peer = access.judge(&client, own);
            if (peer.may_read, peer.may_control, peer.unmapped) != (read, control, unmapped) {
                failures.push(format!("{client:?}: {peer:?}"));
            }
        }
        // a daemon that is itself not mapped takes nobody for itself
        let client = Credentials {
            uid: 65_534,
            gid: 65_534,
            pid: None,
            groups: Vec::new(),
        };
        let peer = open.judge(&client, 65_534);
        if peer.may_read || peer.may_control {
            failures.push(format!("an unmapped daemon: {peer:?}"));
        }
        assert!(failures.is_empty(), "{failures:#?}");
    }
}
