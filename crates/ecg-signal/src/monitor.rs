//! Signal quality of one channel, judged five times a second from the last two seconds.

use super::{ConditionedSample, SignalQuality};

/// Conditioned samples in a block (0.2 s).
const BLOCK_SAMPLES: u32 = 50;
/// Blocks that are judged together (2 s).
const BLOCKS: usize = 10;
/// A stretch is flat if it stays within this range, µV: no QRS complex is that small, and the
/// converter's own noise is below it at every gain.
pub(super) const FLAT_RANGE_UV: f32 = 20.0;
/// Samples this close to the converter's limit are clipped, as a part of full scale.
pub(super) const CLIPPED_PART: f32 = 0.98;
/// Clipped input samples in two seconds that make the stretch clipped, as a part of all.
const CLIPPED_SHARE: f32 = 0.01;
/// Energy between the beats over that of the beats from which on a stretch is noisy, and below
/// which it is no longer.
const NOISY_FROM: f32 = 0.45;
const NOISY_UNTIL: f32 = 0.3;
/// Judgements in a row that a change for the worse and for the better needs.
const WORSE_AFTER: u32 = 2;
const BETTER_AFTER: u32 = 5;
/// How far before its R peak a QRS complex begins, and how far the input is ahead of the conditioned
/// signal, at most and together, conditioned samples.
const QRS_SAMPLES: u64 = 45;
/// A channel that was found flat stays so while its input is level for this long, blocks.
const LEVEL_BLOCKS: usize = 2;

#[derive(Debug, Clone, Copy)]
struct Block {
    lowest_uv: f32,
    highest_uv: f32,
    /// Of the input, which knows no filter's memory of what was before.
    lowest_input_uv: f32,
    highest_input_uv: f32,
    /// Mean energy of the QRS band, µV.
    band_uv: f32,
    /// Mean square of what the low-pass removed, µV².
    removed_power: f32,
    clipped: u32,
    inputs: u32,
}

impl Block {
    const EMPTY: Self = Self {
        lowest_uv: f32::INFINITY,
        highest_uv: f32::NEG_INFINITY,
        lowest_input_uv: f32::INFINITY,
        highest_input_uv: f32::NEG_INFINITY,
        band_uv: 0.0,
        removed_power: 0.0,
        clipped: 0,
        inputs: 0,
    };
}

/// The judge of one channel.
#[derive(Debug, Clone)]
pub(super) struct Monitor {
    clip_limit_uv: f32,
    block: Block,
    block_samples: u32,
    blocks: [Block; BLOCKS],
    next: usize,
    filled: usize,
    quality: SignalQuality,
    /// What the last judgements said instead, and how many in a row.
    proposed: SignalQuality,
    proposals: u32,
}

impl Monitor {
    /// `full_scale_uv` is the converter's limit on both sides of zero, where it is known.
    pub(super) fn new(full_scale_uv: Option<f32>) -> Self {
        Self {
            clip_limit_uv: full_scale_uv.map_or(f32::INFINITY, |limit| limit * CLIPPED_PART),
            block: Block::EMPTY,
            block_samples: 0,
            blocks: [Block::EMPTY; BLOCKS],
            next: 0,
            filled: 0,
            quality: SignalQuality::Good,
            proposed: SignalQuality::Good,
            proposals: 0,
        }
    }

    pub(super) fn quality(&self) -> SignalQuality {
        self.quality
    }

    /// Forget the signal; the quality stays until two seconds are known again.
    pub(super) fn restart(&mut self) {
        self.block = Block::EMPTY;
        self.block_samples = 0;
        self.filled = 0;
        self.next = 0;
        self.proposals = 0;
    }

    /// Set the quality at once, as the front-end's lead-off comparators do.
    pub(super) fn set(&mut self, quality: SignalQuality) {
        self.quality = quality;
        self.proposals = 0;
    }

    /// Take an input sample as it came from the converter.
    #[inline]
    pub(super) fn input(&mut self, uv: f32) {
        self.block.inputs += 1;
        self.block.lowest_input_uv = self.block.lowest_input_uv.min(uv);
        self.block.highest_input_uv = self.block.highest_input_uv.max(uv);
        if uv.abs() >= self.clip_limit_uv {
            self.block.clipped += 1;
        }
    }

    /// Take a conditioned sample with the energy of the QRS band there and of the last beats;
    /// returns the quality if it changed.
    #[inline]
    pub(super) fn conditioned(
        &mut self,
        sample: &ConditionedSample,
        band_uv: f32,
        beat_uv: Option<f32>,
    ) -> Option<SignalQuality> {
        let block = &mut self.block;
        block.lowest_uv = block.lowest_uv.min(sample.uv);
        block.highest_uv = block.highest_uv.max(sample.uv);
        block.band_uv += band_uv;
        block.removed_power += sample.removed_uv * sample.removed_uv;
        self.block_samples += 1;
        if self.block_samples < BLOCK_SAMPLES {
            return None;
        }
        block.band_uv /= BLOCK_SAMPLES as f32;
        block.removed_power /= BLOCK_SAMPLES as f32;
        self.blocks[self.next] = *block;
        self.next = (self.next + 1) % BLOCKS;
        self.filled = (self.filled + 1).min(BLOCKS);
        self.block = Block::EMPTY;
        self.block_samples = 0;
        (self.filled == BLOCKS)
            .then(|| self.judge(beat_uv))
            .flatten()
    }

    /// Another channel had a beat with its R peak `age` conditioned samples ago: a channel that has
    /// been level since before that carries no ECG. Returns the quality if it changed.
    pub(super) fn beat_elsewhere(&mut self, age: u64) -> Option<SignalQuality> {
        let behind = u64::from(self.block_samples);
        let blocks = (age + QRS_SAMPLES).saturating_sub(behind);
        let blocks = blocks.div_ceil(u64::from(BLOCK_SAMPLES));
        let level = usize::try_from(blocks).is_ok_and(|blocks| self.is_level(blocks));
        if !level || self.quality >= SignalQuality::Flat || self.is_clipped() {
            return None;
        }
        self.set(SignalQuality::Flat);
        Some(SignalQuality::Flat)
    }

    /// Whether the input stayed within the range of a flat stretch in the last whole blocks and since.
    fn is_level(&self, blocks: usize) -> bool {
        let last = (1..=blocks).map(|age| &self.blocks[(self.next + 2 * BLOCKS - age) % BLOCKS]);
        let (lowest_uv, highest_uv) = last.chain([&self.block]).fold(
            (f32::INFINITY, f32::NEG_INFINITY),
            |(lowest, highest), block| {
                (
                    lowest.min(block.lowest_input_uv),
                    highest.max(block.highest_input_uv),
                )
            },
        );
        blocks <= self.filled && highest_uv - lowest_uv < FLAT_RANGE_UV
    }

    fn is_clipped(&self) -> bool {
        let clipped: u32 = self.blocks.iter().map(|block| block.clipped).sum();
        let inputs: u32 = self.blocks.iter().map(|block| block.inputs).sum();
        clipped > 0 && clipped as f32 >= CLIPPED_SHARE * inputs as f32
    }

    fn judge(&mut self, beat_uv: Option<f32>) -> Option<SignalQuality> {
        let found = self.found(beat_uv);
        if found == self.quality {
            self.proposals = 0;
            return None;
        }
        self.proposals = if found == self.proposed {
            self.proposals + 1
        } else {
            1
        };
        self.proposed = found;
        let needed = if found > self.quality {
            WORSE_AFTER
        } else {
            BETTER_AFTER
        };
        if self.proposals < needed {
            return None;
        }
        self.quality = found;
        self.proposals = 0;
        Some(found)
    }

    fn found(&self, beat_uv: Option<f32>) -> SignalQuality {
        let blocks = &self.blocks;
        let highest_uv = blocks.iter().map(|b| b.highest_uv).fold(f32::MIN, f32::max);
        let lowest_uv = blocks.iter().map(|b| b.lowest_uv).fold(f32::MAX, f32::min);
        let clipped = self.is_clipped();
        let still_flat = self.quality == SignalQuality::Flat && self.is_level(LEVEL_BLOCKS);
        if still_flat || highest_uv - lowest_uv < FLAT_RANGE_UV {
            // A channel stuck at the converter's limit is flat too; that it is clipped says more.
            if clipped {
                SignalQuality::Clipped
            } else {
                SignalQuality::Flat
            }
        } else if clipped {
            SignalQuality::Clipped
        } else if self.noise_part(beat_uv) > self.noise_limit() {
            SignalQuality::Noisy
        } else {
            SignalQuality::Good
        }
    }

    /// The larger of two noises over the energy of the beats, 0 if no beat is known: that between
    /// the beats in their own band (QRS complexes fill less than half of the blocks at any rate
    /// below 150 a minute, so the median lies between), and that above it.
    fn noise_part(&self, beat_uv: Option<f32>) -> f32 {
        let median = |values: fn(&Block) -> f32| {
            let mut values = self.blocks.each_ref().map(values);
            values.sort_unstable_by(f32::total_cmp);
            values[BLOCKS / 2 - 1]
        };
        let noise_uv =
            median(|block| block.band_uv).max(median(|block| block.removed_power).sqrt());
        beat_uv.map_or(0.0, |beat_uv| noise_uv / beat_uv.max(1.0))
    }

    fn noise_limit(&self) -> f32 {
        if self.quality == SignalQuality::Noisy {
            NOISY_UNTIL
        } else {
            NOISY_FROM
        }
    }
}
