//! Browsers: a listener on a loopback port or on a second Unix socket, who may come in through it, and
//! the page's files.
//!
//! A named token stands for a person or a screen. An address made from it lets one browser in, once;
//! from then on a session's cookie does. The API behind it is the socket's, with the token's name in
//! the place of the user. `docs/web.md` says what is held against whom.

mod cookie;
mod error;
mod folder;
mod front;
mod headers;
mod link;
mod pages;
mod proxy;
mod record;
mod rules;
mod secret;
mod serve;
mod sessions;
mod site;
#[cfg(test)]
mod tests;
mod tokens;

pub use error::TokensError;
pub use proxy::ProxyUsers;
pub use serve::{DEFAULT_PORT, MOST_STRANGERS, WebOptions};
pub(super) use serve::{Doors, Terms};
pub use site::{HOST_EXPECTED, Site};
pub use tokens::{ADDRESS_LIFE_SECONDS, MOST_TOKENS, WebToken, WebTokens};

/// Reads `bytes` as a cookie header and as a token's file; for `fuzz/`.
#[cfg(fuzzing)]
pub fn fuzz_web(bytes: &[u8]) {
    let half = bytes.len() / 2;
    let halves = [
        bytes.get(..half).unwrap_or_default(),
        bytes.get(half..).unwrap_or_default(),
    ];
    for headers in [&halves[..], &[bytes]] {
        let headers = headers.iter().copied();
        if let Some(secret) = cookie::secret(headers, "ecg-gateway-8292") {
            assert_eq!(secret.text().len(), 64);
        }
    }
    if let Some(record) = record::Record::parse(bytes) {
        assert_eq!(record.text().as_bytes(), bytes);
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Some(site) = Site::parse(text)
    {
        assert_eq!(Site::parse(site.origin()).as_ref(), Some(&site));
    }
}
