//! Users that a proxy has asked for their names and passwords.

use axum::http::HeaderName;
use axum::http::request::Parts;
use tokio::sync::watch;

use super::secret::Hash;
use super::sessions::Session;
use crate::api::browser::TokenName;
use crate::api::problem::{Kind, Problem};

/// What is believed of a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyUsers {
    /// The header with the user's name.
    pub header: HeaderName,
    /// Users of this machine whose connections to the socket may say it: the proxy's.
    pub uids: Vec<u32>,
    /// Users that may change what can be changed.
    pub control: Vec<TokenName>,
    /// Whether all others may look at everything.
    pub read: bool,
}

impl ProxyUsers {
    /// Whether this user of this machine is the proxy.
    pub(super) fn is(&self, uid: u32) -> bool {
        self.uids.contains(&uid)
    }

    /// Who a request of the proxy comes from; `None` where it says nobody. `ended` never ends: the proxy says with each
    /// request anew who asks.
    pub(super) fn user(
        &self,
        parts: &Parts,
        ended: &watch::Receiver<bool>,
    ) -> Result<Option<Session>, Problem> {
        let refuse = |what: &str| {
            let detail = format!("{}: {what}", self.header);
            Err(Problem::new(Kind::NotPermitted, detail))
        };
        let mut values = parts.headers.get_all(&self.header).iter();
        let text = match (values.next(), values.next()) {
            (None, _) => return Ok(None),
            (Some(value), None) if value.is_empty() => return Ok(None),
            (Some(value), None) => value.to_str().unwrap_or_default(),
            (Some(_), Some(_)) => {
                return refuse("found more than one, expected the name of one user");
            }
        };
        let Some(name) = TokenName::of_user(text) else {
            return refuse(
                "expected 1 to 64 letters, digits and signs of ASCII, without spaces and braces",
            );
        };
        let control = self.control.contains(&name);
        if !control && !self.read {
            return refuse(
                "this user is not in [web] proxy_control_users, and proxy_read is false",
            );
        }
        Ok(Some(Session {
            // no session of a browser has this hash: theirs are of 64 hexadecimal digits
            hash: Hash::of_words(&format!("user of the proxy: {name}")),
            token: name,
            control,
            ended: ended.clone(),
        }))
    }
}
