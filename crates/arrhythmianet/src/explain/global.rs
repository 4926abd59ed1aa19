//! Many maps of a class together.

use super::map::SaliencyMap;
use super::shares::WaveShares;

/// Mean and spread of maps of one class, aligned on the R peak as the windows are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GlobalMap {
    maps: u64,
    sum: Vec<f64>,
    squares: Vec<f64>,
    /// Sums of the shares of the maps that have any.
    shares: [f64; 3],
    shared: u64,
}

impl GlobalMap {
    /// Adds a beat's map; all maps added have to be of one method, of windows of one length: one of
    /// another length is left out.
    pub fn add(&mut self, map: &SaliencyMap, shares: Option<WaveShares>) {
        let values = map.waveform();
        if self.maps == 0 {
            self.sum = vec![0.0; values.len()];
            self.squares = vec![0.0; values.len()];
        }
        if values.len() != self.sum.len() {
            return;
        }
        self.maps += 1;
        let places = self.sum.iter_mut().zip(&mut self.squares);
        for ((sum, squares), value) in places.zip(values) {
            *sum += f64::from(value);
            *squares += f64::from(value).powi(2);
        }
        if let Some(shares) = shares {
            self.shared += 1;
            for (sum, share) in self.shares.iter_mut().zip([shares.p, shares.qrs, shares.t]) {
                *sum += f64::from(share);
            }
        }
    }

    /// Maps added.
    #[must_use]
    pub const fn maps(&self) -> u64 {
        self.maps
    }

    /// Mean of each sample of the window; empty without maps.
    #[must_use]
    pub fn mean(&self) -> Vec<f64> {
        self.sum.iter().map(|sum| sum / self.maps as f64).collect()
    }

    /// Standard deviation of each sample over the maps.
    #[must_use]
    pub fn spread(&self) -> Vec<f64> {
        let count = self.maps as f64;
        let pairs = self.sum.iter().zip(&self.squares);
        pairs
            .map(|(sum, squares)| (squares / count - (sum / count).powi(2)).max(0.0).sqrt())
            .collect()
    }

    /// Mean shares on P wave, QRS complex, and ST segment and T wave; `None` where no map has any.
    #[must_use]
    pub fn shares(&self) -> Option<[f64; 3]> {
        (self.shared > 0).then(|| self.shares.map(|sum| sum / self.shared as f64))
    }
}
