//! What the routes know of a browser beyond its permissions.

use std::fmt;

use tokio::sync::watch;

/// Longest name of a token.
const MOST_NAME_BYTES: usize = 64;

/// The name of the token that a browser signed in with: 1 to 64 of a to z, 0 to 9 and hyphen; or of the user that a
/// proxy says, which may be of more characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenName {
    length: usize,
    bytes: [u8; MOST_NAME_BYTES],
}

impl TokenName {
    /// Stands for a browser that has not signed in; no token has this name.
    pub(super) const STRANGER: Self = Self {
        length: 0,
        bytes: [0; MOST_NAME_BYTES],
    };

    /// A name, `None` where the text is none.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        Self::checked(
            text,
            |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'),
        )
    }

    /// The name of a user of a proxy: 1 to 64 of the letters, digits and signs of ASCII, without spaces and braces:
    /// these come from a proxy that asks for nobody and leaves its placeholder as it is.
    #[must_use]
    pub fn of_user(text: &str) -> Option<Self> {
        Self::checked(text, |byte| {
            byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}')
        })
    }

    fn checked(text: &str, may_stand: impl Fn(u8) -> bool) -> Option<Self> {
        let good = (1..=MOST_NAME_BYTES).contains(&text.len()) && text.bytes().all(may_stand);
        good.then(|| {
            let mut name = Self {
                length: text.len(),
                ..Self::STRANGER
            };
            name.bytes[..text.len()].copy_from_slice(text.as_bytes());
            name
        })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for TokenName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.as_str())
    }
}

/// In the extensions of each request of a browser that has signed in: its session.
#[derive(Debug, Clone)]
pub(super) struct SignedIn {
    pub(super) ended: watch::Receiver<bool>,
}

impl SignedIn {
    /// Returns when the session ends: signed out, revoked or too old. A connection is
    /// cut 0.4 s later; what it has not said by then is not said.
    pub(super) async fn ended(&mut self) {
        if self.ended.wait_for(|ended| *ended).await.is_err() {
            std::future::pending::<()>().await; // the server closes, which is told by itself
        }
    }
}
