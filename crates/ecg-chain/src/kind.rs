//! What kinds of events there are.

use std::fmt;

#[cfg(feature = "serde")]
use serde::{Serialize, Serializer};

macro_rules! event_kinds {
    ($($(#[$doc:meta])+ $kind:ident = $name:literal,)+) => {
        /// What kind of thing an [`Event`](super::Event) tells: every kind there is, in the chain and in
        /// what is built on it. A database may hold others, of a later version.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[$doc])+ $kind,)+
        }

        impl EventKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// The stable name used in JSON, in the log and in the store, e.g. `lead_off`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }
        }
    };
}

event_kinds! {
    /// An electrode came off.
    LeadOff = "lead_off",
    /// It is on again: the end of [`EventKind::LeadOff`].
    LeadOn = "lead_on",
    /// A channel is at the converter's limits.
    InputSaturated = "input_saturated",
    /// A channel carries nothing.
    InputFlat = "input_flat",
    /// The signal quality of a channel changed.
    QualityChanged = "quality_changed",
    /// Beats are taken from another channel.
    ChannelSwitched = "channel_switched",
    /// The wall clock was stepped.
    ClockStepped = "clock_stepped",
    /// An engine was lost.
    EngineLost = "engine_lost",
    /// A lost engine works again.
    EngineRecovered = "engine_recovered",
    /// An engine failed its self-check.
    EngineRefused = "engine_refused",
    /// The chip was set up again: until the next sample the front-end recovers.
    ChipRestarted = "chip_restarted",
    /// A set-up of the chip failed; it is tried again.
    RestartFailed = "restart_failed",
    /// DRDY does not fall.
    DrdySilent = "drdy_silent",
    /// What is read from the chip is no frame.
    FramesBad = "frames_bad",
    /// A register does not hold what it was set to.
    RegisterChanged = "register_changed",
    /// The registers are back at their reset values: the supply was gone, or the reset pin low.
    BrownOut = "brown_out",
    /// The chip does not answer on the bus.
    NoAnswer = "no_answer",
    /// DRDY falls at another rate than the one configured.
    DrdyRateWrong = "drdy_rate_wrong",
    /// Writing to the store fails.
    StoreOutage = "store_outage",
    /// It works again.
    StoreRecovered = "store_recovered",
    /// A damaged or replaced database was quarantined.
    StoreSetAside = "store_set_aside",
    /// A database lacks rows that it once had.
    StoreRowsMissing = "store_rows_missing",
    /// The check in the background found damage.
    StoreDamaged = "store_damaged",
    /// Raw ECG is left out: too little of the medium is free.
    EcgNotStored = "ecg_not_stored",
    /// Raw ECG will be deleted for the sake of free space.
    RetentionWarning = "retention_warning",
    /// Nothing is deleted for its age.
    RetentionHeld = "retention_held",
}

impl EventKind {
    /// The kind with this name, if this version knows it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(feature = "serde")]
impl Serialize for EventKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_name_is_another_and_leads_back() {
        let names: HashSet<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), EventKind::ALL.len());
        for &kind in EventKind::ALL {
            let name = kind.name();
            assert_eq!(EventKind::from_name(name), Some(kind));
            let plain = |letter: char| letter.is_ascii_lowercase() || letter == '_';
            assert!(name.chars().all(plain), "{name}");
        }
        assert_eq!(EventKind::from_name("of_tomorrow"), None);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn in_json_a_kind_is_its_name() {
        for &kind in EventKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
