//! How samples are packed into bytes (`signal(5)`).

/// Code of a sample that was not measured, whatever the format's own mark for it.
pub const MISSING_SAMPLE: i32 = i32::MIN;

/// A signal file format this crate reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignalFormat {
    /// First differences of 8 bits. Read only: it cannot follow a fast signal.
    F8 = 8,
    /// 16 bits, two's complement, low byte first.
    F16 = 16,
    /// 24 bits, two's complement, low byte first.
    F24 = 24,
    /// 32 bits, two's complement, low byte first.
    F32 = 32,
    /// 16 bits, two's complement, high byte first.
    F61 = 61,
    /// 8 bits, offset binary (0 is -128).
    F80 = 80,
    /// 16 bits, offset binary (0 is -32768), low byte first.
    F160 = 160,
    /// Two 12-bit samples, two's complement, in three bytes.
    F212 = 212,
    /// Three 10-bit samples, two's complement, in two pairs of bytes.
    F310 = 310,
    /// Three 10-bit samples, two's complement, in four bytes.
    F311 = 311,
}

impl SignalFormat {
    /// All formats, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::F8,
        Self::F16,
        Self::F24,
        Self::F32,
        Self::F61,
        Self::F80,
        Self::F160,
        Self::F212,
        Self::F310,
        Self::F311,
    ];

    /// The number in the header.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The format with this number in the header, if it is one of [`Self::ALL`].
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.number() == number)
    }

    /// The format's own mark of a sample that was not measured: its smallest code. Format 8 has
    /// none; the number given for it never occurs in practice.
    #[must_use]
    pub const fn missing_code(self) -> i32 {
        match self {
            Self::F16 | Self::F61 | Self::F160 => -32_768,
            Self::F24 => -8_388_608,
            Self::F8 | Self::F32 => i32::MIN,
            Self::F80 => -128,
            Self::F212 => -2_048,
            Self::F310 | Self::F311 => -512,
        }
    }

    /// The largest code; the smallest measured one is [`Self::missing_code`] + 1.
    #[must_use]
    pub const fn max_code(self) -> i32 {
        -(self.missing_code() + 1)
    }

    /// Samples that are packed together, in every format.
    pub(super) const GROUP: usize = 6;

    /// Bytes taken by whole groups of [`Self::GROUP`] samples.
    pub(super) const fn bytes_of_groups(self, samples: usize) -> usize {
        match self {
            Self::F16 | Self::F61 | Self::F160 => samples * 2,
            Self::F24 => samples * 3,
            Self::F32 => samples * 4,
            Self::F8 | Self::F80 => samples,
            Self::F212 => samples / 2 * 3,
            Self::F310 | Self::F311 => samples / 3 * 4,
        }
    }

    /// Appends the samples held by `bytes`; an incomplete sample at the end is left out. Of format 8
    /// these are the differences.
    pub(super) fn decode(self, bytes: &[u8], samples: &mut Vec<i32>) {
        match self {
            Self::F8 => samples.extend(bytes.iter().map(|&byte| i32::from(byte.cast_signed()))),
            Self::F16 => samples.extend(chunks(bytes).map(|w| i32::from(i16::from_le_bytes(w)))),
            Self::F61 => samples.extend(chunks(bytes).map(|w| i32::from(i16::from_be_bytes(w)))),
            Self::F160 => {
                samples.extend(chunks(bytes).map(|w| i32::from(u16::from_le_bytes(w)) - 32_768));
            }
            Self::F24 => {
                samples
                    .extend(chunks(bytes).map(|[a, b, c]| i32::from_le_bytes([0, a, b, c]) >> 8));
            }
            Self::F32 => samples.extend(chunks(bytes).map(i32::from_le_bytes)),
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
            Self::F310 => {
                let (quads, rest) = bytes.as_chunks::<4>();
                for &[a, b, c, d] in quads {
                    let (first, second) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
                    samples.push(ten_bits(first >> 1));
                    samples.push(ten_bits(second >> 1));
                    samples.push(ten_bits((first >> 11) | ((second >> 11) << 5)));
                }
                if let [low, high, ..] = *rest {
                    samples.push(ten_bits(u16::from_le_bytes([low, high]) >> 1));
                }
            }
            Self::F311 => {
                for quad in bytes.chunks(4) {
                    let mut four = [0; 4];
                    four[..quad.len()].copy_from_slice(quad);
                    let [a, b, c, d] = four;
                    samples.extend(
                        [
                            ten_bits(u16::from_le_bytes([a, b])),
                            ten_bits(u16::from_le_bytes([b, c]) >> 2),
                            ten_bits(u16::from_le_bytes([c, d]) >> 4),
                        ]
                        .into_iter()
                        // Complete samples in one to four bytes.
                        .take(quad.len().saturating_sub(1)),
                    );
                }
            }
        }
    }

    /// Appends the bytes of `samples`, all of them within the format's range. In format 212 an odd
    /// last sample takes two bytes, in 310 and 311 an incomplete group of three takes four. Of format
    /// 8 `samples` are the differences.
    pub(super) fn encode(self, samples: &[i32], bytes: &mut Vec<u8>) {
        match self {
            Self::F8 => push_low_bytes::<1>(samples, 0, bytes),
            Self::F80 => push_low_bytes::<1>(samples, 128, bytes),
            Self::F16 => push_low_bytes::<2>(samples, 0, bytes),
            Self::F160 => push_low_bytes::<2>(samples, 32_768, bytes),
            Self::F24 => push_low_bytes::<3>(samples, 0, bytes),
            Self::F32 => push_low_bytes::<4>(samples, 0, bytes),
            Self::F61 => samples
                .iter()
                .for_each(|s| bytes.extend(&s.to_be_bytes()[2..])),
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
            Self::F310 => {
                for group in samples.chunks(3) {
                    let [first, second, third] = three(group);
                    let low = (first << 1) | ((third & 0x1F) << 11);
                    let high = (second << 1) | ((third >> 5) << 11);
                    bytes.extend(low.to_le_bytes());
                    bytes.extend(high.to_le_bytes());
                }
            }
            Self::F311 => {
                for group in samples.chunks(3) {
                    let [first, second, third] = three(group).map(u32::from);
                    bytes.extend((first | (second << 10) | (third << 20)).to_le_bytes());
                }
            }
        }
    }
}

/// The low `N` bytes of each sample plus `offset`, low byte first.
fn push_low_bytes<const N: usize>(samples: &[i32], offset: i32, bytes: &mut Vec<u8>) {
    for sample in samples {
        bytes.extend(&(sample + offset).to_le_bytes()[..N]);
    }
}

fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.as_chunks::<N>().0.iter().copied()
}

/// Eight low bits and the low nibble of `high` as a 12-bit two's complement number.
fn twelve_bits(low: u8, high: u8) -> i32 {
    i32::from(i16::from_le_bytes([low << 4, (high << 4) | (low >> 4)]) >> 4)
}

/// The low ten bits as a two's complement number.
fn ten_bits(word: u16) -> i32 {
    i32::from((word << 6).cast_signed() >> 6)
}

/// The low ten bits of up to three samples; 0 for those that are not there.
fn three(group: &[i32]) -> [u16; 3] {
    std::array::from_fn(|place| {
        let [low, high, ..] = group.get(place).copied().unwrap_or(0).to_le_bytes();
        u16::from_le_bytes([low, high]) & 0x3FF
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_returns_what_was_written() {
        let mut failures = Vec::new();
        for format in SignalFormat::ALL {
            let (min, max) = match format {
                SignalFormat::F8 => (-128, 127),
                _ => (format.missing_code(), format.max_code()),
            };
            for samples in [vec![], vec![min, max, 0, -1, 1, min + 1], vec![min, -7, 99]] {
                let mut bytes = Vec::new();
                format.encode(&samples, &mut bytes);
                let mut back = Vec::new();
                format.decode(&bytes, &mut back);
                if back != samples {
                    failures.push(format!("{format:?}: {samples:?} -> {bytes:?} -> {back:?}"));
                }
                let whole = samples.len().is_multiple_of(SignalFormat::GROUP);
                if whole && bytes.len() != format.bytes_of_groups(samples.len()) {
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
            (SignalFormat::F8, vec![0xFE, 0x7F], vec![-2, 127]),
            // 1, -2, 3: the third is spread over both pairs, low five bits first.
            (
                SignalFormat::F310,
                vec![0x02, 0x18, 0xFC, 0x07],
                vec![1, -2, 3],
            ),
            (SignalFormat::F310, vec![0xFE, 0x03], vec![511]),
            // 1, -2, 3 in bits 0 to 9, 10 to 19 and 20 to 29.
            (
                SignalFormat::F311,
                vec![0x01, 0xF8, 0x3F, 0x00],
                vec![1, -2, 3],
            ),
            (SignalFormat::F311, vec![0x00, 0x02], vec![-512]),
            (SignalFormat::F32, vec![0xFE, 0xFF, 0xFF, 0xFF], vec![-2]),
        ] {
            let mut samples = Vec::new();
            format.decode(&bytes, &mut samples);
            assert_eq!(samples, expected, "{format:?} {bytes:02X?}");
        }
    }
}
