//! Secrets that are handed out once and kept as hashes.

use std::fmt::Write;
use std::io;

use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest, Sha256};

const BYTES: usize = 32;

/// 256 random bits, as 64 hexadecimal digits. Neither shown by `Debug` nor ever written to a file.
pub(super) struct Secret(String);

/// SHA-256 of a secret. It may lie on a disk: 256 random bits cannot be found from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hash([u8; BYTES]);

impl Secret {
    /// A new one, from the kernel.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(hex(&random::<BYTES>()?)))
    }

    /// One that somebody shows; `None` for what cannot be one.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        is_hex(text, BYTES).then(|| Self(text.to_owned()))
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(&self) -> Hash {
        Hash(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl Hash {
    /// Stands for something else than a secret, e.g. for a user of a proxy.
    pub(super) fn of_words(words: &str) -> Self {
        Self(Sha256::digest(words.as_bytes()).into())
    }

    /// From [`Hash::text`].
    pub(super) fn from_text(text: &str) -> Option<Self> {
        if !is_hex(text, BYTES) {
            return None;
        }
        let mut bytes = [0; BYTES];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(bytes))
    }

    pub(super) fn text(&self) -> String {
        hex(&self.0)
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    pub(super) fn is(&self, other: &Self) -> bool {
        let differing = self
            .0
            .iter()
            .zip(&other.0)
            .fold(0, |differing, (a, b)| differing | (a ^ b));
        std::hint::black_box(differing) == 0
    }
}

/// Random bits from the kernel as hexadecimal digits: what tells one token from a later one of its name.
pub(super) fn random_id() -> io::Result<String> {
    Ok(hex(&random::<16>()?))
}

/// Whether the text is so many bytes as lower-case hexadecimal digits.
pub(super) fn is_hex(text: &str, bytes: usize) -> bool {
    text.len() == 2 * bytes
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let filled = getrandom(&mut bytes[..], GetRandomFlags::empty())?;
    if filled < N {
        return Err(io::ErrorKind::UnexpectedEof.into()); // not below 256 bytes (getrandom(2))
    }
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_new_each_time_and_found_again_by_their_hash() {
        let (one, two) = (Secret::new().unwrap(), Secret::new().unwrap());
        assert_ne!(one.text(), two.text());
        let shown = Secret::from_text(one.text()).unwrap();
        assert!(shown.hash().is(&one.hash()) && !shown.hash().is(&two.hash()));
        assert_eq!(Hash::from_text(&one.hash().text()), Some(one.hash()));
        assert!(!one.hash().text().contains(one.text()));
        for bad in [
            "",
            "00",
            &one.text().to_uppercase(),
            &"g".repeat(64),
            &"é".repeat(32),
        ] {
            let upper_has_no_letters = bad == one.text() && !bad.is_empty();
            assert!(
                upper_has_no_letters || Secret::from_text(bad).is_none(),
                "{bad}"
            );
        }
    }
}
