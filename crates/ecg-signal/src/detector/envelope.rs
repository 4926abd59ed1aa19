//! Where the energy of QRS complexes is, and its peaks.

use crate::ring::SlidingWindow;

/// Half the distance of the difference that makes the QRS band (peak at 15 Hz with the average).
const DIFFERENCE_HALF: usize = 3;
/// Length of the average that tames muscle noise, samples.
const SMOOTH_LENGTH: usize = 5;
/// Length of the energy window, samples (100 ms, the width of a QRS complex).
const ENERGY_LENGTH: usize = 25;
/// A peak is the largest value this far on both sides (100 ms), samples.
const PEAK_HALF: usize = 25;
/// Samples whose mean energy a peak's prominence is measured against (600 ms).
const SURROUNDINGS: usize = 150;
/// Samples kept: a candidate is described up to 0.64 s before it, and decided up to 1.1 s after
/// its energy is known.
const KEPT: usize = 460;
/// Samples in a block of the background, and the blocks kept (2 s).
const BLOCK: usize = 25;
const BLOCKS: usize = 20;

/// Samples from the input to the envelope it is the centre of.
const ENVELOPE_DELAY: u64 =
    (DIFFERENCE_HALF + (SMOOTH_LENGTH - 1) / 2 + (ENERGY_LENGTH - 1) / 2) as u64;
/// Samples that must follow a peak before it is known as one.
pub(super) const PEAK_DELAY_SAMPLES: u64 = ENVELOPE_DELAY + PEAK_HALF as u64;

/// A peak of the envelope.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Peak {
    /// Index at the chain's rate.
    pub(super) index: u64,
    /// Root mean square of the QRS band around it, µV.
    pub(super) energy_uv: f32,
    /// Ratio of fine (about 30 Hz) to QRS-band energy there
    pub(super) sharpness: f32,
    /// Energy in relation to its surroundings
    pub(super) prominence: f32,
    /// Energy of the quietest quarter and of the quieter half of the last two seconds, µV.
    pub(super) quiet_uv: f32,
    pub(super) middle_uv: f32,
}

/// Streaming envelope: square root of the energy of a difference of averages in a 100 ms window.
#[derive(Debug, Clone)]
pub(super) struct Envelope {
    input: SlidingWindow,
    band: SlidingWindow,
    envelope: SlidingWindow,
    energy: f64,
    fine: SlidingWindow,
    fine_energy: f64,
    fine_envelope: SlidingWindow,
    /// Mean energies of the last blocks, µV, and the sum of the one that is not complete.
    blocks_uv: [f32; BLOCKS],
    block: usize,
    block_sum_uv: f32,
    in_block: usize,
    /// Index of the next input sample.
    next: u64,
    first: u64,
}

impl Envelope {
    pub(super) fn new() -> Self {
        Self {
            input: SlidingWindow::new(2 * DIFFERENCE_HALF + SMOOTH_LENGTH),
            band: SlidingWindow::new(ENERGY_LENGTH + 1),
            envelope: SlidingWindow::new(KEPT),
            fine: SlidingWindow::new(ENERGY_LENGTH + 1),
            fine_envelope: SlidingWindow::new(PEAK_HALF + 1),
            fine_energy: 0.0,
            energy: 0.0,
            blocks_uv: [0.0; BLOCKS],
            block: 0,
            block_sum_uv: 0.0,
            in_block: 0,
            next: 0,
            first: 0,
        }
    }

    pub(super) fn restart(&mut self, next: u64) {
        self.band.fill(0.0);
        self.envelope.fill(0.0);
        self.fine.fill(0.0);
        self.fine_envelope.fill(0.0);
        self.fine_energy = 0.0;
        self.energy = 0.0;
        self.next = next;
        self.first = next;
    }

    /// Take the sample with the next index; a peak comes out [`PEAK_DELAY_SAMPLES`] after its own.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "back to single precision")]
    pub(super) fn push(&mut self, uv: f32) -> Option<Peak> {
        if self.next == self.first {
            self.input.fill(uv);
        }
        self.input.push(uv);
        self.next += 1;
        let values = self.input.values();
        let early: f32 = values[..SMOOTH_LENGTH].iter().sum();
        let late: f32 = values[2 * DIFFERENCE_HALF..].iter().sum();
        let band = (late - early) / SMOOTH_LENGTH as f32;
        self.band.push(band);
        let leaving = f64::from(self.band.back(ENERGY_LENGTH));
        self.energy += f64::from(band) * f64::from(band) - leaving * leaving;
        let envelope = (self.energy.max(0.0) as f32 / ENERGY_LENGTH as f32).sqrt();
        self.envelope.push(envelope);
        self.block_sum_uv += envelope;
        self.in_block += 1;
        if self.in_block == BLOCK {
            self.blocks_uv[self.block] = self.block_sum_uv / BLOCK as f32;
            self.block = (self.block + 1) % BLOCKS;
            self.block_sum_uv = 0.0;
            self.in_block = 0;
        }
        let fine = (values[6] + values[7] - values[3] - values[4]) / 2.0;
        self.fine.push(fine);
        let leaving = f64::from(self.fine.back(ENERGY_LENGTH));
        self.fine_energy += f64::from(fine) * f64::from(fine) - leaving * leaving;
        self.fine_envelope
            .push((self.fine_energy.max(0.0) as f32 / ENERGY_LENGTH as f32).sqrt());
        self.peak()
    }

    /// The newest value of the envelope, µV.
    pub(super) fn newest_uv(&self) -> f32 {
        self.envelope.back(0)
    }

    /// The value that belongs to sample `index`, µV; the oldest and the newest are repeated.
    #[allow(clippy::cast_possible_truncation, reason = "limited to what is kept")]
    pub(super) fn at(&self, index: u64) -> f32 {
        let age = self.next.saturating_sub(1 + ENVELOPE_DELAY + index);
        self.envelope.back(age.min(KEPT as u64 - 1) as usize)
    }

    #[inline]
    fn peak(&self) -> Option<Peak> {
        let centre = self.envelope.back(PEAK_HALF);
        // The neighbours decide nearly always; the whole window is looked at rarely.
        if centre <= self.envelope.back(PEAK_HALF - 1) || centre < self.envelope.back(PEAK_HALF + 1)
        {
            return None;
        }
        let all = self.envelope.values();
        let values = &all[all.len() - 2 * PEAK_HALF - 1..];
        let largest = values[..PEAK_HALF].iter().all(|&value| value <= centre)
            && values[PEAK_HALF + 1..].iter().all(|&value| value < centre);
        let index = (self.next - 1).checked_sub(PEAK_DELAY_SAMPLES)?;
        if !largest || index < self.first {
            return None;
        }
        let surroundings = &all[all.len() - SURROUNDINGS..];
        let mean_uv = surroundings.iter().sum::<f32>() / SURROUNDINGS as f32;
        let mut blocks_uv = self.blocks_uv;
        blocks_uv.sort_unstable_by(f32::total_cmp);
        Some(Peak {
            index,
            energy_uv: centre,
            sharpness: self.fine_envelope.back(PEAK_HALF) / centre.max(1e-3),
            prominence: centre / mean_uv.max(1e-3),
            quiet_uv: blocks_uv[BLOCKS / 4],
            middle_uv: blocks_uv[BLOCKS / 2],
        })
    }
}
