//! Variable-length integers: seven bits a byte, low bits first, high bit set on all but the last.

/// Most bytes a 64-bit number takes.
pub(super) const MAX_BYTES: usize = 10;

/// Appends `value`.
#[inline]
pub(super) fn push(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            bytes.push(low & 0x7F);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// Signed to unsigned so that small magnitudes stay small: 0, -1, 1, -2 ... to 0, 1, 2, 3 ...
#[inline]
pub(super) const fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

/// The inverse of [`zigzag`].
#[inline]
pub(super) const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zigzag_folds_small_magnitudes_to_small_numbers() {
        for (value, folded) in [
            (0, 0),
            (-1, 1),
            (1, 2),
            (-2, 3),
            (i64::MAX, u64::MAX - 1),
            (i64::MIN, u64::MAX),
        ] {
            assert_eq!(zigzag(value), folded);
            assert_eq!(unzigzag(folded), value);
        }
    }

    #[test]
    fn known_bytes() {
        for (value, expected) in [
            (0, vec![0x00]),
            (127, vec![0x7F]),
            (128, vec![0x80, 0x01]),
            (300, vec![0xAC, 0x02]),
        ] {
            let mut bytes = Vec::new();
            push(&mut bytes, value);
            assert_eq!(bytes, expected);
        }
        let mut bytes = Vec::new();
        push(&mut bytes, u64::MAX);
        assert_eq!(bytes.len(), MAX_BYTES);
    }
}
