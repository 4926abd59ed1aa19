//! Electrodes of a two-channel front-end with right-leg drive.

/// Names of the electrodes, as an event's subject: the positive and the negative one of channel 1, those
/// of channel 2, the right-leg drive.
pub const ELECTRODES: [&str; 5] = ["in1p", "in1n", "in2p", "in2n", "rld"];

/// Which electrodes are off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct LeadOff {
    bits: u8,
}

impl LeadOff {
    /// A bit per electrode that is off, in the order of [`ELECTRODES`], lowest first (LOFF_STAT of the
    /// ADS1292, SBAS502C). Higher bits are ignored.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self { bits: bits & 0x1F }
    }

    /// Channels without a signal, each shown as its positive electrode off.
    #[must_use]
    pub const fn from_channels(off: [bool; 2]) -> Self {
        Self::from_bits(off[0] as u8 | (off[1] as u8) << 2)
    }

    /// Whether the electrode at this place of [`ELECTRODES`] is off.
    #[must_use]
    pub const fn is_off(self, electrode: usize) -> bool {
        self.bits >> electrode & 1 != 0
    }

    /// Whether any electrode is off.
    #[must_use]
    pub const fn any(self) -> bool {
        self.bits != 0
    }

    /// Per channel, whether one of its two electrodes or the right-leg electrode, which both channels
    /// need, is off.
    #[must_use]
    pub const fn channels(self) -> [bool; 2] {
        [self.bits & 0b1_0011 != 0, self.bits & 0b1_1100 != 0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_needs_its_electrodes_and_the_right_leg() {
        for (electrode, channels) in [
            [true, false],
            [true, false],
            [false, true],
            [false, true],
            [true, true],
        ]
        .into_iter()
        .enumerate()
        {
            let off = LeadOff::from_bits(1 << electrode);
            assert_eq!(off.channels(), channels, "{}", ELECTRODES[electrode]);
            assert!(off.is_off(electrode) && off.any());
        }
        assert!(!LeadOff::from_bits(0xE0).any());
        assert_eq!(
            LeadOff::from_channels([false, true]).channels(),
            [false, true]
        );
    }
}
