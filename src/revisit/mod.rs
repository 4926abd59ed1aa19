//! Stored beats once more: the signal chain run again over the stored ECG, to explain what was
//! labelled earlier.
//!
//! The store keeps the converter's codes and not what the network saw of each beat: that follows from
//! the codes, the rhythm and the usual beat before it. So the chain runs again from some time before
//! the beat on. Whether it saw the same is checked and not assumed: the same R peak, and the stored
//! probabilities within [`LARGEST_DIFFERENCE`]. How a session's signal was treated (mains filter,
//! choice of channel) is not stored; the treatment that comes nearest to the last stored beats is the one.

mod run;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use self::run::Treatment;
use crate::explain::{ExplainError, Explainer, Method, WaveShares};
use crate::model::{BeatClass, BeatInput, Decision, Model, ModelError, Outputs, best_cpu_engine};
use crate::signal::{CutBeat, SignalError, WINDOW_SAMPLES, Waves};
use crate::store::{BeatFilter, StoreError, StoreReader, StoredBeat, StoredSaliency};

/// How far a probability may be from the stored one.
pub const LARGEST_DIFFERENCE: f32 = 0.02;

/// Signal before a beat that the chain runs over, seconds: for the filters and the detector to settle,
/// and where the network reads it for the rhythm (256 intervals) and the usual beat (64 beats).
const LEAD_S: f64 = 20.0;
const CONTEXT_LEAD_S: f64 = 600.0;
/// Where that was not enough, the chain runs from the session's start unless it is longer ago.
const LONGEST_LEAD_S: f64 = 3600.0;
/// Beats up to the one asked for that a treatment is recognised by.
const COMPARED: i64 = 16;
/// Sessions whose treatment is remembered.
const MOST_SESSIONS: usize = 64;

/// A stored beat as it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Revisited {
    /// The window, µV.
    pub window_uv: [f32; WINDOW_SAMPLES],
    /// The network's input.
    pub input: Vec<f32>,
    /// Its waves.
    pub waves: Waves,
    /// The largest difference of a probability from the stored one.
    pub difference: f32,
}

/// Why a stored beat cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum RevisitError {
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
pub struct Revisitor {
    model: Arc<Model>,
    explainer: Explainer,
    /// How the sessions seen lately were treated.
    treatments: HashMap<i64, Treatment>,
}

impl Revisitor {
    /// For beats that `beat`'s model labelled.
    ///
    /// # Errors
    /// [`RevisitError::Model`].
    pub fn of(beat: &StoredBeat) -> Result<Self, RevisitError> {
        Model::load(&beat.model)
            .map(|model| Self::new(Arc::new(model)))
            .map_err(|error| RevisitError::Model {
                beat: beat.id,
                error,
            })
    }

    /// For beats that `model` labelled.
    #[must_use]
    pub fn new(model: Arc<Model>) -> Self {
        Self {
            explainer: Explainer::new(Arc::clone(&model)),
            treatments: HashMap::new(),
            model,
        }
    }

    /// The beat as it was seen.
    ///
    /// # Errors
    /// [`RevisitError`].
    pub fn find(
        &mut self,
        reader: &StoreReader,
        beat: &StoredBeat,
    ) -> Result<Revisited, RevisitError> {
        self.find_unless(reader, beat, &|| false)
    }

    fn find_unless(
        &mut self,
        reader: &StoreReader,
        beat: &StoredBeat,
        given_up: &dyn Fn() -> bool,
    ) -> Result<Revisited, RevisitError> {
        if let Some((missing, expected)) = missing_samples(reader, beat)? {
            return Err(RevisitError::NotStored {
                beat: beat.id,
                missing,
                expected,
            });
        }
        let context = self.model.description().input.context > 0;
        let lead_s = if context { CONTEXT_LEAD_S } else { LEAD_S };
        let known = self.treatments.get(&beat.session).copied();
        let mut nearest: Option<(f32, Treatment, Revisited)> = None;
        // Where a short lead has not let the chain settle as it had then, a long one is run.
        'leads: for lead_s in [lead_s, LONGEST_LEAD_S] {
            for treatment in known.into_iter().chain(Treatment::of(beat)) {
                let Some((total, seen)) =
                    self.attempt(reader, beat, treatment, lead_s, given_up)?
                else {
                    continue;
                };
                let good = seen.difference <= LARGEST_DIFFERENCE;
                if nearest.as_ref().is_none_or(|(least, ..)| total < *least) {
                    nearest = Some((total, treatment, seen));
                }
                if good && known.is_some() {
                    break 'leads;
                }
            }
            if nearest
                .as_ref()
                .is_some_and(|(.., seen)| seen.difference <= LARGEST_DIFFERENCE)
            {
                break;
            }
        }
        let failed = |found| RevisitError::NotReproduced {
            beat: beat.id,
            found,
        };
        let Some((_, treatment, seen)) = nearest else {
            return Err(failed("found no R peak there".to_owned()));
        };
        if seen.difference > LARGEST_DIFFERENCE {
            return Err(failed(format!(
                "gave probabilities up to {:.3} apart",
                seen.difference
            )));
        }
        if self.treatments.len() >= MOST_SESSIONS {
            self.treatments.clear();
        }
        self.treatments.insert(beat.session, treatment);
        Ok(seen)
    }

    /// Why the beat was called what it was, or why it might have been `class`.
    ///
    /// # Errors
    /// [`RevisitError`].
    pub fn explain(
        &mut self,
        reader: &StoreReader,
        beat: &StoredBeat,
        method: Method,
        class: BeatClass,
    ) -> Result<(StoredSaliency, Revisited), RevisitError> {
        self.explain_unless(reader, beat, method, class, &|| false)
    }

    /// As [`Revisitor::explain`]; `given_up` is asked before each piece of ECG (65,536 samples)
    /// whether anybody still waits for the answer.
    ///
    /// # Errors
    /// [`RevisitError`], [`RevisitError::GivenUp`] where nobody does.
    pub fn explain_unless(
        &mut self,
        reader: &StoreReader,
        beat: &StoredBeat,
        method: Method,
        class: BeatClass,
        given_up: &dyn Fn() -> bool,
    ) -> Result<(StoredSaliency, Revisited), RevisitError> {
        self.explainer.require(method)?;
        let seen = self.find_unless(reader, beat, given_up)?;
        if given_up() {
            return Err(RevisitError::GivenUp { beat: beat.id });
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

    /// The beat and how far the probabilities of the last beats up to it are from the stored ones on
    /// the whole; `None` where the chain finds no R peak at the stored place.
    fn attempt(
        &self,
        reader: &StoreReader,
        beat: &StoredBeat,
        treatment: Treatment,
        lead_s: f64,
        given_up: &dyn Fn() -> bool,
    ) -> Result<Option<(f32, Revisited)>, RevisitError> {
        let stored = reader.beats(&BeatFilter {
            session: Some(beat.session),
            after_id: beat.id.saturating_sub(COMPARED),
            limit: u32::try_from(COMPARED).unwrap_or(u32::MAX),
            ..BeatFilter::default()
        })?;
        let cuts = run::beats(reader, beat, treatment, lead_s, given_up)?;
        let (mut total, mut found) = (0.0, None);
        let before = stored.iter().filter(|stored| stored.id < beat.id);
        for stored in before.chain([beat]) {
            let near = |cut: &&CutBeat| cut.r_sample.abs_diff(stored.beat.r_sample) <= 1;
            // A beat that is not found again is as far away as it can be.
            let seen = cuts
                .iter()
                .find(near)
                .and_then(|cut| self.compare(stored, cut));
            total += seen.as_ref().map_or(1.0, |seen| seen.difference);
            if stored.id == beat.id {
                found = seen;
            }
        }
        Ok(found.map(|found| (total, found)))
    }

    /// What the network says of `cut`, beside what is stored of the beat.
    fn compare(&self, beat: &StoredBeat, cut: &CutBeat) -> Option<Revisited> {
        let network = self.model.description();
        let mut input = vec![0.0; network.input.len()];
        network.fill_input(&BeatInput::from(cut), &mut input).ok()?;
        let mut engine = best_cpu_engine(Arc::clone(&self.model), 1);
        let mut outputs = Outputs::logits_only(network, 1);
        engine.classify(&input, &mut outputs).ok()?;
        let decision =
            Decision::from_logits(outputs.logits().first()?, network.temperature).ok()?;
        let pairs = decision.probabilities.iter().zip(beat.beat.probabilities);
        Some(Revisited {
            window_uv: cut.window_uv,
            input,
            waves: Waves::find(&cut.window_uv, cut.rr.rr_s),
            difference: pairs.fold(0.0, |most, (found, stored)| {
                most.max((found - stored).abs())
            }),
        })
    }
}

/// Samples of the beat's window that are not stored, and how many it has; `None` where all are there
/// or the window was incomplete from the beginning.
fn missing_samples(
    reader: &StoreReader,
    beat: &StoredBeat,
) -> Result<Option<(usize, usize)>, RevisitError> {
    let waveform = reader.waveform(beat, crate::store::WaveformRange::default())?;
    let [first, _] = &waveform.uv;
    let missing = waveform.missing_samples();
    let tolerated = if beat.beat.window_complete {
        // A gap of this length is bridged by the chain.
        waveform.sample_rate_hz * crate::signal::LONGEST_BRIDGED_GAP_S + 1.0
    } else {
        first.len() as f64 - 1.0
    };
    Ok((missing as f64 > tolerated).then_some((missing, first.len())))
}
