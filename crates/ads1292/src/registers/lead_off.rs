//! Lead-off detection: LOFF (03h), LOFF_SENS (07h), LOFF_STAT (08h) (SBAS502C, sections "LOFF:
//! Lead-Off Control Register", "LOFF_SENS: Lead-Off Sense Selection", "LOFF_STAT: Lead-Off
//! Status").

use core::fmt;

use super::register::{Register, RegisterError};

/// An electrode of the front-end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Electrode {
    /// Channel 1 positive.
    In1P,
    /// Channel 1 negative.
    In1N,
    /// Channel 2 positive.
    In2P,
    /// Channel 2 negative.
    In2N,
    /// Right-leg drive.
    Rld,
}

impl Electrode {
    /// All electrodes in the order of LOFF_STAT's bits, lowest first.
    pub const ALL: [Self; 5] = [Self::In1P, Self::In1N, Self::In2P, Self::In2N, Self::Rld];

    /// The electrode's bit in LOFF_STAT\[4:0\].
    #[must_use]
    pub const fn status_bit(self) -> u8 {
        1 << self as u8
    }

    /// Name as used in fault scripts and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        ["in1p", "in1n", "in2p", "in2n", "rld"][self as usize]
    }

    /// The electrode of this [`Electrode::name`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

impl fmt::Display for Electrode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which electrodes are off. Only electrodes whose comparator is enabled in LOFF_SENS (and CONFIG2)
/// ever report; the others are never off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct LeadOff(u8);

impl LeadOff {
    /// From LOFF_STAT\[4:0\]: RLD, IN2N, IN2P, IN1N, IN1P. Higher bits are ignored.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0x1F)
    }

    /// As LOFF_STAT\[4:0\].
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether this electrode is off.
    #[must_use]
    pub const fn is_off(self, electrode: Electrode) -> bool {
        self.0 & electrode.status_bit() != 0
    }

    /// Whether any electrode is off.
    #[must_use]
    pub const fn any(self) -> bool {
        self.0 != 0
    }

    /// Per channel, whether one of its two electrodes or the right-leg electrode, which both
    /// channels need, is off.
    #[must_use]
    pub const fn channels(self) -> [bool; 2] {
        [self.0 & 0b1_0011 != 0, self.0 & 0b1_1100 != 0]
    }
}

/// Comparator threshold of the positive side in percent of the analog supply, COMP_TH\[2:0\]; the
/// negative side uses 100 % less this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LeadOffThreshold {
    /// 95 % / 5 %; the reset value.
    #[default]
    Percent95,
    /// 92.5 % / 7.5 %.
    Percent92_5,
    /// 90 % / 10 %.
    Percent90,
    /// 87.5 % / 12.5 %.
    Percent87_5,
    /// 85 % / 15 %.
    Percent85,
    /// 80 % / 20 %.
    Percent80,
    /// 75 % / 25 %.
    Percent75,
    /// 70 % / 30 %.
    Percent70,
}

impl LeadOffThreshold {
    /// All thresholds in the order of COMP_TH.
    pub const ALL: [Self; 8] = [
        Self::Percent95,
        Self::Percent92_5,
        Self::Percent90,
        Self::Percent87_5,
        Self::Percent85,
        Self::Percent80,
        Self::Percent75,
        Self::Percent70,
    ];

    /// The positive side's threshold in percent of the supply.
    #[must_use]
    pub const fn percent(self) -> f32 {
        [95.0, 92.5, 90.0, 87.5, 85.0, 80.0, 75.0, 70.0][self as usize]
    }
}

/// Magnitude of the lead-off current, ILEAD_OFF\[1:0\].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LeadOffCurrent {
    /// 6 nA; the reset value.
    #[default]
    Na6,
    /// 22 nA.
    Na22,
    /// 6 µA.
    Ua6,
    /// 22 µA.
    Ua22,
}

impl LeadOffCurrent {
    /// All currents in the order of ILEAD_OFF.
    pub const ALL: [Self; 4] = [Self::Na6, Self::Na22, Self::Ua6, Self::Ua22];

    /// The current in nanoamperes.
    #[must_use]
    pub const fn nanoamperes(self) -> u32 {
        [6, 22, 6_000, 22_000][self as usize]
    }
}

/// DC or AC lead-off detection, FLEAD_OFF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum LeadOffMode {
    /// Direct current, judged by the comparators; the reset value.
    #[default]
    Dc,
    /// Alternating current at a quarter of the data rate, judged by the host from the samples.
    Ac,
}

/// LOFF. Bit 4 is always one, bit 1 always zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Loff {
    /// COMP_TH\[2:0\].
    pub threshold: LeadOffThreshold,
    /// ILEAD_OFF\[1:0\].
    pub current: LeadOffCurrent,
    /// FLEAD_OFF.
    pub mode: LeadOffMode,
}

impl Loff {
    /// The register's byte.
    #[must_use]
    pub const fn encode(self) -> u8 {
        Register::Loff.fixed_ones()
            | (self.threshold as u8) << 5
            | (self.current as u8) << 2
            | self.mode as u8
    }

    /// From the register's byte.
    ///
    /// # Errors
    /// [`RegisterError`] where bit 4 is not one or bit 1 not zero.
    pub fn decode(byte: u8) -> Result<Self, RegisterError> {
        Register::Loff.check_fixed(byte)?;
        let [threshold, current] = [byte >> 5, (byte >> 2) & 0x03].map(usize::from);
        Ok(Self {
            threshold: LeadOffThreshold::ALL[threshold],
            current: LeadOffCurrent::ALL[current],
            mode: [LeadOffMode::Dc, LeadOffMode::Ac][usize::from(byte & 0x01)],
        })
    }
}

/// LOFF_SENS: which electrodes are sensed, and per channel the direction of the current. Bits 7 and
/// 6 are always zero. The reset value senses nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LeadOffSense {
    /// LOFF1P.
    pub in1p: bool,
    /// LOFF1N.
    pub in1n: bool,
    /// LOFF2P.
    pub in2p: bool,
    /// LOFF2N.
    pub in2n: bool,
    /// FLIP1: current of channel 1 reversed.
    pub flip1: bool,
    /// FLIP2: current of channel 2 reversed.
    pub flip2: bool,
}

impl LeadOffSense {
    /// All four electrodes sensed, currents in their normal direction.
    pub const ALL_ELECTRODES: Self = Self {
        in1p: true,
        in1n: true,
        in2p: true,
        in2n: true,
        flip1: false,
        flip2: false,
    };

    /// The register's byte.
    #[must_use]
    pub fn encode(self) -> u8 {
        u8::from(self.in1p)
            | u8::from(self.in1n) << 1
            | u8::from(self.in2p) << 2
            | u8::from(self.in2n) << 3
            | u8::from(self.flip1) << 4
            | u8::from(self.flip2) << 5
    }

    /// From the register's byte.
    ///
    /// # Errors
    /// [`RegisterError`] where bits 7 and 6 are not zero.
    pub fn decode(byte: u8) -> Result<Self, RegisterError> {
        Register::LoffSens.check_fixed(byte)?;
        Ok(Self {
            in1p: byte & 0x01 != 0,
            in1n: byte & 0x02 != 0,
            in2p: byte & 0x04 != 0,
            in2n: byte & 0x08 != 0,
            flip1: byte & 0x10 != 0,
            flip2: byte & 0x20 != 0,
        })
    }
}

/// Division of the master clock, CLK_DIV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ClockDivider {
    /// fMOD = fCLK / 4, for 512 kHz; the reset value.
    #[default]
    By4,
    /// fMOD = fCLK / 16, for an external 2.048 MHz.
    By16,
}

/// LOFF_STAT: the lead-off status is read only, CLK_DIV is written. Bits 7 and 5 are always zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LoffStat {
    /// CLK_DIV.
    pub clock_divider: ClockDivider,
    /// RLD_STAT and INxx_OFF, read only.
    pub lead_off: LeadOff,
}

impl LoffStat {
    /// The register's byte.
    #[must_use]
    pub const fn encode(self) -> u8 {
        (self.clock_divider as u8) << 6 | self.lead_off.bits()
    }

    /// From the register's byte.
    ///
    /// # Errors
    /// [`RegisterError`] where bits 7 and 5 are not zero.
    pub fn decode(byte: u8) -> Result<Self, RegisterError> {
        Register::LoffStat.check(byte, 0xA0, 0)?;
        Ok(Self {
            clock_divider: [ClockDivider::By4, ClockDivider::By16][usize::from(byte >> 6 & 1)],
            lead_off: LeadOff::from_bits(byte),
        })
    }
}
