//! Some seconds of samples, and what they measure.

use ads1292::{Electrode, Frame};

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

impl Collected {
    /// Adds what was read at an edge, the `edges`-th with those that were lost; `None` is no
    /// frame.
    pub(super) fn add(&mut self, edges: u64, since_ns: u64, frame: Option<Frame>) {
        match frame {
            Some(frame) => self.samples.push((since_ns, frame)),
            None => self.bad += 1,
        }
        self.edges = edges;
        self.lost = edges.saturating_sub(self.frames());
        self.length_ns = since_ns;
    }

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
