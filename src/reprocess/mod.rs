//! Stored beats reprocessed, to explain what was labelled earlier.
//!
//! The store keeps the converter's codes and not what the network saw of each beat: `ecg-chain` runs over
//! the codes again and compares. Mains filter and channel choice are those of the session; sessions from
//! before schema version 9 do not say, and the treatment that comes nearest to the last stored beats is
//! the one.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use ads1292::full_scale_uv;
use arrhythmianet::explain::{ExplainError, Explainer, Method, WaveShares};
use arrhythmianet::{BeatClass, Model, ModelError};
use ecg_chain::{
    LARGEST_DIFFERENCE, LabelledBeat, RecordedBeat, ReprocessError, ReprocessedBeat, Reprocessor,
    Treatment,
};
use ecg_signal::{ChainConfig, SampleRate, SignalError};

use crate::store::{RowFilter, StoreError, StoreReader, StoredBeat, StoredSaliency, WaveformRange};

/// Beats up to the one asked for that a treatment is recognised by.
const COMPARED: i64 = 16;
/// Sessions whose treatment is remembered.
const MOST_SESSIONS: usize = 64;

/// Why a stored beat cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum BeatExplainError {
    /// The ECG around the beat is not (or no longer) stored.
    #[error(
        "beat {beat}: {missing} of {expected} samples of its window are not stored: its ECG was \
         pruned or never kept"
    )]
    NotStored {
        /// The beat.
        beat: i64,
        /// Samples that are missing.
        missing: usize,
        /// Samples of the window.
        expected: usize,
    },
    /// The chain did not see the beat as it was stored.
    #[error(
        "beat {beat}: run again over the stored ECG, the chain {found}, expected the stored R peak \
         and probabilities within {LARGEST_DIFFERENCE}"
    )]
    NotReproduced {
        /// The beat.
        beat: i64,
        /// What it saw instead.
        found: String,
    },
    /// The model that labelled the beat cannot be loaded.
    #[error("beat {beat}: the model that labelled it: {error}")]
    Model {
        /// The beat.
        beat: i64,
        /// Why.
        error: ModelError,
    },
    /// The method does not work with the model.
    #[error(transparent)]
    Explain(#[from] ExplainError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The session's rate is none the chain works with.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// Whoever asked gave up before it was found out.
    #[error("beat {beat}: given up before it was done")]
    GivenUp {
        /// The beat.
        beat: i64,
    },
}

/// Explains stored beats of one model.
#[derive(Debug)]
pub struct BeatExplainer {
    reprocessor: Reprocessor,
    explainer: Explainer,
    /// How the sessions seen lately were treated that do not say so themselves.
    recognised: HashMap<i64, Treatment>,
}

impl BeatExplainer {
    /// For beats that `beat`'s model labelled.
    ///
    /// # Errors
    /// [`BeatExplainError::Model`].
    pub fn for_beat(beat: &StoredBeat) -> Result<Self, BeatExplainError> {
        Model::load(&beat.model)
            .map(|model| Self::new(Arc::new(model)))
            .map_err(|error| BeatExplainError::Model {
                beat: beat.id,
                error,
            })
    }

    /// For beats that `model` labelled.
    #[must_use]
    pub fn new(model: Arc<Model>) -> Self {
        Self {
            explainer: Explainer::new(Arc::clone(&model)),
            reprocessor: Reprocessor::new(model),
            recognised: HashMap::new(),
        }
    }

    /// The beat as it was seen. `given_up` is asked before each piece of ECG (65,536 samples) whether
    /// anybody still waits for the answer.
    ///
    /// # Errors
    /// [`BeatExplainError`], [`BeatExplainError::GivenUp`] where nobody does.
    pub fn find(
        &mut self,
        reader: &StoreReader,
        beat: &StoredBeat,
        given_up: &dyn Fn() -> bool,
    ) -> Result<ReprocessedBeat, BeatExplainError> {
        require_stored(reader, beat)?;
        let session = reader.session_of_beat(beat)?;
        let info = &session.info;
        let recognised = self.recognised.get(&beat.session).copied();
        let (treatments, before) = match (info.mains, info.channel) {
            (Some(mains), Some(channel)) => (vec![Treatment { mains, channel }], Vec::new()),
            _ => {
                let candidates = Treatment::candidates(beat.beat.channel);
                let treatments = recognised.into_iter().chain(candidates).collect();
                (treatments, beats_before(reader, beat)?)
            }
        };
        let recorded = RecordedBeat {
            config: ChainConfig::new(SampleRate::from_hz(info.sample_rate_hz)?)
                .full_scale_uv(info.uv_per_code.map(|scale| Some(full_scale_uv(scale)))),
            uv_per_code: info.uv_per_code,
            treatments: &treatments,
            first_is_known: recognised.is_some(),
            beat: &beat.beat,
            before: &before,
        };
        let codes = |first, last| {
            if given_up() {
                return Err(BeatExplainError::GivenUp { beat: beat.id });
            }
            Ok(reader.blocks(beat.session, first, last)?)
        };
        let (treatment, seen) = self
            .reprocessor
            .reprocess(&recorded, codes)
            .map_err(|error| match error {
                ReprocessError::NotReproduced(found) => BeatExplainError::NotReproduced {
                    beat: beat.id,
                    found,
                },
                ReprocessError::Signal(error) => error.into(),
                ReprocessError::Codes(error) => error,
                error => BeatExplainError::NotReproduced {
                    beat: beat.id,
                    found: error.to_string(),
                },
            })?;
        if treatments.len() > 1 {
            if self.recognised.len() >= MOST_SESSIONS {
                self.recognised.clear();
            }
            self.recognised.insert(beat.session, treatment);
        }
        Ok(seen)
    }

    /// Why the beat was called what it was, or why it might have been `class`; `given_up` as in
    /// [`BeatExplainer::find`].
    ///
    /// # Errors
    /// As [`BeatExplainer::find`].
    pub fn explain(
        &mut self,
        reader: &StoreReader,
        beat: &StoredBeat,
        method: Method,
        class: BeatClass,
        given_up: &dyn Fn() -> bool,
    ) -> Result<(StoredSaliency, ReprocessedBeat), BeatExplainError> {
        self.explainer.require(method)?;
        let seen = self.find(reader, beat, given_up)?;
        if given_up() {
            return Err(BeatExplainError::GivenUp { beat: beat.id });
        }
        let map = self.explainer.explain(method, &seen.input, class)?;
        let saliency = StoredSaliency {
            beat: beat.id,
            shares: WaveShares::new(&map, seen.waves.ranges()),
            waves: seen.waves,
            map,
        };
        Ok((saliency, seen))
    }
}

/// The last beats of the session before this one.
fn beats_before(reader: &StoreReader, beat: &StoredBeat) -> Result<Vec<LabelledBeat>, StoreError> {
    let rows = reader.beats(&RowFilter {
        session: Some(beat.session),
        after_id: beat.id.saturating_sub(COMPARED),
        limit: u32::try_from(COMPARED).unwrap_or(u32::MAX),
        ..RowFilter::default()
    })?;
    let before = rows.into_iter().filter(|row| row.id < beat.id);
    Ok(before.map(|row| row.beat).collect())
}

/// Refuses a beat of whose window samples are not stored, unless it was incomplete from the beginning.
fn require_stored(reader: &StoreReader, beat: &StoredBeat) -> Result<(), BeatExplainError> {
    let waveform = reader.waveform(beat, WaveformRange::default())?;
    let [first, _] = &waveform.uv;
    let missing = waveform.missing_samples();
    let tolerated = if beat.beat.window_complete {
        // A gap of this length is bridged by the chain.
        waveform.sample_rate_hz * ecg_signal::LONGEST_BRIDGED_GAP_S + 1.0
    } else {
        first.len() as f64 - 1.0
    };
    if missing as f64 > tolerated {
        return Err(BeatExplainError::NotStored {
            beat: beat.id,
            missing,
            expected: first.len(),
        });
    }
    Ok(())
}
