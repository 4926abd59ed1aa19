//! Whether a map says what the network goes by: deletion and insertion (Petsiuk et al. 2018).

use std::sync::Arc;

use super::background::background;
use super::error::ExplainError;
use super::random::shuffle;
use crate::{BeatClass, CLASS_COUNT, Classifier, CpuSimd, Decision, Model, Outputs, SplitMix64};

/// Pieces that a window is taken apart into: 4 samples, 32 ms each in the networks' windows.
pub const DELETION_STEPS: usize = 32;

/// Random orders that a map is compared with.
const RANDOM_ORDERS: usize = 20;

/// Mean probability of the explained class while the window is taken apart, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curves {
    /// While the most important pieces are replaced first: low where the map is right.
    pub deletion: f64,
    /// While they come back first into a window replaced as a whole: high where the map is right.
    pub insertion: f64,
}

/// Takes windows apart, piece by piece in an order a map gives, and asks the network each time. A
/// piece is replaced by what the background has there on average, in all waveform channels; the added
/// inputs stay.
pub struct Faithfulness {
    engine: CpuSimd,
    outputs: Outputs,
    /// The background's mean.
    usual: Vec<f32>,
    rows: Vec<f32>,
}

impl Faithfulness {
    /// For beats of `model`; `None` where there is no background of its input.
    #[must_use]
    pub fn new(model: Arc<Model>) -> Option<Self> {
        let len = model.description().input.len();
        let beats = background(len)?;
        let mut usual = vec![0.0; len];
        let share = len as f32 / beats.len() as f32;
        for beat in beats.chunks_exact(len) {
            for (mean, value) in usual.iter_mut().zip(beat) {
                *mean += share * value;
            }
        }
        let rows = 2 * (DELETION_STEPS + 1);
        Some(Self {
            outputs: Outputs::logits_only(model.description(), rows),
            engine: CpuSimd::new(model, rows),
            usual,
            rows: Vec::with_capacity(rows * len),
        })
    }

    /// Both curves' means for one beat, pieces in `order`, most important first.
    ///
    /// # Errors
    /// [`ExplainError::Input`] where `input` is not one beat.
    pub fn curves(
        &mut self,
        input: &[f32],
        order: &[usize],
        class: BeatClass,
    ) -> Result<Curves, ExplainError> {
        let network = self.engine.model().description();
        let (samples, waveform) = (network.input.samples, network.input.waveform().len());
        let temperature = network.temperature;
        self.rows.clear();
        let mut gone = self.usual.clone();
        if let (Some(context), Some(original)) = (gone.get_mut(waveform..), input.get(waveform..)) {
            context.copy_from_slice(original);
        }
        for (from, to) in [(input, gone.as_slice()), (&gone, input)] {
            let mut row = from.to_vec();
            self.rows.extend_from_slice(&row);
            for &piece in order {
                let piece =
                    piece * samples / DELETION_STEPS..(piece + 1) * samples / DELETION_STEPS;
                for channel in (0..waveform).step_by(samples.max(1)) {
                    let place = channel + piece.start..channel + piece.end;
                    row[place.clone()].copy_from_slice(&to[place]);
                }
                self.rows.extend_from_slice(&row);
            }
        }
        self.engine.classify(&self.rows, &mut self.outputs)?;
        let probability = |logits: &[f32; CLASS_COUNT]| {
            // A logit that is no number makes the curve none either.
            Decision::from_logits(logits, temperature).map_or(f64::NAN, |decision| {
                f64::from(decision.probabilities[class.index()])
            })
        };
        let (deletion, insertion) = self.outputs.logits().split_at(order.len() + 1);
        let mean = |rows: &[[f32; CLASS_COUNT]]| {
            rows.iter().map(probability).sum::<f64>() / rows.len().max(1) as f64
        };
        Ok(Curves {
            deletion: mean(deletion),
            insertion: mean(insertion),
        })
    }

    /// The mean of both curves over twenty random orders, the same for the same `seed`.
    ///
    /// # Errors
    /// As [`Faithfulness::curves`].
    pub fn random_curves(
        &mut self,
        input: &[f32],
        class: BeatClass,
        seed: u64,
    ) -> Result<Curves, ExplainError> {
        let mut random = SplitMix64::new(seed);
        let mut order: Vec<usize> = (0..DELETION_STEPS).collect();
        let mut mean = Curves {
            deletion: 0.0,
            insertion: 0.0,
        };
        for _ in 0..RANDOM_ORDERS {
            shuffle(&mut random, &mut order);
            let curves = self.curves(input, &order, class)?;
            mean.deletion += curves.deletion / RANDOM_ORDERS as f64;
            mean.insertion += curves.insertion / RANDOM_ORDERS as f64;
        }
        Ok(mean)
    }
}

/// The pieces of a window in the order of what a map gives them, most first.
#[must_use]
pub fn deletion_order(map: &[f32]) -> Vec<usize> {
    let mass = |piece: usize| {
        let piece = piece * map.len() / DELETION_STEPS..(piece + 1) * map.len() / DELETION_STEPS;
        map[piece].iter().sum::<f32>()
    };
    let mut order: Vec<usize> = (0..DELETION_STEPS).collect();
    order.sort_by(|&a, &b| mass(b).total_cmp(&mass(a)));
    order
}

/// Spearman's rank correlation, -1 to 1; `None` where either side has no two different values or the
/// lengths differ.
#[must_use]
pub fn correlation(a: &[f32], b: &[f32]) -> Option<f64> {
    if a.len() != b.len() {
        return None;
    }
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let covariance = |x: &[f64], y: &[f64]| {
        let pairs = x.iter().zip(y);
        pairs.map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>()
    };
    let spread = covariance(&a, &a) * covariance(&b, &b);
    (spread > 0.0).then(|| covariance(&a, &b) / spread.sqrt())
}

/// The rank of each value; equal values share the mean of their ranks.
fn ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for group in order.chunk_by(|&a, &b| values[a].total_cmp(&values[b]).is_eq()) {
        for &place in group {
            ranks[place] = first as f64 + (group.len() as f64 - 1.0) / 2.0;
        }
        first += group.len();
    }
    ranks
}
