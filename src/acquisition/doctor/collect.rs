//! Some seconds of samples, and what they measure.

use std::time::Duration;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiDevice;

use super::super::{AcquisitionError, DataReady, DrdyEdge, WaitError};
use super::advice;
use crate::ads1292::{Ads1292, ChipConfig, Electrode, Error as ChipError, Frame};

/// Longer than any settling time and than 31 periods of the slowest rate.
const SILENCE: Duration = Duration::from_millis(250);
/// Left out at the start: the reference and the inputs settle.
const SETTLING_NS: u64 = 200_000_000;

/// Why there are no samples.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) found: String,
    pub(super) advice: &'static str,
}

/// Samples of a while.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// Time since the first edge, nanoseconds, and the frame.
    samples: Vec<(u64, Frame)>,
    pub(super) bad: u64,
    /// Edges, read or lost, and those of them that were lost.
    pub(super) edges: u64,
    pub(super) lost: u64,
    length_ns: u64,
}

/// A square wave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Square {
    pub(super) amplitude_uv: f64,
    pub(super) frequency_hz: f64,
}

/// Sets the chip up and reads it for this long.
pub(super) fn collect<SPI, START, RESET, DELAY, DRDY>(
    driver: &mut Ads1292<SPI, START, RESET, DELAY>,
    drdy: &mut DRDY,
    config: &ChipConfig,
    length: Duration,
) -> Result<Collected, Trouble>
where
    SPI: SpiDevice,
    SPI::Error: Into<AcquisitionError>,
    START: OutputPin,
    RESET: OutputPin,
    DELAY: DelayNs,
    DRDY: DataReady,
{
    let failed = |found: String| Trouble {
        found,
        advice: advice::TRANSFER,
    };
    let of_chip = |error| failed(AcquisitionError::from_chip(error).to_string());
    driver.initialise(config).map_err(of_chip)?;
    drdy.forget().map_err(|error| failed(error.to_string()))?;
    let length_ns = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
    let mut collected = Collected::default();
    let mut first: Option<DrdyEdge> = None;
    loop {
        let edge = match drdy.wait(SILENCE) {
            Ok(edge) => edge,
            Err(WaitError::Timeout(_) | WaitError::Inspection) => {
                let found = match collected.edges {
                    0 => format!("DRDY did not fall within {} ms", SILENCE.as_millis()),
                    edges => format!("DRDY stopped falling after {edges} edges"),
                };
                return Err(Trouble {
                    found,
                    advice: advice::SILENT,
                });
            }
            Err(WaitError::Failed(error)) => return Err(failed(error.to_string())),
        };
        let first = *first.get_or_insert(edge);
        let since_ns = edge.time.since(first.time);
        match driver.read_frame() {
            Ok(frame) => collected.samples.push((since_ns, frame)),
            Err(ChipError::Frame(_) | ChipError::SyncLost { .. }) => collected.bad += 1,
            Err(error) => return Err(of_chip(error)),
        }
        collected.edges = u64::from(edge.sequence.wrapping_sub(first.sequence)) + 1;
        collected.lost = collected.edges.saturating_sub(collected.frames());
        collected.length_ns = since_ns;
        if since_ns >= length_ns {
            return Ok(collected);
        }
    }
}

impl Collected {
    #[cfg(test)]
    pub(super) fn push(&mut self, since_ns: u64, codes: [i32; 2]) {
        let frame = Frame {
            codes,
            ..Frame::default()
        };
        self.samples.push((since_ns, frame));
    }

    /// Frames read, good or bad.
    pub(super) fn frames(&self) -> u64 {
        self.samples.len() as u64 + self.bad
    }

    pub(super) fn rate_hz(&self) -> f64 {
        self.edges.saturating_sub(1) as f64 * 1e9 / self.length_ns.max(1) as f64
    }

    /// Settled samples of a channel: nanoseconds and microvolts.
    fn channel(&self, channel: usize, uv_per_code: f64) -> Vec<(u64, f64)> {
        self.samples
            .iter()
            .filter(|(since_ns, _)| *since_ns >= SETTLING_NS)
            .map(|(since_ns, frame)| (*since_ns, f64::from(frame.codes[channel]) * uv_per_code))
            .collect()
    }

    /// The square wave on both channels.
    pub(super) fn squares(&self, uv_per_code: [f64; 2]) -> [Square; 2] {
        [0, 1].map(|channel| square(&self.channel(channel, uv_per_code[channel])))
    }

    /// Root mean square of what is not constant.
    pub(super) fn noise_uv_rms(&self, uv_per_code: [f64; 2]) -> [f64; 2] {
        [0, 1].map(|channel| {
            let samples = self.channel(channel, uv_per_code[channel]);
            let count = samples.len().max(1) as f64;
            let mean = samples.iter().map(|(_, uv)| uv).sum::<f64>() / count;
            let power = samples
                .iter()
                .map(|(_, uv)| (uv - mean).powi(2))
                .sum::<f64>()
                / count;
            power.sqrt()
        })
    }

    /// Share of the frames in which the electrode is found off.
    pub(super) fn share_off(&self, electrode: Electrode) -> f64 {
        let settled = || {
            self.samples
                .iter()
                .filter(|(since_ns, _)| *since_ns >= SETTLING_NS)
        };
        let off = settled().filter(|(_, frame)| frame.status.lead_off.is_off(electrode));
        off.count() as f64 / settled().count().max(1) as f64
    }
}

/// Half the distance between the mean of the upper half and that of the lower, and how often the
/// signal rises through the middle. A tenth of the swing lies around the middle unseen, so that noise
/// makes no edges.
fn square(samples: &[(u64, f64)]) -> Square {
    let (lowest, highest) = samples.iter().fold(
        (f64::INFINITY, f64::NEG_INFINITY),
        |(low, high), (_, uv)| (low.min(*uv), high.max(*uv)),
    );
    let (middle, swing) = (f64::midpoint(lowest, highest), highest - lowest);
    let (mut sums, mut counts) = ([0.0; 2], [0.0_f64; 2]);
    let (mut is_high, mut rises) = (None, Vec::new());
    for (since_ns, uv) in samples {
        if (uv - middle).abs() < 0.05 * swing {
            continue;
        }
        let high = *uv > middle;
        sums[usize::from(high)] += uv;
        counts[usize::from(high)] += 1.0;
        if high && is_high == Some(false) {
            rises.push(*since_ns);
        }
        is_high = Some(high);
    }
    let mean = |half: usize| sums[half] / counts[half].max(1.0);
    let frequency_hz = match (rises.first(), rises.last()) {
        (Some(first), Some(last)) if last > first => {
            (rises.len() - 1) as f64 * 1e9 / (last - first) as f64
        }
        _ => 0.0,
    };
    Square {
        amplitude_uv: (mean(1) - mean(0)) / 2.0,
        frequency_hz,
    }
}
