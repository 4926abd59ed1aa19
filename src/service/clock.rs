//! The machine's clocks, as a session reads them.

use ecg_chain::ClockRelation;

/// Both clocks, asked for together.
pub(super) struct ClockSource(Box<dyn Fn() -> ClockRelation + Send + Sync>);

impl ClockSource {
    pub(super) fn new(now: impl Fn() -> ClockRelation + Send + Sync + 'static) -> Self {
        Self(Box::new(now))
    }

    pub(super) fn now(&self) -> ClockRelation {
        (self.0)()
    }
}

impl std::fmt::Debug for ClockSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClockSource")
    }
}
