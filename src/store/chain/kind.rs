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
    /// What somebody corrected.
    Correction,
}

impl Kind {
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
            Self::Correction => "correction",
        }
    }

    /// Those whose tables give each id once: no row of them lacks a link.
    pub(in super::super) const NUMBERED: [Self; 7] = [
        Self::Session,
        Self::Beat,
        Self::Gap,
        Self::Event,
        Self::Clock,
        Self::Ecg,
        Self::Correction,
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
            Self::Correction => "corrections",
        }
    }

    /// The columns of its rows after the id, in the order in which they are stored and hashed. The column
    /// `decider` is hashed as the model and the engine it stands for.
    pub(in super::super) const fn columns(self) -> &'static str {
        match self {
            Self::Session => {
                "source, origin, chip, sample_rate_hz, uv_per_code_0, uv_per_code_1, \
                 start_monotonic_ns, start_wall_us, decider, lead_0, lead_1, mains_filter, \
                 channel_choice, label_digest"
            }
            Self::Beat => {
                "session, r_sample, r_monotonic_ns, r_wall_us, rr_ms, class, p_n, p_l, p_r, p_a, \
                 p_v, channel, quality, window_complete, label_delay_ms, decider, unclassifiable"
            }
            Self::Gap => {
                "session, first_missing_sample, missing_samples, monotonic_ns, wall_us, cause, \
                 after_beat"
            }
            Self::Event => {
                "session, sample, monotonic_ns, wall_us, kind, detail, after_beat, phase, subject, \
                 began_sample, began_monotonic_ns"
            }
            Self::Clock => "session, monotonic_ns, wall_us, step_us",
            Self::Ecg => "session, first_sample, samples, first_monotonic_ns, codes",
            Self::End => {
                "end_monotonic_ns, end_wall_us, end_reason, samples, beats_n, beats_l, beats_r, \
                 beats_a, beats_v, gaps, missing_samples, events, beats_unclassifiable, \
                 deleted_wall_us, deleted_by, deleted_beats, deleted_maps, deleted_gaps, \
                 deleted_events, deleted_ecg_blocks, deleted_corrections"
            }
            Self::Anchor => {
                "what, first_id, last_id, row_count, hash_before, hash, reason, wall_us"
            }
            Self::Correction => {
                "session, kind, target, beats, from_sample, from_wall_us, to_sample, to_wall_us, \
                 class, note, author, origin, supersedes, about, wall_us"
            }
        }
    }

    /// Id and columns to be read of the table by the name `t`, with its label source by the name `d`.
    pub(in super::super) fn select(self, t: &str) -> String {
        self.columns()
            .split(", ")
            .fold(format!("{t}.id"), |list, column| match column {
                "decider" => list + ", d.model, d.engine",
                _ => format!("{list}, {t}.{column}"),
            })
    }

    pub(super) fn from_name(name: &[u8]) -> Option<Self> {
        Self::NUMBERED
            .into_iter()
            .chain([Self::End, Self::Anchor])
            .find(|kind| kind.name().as_bytes() == name)
    }
}
