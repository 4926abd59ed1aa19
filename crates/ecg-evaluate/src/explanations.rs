//! Whether the explanations of a record's beats can be trusted: where they lie, what happens when the
//! network loses what they point at, and whether they hold still.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrhythmianet::choose::SessionEngine;
use arrhythmianet::explain::{
    ExplainError, Explainer, Faithfulness, Method, WaveShares, correlation, deletion_order,
    with_noise, with_random_weights,
};
use arrhythmianet::{BeatClass, Model};
use ecg_signal::BeatSource;
use serde::{Serialize, Serializer};
use wfdb_io::Record;

use super::error::RecordError;
use super::run_record::{RecordRun, RecordSettings, run_record};
use super::whole::whole;

/// Share of a map's positive values that should fall on QRS complex and T wave.
pub const WANTED_ON_QRS_T: f32 = 0.7;
/// Last parts of the networks whose weights are shuffled: the dense layer, the last block too,
/// everything.
const SHUFFLED_PARTS: [usize; 3] = [1, 3, usize::MAX / 2];
/// The R peak moved by so many samples of the window, 8 ms each.
const JITTER: [u32; 2] = [1, 2];
/// Noise added to the window, decibels below it.
const NOISE_DB: f32 = 20.0;
const SEED: u64 = 20_250_503;
/// Sanity and stability are looked at on every so many beats: a mean needs no more.
const SPARSE: usize = 8;
/// Cases that are kept of all records together.
const MOST_CASES: usize = 20;

/// A weighted mean. Serialises as its value.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    fn add(&mut self, value: f64, weight: f64) {
        self.sum += value * weight;
        self.weight += weight;
    }

    /// One more of all, and perhaps one of those that `is` counts.
    fn count(&mut self, is: bool) {
        self.add(f64::from(u8::from(is)), 1.0);
    }

    /// `None` of nothing.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

impl Serialize for Mean {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

/// Means over the beats of one class under one method; shares are of the map's positive values.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct ExplanationRow {
    /// Name of the method.
    pub method: &'static str,
    /// Symbol of the class.
    pub class: char,
    /// Number of beats.
    pub beats: u64,
    /// Share on the P wave, 0 to 1.
    pub share_p: Mean,
    /// Share on the QRS complex, 0 to 1.
    pub share_qrs: Mean,
    /// Share on ST segment and T wave, 0 to 1.
    pub share_st_t: Mean,
    /// Beats with at least [`WANTED_ON_QRS_T`] on QRS complex, ST segment and T wave.
    pub beats_on_qrs_t: Mean,
    /// Of the positive values of all maps together, those on QRS complex, ST segment and T wave.
    pub mass_on_qrs_t: Mean,
    /// Probability of the class while pieces are replaced, the most important first.
    pub deletion: Mean,
    /// The same in random order.
    pub random_deletion: Mean,
    /// Beats whose deletion is lower than the random one.
    pub deletion_beats_random: Mean,
    /// Probability of the class while pieces are put back, the most important first.
    pub insertion: Mean,
    /// The same in random order.
    pub random_insertion: Mean,
    /// Beats whose insertion is higher than the random one.
    pub insertion_beats_random: Mean,
    /// Size of the rank correlation with the map of the network with shuffled weights: dense layer,
    /// last block too, all layers.
    pub shuffled_weights: [Mean; SHUFFLED_PARTS.len()],
    /// Rank correlation with the map of the beat cut with R moved by 8 and 16 ms.
    pub r_jitter: [Mean; JITTER.len()],
    /// Rank correlation with the map of the beat with white noise 20 dB below it.
    pub noise: Mean,
}

impl ExplanationRow {
    fn means(&mut self) -> impl Iterator<Item = &mut Mean> {
        let all = [
            &mut self.share_p,
            &mut self.share_qrs,
            &mut self.share_st_t,
            &mut self.beats_on_qrs_t,
            &mut self.mass_on_qrs_t,
            &mut self.deletion,
            &mut self.random_deletion,
            &mut self.deletion_beats_random,
            &mut self.insertion,
            &mut self.random_insertion,
            &mut self.insertion_beats_random,
            &mut self.noise,
        ];
        let all = all.into_iter().chain(&mut self.shuffled_weights);
        all.chain(&mut self.r_jitter)
    }

    fn merge(&mut self, mut other: Self) {
        self.beats += other.beats;
        for (mean, more) in self.means().zip(other.means()) {
            mean.sum += more.sum;
            mean.weight += more.weight;
        }
    }
}

/// A V beat whose SHAP map does not lie on QRS complex and T wave, or whose pieces matter no more than
/// random ones.
#[derive(Debug, Clone, Serialize)]
pub struct ExplanationCase {
    /// Name of the record.
    pub record: String,
    /// Time of the R peak from the record's start.
    pub seconds: f64,
    /// Of the class, 0 to 1.
    pub probability: f32,
    /// Share of the positive map on QRS complex, ST segment and T wave, 0 to 1.
    pub on_qrs_t: Option<f32>,
    /// Mean probability of the class while pieces are replaced, the most important first.
    pub deletion: f64,
    /// The same in random order.
    pub random_deletion: f64,
}

/// The V beats of a record under SHAP.
#[derive(Debug, Clone, Serialize)]
pub struct ExplanationRecord {
    /// Name of the record.
    pub record: String,
    /// Number of beats.
    pub beats: u64,
    /// Those with at least [`WANTED_ON_QRS_T`] there.
    pub beats_on_qrs_t: u64,
    /// Of the positive values of all maps together, those on QRS complex, ST segment and T wave.
    pub mass_on_qrs_t: Option<f64>,
    /// Beats whose deletion is lower than the random one.
    pub deletion_beats_random: u64,
}

/// How the explanations of the rightly labelled beats do, of one record or of several.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Explanations {
    /// By method and class.
    #[serde(serialize_with = "values")]
    pub rows: BTreeMap<(Method, BeatClass), ExplanationRow>,
    /// Of several records together the farthest from QRS complex and T wave, these first.
    pub cases: Vec<ExplanationCase>,
    /// Cases beyond those.
    pub more_cases: usize,
    /// The records that have V beats.
    pub records: Vec<ExplanationRecord>,
}

fn values<S: Serializer>(
    rows: &BTreeMap<(Method, BeatClass), ExplanationRow>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rows.values())
}

impl Explanations {
    /// Those of several records together.
    #[must_use]
    pub fn of_records<'a>(records: impl Iterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        for record in records {
            for (key, &theirs) in &record.rows {
                let ours = all.rows.entry(*key);
                ours.and_modify(|row| row.merge(theirs)).or_insert(theirs);
            }
            all.cases.extend_from_slice(&record.cases);
            all.records.extend_from_slice(&record.records);
        }
        let share = |case: &ExplanationCase| case.on_qrs_t.unwrap_or(0.0);
        all.cases.sort_by(|a, b| share(a).total_cmp(&share(b)));
        all.more_cases = all.cases.len().saturating_sub(MOST_CASES);
        all.cases.truncate(MOST_CASES);
        all
    }

    /// Looks at the beats of `run` whose class in `classes` is the one the network `model` gave them;
    /// `run` came of `settings` with waves and the network's view of each beat among its details.
    ///
    /// # Errors
    /// [`RecordError::Explain`] where the network lacks what a method reads,
    /// [`RecordError::NoBackground`], and those of [`run_record`].
    pub fn new(
        record: &Record,
        (model, engine): (&Arc<Model>, impl Fn() -> SessionEngine),
        settings: &RecordSettings,
        run: &RecordRun,
        classes: &[Option<BeatClass>],
    ) -> Result<Self, RecordError> {
        let mut found = Self::default();
        let mut bench = Bench::new(model)?;
        let right: Vec<usize> = (0..run.beats.len())
            .filter(|&beat| run.beats[beat].window_complete)
            .filter(|&beat| classes.get(beat) == Some(&Some(run.beats[beat].class)))
            .collect();
        let moved = if right.is_empty() {
            Vec::new()
        } else {
            moved(record, engine, settings, run)?
        };
        for (number, &beat) in right.iter().enumerate() {
            let sparse = number.is_multiple_of(SPARSE);
            if settings.is_stopped() {
                return Err(RecordError::Stopped {
                    path: record.path().to_owned(),
                    samples: run.samples,
                });
            }
            bench.beat(record, run, beat, sparse.then_some(&moved), &mut found)?;
        }
        if let Some(row) = found.rows.get(&(Method::Shap, BeatClass::V)) {
            found.records.push(ExplanationRecord {
                record: record.header().name.clone(),
                beats: row.beats,
                beats_on_qrs_t: whole(row.beats_on_qrs_t.sum),
                mass_on_qrs_t: row.mass_on_qrs_t.value(),
                deletion_beats_random: whole(row.deletion_beats_random.sum),
            });
        }
        Ok(found)
    }
}

/// The network's inputs by the sample of the beat's R peak.
type Inputs = BTreeMap<u64, Vec<f32>>;

/// The inputs of the same beats with the R peak moved by each of [`JITTER`], by where R was.
fn moved(
    record: &Record,
    engine: impl Fn() -> SessionEngine,
    settings: &RecordSettings,
    run: &RecordRun,
) -> Result<Vec<Inputs>, RecordError> {
    let one = |by: u32| {
        let samples = (f64::from(by) * run.rate_hz / 125.0).round();
        let to = |r_sample: u64| whole(r_sample as f64 + samples);
        let known: Vec<u64> = run.beats.iter().map(|beat| to(beat.r_sample)).collect();
        let settings = settings.clone().beats(BeatSource::Known(known.into()));
        let again = run_record(record, settings, engine())?;
        let inputs: Inputs = again
            .details
            .into_iter()
            .filter_map(|detail| Some((detail.r_sample, detail.network_view?.input)))
            .collect();
        let back = run.beats.iter().filter_map(|beat| {
            let input = inputs.get(&to(beat.r_sample))?;
            Some((beat.r_sample, input.clone()))
        });
        Ok(back.collect())
    };
    JITTER.into_iter().map(one).collect()
}

/// Everything that one network's beats are looked at with.
struct Bench {
    explainer: Explainer,
    shuffled: Vec<Explainer>,
    faithfulness: Faithfulness,
}

impl Bench {
    fn new(network: &Arc<Model>) -> Result<Self, RecordError> {
        let explainer = Explainer::new(Arc::clone(network));
        for method in Method::ALL {
            explainer.require(method)?;
        }
        let faithfulness =
            Faithfulness::new(Arc::clone(network)).ok_or_else(|| RecordError::NoBackground {
                model: network.description().name.clone(),
            })?;
        let shuffled = SHUFFLED_PARTS
            .map(|parts| Explainer::new(Arc::new(with_random_weights(network, parts, SEED))));
        Ok(Self {
            explainer,
            shuffled: shuffled.into(),
            faithfulness,
        })
    }

    fn beat(
        &mut self,
        record: &Record,
        run: &RecordRun,
        beat: usize,
        moved: Option<&Vec<Inputs>>,
        found: &mut Explanations,
    ) -> Result<(), ExplainError> {
        let (labelled, detail) = (&run.beats[beat], &run.details[beat]);
        let Some(seen) = &detail.network_view else {
            return Ok(());
        };
        let class = labelled.class;
        let seed = SEED ^ labelled.r_sample;
        let chance = self.faithfulness.random_curves(&seen.input, class, seed)?;
        for method in Method::ALL {
            let map = self.explainer.explain(method, &seen.input, class)?;
            let waveform = map.waveform();
            let order = deletion_order(&waveform);
            let curves = self.faithfulness.curves(&seen.input, &order, class)?;
            let shares = WaveShares::new(&map, detail.waves.ranges());
            let row = found.rows.entry((method, class));
            let row = row.or_insert_with(|| ExplanationRow {
                method: method.name(),
                class: class.symbol(),
                ..ExplanationRow::default()
            });
            row.beats += 1;
            row.deletion.add(curves.deletion, 1.0);
            row.insertion.add(curves.insertion, 1.0);
            row.random_deletion.add(chance.deletion, 1.0);
            row.random_insertion.add(chance.insertion, 1.0);
            let better = curves.deletion < chance.deletion;
            row.deletion_beats_random.count(better);
            let better_in = curves.insertion > chance.insertion;
            row.insertion_beats_random.count(better_in);
            let enough = shares.is_some_and(|shares| shares.qrs_t() >= WANTED_ON_QRS_T);
            row.beats_on_qrs_t.count(enough);
            if let Some(of) = shares {
                let positive = waveform.iter().map(|&value| f64::from(value.max(0.0)));
                row.mass_on_qrs_t.add(f64::from(of.qrs_t()), positive.sum());
                row.share_p.add(f64::from(of.p), 1.0);
                row.share_qrs.add(f64::from(of.qrs), 1.0);
                row.share_st_t.add(f64::from(of.t), 1.0);
            }
            if let Some(moved) = moved {
                for (explainer, mean) in self.shuffled.iter_mut().zip(&mut row.shuffled_weights) {
                    let other = explainer.explain(method, &seen.input, class)?.waveform();
                    if let Some(likeness) = correlation(&waveform, &other) {
                        mean.add(likeness.abs(), 1.0);
                    }
                }
                for ((inputs, by), mean) in moved.iter().zip(JITTER).zip(&mut row.r_jitter) {
                    let Some(input) = inputs.get(&labelled.r_sample) else {
                        continue;
                    };
                    let other = self.explainer.explain(method, input, class)?.waveform();
                    // Moved to the right, the window begins later: sample k is what k + by was.
                    let by = by as usize;
                    if let Some(likeness) = correlation(&waveform[by..], &other[..other.len() - by])
                    {
                        mean.add(likeness, 1.0);
                    }
                }
                let noisy = with_noise(&seen.input, waveform.len(), NOISE_DB, seed);
                let other = self.explainer.explain(method, &noisy, class)?.waveform();
                if let Some(likeness) = correlation(&waveform, &other) {
                    row.noise.add(likeness, 1.0);
                }
            }
            if method == Method::Shap && class == BeatClass::V && !(enough && better) {
                found.cases.push(ExplanationCase {
                    record: record.header().name.clone(),
                    seconds: labelled.r_sample as f64 / run.rate_hz,
                    probability: labelled.probabilities[class.index()],
                    on_qrs_t: shares.map(|shares| shares.qrs_t()),
                    deletion: curves.deletion,
                    random_deletion: chance.deletion,
                });
            }
        }
        Ok(())
    }
}
