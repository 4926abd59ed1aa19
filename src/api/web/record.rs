//! The small files of the tokens' folder: a first line that says what it is, then `key value` lines.

use super::secret::is_hex;
use crate::api::browser::TokenName;

/// Longest file that is read.
pub(super) const MOST_BYTES: usize = 1_024;

/// What a token's file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A token, and whether it may control.
    Token { control: bool },
    /// An address that was printed and not used yet.
    Address { token: TokenName },
    /// A session of a browser.
    Session { token: TokenName },
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: Kind,
    /// The token's id: a token that is made anew under its old name has another one.
    pub(super) id: String,
    /// When it was made, microseconds since 1970.
    pub(super) made_us: i64,
}

impl Record {
    /// The file's text.
    pub(super) fn text(&self) -> String {
        let (what, third) = match self.kind {
            Kind::Token { control } => {
                let permission = if control { "control" } else { "read" };
                ("token", format!("permission {permission}"))
            }
            Kind::Address { token } => ("address", format!("token {token}")),
            Kind::Session { token } => ("session", format!("token {token}")),
        };
        format!(
            "ecg-gateway-web-{what} 1\n{third}\nid {}\nmade_us {}\n",
            self.id, self.made_us
        )
    }

    /// From a file's bytes; `None` for anything that [`Record::text`] does not give.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        let what = lines.next()?;
        let mut value = |key: &str| lines.next()?.strip_prefix(key)?.strip_prefix(' ');
        let kind = match what {
            "ecg-gateway-web-token 1" => Kind::Token {
                control: match value("permission")? {
                    "control" => true,
                    "read" => false,
                    _ => return None,
                },
            },
            "ecg-gateway-web-address 1" => Kind::Address {
                token: TokenName::new(value("token")?)?,
            },
            "ecg-gateway-web-session 1" => Kind::Session {
                token: TokenName::new(value("token")?)?,
            },
            _ => return None,
        };
        let id = value("id").filter(|id| is_hex(id, 16))?.to_owned();
        let made_us = value("made_us")?.parse().ok()?;
        let record = Self { kind, id, made_us };
        // one spelling for each: no sign, no leading zero, no other line ends, nothing behind
        (record.text() == text).then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_say_one_thing_in_one_way() {
        let id = "0123456789abcdef0123456789abcdef".to_owned();
        let token = TokenName::new("night-shift").unwrap();
        for kind in [
            Kind::Token { control: true },
            Kind::Token { control: false },
            Kind::Address { token },
            Kind::Session { token },
        ] {
            let record = Record {
                kind,
                id: id.clone(),
                made_us: 1_700_000_000_000_000,
            };
            let text = record.text();
            assert!(text.len() <= MOST_BYTES);
            assert_eq!(Record::parse(text.as_bytes()), Some(record));
            for cut in 0..text.len() {
                assert_eq!(Record::parse(&text.as_bytes()[..cut]), None, "{text:.cut$}");
            }
            for changed in [
                format!("{text}\n"),
                text.replace('\n', "\r\n"),
                text.replace("web-", "wob-"),
                text.replace(&id, "0123"),
                text.replace("made_us ", "made_us +"),
                text.replace("night-shift", "../../etc/x")
                    .replace("read", "all"),
            ] {
                if changed != text {
                    assert_eq!(Record::parse(changed.as_bytes()), None, "{changed}");
                }
            }
        }
        assert_eq!(Record::parse(&[0xff; 40]), None);
    }
}
