//! The figures of one or several models, as data: what `--json` prints and the tables are made of.

use std::collections::BTreeMap;
use std::time::Duration;

use ecg_evaluate::{
    Calibration, Confusion, Counts, EscapeRule, EvaluatedRecord, Explanations, FIGURE_NAMES,
    FigureValues, Gross, Intervals, LEVEL, RESAMPLES, SEED, Spread, Summary, intervals,
};
use serde::Serialize;

use super::arguments::Protocol;
use super::disclosure;
use super::plan::Plan;
use super::work::{LeftOut, Worked};
use crate::cli::session::LoadedModel;

/// The models' reports with their groups.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) models: Vec<ModelReport>,
    pub(super) groups: Vec<Group>,
}

/// One model over the records.
#[derive(Serialize)]
pub(super) struct ModelReport {
    pub(super) protocol: Protocol,
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
    pub(super) records: Vec<EvaluatedRecord>,
    pub(super) skipped: Vec<LeftOut>,
    /// Records that could not be read or run: the command ends with the first one's exit code.
    pub(super) failed: Vec<LeftOut>,
    pub(super) gross: Gross,
    pub(super) average: FigureValues,
    /// As `gross`, the learning periods included; `null` but on the whole chain.
    pub(super) gross_whole_records: Option<Gross>,
    pub(super) confusion: Confusion,
    accuracy: Option<f64>,
    macro_f1: Option<f64>,
    pub(super) calibration: Calibration,
    pub(super) figures: FigureValues,
    pub(super) intervals: Intervals,
    bootstrap: Bootstrap,
    pub(super) seconds: f64,
    /// How the explanations do; `null` unless asked for.
    pub(super) explanations: Option<Explanations>,
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

impl Report {
    /// The explanations of each model that has some, with its name.
    pub(super) fn explanations(&self) -> impl Iterator<Item = (&str, &Explanations)> {
        let models = self.models.iter();
        models.filter_map(|model| Some((&*model.model, model.explanations.as_ref()?)))
    }

    pub(super) fn new(plan: &Plan<'_>, worked: &mut Worked, elapsed: Duration) -> Self {
        let by_model = std::mem::take(&mut worked.by_model);
        let models: Vec<ModelReport> = plan
            .models
            .iter()
            .zip(by_model)
            .map(|(model, records)| ModelReport::new(plan, model, records, worked, elapsed))
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
        records: Vec<EvaluatedRecord>,
        worked: &Worked,
        elapsed: Duration,
    ) -> Self {
        let arguments = plan.arguments;
        let is_chain = arguments.protocol == Protocol::Chain;
        let Summary {
            gross,
            figures,
            average,
            intervals,
        } = Summary::new(&scored(&records));
        let whole = records.iter().filter_map(|record| record.whole.as_ref());
        let failed = worked.failed.iter().map(|(record, failure)| LeftOut {
            record: record.clone(),
            reason: failure.message.clone(),
        });
        let noise = arguments.noise.as_ref();
        Self {
            protocol: arguments.protocol,
            model: model.name().to_owned(),
            engine: model.engine().engine().to_owned(),
            training_data: model.training_data().map(str::to_owned),
            disclosure: disclosure::sentences(
                model,
                arguments.protocol,
                &arguments.detector,
                &records,
            ),
            warning: disclosure::stranger_warning(model, &records),
            set: plan.set,
            escape_rule: plan.evaluation.escape,
            unclassifiable: if plan.evaluation.counts_as_q {
                "q"
            } else {
                "class"
            },
            learning_seconds: if is_chain {
                arguments.learning_seconds
            } else {
                0.0
            },
            degradation: (noise.is_some() || arguments.drop_samples.is_some()).then(|| {
                DegradationReport {
                    noise: noise.map(|path| path.display().to_string()),
                    noise_snr_db: arguments.noise_snr_db,
                    drop_samples: arguments.drop_samples,
                }
            }),
            explanations: arguments.explanations.then(|| {
                let of = records.iter().filter_map(|of| of.explanations.as_ref());
                Explanations::of_records(of)
            }),
            skipped: worked.skipped.clone(),
            failed: failed.collect(),
            gross: Gross(gross),
            average,
            gross_whole_records: is_chain.then(|| Gross(Counts::sum(whole))),
            accuracy: gross.confusion.accuracy(),
            macro_f1: gross.confusion.macro_f1(),
            confusion: gross.confusion,
            calibration: gross.calibration,
            figures,
            intervals,
            bootstrap: Bootstrap {
                over: "records",
                resamples: RESAMPLES,
                level: LEVEL,
                seed: SEED,
            },
            seconds: elapsed.as_secs_f64(),
            records,
        }
    }
}

/// What is scored of the records that are annotated.
fn scored(records: &[EvaluatedRecord]) -> Vec<&Counts> {
    let counts = records.iter().map(|record| record.counts.as_ref());
    counts.flatten().collect()
}

/// The name without its `-seedN`.
fn family(name: &str) -> &str {
    match name.rsplit_once("-seed") {
        Some((family, seed)) if seed.bytes().all(|byte| byte.is_ascii_digit()) => family,
        _ => name,
    }
}

fn groups(models: &[ModelReport]) -> Vec<Group> {
    let mut groups: Vec<(&str, Vec<&ModelReport>)> = Vec::new();
    for model in models {
        let name = family(&model.model);
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, group)) => group.push(model),
            None => groups.push((name, vec![model])),
        }
    }
    let groups = groups.into_iter();
    groups.map(|(name, of)| Group::new(name, &of)).collect()
}

impl Group {
    fn new(name: &str, models: &[&ModelReport]) -> Self {
        let counts: Vec<_> = models.iter().map(|of| scored(&of.records)).collect();
        let intervals = intervals(&counts);
        let figure = |&name: &&'static str| {
            let spread = Spread::over_models(models.iter().map(|of| of.figures.get(name)))?;
            let interval = intervals.get(name);
            Some((name, GroupFigure { spread, interval }))
        };
        Self {
            name: name.to_owned(),
            models: models.iter().map(|of| of.model.clone()).collect(),
            figures: FIGURE_NAMES.iter().filter_map(figure).collect(),
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
