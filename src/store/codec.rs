//! Raw ECG blocks as bytes: lossless, small, cheap.
//!
//! A blob is
//!
//! | bytes | meaning |
//! | --- | --- |
//! | 1 | encoding: 1 = body as it is, 2 = body as a raw deflate stream (RFC 1951) |
//! | 1-3 | number of samples per channel, LEB128, 0 to 65,536 |
//! | rest | body |
//!
//! and the body holds channel 1, then channel 2, each as one byte *order* (1 or 2), the first code
//! and then the differences of that order between neighbours, all of them zigzag-mapped (RFC-style
//! protobuf `sint32`) and written as LEB128. Differences wrap at 32 bits, so every `i32` comes back
//! exactly. An encoding byte of any other value belongs to a later version and is refused.

use std::iter;

use ecg_chain::CHANNEL_COUNT;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Most samples per channel in one blob; longer blocks are split before they are stored.
pub const MAX_BLOCK_SAMPLES: usize = 65_536;

/// Highest compression level; 0 stores the varints as they are.
pub const MAX_COMPRESSION_LEVEL: u32 = 9;

const ENCODING_PLAIN: u8 = 1;
const ENCODING_DEFLATE: u8 = 2;
/// An `i32` takes at most five LEB128 bytes.
const MAX_VARINT_BYTES: usize = 5;

/// Why a blob is not an ECG block, or a block too long for one blob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(String);

impl CodecError {
    fn too_long(found: usize) -> Self {
        Self(format!(
            "{found} samples per channel, at most {MAX_BLOCK_SAMPLES} fit one block"
        ))
    }

    fn truncated(field: &str) -> Self {
        Self(format!("the block ends in the middle of its {field}"))
    }

    fn deflate(detail: impl std::fmt::Display) -> Self {
        Self(format!("the deflate stream is damaged: {detail}"))
    }

    /// Bytes are left over.
    fn trailing(count: usize) -> Self {
        Self(format!("{count} bytes too many"))
    }
}

/// Writes blobs; keeps its compressor and buffers between blocks.
pub struct BlockEncoder {
    level: u32,
    compress: Compress,
    body: Vec<u8>,
}

impl BlockEncoder {
    /// An encoder with deflate level 0 (none) to 9 (smallest); higher values count as 9.
    #[must_use]
    pub fn new(level: u32) -> Self {
        let level = level.min(MAX_COMPRESSION_LEVEL);
        Self {
            level,
            compress: Compress::new(Compression::new(level), false),
            body: Vec::new(),
        }
    }

    /// The blob of `codes`.
    ///
    /// # Errors
    /// [`CodecError`] above [`MAX_BLOCK_SAMPLES`].
    pub fn encode(&mut self, codes: &[[i32; CHANNEL_COUNT]]) -> Result<Vec<u8>, CodecError> {
        if codes.len() > MAX_BLOCK_SAMPLES {
            return Err(CodecError::too_long(codes.len()));
        }
        self.body.clear();
        self.body.reserve(codes.len() * 5);
        for channel in 0..CHANNEL_COUNT {
            encode_channel(codes, channel, &mut self.body);
        }
        let mut blob = Vec::with_capacity(self.body.len() + 16);
        blob.push(ENCODING_DEFLATE);
        // `codes.len()` is at most MAX_BLOCK_SAMPLES
        push_varint(&mut blob, u32::try_from(codes.len()).unwrap_or(u32::MAX));
        let header = blob.len();
        if self.level > 0 && self.deflate_into(&mut blob) {
            return Ok(blob);
        }
        blob.truncate(header);
        if let Some(encoding) = blob.first_mut() {
            *encoding = ENCODING_PLAIN;
        }
        blob.extend_from_slice(&self.body);
        Ok(blob)
    }

    /// Appends the deflated body; false where it would not become smaller.
    fn deflate_into(&mut self, blob: &mut Vec<u8>) -> bool {
        // Room for the worst case (fixed Huffman codes of 9 bits) rather than for a gain: a stream
        // cut off by a full buffer and then reset makes zlib-rs 0.6.8 panic in a later one, because
        // its reset keeps the read position of the pending bytes.
        let header = blob.len();
        blob.reserve_exact(self.body.len() + self.body.len() / 8 + 64);
        let outcome = self
            .compress
            .compress_vec(&self.body, blob, FlushCompress::Finish);
        if matches!(outcome, Ok(Status::StreamEnd)) {
            self.compress.reset();
            blob.len() - header < self.body.len()
        } else {
            self.compress = Compress::new(Compression::new(self.level), false);
            false
        }
    }
}

/// The codes in a blob. Any bytes are accepted or refused, none make it panic or allocate more than
/// [`MAX_BLOCK_SAMPLES`] can need.
///
/// # Errors
/// [`CodecError`] naming what is wrong with the blob.
pub fn decode(blob: &[u8]) -> Result<Vec<[i32; CHANNEL_COUNT]>, CodecError> {
    let mut header = Bytes { left: blob };
    let encoding = header.byte("encoding")?;
    if encoding != ENCODING_PLAIN && encoding != ENCODING_DEFLATE {
        return Err(CodecError(format!(
            "encoding {encoding}, expected {ENCODING_PLAIN} or {ENCODING_DEFLATE}"
        )));
    }
    let claimed = header.varint("sample count")?;
    let count = usize::try_from(claimed).unwrap_or(usize::MAX);
    if count > MAX_BLOCK_SAMPLES {
        return Err(CodecError::too_long(count));
    }
    let inflated;
    let mut body = if encoding == ENCODING_DEFLATE {
        inflated = inflate(header.left, count)?;
        Bytes { left: &inflated }
    } else {
        header
    };
    // every sample takes at least one byte per channel: refuse before allocating for a lie
    if body.left.len() < count.saturating_mul(CHANNEL_COUNT) {
        return Err(CodecError::truncated("samples"));
    }
    let mut codes = vec![[0; CHANNEL_COUNT]; count];
    for channel in 0..CHANNEL_COUNT {
        decode_channel(&mut body, channel, &mut codes)?;
    }
    if body.left.is_empty() {
        Ok(codes)
    } else {
        Err(CodecError::trailing(body.left.len()))
    }
}

fn inflate(deflated: &[u8], count: usize) -> Result<Vec<u8>, CodecError> {
    let limit = CHANNEL_COUNT * (1 + MAX_VARINT_BYTES * count);
    let mut body = Vec::with_capacity(limit);
    let mut decompress = Decompress::new(false);
    let status = decompress
        .decompress_vec(deflated, &mut body, FlushDecompress::Finish)
        .map_err(CodecError::deflate)?;
    if !matches!(status, Status::StreamEnd) {
        return Err(CodecError::deflate(format_args!(
            "no end after {} bytes in and {} bytes out",
            decompress.total_in(),
            decompress.total_out()
        )));
    }
    let used = usize::try_from(decompress.total_in()).unwrap_or(usize::MAX);
    match deflated.len().saturating_sub(used) {
        0 => Ok(body),
        count => Err(CodecError::trailing(count)),
    }
}

fn encode_channel(codes: &[[i32; CHANNEL_COUNT]], channel: usize, out: &mut Vec<u8>) {
    let Some(first) = codes.first() else {
        out.push(1);
        return;
    };
    let deltas = || {
        codes
            .windows(2)
            .map(|pair| pair[1][channel].wrapping_sub(pair[0][channel]))
    };
    let second_deltas = || {
        let before = iter::once(0).chain(deltas());
        deltas()
            .zip(before)
            .map(|(delta, before)| delta.wrapping_sub(before))
    };
    let cost_1: u64 = deltas().map(zigzag).map(u64::from).sum();
    let cost_2: u64 = second_deltas().map(zigzag).map(u64::from).sum();
    let second_order = cost_2 < cost_1;
    out.push(if second_order { 2 } else { 1 });
    push_varint(out, zigzag(first[channel]));
    if second_order {
        second_deltas().for_each(|delta| push_varint(out, zigzag(delta)));
    } else {
        deltas().for_each(|delta| push_varint(out, zigzag(delta)));
    }
}

fn decode_channel(
    body: &mut Bytes<'_>,
    channel: usize,
    codes: &mut [[i32; CHANNEL_COUNT]],
) -> Result<(), CodecError> {
    let field = if channel == 0 {
        "channel 1"
    } else {
        "channel 2"
    };
    let second_order = match body.byte(field)? {
        1 => false,
        2 => true,
        found => {
            let problem = format!("difference order {found} of {field}, expected 1 or 2");
            return Err(CodecError(problem));
        }
    };
    let Some((first, rest)) = codes.split_first_mut() else {
        return Ok(());
    };
    let mut previous = unzigzag(body.varint(field)?);
    first[channel] = previous;
    let mut delta = 0_i32;
    for sample in rest {
        let residual = unzigzag(body.varint(field)?);
        delta = if second_order {
            delta.wrapping_add(residual)
        } else {
            residual
        };
        previous = previous.wrapping_add(delta);
        sample[channel] = previous;
    }
    Ok(())
}

const fn zigzag(value: i32) -> u32 {
    (value.wrapping_shl(1) ^ (value >> 31)).cast_unsigned()
}

const fn unzigzag(value: u32) -> i32 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

fn push_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

struct Bytes<'a> {
    left: &'a [u8],
}

impl Bytes<'_> {
    fn byte(&mut self, field: &'static str) -> Result<u8, CodecError> {
        let (first, rest) = self
            .left
            .split_first()
            .ok_or_else(|| CodecError::truncated(field))?;
        self.left = rest;
        Ok(*first)
    }

    fn varint(&mut self, field: &'static str) -> Result<u32, CodecError> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte(field)?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        match self.byte(field)? {
            last @ 0..=0x0f => Ok(value | u32::from(last) << 28),
            _ => Err(CodecError(format!(
                "a value of the {field} takes more than 32 bits"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Drift, QRS-like ramps and converter noise of about 27 codes RMS (1.3 µV at gain 6).
    #[allow(clippy::cast_possible_truncation)]
    fn ecg_like(samples: i32) -> Vec<[i32; 2]> {
        let mut state = 1_u32;
        let mut uniform = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            i32::try_from(state >> 27).unwrap() - 16
        };
        let mut noise = move || (0..9).map(|_| uniform()).sum::<i32>();
        (0..samples)
            .map(|k| {
                let phase = k % 400;
                let qrs = if phase < 20 { phase * 1_000 } else { 0 };
                let drift = ((f64::from(k) / 900.0).sin() * 9_000.0) as i32;
                [drift + qrs + noise(), -drift + qrs / 2 + noise()]
            })
            .collect()
    }

    #[test]
    fn every_shape_of_block_comes_back_exactly() {
        let table: Vec<(&str, Vec<[i32; 2]>)> = vec![
            ("empty", vec![]),
            ("one", vec![[-5, 8_388_607]]),
            (
                "extremes",
                vec![[i32::MIN, i32::MAX], [i32::MAX, i32::MIN], [0, -1]],
            ),
            ("constant", vec![[8_388_607, -8_388_608]; 3_000]),
            ("ramp", (0..5_000).map(|k| [k * 37, -k * 91]).collect()),
            ("ecg", ecg_like(5_000)),
            ("longest", vec![[1, 2]; MAX_BLOCK_SAMPLES]),
            ("ecg again", ecg_like(7_001)),
        ];
        let mut failures = Vec::new();
        for level in [0, 1, 2, 6, 9] {
            let mut encoder = BlockEncoder::new(level);
            for (name, codes) in &table {
                if decode(&encoder.encode(codes).unwrap()).as_ref() != Ok(codes) {
                    failures.push(format!("{name} at level {level}"));
                }
            }
        }
        assert!(failures.is_empty(), "{failures:?}");
    }

    /// Blocks that do not shrink, one after the other through one encoder: `deflate_into` says what
    /// went wrong here.
    #[test]
    fn an_encoder_survives_many_blocks_that_do_not_shrink() {
        let codes = ecg_like(5_000);
        for level in [1, 2, 6] {
            let mut encoder = BlockEncoder::new(level);
            for _ in 0..50 {
                assert_eq!(
                    decode(&encoder.encode(&codes).unwrap()).as_ref(),
                    Ok(&codes)
                );
            }
        }
    }

    #[test]
    fn a_block_above_the_limit_is_refused() {
        let codes = vec![[0, 0]; MAX_BLOCK_SAMPLES + 1];
        assert_eq!(
            BlockEncoder::new(1).encode(&codes),
            Err(CodecError::too_long(MAX_BLOCK_SAMPLES + 1))
        );
    }

    #[test]
    fn damage_is_named() {
        let plain = BlockEncoder::new(0)
            .encode(&[[1, 2], [3, 4], [5, 6]])
            .unwrap();
        assert_eq!(plain, [1, 3, 2, 2, 4, 0, 2, 4, 4, 0]);
        let mut deflated = BlockEncoder::new(6).encode(&ecg_like(500)).unwrap();
        deflated.push(0);
        let table: Vec<(&str, Vec<u8>, &str)> = vec![
            ("empty", vec![], "middle of its encoding"),
            ("later version", vec![3, 0, 1, 1], "encoding 3"),
            ("no count", vec![1], "middle of its sample count"),
            ("cut", plain[..9].to_vec(), "middle of its channel 2"),
            ("order", vec![1, 1, 9, 0, 1, 0], "order 9 of channel 1"),
            ("more samples than bytes", vec![1, 200, 1, 1, 0], "samples"),
            (
                "count too large",
                vec![1, 0x81, 0x80, 0x04],
                "65537 samples",
            ),
            (
                "overflow",
                vec![1, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x1f, 1, 0],
                "more than 32 bits",
            ),
            ("surplus", [&plain[..], &[0]].concat(), "1 bytes too many"),
            ("surplus after deflate", deflated, "1 bytes too many"),
            ("not deflate", vec![2, 1, 0xff, 0xff], "deflate stream"),
        ];
        let failures: Vec<_> = table
            .iter()
            .filter_map(|(name, blob, expected)| match decode(blob) {
                Err(error) if error.to_string().contains(expected) => None,
                other => Some(format!("{name}: {other:?}")),
            })
            .collect();
        assert!(failures.is_empty(), "{failures:#?}");
    }

    #[test]
    fn every_truncation_is_an_error() {
        for level in [0, 1] {
            let blob = BlockEncoder::new(level).encode(&ecg_like(300)).unwrap();
            for end in 0..blob.len() {
                assert!(decode(&blob[..end]).is_err(), "level {level}, {end} bytes");
            }
        }
    }

    proptest! {
        #[test]
        fn any_codes_round_trip(
            codes in proptest::collection::vec(any::<[i32; 2]>(), 0..200),
            level in 0_u32..4,
        ) {
            let blob = BlockEncoder::new(level).encode(&codes).unwrap();
            prop_assert_eq!(decode(&blob), Ok(codes));
        }

        #[test]
        fn any_bytes_are_survived(mut blob in proptest::collection::vec(any::<u8>(), 0..300), encoding in 0_u8..4) {
            if let Some(first) = blob.first_mut() {
                *first = encoding;
            }
            let _ = decode(&blob);
        }
    }
}
