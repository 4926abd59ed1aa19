//! What a link is about.

/// A SHA-256.
pub(in super::super) type Hash = [u8; 32];

/// What the first link of a database follows.
pub(super) const BEGINNING: Hash = [0; 32];

/// What a link is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) enum Kind {
    /// What is fixed about a session from its start.
    Session,
    Beat,
    Gap,
    Event,
    /// A relation of the clocks.
    Clock,
    /// A block of raw ECG.
    Ecg,
    /// A session's end and counts.
    End,
    /// What is rightly missing.
    Anchor,
}

impl Kind {
    pub(in super::super) const ALL: [Self; 8] = [
        Self::Session,
        Self::Beat,
        Self::Gap,
        Self::Event,
        Self::Clock,
        Self::Ecg,
        Self::End,
        Self::Anchor,
    ];

    /// The name in the column `chain.kind`.
    pub(in super::super) const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Beat => "beat",
            Self::Gap => "gap",
            Self::Event => "event",
            Self::Clock => "clock",
            Self::Ecg => "ecg",
            Self::End => "end",
            Self::Anchor => "anchor",
        }
    }

    /// Those whose tables give each id once: no row of them lacks a link.
    pub(super) const NUMBERED: [Self; 6] = [
        Self::Session,
        Self::Beat,
        Self::Gap,
        Self::Event,
        Self::Clock,
        Self::Ecg,
    ];

    /// The table its rows are in.
    pub(in super::super) const fn table(self) -> &'static str {
        match self {
            Self::Session | Self::End => "sessions",
            Self::Beat => "beats",
            Self::Gap => "gaps",
            Self::Event => "events",
            Self::Clock => "clock_relations",
            Self::Ecg => "ecg_blocks",
            Self::Anchor => "chain_anchors",
        }
    }

    pub(super) fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().as_bytes() == name)
    }
}
