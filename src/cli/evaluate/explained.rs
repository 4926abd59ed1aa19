//! Whether the explanations of a record's beats can be trusted: where they lie, what happens when the
//! network loses what they point at, and whether they hold still.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrhythmianet::BeatClass;
use arrhythmianet::explain::{
    Explainer, Faithfulness, Method, WaveShares, correlation, deletion_order, with_noise,
    with_random_weights,
};
use ecg_chain::{BeatDetail, Details};
use ecg_evaluate::{RecordError, RecordRun, RecordSettings, run_record};
use ecg_signal::BeatSource;
use serde::Serialize;
use wfdb_io::Record;

use crate::cli::failure::{Cause, Failure};
use crate::cli::session::LoadedModel;

/// What of every beat an explanation needs.
pub(super) const DETAILS: Details = Details {
    explain: None,
    waves: true,
    network_view: true,
};

/// Share of a map's positive values that should fall on QRS complex and T wave.
pub(super) const WANTED_ON_QRS_T: f32 = 0.7;
/// Networks whose last parts are shuffled: the dense layer, the last block too, everything.
pub(super) const SHUFFLED: [(&str, usize); 3] = [
    ("dense layer", 1),
    ("last block and dense", 3),
    ("all layers", usize::MAX / 2),
];
/// The R peak moved by so many samples of the window, 8 ms each.
pub(super) const JITTER: [i64; 2] = [1, 2];
/// Noise added to the window, decibels below it.
const NOISE_DB: f32 = 20.0;
const SEED: u64 = 20_250_503;
/// Sanity and stability are looked at on every so many beats: a mean needs no more.
const SPARSE: usize = 8;
/// Sums over the beats of one class and method.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums {
    pub(super) beats: u64,
    pub(super) shared: u64,
    pub(super) shares: [f64; 3],
    pub(super) on_qrs_t: u64,
    /// Positive values of all maps together: on QRS complex, ST segment and T wave, and everywhere.
    pub(super) mass_on_qrs_t: f64,
    pub(super) mass: f64,
    pub(super) deletion: f64,
    pub(super) random_deletion: f64,
    pub(super) insertion: f64,
    pub(super) random_insertion: f64,
    pub(super) deletion_beats_random: u64,
    pub(super) insertion_beats_random: u64,
    /// Rank correlations with the maps of shuffled networks: sum of their sizes, and how many.
    pub(super) shuffled: [(f64, u64); SHUFFLED.len()],
    /// Rank correlations with the map of the beat moved, and of the beat with noise.
    pub(super) jitter: [(f64, u64); JITTER.len()],
    pub(super) noise: (f64, u64),
}

/// A V beat whose SHAP map does not lie on QRS complex and T wave, or whose pieces matter no more than
/// random ones.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Case {
    pub(super) record: String,
    pub(super) seconds: f64,
    pub(super) probability: f32,
    pub(super) on_qrs_t: Option<f32>,
    pub(super) deletion: f64,
    pub(super) random_deletion: f64,
}

/// The V beats of a record under SHAP.
#[derive(Debug, Clone, Serialize)]
pub(super) struct OfRecord {
    pub(super) record: String,
    pub(super) beats: u64,
    pub(super) beats_on_qrs_t: u64,
    pub(super) mass_on_qrs_t: Option<f64>,
    pub(super) deletion_beats_random: u64,
}

/// By method and class.
#[derive(Debug, Clone, Default)]
pub(super) struct Explained {
    pub(super) sums: BTreeMap<(Method, BeatClass), Sums>,
    pub(super) cases: Vec<Case>,
    pub(super) records: Vec<OfRecord>,
}

impl Explained {
    pub(super) fn merge(&mut self, other: &Self) {
        for (key, theirs) in &other.sums {
            self.sums.entry(*key).or_default().merge(theirs);
        }
        self.cases.extend_from_slice(&other.cases);
        self.records.extend_from_slice(&other.records);
    }
}

impl Sums {
    fn merge(&mut self, other: &Self) {
        let add = |a: &mut (f64, u64), b: (f64, u64)| {
            a.0 += b.0;
            a.1 += b.1;
        };
        self.beats += other.beats;
        self.shared += other.shared;
        for (a, b) in self.shares.iter_mut().zip(other.shares) {
            *a += b;
        }
        self.on_qrs_t += other.on_qrs_t;
        self.mass_on_qrs_t += other.mass_on_qrs_t;
        self.mass += other.mass;
        self.deletion += other.deletion;
        self.random_deletion += other.random_deletion;
        self.insertion += other.insertion;
        self.random_insertion += other.random_insertion;
        self.deletion_beats_random += other.deletion_beats_random;
        self.insertion_beats_random += other.insertion_beats_random;
        for (a, b) in self.shuffled.iter_mut().zip(other.shuffled) {
            add(a, b);
        }
        for (a, b) in self.jitter.iter_mut().zip(other.jitter) {
            add(a, b);
        }
        add(&mut self.noise, other.noise);
    }
}

/// Looks at the beats of `run` that `class_of` names a class of and the network calls that.
pub(super) fn look(
    record: &Record,
    model: &LoadedModel,
    settings: &RecordSettings,
    run: &RecordRun,
    class_of: impl Fn(usize) -> Option<BeatClass>,
) -> Result<Explained, Failure> {
    let mut found = Explained::default();
    let mut bench = Bench::new(model)?;
    let right: Vec<usize> = (0..run.beats.len())
        .filter(|&beat| run.beats[beat].window_complete)
        .filter(|&beat| class_of(beat) == Some(run.beats[beat].class))
        .collect();
    let moved = if right.is_empty() {
        Vec::new()
    } else {
        moved(record, model, settings, run)?
    };
    for (number, &beat) in right.iter().enumerate() {
        let sparse = number.is_multiple_of(SPARSE);
        if settings.is_stopped() {
            return Err(RecordError::Stopped {
                path: record.path().to_owned(),
                samples: run.samples,
            }
            .into());
        }
        bench.beat(record, run, beat, sparse.then_some(&moved), &mut found)?;
    }
    if let Some(sums) = found.sums.get(&(Method::Shap, BeatClass::V)) {
        found.records.push(OfRecord {
            record: record.header().name.clone(),
            beats: sums.beats,
            beats_on_qrs_t: sums.on_qrs_t,
            mass_on_qrs_t: (sums.mass > 0.0).then(|| sums.mass_on_qrs_t / sums.mass),
            deletion_beats_random: sums.deletion_beats_random,
        });
    }
    Ok(found)
}

/// The inputs of the same beats with the R peak moved by each of [`JITTER`], by where R was.
fn moved(
    record: &Record,
    model: &LoadedModel,
    settings: &RecordSettings,
    run: &RecordRun,
) -> Result<Vec<BTreeMap<u64, Vec<f32>>>, Failure> {
    JITTER
        .iter()
        .map(|&by| {
            let samples = (by as f64 * run.rate_hz / 125.0).round();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "positive; saturates"
            )]
            let to = |r_sample: u64| (r_sample as f64 + samples).max(0.0) as u64;
            let known: Vec<u64> = run.beats.iter().map(|beat| to(beat.r_sample)).collect();
            let settings = RecordSettings {
                beats: BeatSource::Known(known.into()),
                ..settings.clone()
            };
            let again = run_record(record, settings, model.engine())?;
            let inputs: BTreeMap<u64, Vec<f32>> = again
                .details
                .into_iter()
                .filter_map(|detail| Some((detail.r_sample, detail.network_view?.input)))
                .collect();
            let back = run.beats.iter().filter_map(|beat| {
                let input = inputs.get(&to(beat.r_sample))?;
                Some((beat.r_sample, input.clone()))
            });
            Ok(back.collect())
        })
        .collect()
}

/// Everything that one network's beats are looked at with.
struct Bench {
    explainer: Explainer,
    shuffled: Vec<Explainer>,
    faithfulness: Faithfulness,
}

impl Bench {
    fn new(model: &LoadedModel) -> Result<Self, Failure> {
        let network = &model.model;
        let explainer = Explainer::new(Arc::clone(network));
        for method in Method::ALL {
            explainer
                .require(method)
                .map_err(|error| Failure::new(Cause::Usage, error))?;
        }
        let faithfulness = Faithfulness::new(Arc::clone(network)).ok_or_else(|| {
            Failure::new(Cause::Usage, format!("{}: no background", model.name()))
        })?;
        let shuffled = SHUFFLED
            .map(|(_, parts)| Explainer::new(Arc::new(with_random_weights(network, parts, SEED))));
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
        moved: Option<&Vec<BTreeMap<u64, Vec<f32>>>>,
        found: &mut Explained,
    ) -> Result<(), Failure> {
        let (labelled, detail): (_, &BeatDetail) = (&run.beats[beat], &run.details[beat]);
        let Some(seen) = &detail.network_view else {
            return Ok(());
        };
        let class = labelled.class;
        let failed = |error| Failure::new(Cause::Other, error);
        let seed = SEED ^ labelled.r_sample;
        let chance = self
            .faithfulness
            .random_curves(&seen.input, class, seed)
            .map_err(failed)?;
        for method in Method::ALL {
            let map = self
                .explainer
                .explain(method, &seen.input, class)
                .map_err(failed)?;
            let waveform = map.waveform();
            let curves = self
                .faithfulness
                .curves(&seen.input, &deletion_order(&waveform), class)
                .map_err(failed)?;
            let shares = WaveShares::new(&map, detail.waves.ranges());
            let sums = found.sums.entry((method, class)).or_default();
            sums.beats += 1;
            sums.deletion += curves.deletion;
            sums.insertion += curves.insertion;
            sums.random_deletion += chance.deletion;
            sums.random_insertion += chance.insertion;
            let better = curves.deletion < chance.deletion;
            sums.deletion_beats_random += u64::from(better);
            sums.insertion_beats_random += u64::from(curves.insertion > chance.insertion);
            let enough = shares.is_some_and(|shares| shares.qrs_t() >= WANTED_ON_QRS_T);
            sums.on_qrs_t += u64::from(enough);
            if let Some(of) = shares {
                let mass: f64 = waveform
                    .iter()
                    .map(|&value| f64::from(value.max(0.0)))
                    .sum();
                sums.mass += mass;
                sums.mass_on_qrs_t += mass * f64::from(of.qrs_t());
                sums.shared += 1;
                for (sum, share) in sums.shares.iter_mut().zip([of.p, of.qrs, of.t]) {
                    *sum += f64::from(share);
                }
            }
            if let Some(moved) = moved {
                for (explainer, (sum, count)) in self.shuffled.iter_mut().zip(&mut sums.shuffled) {
                    let other = explainer.explain(method, &seen.input, class);
                    let other = other.map_err(failed)?.waveform();
                    if let Some(likeness) = correlation(&waveform, &other) {
                        *sum += likeness.abs();
                        *count += 1;
                    }
                }
                for ((inputs, by), (sum, count)) in moved.iter().zip(JITTER).zip(&mut sums.jitter) {
                    let Some(input) = inputs.get(&labelled.r_sample) else {
                        continue;
                    };
                    let other = self.explainer.explain(method, input, class);
                    let other = other.map_err(failed)?.waveform();
                    // Moved to the right, the window begins later: sample k is what k + by was.
                    let by = usize::try_from(by).unwrap_or(0);
                    let (here, there) = (&waveform[by..], &other[..other.len() - by]);
                    if let Some(likeness) = correlation(here, there) {
                        *sum += likeness;
                        *count += 1;
                    }
                }
                let samples = waveform.len();
                let noisy = with_noise(&seen.input, samples, NOISE_DB, seed);
                let other = self.explainer.explain(method, &noisy, class);
                let other = other.map_err(failed)?.waveform();
                if let Some(likeness) = correlation(&waveform, &other) {
                    sums.noise.0 += likeness;
                    sums.noise.1 += 1;
                }
            }
            if method == Method::Shap && class == BeatClass::V && !(enough && better) {
                found.cases.push(Case {
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
