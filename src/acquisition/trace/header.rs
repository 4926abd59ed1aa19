//! The head of a trace: where it comes from and how to read it.

use ads1292::RegisterImage;
use ecg_chain::{ClockRelation, MonotonicNs, WallUs};

use super::super::source::Session;
use super::decode::{DecodeError, Input};
use super::error::TraceError;

/// First bytes of every trace.
pub(super) const MAGIC: [u8; 8] = *b"ECGTRACE";
/// The version written and read here.
pub(super) const VERSION: u16 = 1;
/// Magic, version and length of the body.
pub(super) const PREFIX_BYTES: usize = 14;
/// Longer bodies are damage, not headers.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// Bytes of the body before the texts.
const FIXED_BODY_BYTES: usize = 38;

/// What a trace says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceHeader {
    /// The chip's ID register: 0x53 or 0x73.
    pub chip_id: u8,
    /// Conversions per second.
    pub sample_rate_sps: u16,
    /// Gain per channel.
    pub gain: [u8; 2],
    /// Reference voltage in microvolts.
    pub vref_uv: u32,
    /// The registers as the host set them up, by address.
    pub registers: RegisterImage,
    /// The start on both clocks, how conversions are started, and the texts.
    pub session: Session,
}

impl TraceHeader {
    /// The header's bytes, CRC included.
    pub(super) fn encode(&self) -> Result<Vec<u8>, TraceError> {
        let Session {
            start,
            start_by_pin,
            leads: [first_lead, second_lead],
            description,
        } = &self.session;
        let mut body = Vec::with_capacity(FIXED_BODY_BYTES + 6 + description.len());
        body.push(self.chip_id);
        body.extend(self.sample_rate_sps.to_le_bytes());
        body.extend(self.gain);
        body.extend(self.vref_uv.to_le_bytes());
        body.extend(self.registers);
        body.extend(start.wall.0.to_le_bytes());
        body.extend(start.monotonic.0.to_le_bytes());
        body.push(u8::from(*start_by_pin));
        for (field, text) in [
            ("lead", first_lead),
            ("lead", second_lead),
            ("description", description),
        ] {
            let length =
                u16::try_from(text.len()).map_err(|_| TraceError::HeaderTooLong { field })?;
            body.extend(length.to_le_bytes());
            body.extend(text.as_bytes());
        }
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(PREFIX_BYTES + body.len() + 4);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(body);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        Ok(bytes)
    }

    /// Length of the whole header given its first bytes; `None` if there are too few to tell.
    pub(super) fn encoded_length(bytes: &[u8]) -> Result<Option<usize>, TraceError> {
        let known = bytes.len().min(MAGIC.len());
        if bytes.get(..known) != MAGIC.get(..known) {
            return Err(TraceError::NotATrace {
                found: bytes.get(..known).unwrap_or_default().to_vec(),
            });
        }
        let mut fields = Input::new(bytes.get(MAGIC.len()..).unwrap_or_default());
        let (Ok(version), Ok(length)) = (fields.array(), fields.array()) else {
            return Ok(None);
        };
        let version = u16::from_le_bytes(version);
        if version != VERSION {
            return Err(TraceError::Version {
                found: version,
                expected: VERSION,
            });
        }
        usize::try_from(u32::from_le_bytes(length))
            .ok()
            .filter(|&length| length <= MAX_BODY_BYTES)
            .map(|length| Some(PREFIX_BYTES + length + 4))
            .ok_or(TraceError::Header {
                problem: "impossible length",
            })
    }

    /// Reads the whole header, `bytes` being of [`Self::encoded_length`].
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, TraceError> {
        let damaged = |problem| TraceError::Header { problem };
        let (rest, crc) = bytes
            .split_last_chunk::<4>()
            .ok_or_else(|| damaged("too short"))?;
        if crc32fast::hash(rest) != u32::from_le_bytes(*crc) {
            return Err(damaged("CRC differs"));
        }
        let body = rest.get(PREFIX_BYTES..).unwrap_or_default();
        let header =
            Self::decode_body(body).map_err(|_| damaged("body does not fit its length"))?;
        if !matches!(header.chip_id, 0x53 | 0x73) {
            return Err(TraceError::UnknownChip {
                found: header.chip_id,
            });
        }
        if header.sample_rate_sps == 0 {
            return Err(damaged("sample rate is 0"));
        }
        Ok(header)
    }

    fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Input::new(body);
        let [chip_id] = fields.array()?;
        Ok(Self {
            chip_id,
            sample_rate_sps: u16::from_le_bytes(fields.array()?),
            gain: fields.array()?,
            vref_uv: u32::from_le_bytes(fields.array()?),
            registers: fields.array()?,
            session: Session {
                start: ClockRelation {
                    wall: WallUs(i64::from_le_bytes(fields.array()?)),
                    monotonic: MonotonicNs(u64::from_le_bytes(fields.array()?)),
                },
                start_by_pin: match fields.array()? {
                    [0] => false,
                    [1] => true,
                    _ => return Err(DecodeError::Damaged("unknown way to start conversions")),
                },
                leads: [text(&mut fields)?, text(&mut fields)?],
                description: text(&mut fields)?,
            },
        })
    }

    /// Nanoseconds between conversions by the nominal rate, rounded down.
    pub(super) fn period_ns(&self) -> i64 {
        1_000_000_000 / i64::from(self.sample_rate_sps.max(1))
    }
}

/// A length and so many bytes of text.
fn text(fields: &mut Input<'_>) -> Result<String, DecodeError> {
    let length = u16::from_le_bytes(fields.array()?);
    Ok(String::from_utf8_lossy(fields.slice(length.into())?).into_owned())
}
