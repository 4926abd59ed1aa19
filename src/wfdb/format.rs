//! How samples are packed into bytes (`signal(5)`).

/// Code of a sample that was not measured, whatever the format's own mark for it.
pub const MISSING_SAMPLE: i32 = i32::MIN;

/// A signal file format this crate reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignalFormat {
    /// 16 bits, two's complement, low byte first.
    F16,
    /// 24 bits, two's complement, low byte first.
    F24,
    /// 32 bits, two's complement, low byte first.
    F32,
    /// 16 bits, two's complement, high byte first.
    F61,
    /// 8 bits, offset binary (0 is -128).
    F80,
    /// 16 bits, offset binary (0 is -32768), low byte first.
    F160,
    /// Two 12-bit samples, two's complement, in three bytes.
    F212,
}

impl SignalFormat {
    /// All formats, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::F16,
        Self::F24,
        Self::F32,
        Self::F61,
        Self::F80,
        Self::F160,
        Self::F212,
    ];

    /// The number in the header.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::F16 => 16,
            Self::F24 => 24,
            Self::F32 => 32,
            Self::F61 => 61,
            Self::F80 => 80,
            Self::F160 => 160,
            Self::F212 => 212,
        }
    }

    /// The format with this number in the header, if it is one of [`Self::ALL`].
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.number() == number)
    }

    /// The format's own mark of a sample that was not measured: its smallest code.
    #[must_use]
    pub const fn missing_code(self) -> i32 {
        match self {
            Self::F16 | Self::F61 | Self::F160 => -32_768,
            Self::F24 => -8_388_608,
            Self::F32 => i32::MIN,
            Self::F80 => -128,
            Self::F212 => -2_048,
        }
    }

    /// The largest code; the smallest measured one is [`Self::missing_code`] + 1.
    #[must_use]
    pub const fn max_code(self) -> i32 {
        -(self.missing_code() + 1)
    }

    /// Bytes taken by an even number of samples.
    pub(super) const fn bytes_of_even(self, samples: usize) -> usize {
        match self {
            Self::F16 | Self::F61 | Self::F160 => samples * 2,
            Self::F24 => samples * 3,
            Self::F32 => samples * 4,
            Self::F80 => samples,
            Self::F212 => samples / 2 * 3,
        }
    }

    /// Appends the samples held by `bytes`; an incomplete sample at the end is left out.
    pub(super) fn decode(self, bytes: &[u8], samples: &mut Vec<i32>) {
        match self {
            Self::F16 => samples.extend(words(bytes).map(|w| i32::from(i16::from_le_bytes(w)))),
            Self::F61 => samples.extend(words(bytes).map(|w| i32::from(i16::from_be_bytes(w)))),
            Self::F160 => {
                samples.extend(words(bytes).map(|w| i32::from(u16::from_le_bytes(w)) - 32_768));
            }
            Self::F24 => samples.extend(
                bytes
                    .as_chunks::<3>()
                    .0
                    .iter()
                    .map(|&[a, b, c]| i32::from_le_bytes([0, a, b, c]) >> 8),
            ),
            Self::F32 => samples.extend(
                bytes
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .map(|&four| i32::from_le_bytes(four)),
            ),
            Self::F80 => samples.extend(bytes.iter().map(|&byte| i32::from(byte) - 128)),
            Self::F212 => {
                let (triples, rest) = bytes.as_chunks::<3>();
                for &[low, high, second] in triples {
                    samples.push(twelve_bits(low, high));
                    samples.push(twelve_bits(second, high >> 4));
                }
                if let [low, high] = *rest {
                    samples.push(twelve_bits(low, high));
                }
            }
        }
    }

    /// Appends the bytes of `samples`, all of them within the format's range. In format 212 an odd
    /// last sample takes two bytes.
    pub(super) fn encode(self, samples: &[i32], bytes: &mut Vec<u8>) {
        match self {
            Self::F16 => samples
                .iter()
                .for_each(|s| bytes.extend(&s.to_le_bytes()[..2])),
            Self::F24 => samples
                .iter()
                .for_each(|s| bytes.extend(&s.to_le_bytes()[..3])),
            Self::F32 => samples.iter().for_each(|s| bytes.extend(s.to_le_bytes())),
            Self::F61 => samples
                .iter()
                .for_each(|s| bytes.extend(&s.to_be_bytes()[2..])),
            Self::F80 => samples
                .iter()
                .for_each(|s| bytes.extend(&(s + 128).to_le_bytes()[..1])),
            Self::F160 => samples
                .iter()
                .for_each(|s| bytes.extend(&(s + 32_768).to_le_bytes()[..2])),
            Self::F212 => {
                let (pairs, rest) = samples.as_chunks::<2>();
                for &[first, second] in pairs {
                    let [first_low, first_high, ..] = first.to_le_bytes();
                    let [second_low, second_high, ..] = second.to_le_bytes();
                    bytes.extend([
                        first_low,
                        (first_high & 0x0F) | (second_high << 4),
                        second_low,
                    ]);
                }
                if let [last] = *rest {
                    let [low, high, ..] = last.to_le_bytes();
                    bytes.extend([low, high & 0x0F]);
                }
            }
        }
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = [u8; 2]> + '_ {
    bytes.as_chunks::<2>().0.iter().copied()
}

/// Eight low bits and the low nibble of `high` as a 12-bit two's complement number.
fn twelve_bits(low: u8, high: u8) -> i32 {
    i32::from(i16::from_le_bytes([low << 4, (high << 4) | (low >> 4)]) >> 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_returns_what_was_written() {
        let mut failures = Vec::new();
        for format in SignalFormat::ALL {
            let (min, max) = (format.missing_code(), format.max_code());
            for samples in [vec![], vec![min, max, 0, -1, 1, min + 1], vec![min, -7, 99]] {
                let mut bytes = Vec::new();
                format.encode(&samples, &mut bytes);
                let mut back = Vec::new();
                format.decode(&bytes, &mut back);
                if back != samples {
                    failures.push(format!("{format:?}: {samples:?} -> {bytes:?} -> {back:?}"));
                }
                if samples.len() % 2 == 0 && bytes.len() != format.bytes_of_even(samples.len()) {
                    failures.push(format!("{format:?}: {} bytes", bytes.len()));
                }
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn known_bytes() {
        for (format, bytes, expected) in [
            (
                SignalFormat::F212,
                vec![0xE3, 0x33, 0xF3],
                vec![0x3E3, 0x3F3],
            ),
            (
                SignalFormat::F212,
                vec![0x00, 0x78, 0xFF],
                vec![-2048, 2047],
            ),
            (SignalFormat::F212, vec![0x01, 0x08], vec![-2047]),
            (SignalFormat::F16, vec![0xFE, 0xFF, 0x01], vec![-2]),
            (SignalFormat::F61, vec![0xFF, 0xFE], vec![-2]),
            (SignalFormat::F80, vec![0x00, 0xFF], vec![-128, 127]),
            (SignalFormat::F160, vec![0x00, 0x00], vec![-32_768]),
            (SignalFormat::F24, vec![0xFE, 0xFF, 0xFF, 0x01], vec![-2]),
            (SignalFormat::F32, vec![0xFE, 0xFF, 0xFF, 0xFF], vec![-2]),
        ] {
            let mut samples = Vec::new();
            format.decode(&bytes, &mut samples);
            assert_eq!(samples, expected, "{format:?} {bytes:02X?}");
        }
    }
}
