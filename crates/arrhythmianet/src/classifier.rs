//! What an engine is, and room for its results.

use thiserror::Error;

use super::class::CLASS_COUNT;
use super::description::{NetworkDescription, Shape};
use super::model::Model;

/// An engine that runs one network on batches of windows.
///
/// Implementations allocate everything in their constructor and nothing per call.
pub trait Classifier: Send {
    /// Name of the engine for people and the store, e.g. `cpu-reference`.
    fn engine(&self) -> &str;

    /// The network it runs, with the weights an explanation needs.
    fn model(&self) -> &Model;

    /// Most windows one call takes, at least 1.
    fn max_batch(&self) -> usize;

    /// Classifies a batch.
    ///
    /// `input` holds normalised windows `[batch][channels][samples]`, row-major; its length says
    /// how many. Results of all windows are in `outputs` afterwards, in the same order.
    ///
    /// # Errors
    /// See [`ClassifyError`]. `outputs` is then of no meaning.
    fn classify(&mut self, input: &[f32], outputs: &mut Outputs) -> Result<(), ClassifyError>;
}

/// Why a batch was not classified.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClassifyError {
    /// The input is not a whole number of windows, or none at all: a mistake of the caller.
    #[error("input: found {found} values, expected a multiple of {window} greater than 0")]
    InputLength {
        /// Values given.
        found: usize,
        /// Values of one window.
        window: usize,
    },
    /// More windows than the engine or the outputs have room for: a mistake of the caller.
    #[error("input: found {found} windows, expected at most {limit}")]
    BatchTooLarge {
        /// Windows given.
        found: usize,
        /// Windows there is room for.
        limit: usize,
    },
    /// The outputs were made for another network: a mistake of the caller.
    #[error(
        "outputs: made for feature maps of {} x {}, expected {} x {}",
        .found.channels, .found.time, .expected.channels, .expected.time
    )]
    OutputShape {
        /// Shape the outputs have room for.
        found: Shape,
        /// Shape the network has.
        expected: Shape,
    },
    /// The engine itself failed (a device was lost, a driver timed out). Another engine can still
    /// classify the batch.
    #[error("engine {engine}: {reason}")]
    Engine {
        /// Name of the engine.
        engine: String,
        /// What happened.
        reason: String,
    },
}

/// What a caller wants of an engine; each includes what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wanted {
    /// Logits.
    Logits,
    /// Means over time of the last feature maps: what novelty is measured by.
    Pooled,
    /// The last feature maps: what an explanation is drawn from.
    Maps,
}

/// Room for the results of a batch, allocated once and used again.
#[derive(Debug, Clone)]
pub struct Outputs {
    logits: Vec<[f32; CLASS_COUNT]>,
    pooled: Vec<f32>,
    feature_maps: Vec<f32>,
    map_shape: Shape,
    wanted: Wanted,
    batch: usize,
}

/// The parts of [`Outputs`] an engine writes for one batch.
#[derive(Debug)]
pub struct OutputsMut<'a> {
    /// Logits of each window.
    pub logits: &'a mut [[f32; CLASS_COUNT]],
    /// Means over time of the feature maps `[batch][channels]`; empty where nobody wants them.
    pub pooled: &'a mut [f32],
    /// Last feature maps `[batch][channels][time]`; empty where nobody wants them.
    pub feature_maps: &'a mut [f32],
}

impl Outputs {
    /// Room for everything of `max_batch` windows of `network`.
    #[must_use]
    pub fn new(network: &NetworkDescription, max_batch: usize) -> Self {
        Self::with_wanted(network, max_batch, Wanted::Maps)
    }

    /// As [`Outputs::new`], without feature maps and their means: spares an engine the copies where
    /// nobody reads them.
    #[must_use]
    pub fn logits_only(network: &NetworkDescription, max_batch: usize) -> Self {
        Self::with_wanted(network, max_batch, Wanted::Logits)
    }

    /// Room for what is `wanted` of `max_batch` windows of `network`.
    #[must_use]
    pub fn with_wanted(network: &NetworkDescription, max_batch: usize, wanted: Wanted) -> Self {
        Self::for_maps(network.feature_maps(), max_batch, wanted)
    }

    fn for_maps(map_shape: Shape, max_batch: usize, wanted: Wanted) -> Self {
        let room = |values: usize, from: Wanted| {
            let values = if wanted >= from { values } else { 0 };
            vec![0.0; max_batch * values]
        };
        Self {
            logits: vec![[0.0; CLASS_COUNT]; max_batch],
            pooled: room(map_shape.channels, Wanted::Pooled),
            feature_maps: room(map_shape.len(), Wanted::Maps),
            map_shape,
            wanted,
            batch: 0,
        }
    }

    /// Others for the same network and the same use, with room for `max_batch` windows.
    pub(super) fn resized(&self, max_batch: usize) -> Self {
        Self::for_maps(self.map_shape, max_batch, self.wanted)
    }

    /// Windows there is room for.
    #[must_use]
    pub const fn max_batch(&self) -> usize {
        self.logits.len()
    }

    /// Windows of the last batch.
    #[must_use]
    pub const fn batch(&self) -> usize {
        self.batch
    }

    /// Logits of the last batch in the order N L R A V, one row per window.
    #[must_use]
    pub fn logits(&self) -> &[[f32; CLASS_COUNT]] {
        self.logits.get(..self.batch).unwrap_or_default()
    }

    /// Replaces the logits of window `index` of the last batch by another engine's.
    pub(super) fn set_logits(&mut self, index: usize, logits: [f32; CLASS_COUNT]) {
        if let Some(row) = self
            .logits
            .get_mut(..self.batch)
            .and_then(|rows| rows.get_mut(index))
        {
            *row = logits;
        }
    }

    /// Last feature maps `[channels][time]` of window `index` of the last batch; `None` beyond the
    /// batch or without feature maps.
    #[must_use]
    pub fn feature_maps(&self, index: usize) -> Option<&[f32]> {
        if index >= self.batch || self.wanted < Wanted::Maps {
            return None;
        }
        self.feature_maps
            .chunks_exact(self.map_shape.len())
            .nth(index)
    }

    /// Mean over time of each of the last feature maps of window `index` of the last batch,
    /// `[channels]`; `None` beyond the batch or where they are not wanted.
    #[must_use]
    pub fn pooled(&self, index: usize) -> Option<&[f32]> {
        if index >= self.batch || self.wanted < Wanted::Pooled {
            return None;
        }
        self.pooled.chunks_exact(self.map_shape.channels).nth(index)
    }

    /// What there is room for.
    #[must_use]
    pub const fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// Shape of the feature maps of one window.
    #[must_use]
    pub const fn map_shape(&self) -> Shape {
        self.map_shape
    }

    /// For engines: checks a batch against `network`, the engine's `max_batch` and the room here,
    /// then hands out the slices to be written.
    ///
    /// # Errors
    /// Every error of [`ClassifyError`] that is a mistake of the caller.
    pub fn begin(
        &mut self,
        network: &NetworkDescription,
        max_batch: usize,
        input: &[f32],
    ) -> Result<OutputsMut<'_>, ClassifyError> {
        let window = network.input.len();
        if input.is_empty() || !input.len().is_multiple_of(window) {
            self.batch = 0;
            return Err(ClassifyError::InputLength {
                found: input.len(),
                window,
            });
        }
        self.begin_windows(network, max_batch, input.len() / window)
    }

    /// As [`Outputs::begin`], for engines that take the input of a batch at another time than they
    /// give its results.
    ///
    /// # Errors
    /// Those of [`Outputs::begin`] but [`ClassifyError::InputLength`].
    pub fn begin_windows(
        &mut self,
        network: &NetworkDescription,
        max_batch: usize,
        batch: usize,
    ) -> Result<OutputsMut<'_>, ClassifyError> {
        self.batch = 0;
        let limit = max_batch.min(self.logits.len());
        if batch > limit {
            return Err(ClassifyError::BatchTooLarge {
                found: batch,
                limit,
            });
        }
        let expected = network.feature_maps();
        if self.map_shape != expected {
            return Err(ClassifyError::OutputShape {
                found: self.map_shape,
                expected,
            });
        }
        self.batch = batch;
        let values = |each: usize, from: Wanted| {
            if self.wanted >= from { batch * each } else { 0 }
        };
        Ok(OutputsMut {
            logits: &mut self.logits[..batch],
            pooled: &mut self.pooled[..values(expected.channels, Wanted::Pooled)],
            feature_maps: &mut self.feature_maps[..values(expected.len(), Wanted::Maps)],
        })
    }
}
