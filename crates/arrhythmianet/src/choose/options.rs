//! What may be chosen.

use std::time::Duration;

/// What is to classify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum EngineChoice {
    /// The faster one, measured at the start for single beats and for backlogs.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU.
    ///
    /// Also a software one; the CPU only while the GPU is lost.
    Gpu,
}

impl EngineChoice {
    /// As in the configuration: `auto`, `cpu` or `gpu`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
        }
    }
}

/// How long things may take; [`ChooseOptions::new`] has what the gateway uses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChooseOptions {
    /// How long `auto` waits for an accelerator at the start; one that takes longer is used once it
    /// is ready.
    pub start_timeout: Duration,
    /// Pause before a lost accelerator is tried again; doubled with every further try.
    pub first_pause: Duration,
    /// Longest such pause.
    pub longest_pause: Duration,
    /// Time a batch may take beyond what was measured; a live label is late by no more when a
    /// device hangs.
    pub batch_grace: Duration,
}

impl ChooseOptions {
    /// 10 s for the start, pauses of 5 s to 10 min, 1 s for a batch.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            start_timeout: Duration::from_secs(10),
            first_pause: Duration::from_secs(5),
            longest_pause: Duration::from_secs(600),
            batch_grace: Duration::from_secs(1),
        }
    }

    /// With another [`ChooseOptions::start_timeout`].
    #[must_use]
    pub const fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// With other pauses before a lost accelerator is tried again.
    #[must_use]
    pub const fn pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.first_pause = first;
        self.longest_pause = longest;
        self
    }

    /// With another [`ChooseOptions::batch_grace`].
    #[must_use]
    pub const fn batch_grace(mut self, grace: Duration) -> Self {
        self.batch_grace = grace;
        self
    }
}

impl Default for ChooseOptions {
    fn default() -> Self {
        Self::new()
    }
}
