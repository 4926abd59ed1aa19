//! What the detector knows of the patient's last beats.

use super::candidate::{Candidate, Fiducial};
use super::history::History;
use super::shapes::Shapes;

/// Beats in a level.
const LENGTH: usize = 8;
/// Weight of the newest beat in the running polarity.
const POLARITY_WEIGHT: f32 = 0.1;
/// Levels do not sink below this part of where they were.
const LOWEST_PART: f32 = 0.15;

/// The last values of a measure and their median.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    values: [f32; LENGTH],
    count: usize,
    next: usize,
    median: f32,
}

impl Recent {
    pub(super) fn add(&mut self, value: f32) {
        self.values[self.next] = value;
        self.next = (self.next + 1) % LENGTH;
        self.count = (self.count + 1).min(LENGTH);
        let mut sorted = self.values;
        let sorted = &mut sorted[..self.count];
        sorted.sort_unstable_by(f32::total_cmp);
        self.median = f32::midpoint(sorted[(self.count - 1) / 2], sorted[self.count / 2]);
    }

    pub(super) fn median(&self) -> Option<f32> {
        (self.count > 0).then_some(self.median)
    }

    /// The newest value, or that `age` values before it.
    pub(super) fn back(&self, age: usize) -> Option<f32> {
        (age < self.count).then(|| self.values[(self.next + LENGTH - 1 - age) % LENGTH])
    }

    /// Mean distance of the logarithms from that of the median.
    pub(super) fn log_spread(&self) -> f32 {
        let values = &self.values[..self.count];
        let median = self.median.max(1e-3);
        let sum: f32 = values
            .iter()
            .map(|value| (value.max(1e-3) / median).ln().abs())
            .sum();
        sum / self.count.max(1) as f32
    }

    fn scale(&mut self, factor: f32) {
        for value in &mut self.values {
            *value *= factor;
        }
        self.median *= factor;
    }
}

#[derive(Debug, Clone)]
pub(super) struct Memory {
    pub(super) energy_uv: Recent,
    pub(super) amplitude_uv: Recent,
    pub(super) sharpness: Recent,
    pub(super) breadth: Recent,
    pub(super) rr_samples: Recent,
    /// Running energy of the rejected candidates: T and P waves, artefacts.
    pub(super) noise_uv: f32,
    /// Running logarithm of R over S, limited; positive where R is the larger deflection.
    pub(super) polarity: f32,
    pub(super) shapes: Shapes,
    /// Nothing smaller than a part of the beats that were forgotten is a first beat, µV.
    pub(super) least_energy_uv: f32,
    /// What is left of the levels since they began to sink.
    sunk: f32,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            energy_uv: Recent::default(),
            amplitude_uv: Recent::default(),
            sharpness: Recent::default(),
            breadth: Recent::default(),
            rr_samples: Recent::default(),
            noise_uv: 0.0,
            polarity: 0.0,
            shapes: Shapes::default(),
            least_energy_uv: 0.0,
            sunk: 1.0,
        }
    }
}

impl Memory {
    pub(super) fn add_beat(&mut self, beat: &Candidate, history: &History) {
        self.energy_uv.add(beat.peak.energy_uv);
        self.amplitude_uv.add(beat.fiducial.amplitude_uv);
        self.sharpness.add(beat.peak.sharpness);
        self.breadth.add(beat.fiducial.breadth);
        let log_ratio = beat.fiducial.log_up_over_down.clamp(-1.0, 1.0);
        self.polarity += (log_ratio - self.polarity) * POLARITY_WEIGHT;
        let Fiducial {
            index,
            upward,
            log_up_over_down,
            ..
        } = beat.fiducial;
        self.shapes.learn(history, index, upward, log_up_over_down);
        self.sunk = 1.0;
    }

    /// Know nothing of the beats any more, save how large they were at the least.
    pub(super) fn forget(&mut self) {
        let Some(energy_uv) = self.energy_uv.median() else {
            return;
        };
        *self = Self {
            noise_uv: self.noise_uv,
            least_energy_uv: LOWEST_PART * energy_uv / self.sunk,
            ..Self::default()
        };
    }

    /// Lower the levels, so that beats become visible again that grew small.
    pub(super) fn sink(&mut self, factor: f32) {
        if self.sunk * factor >= LOWEST_PART {
            self.sunk *= factor;
            self.energy_uv.scale(factor);
            self.amplitude_uv.scale(factor);
        }
    }
}
