//! What a change of engine tells the store.

use std::fmt;
use std::time::Duration;

/// Why an engine is not used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossCause {
    /// The driver reported an error, a lost device among them.
    Driver,
    /// No answer in time.
    TimeOut,
    /// Results that are no numbers, or other numbers than the CPU's.
    WrongNumbers,
}

impl LossCause {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Driver => "driver error",
            Self::TimeOut => "time-out",
            Self::WrongNumbers => "wrong numbers",
        }
    }
}

/// Something that happened to the engines: an event of the session in which it was noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineNotice {
    /// An engine was lost; nothing else was.
    Lost {
        /// The engine.
        engine: String,
        /// Why.
        cause: LossCause,
        /// What the driver or the comparison said.
        reason: String,
        /// Beats that were with it and were classified again.
        beats_again: usize,
        /// The engine that did so.
        fallback: String,
        /// When it is tried again.
        again_in: Duration,
    },
    /// A lost engine works again.
    Recovered {
        /// The engine.
        engine: String,
        /// How long it was away.
        away: Duration,
        /// What it is used for now.
        used_for: &'static str,
    },
    /// An engine failed its self-check and is not used.
    Refused {
        /// The engine.
        engine: String,
        /// What was wrong.
        reason: String,
    },
}

impl EngineNotice {
    /// Stable name of the event: `engine_lost`, `engine_recovered` or `engine_refused`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Lost { .. } => "engine_lost",
            Self::Recovered { .. } => "engine_recovered",
            Self::Refused { .. } => "engine_refused",
        }
    }

    /// Whether `kind` is one of [`EngineNotice::kind`].
    #[must_use]
    pub fn is_kind(kind: &str) -> bool {
        ["engine_lost", "engine_recovered", "engine_refused"].contains(&kind)
    }
}

impl fmt::Display for EngineNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost {
                engine,
                cause,
                reason,
                beats_again,
                fallback,
                again_in,
            } => write!(
                f,
                "{engine}: {}: {reason}; {beats_again} beats classified again on {fallback}; tried \
                 again in {:.1} s",
                cause.words(),
                again_in.as_secs_f64()
            ),
            Self::Recovered {
                engine,
                away,
                used_for,
            } => write!(
                f,
                "{engine}: works again after {:.1} s, checked and measured; used for {used_for}",
                away.as_secs_f64()
            ),
            Self::Refused { engine, reason } => {
                write!(f, "{engine}: self-check failed, not used: {reason}")
            }
        }
    }
}
