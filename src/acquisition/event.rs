//! Kinds of the events that the acquisition tells.

/// [`ecg_chain::Event::kind`] of a chip that was set up again: until the next sample the front-end recovers.
pub const CHIP_RESTARTED: &str = "chip_restarted";

/// [`ecg_chain::Event::kind`]s of what the acquisition finds wrong with the chip; each begins, and ends once
/// good frames come again at the right rate.
pub mod chip_trouble {
    /// DRDY does not fall.
    pub const DRDY_SILENT: &str = "drdy_silent";
    /// What is read is no frame.
    pub const FRAMES_BAD: &str = "frames_bad";
    /// A register does not hold what it was set to.
    pub const REGISTER_CHANGED: &str = "register_changed";
    /// The registers are back at their reset values: the supply was gone, or the reset pin low.
    pub const BROWN_OUT: &str = "brown_out";
    /// The chip does not answer on the bus.
    pub const NO_ANSWER: &str = "no_answer";
    /// DRDY falls at another rate than the one configured.
    pub const DRDY_RATE_WRONG: &str = "drdy_rate_wrong";
}

/// [`ecg_chain::Event::kind`] of a set-up that failed; it is tried again.
pub const RESTART_FAILED: &str = "restart_failed";

/// What an [`ecg_chain::Episode`] of the chip itself happens to.
pub const CHIP: &str = "chip";
