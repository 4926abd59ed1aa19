//! Limits on a request while it comes in: how long it may be, and how long it may take.

use std::time::Duration;

/// Longest request head, bytes: an `EventSource` sends less than one of them.
pub(super) const MOST_HEAD_BYTES: usize = 16 * 1024;
/// A request must be complete this long after its first byte.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Follows the bytes of a request up to the empty line that ends its head. No request here has a
/// body, so that is all of it.
#[derive(Debug, Default)]
pub(super) struct Head {
    bytes: usize,
    /// The last byte but carriage returns was a line feed.
    at_line_start: bool,
    complete: bool,
}

impl Head {
    /// Takes note of bytes read; false once they are too many.
    pub(super) fn see(&mut self, bytes: &[u8]) -> bool {
        self.bytes = self.bytes.saturating_add(bytes.len());
        for byte in bytes {
            match byte {
                b'\r' => {}
                b'\n' => {
                    self.complete |= self.at_line_start;
                    self.at_line_start = true;
                }
                _ => self.at_line_start = false,
            }
        }
        self.bytes <= MOST_HEAD_BYTES
    }

    /// Whether a request has begun and not ended.
    pub(super) fn is_partial(&self) -> bool {
        self.bytes > 0 && !self.complete
    }

    /// An answer goes out: what comes next is another request.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_line_ends_a_head_however_it_is_cut() {
        let whole = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        for cut in 1..whole.len() {
            let mut head = Head::default();
            assert!(!head.is_partial());
            assert!(head.see(&whole[..cut]));
            assert!(head.is_partial(), "{cut}");
            assert!(head.see(&whole[cut..]));
            assert!(!head.is_partial(), "{cut}");
        }
        let mut head = Head::default();
        assert!(head.see(&[b'a'; MOST_HEAD_BYTES]));
        assert!(!head.see(b"a"));
        head.answered();
        assert!(head.see(b"a"));
    }
}
