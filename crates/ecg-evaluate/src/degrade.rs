//! Making a record's signal worse on request, reproducibly.

mod dropping;
mod noise;

pub use dropping::Dropping;
pub use noise::{NoisePower, NoiseStress, NoiseTape};

/// What is done to the frames of one record.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Degradation {
    /// Recorded noise added in stretches.
    pub noise: Option<NoiseStress>,
    /// Samples lost.
    pub dropping: Option<Dropping>,
}

impl Degradation {
    /// Degrade the frame `index`: `codes` of the signals that are read, in the order the noise was
    /// scaled in, and whether each was measured. To be called for every frame in order.
    pub fn apply(&mut self, index: u64, codes: &mut [i32], measured: &mut [bool]) {
        if let Some(noise) = &mut self.noise {
            noise.add(index, codes);
        }
        if let Some(dropping) = &mut self.dropping
            && dropping.drops_next()
        {
            measured.fill(false);
        }
    }

    /// Samples dropped so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropping.as_ref().map_or(0, Dropping::dropped)
    }
}
