//! A client at the other end of a connection.

use std::fmt;

use super::browser::TokenName;

/// A client, as it was when it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Its process; `None` where the kernel does not tell, e.g. of another process namespace.
    pub(super) pid: Option<u32>,
    /// The token a browser signed in with; the ids above say nothing then. `None` on the Unix socket.
    pub(super) token: Option<TokenName>,
    pub(super) may_read: bool,
    pub(super) may_control: bool,
    /// Why it may not read, if that has to do with user namespaces.
    pub(super) unmapped: Option<Unmapped>,
    /// The limit because of which this connection answers `/v1/status` alone.
    pub(super) status_only: Option<Limit>,
}

/// Who a client is to the limits and to the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// A user of this machine, by number.
    User(u32),
    /// A browser, by the token it signed in with.
    Token(TokenName),
}

impl fmt::Display for Who {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(uid) => write!(formatter, "user {uid}"),
            Self::Token(name) => write!(formatter, "token {name}"),
        }
    }
}

impl Peer {
    pub(super) fn who(&self) -> Who {
        self.token.map_or(Who::User(self.uid), Who::Token)
    }

    /// Who it is, in words that are stored: the name of a token, or `uid` and the number of a user.
    pub(super) fn author(&self) -> String {
        match self.who() {
            Who::User(uid) => format!("uid {uid}"),
            Who::Token(name) => name.to_string(),
        }
    }

    /// A client of this user that may read, and control as well if it is root.
    #[cfg(test)]
    pub(super) fn of_user(uid: u32) -> Self {
        Self {
            uid,
            gid: 9,
            pid: Some(77),
            token: None,
            may_read: true,
            may_control: uid == 0,
            unmapped: None,
            status_only: None,
        }
    }
}

/// What of a client is not mapped here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unmapped {
    /// Its user.
    User,
    /// One of its groups.
    Group,
}

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// All connections are taken that this client could have.
    Connections,
    /// This user has as many as one user may have.
    OfUser,
}
