//! The figures, as JSON and as a table.

use std::time::Duration;

use serde::Serialize;

use super::record::Evaluation;
use crate::cli::failure::Failure;
use crate::cli::output::{self, percent, text_line};
use crate::cli::session::LoadedModel;
use crate::evaluate::{AverageScores, Confusion, QrsScore, Scores, Tally};
use crate::model::BeatClass;

#[derive(Serialize)]
pub(super) struct Report {
    protocol: &'static str,
    model: String,
    engine: String,
    learning_seconds: f64,
    records: Vec<RecordReport>,
    gross: Scores,
    average: AverageScores,
    /// As `gross`, the learning periods included.
    gross_whole_records: Scores,
    confusion: Confusion,
    accuracy: Option<f64>,
    macro_f1: Option<f64>,
    seconds: f64,
}

#[derive(Serialize)]
struct RecordReport {
    name: String,
    signals: Vec<String>,
    sample_rate_hz: f64,
    seconds_of_ecg: f64,
    missing_samples: u64,
    beats: usize,
    annotated: bool,
    scored_from_seconds: f64,
    #[serde(flatten)]
    scores: Scores,
    confusion: Confusion,
}

impl Report {
    pub(super) fn new(
        model: &LoadedModel,
        learning_seconds: f64,
        evaluations: Vec<Evaluation>,
        elapsed: Duration,
    ) -> Self {
        let (mut gross, mut whole) = (Tally::default(), Tally::default());
        for compared in evaluations.iter().filter_map(|evaluation| evaluation.compared.as_ref()) {
            gross.add(&compared.scored);
            whole.add(&compared.whole);
        }
        let records: Vec<RecordReport> = evaluations.into_iter().map(RecordReport::new).collect();
        let annotated: Vec<Scores> =
            records.iter().filter(|record| record.annotated).map(|record| record.scores).collect();
        let confusion = Confusion::of(&gross);
        Self {
            protocol: "chain",
            model: model.name().to_owned(),
            engine: model.engine().engine().to_owned(),
            learning_seconds,
            records,
            gross: Scores::of(&gross),
            average: AverageScores::of(&annotated),
            gross_whole_records: Scores::of(&whole),
            accuracy: confusion.accuracy(),
            macro_f1: confusion.macro_f1(),
            confusion,
            seconds: elapsed.as_secs_f64(),
        }
    }

    pub(super) fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            return output::json(self);
        }
        text_line("record     beats    QRS tp    fn    fp      Se      +P   VEB Se      +P  SVEB Se      +P")?;
        for record in &self.records {
            if record.annotated {
                text_line(&row(&record.name, record.beats, &record.scores))?;
            } else {
                text_line(&format!("{:<8} {:>7}  not annotated", record.name, record.beats))?;
            }
        }
        let beats = self.records.iter().map(|record| record.beats).sum();
        text_line(&row("gross", beats, &self.gross))?;
        text_line(&format!(
            "{:<8} {:>30} {:>7} {:>7}  {:>7} {:>7}  {:>7} {:>7}",
            "average",
            "",
            percent(self.average.qrs.se),
            percent(self.average.qrs.ppv),
            percent(self.average.veb.se),
            percent(self.average.veb.ppv),
            percent(self.average.sveb.se),
            percent(self.average.sveb.ppv),
        ))?;
        let whole = &self.gross_whole_records.qrs;
        text_line(&format!(
            "The first {} s of each record are its learning period and not scored; with them QRS Se \
             {} +P {}.",
            self.learning_seconds,
            percent(whole.se),
            percent(whole.ppv)
        ))?;
        self.print_confusion()?;
        text_line(&format!("Model {} on {}, {:.1} s.", self.model, self.engine, self.seconds))
    }

    fn print_confusion(&self) -> Result<(), Failure> {
        text_line("\nAnnotated (rows) against labelled, beats that were found:")?;
        let heads: Vec<String> =
            BeatClass::ALL.iter().map(|class| format!("{:>8}", class.symbol())).collect();
        text_line(&format!("   {}", heads.concat()))?;
        for (class, row) in BeatClass::ALL.iter().zip(&self.confusion.counts) {
            let cells: Vec<String> = row.iter().map(|count| format!("{count:>8}")).collect();
            text_line(&format!("  {}{}", class.symbol(), cells.concat()))?;
        }
        text_line(&format!(
            "accuracy {} %, macro-F1 {} %",
            percent(self.accuracy),
            percent(self.macro_f1)
        ))
    }
}

impl RecordReport {
    fn new(evaluation: Evaluation) -> Self {
        let run = evaluation.run;
        let tally = evaluation.compared.as_ref().map(|compared| compared.scored);
        let counted = tally.unwrap_or_default();
        Self {
            name: evaluation.name,
            signals: evaluation.signals,
            sample_rate_hz: run.rate_hz,
            seconds_of_ecg: run.samples as f64 / run.rate_hz,
            missing_samples: run.missing_samples,
            beats: run.beats.len(),
            annotated: tally.is_some(),
            scored_from_seconds: evaluation.scored_from_s,
            scores: Scores::of(&counted),
            confusion: Confusion::of(&counted),
        }
    }
}

fn row(name: &str, beats: usize, scores: &Scores) -> String {
    let QrsScore { tp, missed, fp, se, ppv } = scores.qrs;
    format!(
        "{name:<8} {beats:>7}  {tp:>8} {missed:>5} {fp:>5} {:>7} {:>7}  {:>7} {:>7}  {:>7} {:>7}",
        percent(se),
        percent(ppv),
        percent(scores.veb.se),
        percent(scores.veb.ppv),
        percent(scores.sveb.se),
        percent(scores.sveb.ppv),
    )
}
