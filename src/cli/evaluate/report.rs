//! The figures of one or several models, as data: what `--json` prints and the tables are made of.

use std::collections::BTreeMap;
use std::time::Duration;

use ecg_evaluate::{
    AamiTable, Calibration, Confusion, Counts, EscapeRule, FIGURE_NAMES, FigureValues, Figures,
    Intervals, LEVEL, RESAMPLES, RunFigures, RunLength, RunTable, SEED, Spread, Summary, intervals,
};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::arguments::Protocol;
use super::disclosure;
use super::explained_text::Explanations;
use super::plan::Plan;
use super::record::{Compared, Evaluation};
use crate::cli::failure::Failure;
use crate::cli::session::LoadedModel;

/// One model's report, or several with their groups.
pub(super) struct Report {
    pub(super) models: Vec<ModelReport>,
    pub(super) groups: Vec<Group>,
}

/// One model over the records.
#[derive(Serialize)]
pub(super) struct ModelReport {
    pub(super) protocol: &'static str,
    pub(super) model: String,
    pub(super) engine: String,
    /// Where beats of an evaluated record come from these data, the labels' figures flatter.
    training_data: Option<String>,
    /// What the model and the detector have seen, in sentences.
    pub(super) disclosure: Vec<String>,
    /// What must be known before any of the figures is looked at.
    #[serde(skip)]
    pub(super) warning: Option<String>,
    pub(super) set: &'static str,
    pub(super) escape_rule: EscapeRule,
    /// `q` or `class`: what an unclassifiable beat counts as.
    pub(super) unclassifiable: &'static str,
    pub(super) learning_seconds: f64,
    pub(super) degradation: Option<DegradationReport>,
    pub(super) records: Vec<RecordReport>,
    pub(super) skipped: Vec<Skipped>,
    /// Records that could not be read or run: the command ends with the first one's exit code.
    pub(super) failed: Vec<Skipped>,
    pub(super) gross: Gross,
    pub(super) average: NamedFigures,
    /// As `gross`, the learning periods included; `null` but on the whole chain.
    pub(super) gross_whole_records: Option<Gross>,
    pub(super) confusion: Confusion,
    pub(super) accuracy: Option<f64>,
    pub(super) macro_f1: Option<f64>,
    pub(super) calibration: Calibration,
    pub(super) figures: NamedFigures,
    pub(super) intervals: NamedIntervals,
    bootstrap: Bootstrap,
    pub(super) seconds: f64,
    /// How the explanations do; `null` unless asked for.
    pub(super) explanations: Option<Explanations>,
    #[serde(skip)]
    pub(super) counts: Vec<Counts>,
}

/// All records' counts together.
#[derive(Serialize)]
pub(super) struct Gross {
    pub(super) qrs: Figures,
    pub(super) veb: Figures,
    pub(super) sveb: Figures,
    pub(super) aami: AamiTable,
    pub(super) ve_runs: Runs,
    pub(super) sve_runs: Runs,
}

/// Runs by length.
#[derive(Serialize)]
pub(super) struct Runs {
    pub(super) couplet: RunFigures,
    pub(super) short: RunFigures,
    pub(super) long: RunFigures,
}

#[derive(Serialize)]
pub(super) struct RecordReport {
    pub(super) name: String,
    signals: Vec<String>,
    sample_rate_hz: f64,
    seconds_of_ecg: f64,
    missing_samples: u64,
    dropped_samples: u64,
    pub(super) beats: usize,
    annotated: bool,
    scored_from_seconds: f64,
    pub(super) qrs: Option<Figures>,
    pub(super) veb: Option<Figures>,
    pub(super) sveb: Option<Figures>,
    aami: Option<AamiTable>,
    confusion: Option<Confusion>,
    ve_runs: Option<Runs>,
    sve_runs: Option<Runs>,
    pub(super) figures: Option<NamedFigures>,
    /// What somebody who relies on the figures should know, in sentences.
    pub(super) notes: Vec<String>,
}

/// A record that was left out.
#[derive(Serialize, Clone)]
pub(super) struct Skipped {
    pub(super) record: String,
    pub(super) reason: String,
}

/// What was done to the signal.
#[derive(Serialize)]
pub(super) struct DegradationReport {
    pub(super) noise: Option<String>,
    pub(super) noise_snr_db: Option<f64>,
    pub(super) drop_samples: Option<f64>,
}

#[derive(Serialize)]
struct Bootstrap {
    over: &'static str,
    resamples: usize,
    level: f64,
    seed: u64,
}

/// Models whose names differ in the seed alone; most often one.
#[derive(Serialize)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) models: Vec<String>,
    /// Mean and spread over the models, and the interval of that mean.
    pub(super) figures: BTreeMap<&'static str, GroupFigure>,
}

#[derive(Serialize)]
pub(super) struct GroupFigure {
    #[serde(flatten)]
    pub(super) spread: Spread,
    pub(super) interval: Option<(f64, f64)>,
}

/// Figures under their names.
#[derive(Clone, Copy)]
pub(super) struct NamedFigures(pub(super) FigureValues);

/// Intervals under their figures' names.
#[derive(Clone, Copy)]
pub(super) struct NamedIntervals(pub(super) Intervals);

impl NamedFigures {
    pub(super) fn get(&self, name: &str) -> Option<f64> {
        place(name).and_then(|place| self.0[place])
    }
}

impl NamedIntervals {
    pub(super) fn get(&self, name: &str) -> Option<(f64, f64)> {
        place(name).and_then(|place| self.0[place])
    }
}

fn place(name: &str) -> Option<usize> {
    FIGURE_NAMES.iter().position(|known| *known == name)
}

impl Serialize for NamedFigures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(FIGURE_NAMES.iter().zip(self.0))
    }
}

impl Serialize for NamedIntervals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(FIGURE_NAMES.iter().zip(self.0))
    }
}

impl Serialize for Report {
    /// One model: its report alone. Several: `models` and `groups`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let [only] = self.models.as_slice() {
            return only.serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("models", &self.models)?;
        map.serialize_entry("groups", &self.groups)?;
        map.end()
    }
}

impl Report {
    /// The explanations of each model that has some, with its name.
    pub(super) fn explanations(&self) -> impl Iterator<Item = (&str, &Explanations)> {
        let models = self.models.iter();
        models.filter_map(|model| Some((&*model.model, model.explanations.as_ref()?)))
    }

    pub(super) fn new(
        plan: &Plan<'_>,
        failed: &[(String, Failure)],
        by_model: Vec<Vec<Evaluation>>,
        skipped: Vec<(String, String)>,
        elapsed: Duration,
    ) -> Self {
        let skipped: Vec<Skipped> = skipped
            .into_iter()
            .map(|(record, reason)| Skipped { record, reason })
            .collect();
        let failed: Vec<Skipped> = failed
            .iter()
            .map(|(record, failure)| Skipped {
                record: record.clone(),
                reason: failure.message.clone(),
            })
            .collect();
        let models: Vec<ModelReport> = plan
            .models
            .iter()
            .zip(by_model)
            .map(|(model, evaluations)| {
                let left_out = (skipped.clone(), failed.clone());
                ModelReport::new(plan, model, evaluations, left_out, elapsed)
            })
            .collect();
        let groups = groups(&models);
        Self { models, groups }
    }

    /// Whether no record could be evaluated.
    pub(super) fn is_empty(&self) -> bool {
        self.models.iter().all(|model| model.records.is_empty())
    }
}

impl ModelReport {
    fn new(
        plan: &Plan<'_>,
        model: &LoadedModel,
        evaluations: Vec<Evaluation>,
        (skipped, failed): (Vec<Skipped>, Vec<Skipped>),
        elapsed: Duration,
    ) -> Self {
        let arguments = plan.arguments;
        let of = |pick: fn(&Compared) -> Counts| -> Vec<Counts> {
            let compared = evaluations
                .iter()
                .filter_map(|evaluation| evaluation.compared.as_ref());
            compared.map(pick).collect()
        };
        let counts = of(|compared| compared.scored);
        let whole = Counts::sum(&of(|compared| compared.whole));
        let summary = Summary::new(&counts.iter().collect::<Vec<_>>());
        let is_chain = arguments.protocol == Protocol::Chain;
        let degraded = arguments.noise.is_some() || arguments.drop_samples.is_some();
        Self {
            protocol: arguments.protocol.name(),
            model: model.name().to_owned(),
            engine: model.engine().engine().to_owned(),
            training_data: model.training_data().map(str::to_owned),
            disclosure: disclosure::sentences(
                model,
                arguments.protocol,
                arguments.detector,
                &evaluations,
            ),
            warning: disclosure::stranger_warning(model, &evaluations),
            set: plan.set,
            escape_rule: plan.escape,
            unclassifiable: if plan.counts_as_q { "q" } else { "class" },
            learning_seconds: if is_chain {
                arguments.learning_seconds
            } else {
                0.0
            },
            degradation: degraded.then(|| DegradationReport {
                noise: arguments
                    .noise
                    .as_ref()
                    .map(|path| path.display().to_string()),
                noise_snr_db: arguments.noise_snr_db,
                drop_samples: arguments.drop_samples,
            }),
            explanations: arguments.explanations.then(|| {
                let records = evaluations.iter();
                Explanations::new(records.filter_map(|evaluation| evaluation.explained.as_ref()))
            }),
            records: evaluations.into_iter().map(RecordReport::new).collect(),
            skipped,
            failed,
            gross: Gross::new(&summary.gross),
            average: NamedFigures(summary.average),
            gross_whole_records: is_chain.then(|| Gross::new(&whole)),
            accuracy: summary.gross.confusion.accuracy(),
            macro_f1: summary.gross.confusion.macro_f1(),
            confusion: summary.gross.confusion,
            calibration: summary.gross.calibration,
            figures: NamedFigures(summary.figures),
            intervals: NamedIntervals(summary.intervals),
            bootstrap: Bootstrap {
                over: "records",
                resamples: RESAMPLES,
                level: LEVEL,
                seed: SEED,
            },
            seconds: elapsed.as_secs_f64(),
            counts,
        }
    }
}

impl Gross {
    fn new(gross: &Counts) -> Self {
        Self {
            qrs: gross.aami.qrs(),
            veb: gross.aami.veb(),
            sveb: gross.aami.sveb(),
            aami: gross.aami,
            ve_runs: Runs::new(&gross.ve_runs),
            sve_runs: Runs::new(&gross.sve_runs),
        }
    }
}

impl Runs {
    fn new(table: &RunTable) -> Self {
        Self {
            couplet: table.figures(RunLength::Couplet),
            short: table.figures(RunLength::Short),
            long: table.figures(RunLength::Long),
        }
    }
}

impl RecordReport {
    pub(super) fn dropped(&self) -> u64 {
        self.dropped_samples
    }

    fn new(evaluation: Evaluation) -> Self {
        let scored = evaluation.compared.map(|compared| compared.scored);
        let scored = scored.as_ref();
        Self {
            name: evaluation.name,
            signals: evaluation.signals,
            sample_rate_hz: evaluation.rate_hz,
            seconds_of_ecg: evaluation.seconds,
            missing_samples: evaluation.missing_samples,
            dropped_samples: evaluation.dropped_samples,
            beats: evaluation.beats,
            annotated: scored.is_some(),
            scored_from_seconds: evaluation.scored_from_s,
            qrs: scored.map(|counts| counts.aami.qrs()),
            veb: scored.map(|counts| counts.aami.veb()),
            sveb: scored.map(|counts| counts.aami.sveb()),
            aami: scored.map(|counts| counts.aami),
            confusion: scored.map(|counts| counts.confusion),
            ve_runs: scored.map(|counts| Runs::new(&counts.ve_runs)),
            sve_runs: scored.map(|counts| Runs::new(&counts.sve_runs)),
            figures: scored.map(|counts| NamedFigures(counts.figures())),
            notes: evaluation.notes,
        }
    }
}

/// The name without its `-seedN`.
fn family(name: &str) -> &str {
    match name.rsplit_once("-seed") {
        Some((family, seed)) if seed.bytes().all(|byte| byte.is_ascii_digit()) => family,
        _ => name,
    }
}

fn groups(models: &[ModelReport]) -> Vec<Group> {
    let mut groups: Vec<Vec<&ModelReport>> = Vec::new();
    for model in models {
        let same = groups
            .iter_mut()
            .find(|group| family(&group[0].model) == family(&model.model));
        match same {
            Some(group) => group.push(model),
            None => groups.push(vec![model]),
        }
    }
    groups.into_iter().map(|group| Group::new(&group)).collect()
}

impl Group {
    fn new(models: &[&ModelReport]) -> Self {
        let counts: Vec<Vec<&Counts>> = models
            .iter()
            .map(|model| model.counts.iter().collect())
            .collect();
        let intervals = intervals(&counts);
        let figures = FIGURE_NAMES
            .iter()
            .enumerate()
            .filter_map(|(place, &name)| {
                let spread = Spread::of(models.iter().map(|model| model.figures.0[place]))?;
                let interval = intervals[place];
                Some((name, GroupFigure { spread, interval }))
            })
            .collect();
        Self {
            name: models
                .first()
                .map(|model| family(&model.model).to_owned())
                .unwrap_or_default(),
            models: models.iter().map(|model| model.model.clone()).collect(),
            figures,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_share_a_family() {
        for (name, expected) in [
            ("v1-context-ds1", "v1-context-ds1"),
            ("v1-context-ds1-seed2", "v1-context-ds1"),
            ("v1-seedling", "v1-seedling"),
            ("v1", "v1"),
        ] {
            assert_eq!(family(name), expected);
        }
    }
}
