//! Where in the beat a map's weight lies.

use std::ops::Range;

use super::map::SaliencyMap;

/// Shares of the positive values of a map, over time, that fall on each wave; they sum to 1 with what
/// falls outside all of them. A wave that is not there has none.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WaveShares {
    /// On the P wave, 0 to 1.
    pub p: f32,
    /// On the QRS complex, 0 to 1.
    pub qrs: f32,
    /// From the end of the QRS complex to the end of the T wave, 0 to 1: the ST segment counts.
    pub t: f32,
}

impl WaveShares {
    /// Shares of `map` on the P wave, on the QRS complex, and on ST segment and T wave, each a range of
    /// samples of the window. `None` where nothing of the map is positive.
    #[must_use]
    pub fn new(map: &SaliencyMap, [p, qrs, t]: [Option<Range<f32>>; 3]) -> Option<Self> {
        let values = map.waveform();
        let all: f32 = values.iter().map(|value| value.max(0.0)).sum();
        let share = |range: Option<Range<f32>>| {
            let Some(range) = range else {
                return 0.0;
            };
            let inside = |sample: usize| {
                // A sample stands for the stretch half a sample to either side.
                let (left, right) = (sample as f32 - 0.5, sample as f32 + 0.5);
                (right.min(range.end) - left.max(range.start)).clamp(0.0, 1.0)
            };
            let mass = values.iter().enumerate();
            let mass: f32 = mass
                .map(|(sample, value)| value.max(0.0) * inside(sample))
                .sum();
            mass / all
        };
        (all > 0.0).then(|| Self {
            p: share(p),
            qrs: share(qrs),
            t: share(t),
        })
    }

    /// On the QRS complex and what follows it, 0 to 1.
    #[must_use]
    pub fn qrs_t(&self) -> f32 {
        self.qrs + self.t
    }
}
