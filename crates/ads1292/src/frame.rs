//! The 9-byte data frame (SBAS502C, section "Data Retrieval"): 24 status bits
//! `1100` + LOFF_STAT\[4:0\] + GPIO\[1:0\] + 13 zeros, then two channels of 24 bits, two's
//! complement, most significant bit first.

use core::fmt;

use super::registers::LeadOff;
use super::scale::{CODE_MAX, CODE_MIN};

/// Length of a frame.
pub const FRAME_BYTES: usize = 9;

/// The first nibble of every frame.
const SYNC: u8 = 0xC0;
const SYNC_MASK: u8 = 0xF0;
/// The 13 zero bits of status bytes 1 and 2.
const PADDING_MASK: u16 = 0x1FFF;

/// The status word of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Status {
    /// Electrodes found off.
    pub lead_off: LeadOff,
    /// Levels of GPIO1 and GPIO2.
    pub gpio: [bool; 2],
}

/// One conversion of both channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Frame {
    /// Lead-off and GPIO.
    pub status: Status,
    /// Codes of channel 1 and 2, each -2^23 to 2^23 - 1.
    pub codes: [i32; 2],
}

/// Nine bytes that are no frame. The transfer was disturbed or out of step with DRDY; the next DRDY
/// starts a fresh frame, see [`super::FrameSync`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The first nibble is not `1100`.
    NoSync {
        /// The first byte received.
        found: u8,
    },
    /// The last 13 status bits are not zero.
    NonZeroPadding {
        /// Those 13 bits.
        found: u16,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoSync { found } => write!(
                f,
                "not a frame: first byte {found:#04x}, its upper nibble must be 1100 (0xc0 to 0xcf){}",
                hint(found)
            ),
            Self::NonZeroPadding { found } => write!(
                f,
                "damaged frame: the last 13 status bits read {found:#06x} and must be zero"
            ),
        }
    }
}

impl core::error::Error for FrameError {}

fn hint(found: u8) -> &'static str {
    match found {
        0x00 => "; all zeros: no conversion is running, or DOUT is not connected",
        0xFF => "; all ones: no chip drives DOUT",
        _ => "",
    }
}

impl Frame {
    /// Reads a frame.
    ///
    /// # Errors
    /// [`FrameError`] where the sync nibble or the zero bits are not what every frame has.
    pub const fn parse(bytes: &[u8; FRAME_BYTES]) -> Result<Self, FrameError> {
        let [s0, s1, s2, a0, a1, a2, b0, b1, b2] = *bytes;
        if s0 & SYNC_MASK != SYNC {
            return Err(FrameError::NoSync { found: s0 });
        }
        let low = u16::from_be_bytes([s1, s2]);
        if low & PADDING_MASK != 0 {
            return Err(FrameError::NonZeroPadding {
                found: low & PADDING_MASK,
            });
        }
        Ok(Self {
            status: Status {
                lead_off: LeadOff::from_bits((s0 << 1) | (s1 >> 7)),
                gpio: [s1 & 0x20 != 0, s1 & 0x40 != 0],
            },
            codes: [sign_extend(a0, a1, a2), sign_extend(b0, b1, b2)],
        })
    }

    /// The bytes the chip sends for this frame. Codes beyond 24 bits saturate.
    #[must_use]
    pub fn to_bytes(self) -> [u8; FRAME_BYTES] {
        let lead_off = self.status.lead_off.bits();
        let [gpio1, gpio2] = self.status.gpio;
        let mut bytes = [0; FRAME_BYTES];
        bytes[0] = SYNC | lead_off >> 1;
        bytes[1] = lead_off << 7 | u8::from(gpio2) << 6 | u8::from(gpio1) << 5;
        for (place, code) in bytes[3..].chunks_exact_mut(3).zip(self.codes) {
            place.copy_from_slice(&code.clamp(CODE_MIN, CODE_MAX).to_be_bytes()[1..]);
        }
        bytes
    }

    /// Input-referred microvolts of both channels, given [`super::ChipConfig::uv_per_code`].
    #[must_use]
    pub fn microvolts(self, uv_per_code: [f64; 2]) -> [f64; 2] {
        [
            f64::from(self.codes[0]) * uv_per_code[0],
            f64::from(self.codes[1]) * uv_per_code[1],
        ]
    }
}

const fn sign_extend(high: u8, middle: u8, low: u8) -> i32 {
    i32::from_be_bytes([high, middle, low, 0]) >> 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registers::Electrode;
    use proptest::prelude::*;

    #[test]
    fn known_frames() {
        let table: [([u8; 9], Frame); 4] = [
            ([0xC0, 0, 0, 0, 0, 0, 0, 0, 0], Frame::default()),
            (
                [0xC0, 0, 0, 0x7F, 0xFF, 0xFF, 0x80, 0, 0],
                Frame {
                    codes: [8_388_607, -8_388_608],
                    ..Frame::default()
                },
            ),
            (
                [0xC4, 0x40, 0, 0xFF, 0xFF, 0xFF, 0, 0, 1],
                Frame {
                    status: Status {
                        lead_off: LeadOff::from_bits(Electrode::In2N.status_bit()),
                        gpio: [false, true],
                    },
                    codes: [-1, 1],
                },
            ),
            (
                [0xC8, 0xA0, 0, 0, 0, 0, 0, 0, 0],
                Frame {
                    status: Status {
                        lead_off: LeadOff::from_bits(
                            Electrode::Rld.status_bit() | Electrode::In1P.status_bit(),
                        ),
                        gpio: [true, false],
                    },
                    codes: [0, 0],
                },
            ),
        ];
        let wrong: Vec<_> = table
            .iter()
            .filter(|(bytes, frame)| {
                Frame::parse(bytes) != Ok(*frame) || frame.to_bytes() != *bytes
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn errors_carry_what_was_found() {
        let mut bytes = Frame::default().to_bytes();
        bytes[0] = 0x3C;
        assert_eq!(
            Frame::parse(&bytes),
            Err(FrameError::NoSync { found: 0x3C })
        );
        bytes = Frame::default().to_bytes();
        bytes[2] = 0x01;
        assert_eq!(
            Frame::parse(&bytes),
            Err(FrameError::NonZeroPadding { found: 1 })
        );
        let text = FrameError::NoSync { found: 0xFF }.to_string();
        assert!(text.contains("0xff") && text.contains("no chip"), "{text}");
    }

    proptest! {
        #[test]
        fn any_nine_bytes_parse_or_fail_cleanly(bytes: [u8; 9]) {
            match Frame::parse(&bytes) {
                Ok(frame) => prop_assert_eq!(frame.to_bytes(), bytes),
                Err(FrameError::NoSync { found }) => {
                    prop_assert_eq!(found, bytes[0]);
                    prop_assert_ne!(found >> 4, 0b1100);
                }
                Err(FrameError::NonZeroPadding { found }) => prop_assert_ne!(found, 0),
            }
        }

        #[test]
        fn frames_go_round(
            bits in 0_u8..32,
            gpio: [bool; 2],
            a in CODE_MIN..=CODE_MAX,
            b in CODE_MIN..=CODE_MAX,
        ) {
            let frame = Frame {
                status: Status { lead_off: LeadOff::from_bits(bits), gpio },
                codes: [a, b],
            };
            prop_assert_eq!(frame.status.lead_off.bits(), bits);
            prop_assert_eq!(Frame::parse(&frame.to_bytes()), Ok(frame));
        }

        #[test]
        fn codes_beyond_24_bits_saturate(a: i32, b: i32) {
            let frame = Frame { status: Status::default(), codes: [a, b] };
            let back = Frame::parse(&frame.to_bytes()).unwrap();
            prop_assert_eq!(back.codes, [a, b].map(|c| c.clamp(CODE_MIN, CODE_MAX)));
        }
    }
}
