//! Who may read and who may control, by the kernel's word on the other end (`SO_PEERCRED`).

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::net::UnixStream;

use super::io::CappedListener;

/// Users and groups that are named.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    /// User ids.
    pub uids: Vec<u32>,
    /// Group ids: of the client's own group, not of further ones it is in.
    pub gids: Vec<u32>,
}

/// Two permissions; root and the server's own user have both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// Who may read; with nobody named, everybody whom the socket's mode lets connect.
    pub read: Named,
    /// Who may control, beside root and the server's own user. Controlling takes reading, too.
    pub control: Named,
}

/// A client, as it was when it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) uid: u32,
    pub(super) may_read: bool,
    pub(super) may_control: bool,
}

/// What stands for a client whose credentials the kernel does not tell: nobody has this id.
const UNKNOWN: u32 = u32::MAX;

impl Named {
    fn holds(&self, uid: u32, gid: u32) -> bool {
        self.uids.contains(&uid) || self.gids.contains(&gid)
    }

    fn is_empty(&self) -> bool {
        self.uids.is_empty() && self.gids.is_empty()
    }
}

impl Access {
    /// What the client at the other end may do.
    pub(super) fn of(&self, stream: &UnixStream) -> Peer {
        let (uid, gid) = match stream.peer_cred() {
            Ok(credentials) => (credentials.uid(), credentials.gid()),
            Err(error) => {
                tracing::warn!(%error, "a client without credentials");
                (UNKNOWN, UNKNOWN)
            }
        };
        self.judge(uid, gid, rustix::process::geteuid().as_raw())
    }

    fn judge(&self, uid: u32, gid: u32, own_uid: u32) -> Peer {
        let always = uid == 0 || uid == own_uid;
        let may_control = always || self.control.holds(uid, gid);
        Peer {
            uid,
            may_read: may_control || self.read.is_empty() || self.read.holds(uid, gid),
            may_control,
        }
    }
}

impl Connected<IncomingStream<'_, CappedListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, CappedListener>) -> Self {
        stream.io().peer()
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
        };
        let own = 7;
        let mut failures = Vec::new();
        for (access, uid, gid, read, control) in [
            (&open, 1_000, 1_000, true, false),
            (&open, 0, 0, true, true),
            (&open, own, 5, true, true),
            (&named, 1_000, 1_000, false, false),
            (&named, 10, 1_000, true, false),
            (&named, 1_000, 200, true, false),
            (&named, 20, 1_000, true, true),
            (&named, 1_000, 300, true, true),
            (&named, 0, 0, true, true),
            (&named, own, 5, true, true),
            (&named, UNKNOWN, UNKNOWN, false, false),
        ] {
            let peer = access.judge(uid, gid, own);
            if (peer.may_read, peer.may_control) != (read, control) {
                failures.push(format!("uid {uid} gid {gid}: {peer:?}"));
            }
        }
        assert!(failures.is_empty(), "{failures:#?}");
    }
}
