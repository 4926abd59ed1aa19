//! The chip's set-up from plain numbers.

use ads1292::{ChipConfig, ChipModel, DataRate, Gain};

use super::failure::{Cause, Failure};

/// The default set-up at another rate and gain, both checked.
pub(super) fn config(sample_rate_hz: u32, gain: u8) -> Result<ChipConfig, Failure> {
    let rate = DataRate::from_hz(sample_rate_hz).ok_or_else(|| {
        impossible(
            "--rate",
            sample_rate_hz,
            "125, 250, 500, 1000, 2000, 4000 or 8000",
        )
    })?;
    let gain = Gain::from_factor(gain)
        .ok_or_else(|| impossible("--gain", u32::from(gain), "1, 2, 3, 4, 6, 8 or 12"))?;
    Ok(ChipConfig::default().with_rate(rate).with_gain(gain))
}

fn impossible(option: &str, found: u32, expected: &str) -> Failure {
    Failure::new(
        Cause::Usage,
        format!("{option}: found {found}, expected {expected}"),
    )
}

/// Refuses any other chip than the one expected, where one is.
pub(super) fn require_chip(
    expected: Option<ChipModel>,
    found: ChipModel,
    origin: impl std::fmt::Display,
) -> Result<(), Failure> {
    match expected {
        Some(expected) if expected != found => Err(Failure::new(
            Cause::OtherChip,
            format!("{origin}: found an {found}, expected {expected}"),
        )),
        _ => Ok(()),
    }
}
