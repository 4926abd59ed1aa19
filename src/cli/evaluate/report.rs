//! The figures, as JSON and as a table.

use std::time::Duration;

use serde::Serialize;

use super::record::{Compared, Evaluation};
use crate::cli::failure::Failure;
use crate::cli::output::{self, percent, text_line};
use crate::cli::session::LoadedModel;
use crate::evaluate::{AamiTable, Average, Confusion, Figures, RecordEvaluation, Summary};
use crate::model::BeatClass;

#[derive(Serialize)]
pub(super) struct Report {
    protocol: &'static str,
    model: String,
    engine: String,
    /// Where beats of an evaluated record come from these data, the labels' figures flatter.
    training_data: Option<String>,
    learning_seconds: f64,
    records: Vec<RecordReport>,
    gross: Gross,
    average: Average,
    /// As `gross`, the learning periods included.
    gross_whole_records: Gross,
    confusion: Confusion,
    accuracy: Option<f64>,
    macro_f1: Option<f64>,
    seconds: f64,
}

/// All records' counts together.
#[derive(Serialize)]
struct Gross {
    qrs: Figures,
    veb: Figures,
    sveb: Figures,
    aami: AamiTable,
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
    qrs: Option<Figures>,
    veb: Option<Figures>,
    sveb: Option<Figures>,
    aami: Option<AamiTable>,
    confusion: Option<Confusion>,
}

impl Report {
    pub(super) fn new(
        model: &LoadedModel,
        learning_seconds: f64,
        evaluations: Vec<Evaluation>,
        elapsed: Duration,
    ) -> Self {
        let summary_of = |pick: fn(&Compared) -> &RecordEvaluation| {
            let compared = evaluations
                .iter()
                .filter_map(|evaluation| evaluation.compared.as_ref());
            Summary::new(&compared.map(pick).cloned().collect::<Vec<_>>())
        };
        let scored = summary_of(|compared| &compared.scored);
        let whole = summary_of(|compared| &compared.whole);
        let confusion = scored.gross.confusion;
        Self {
            protocol: "chain",
            model: model.name().to_owned(),
            engine: model.engine().engine().to_owned(),
            training_data: model.training_data().map(str::to_owned),
            learning_seconds,
            records: evaluations.into_iter().map(RecordReport::new).collect(),
            gross: Gross::new(&scored.gross),
            average: scored.average,
            gross_whole_records: Gross::new(&whole.gross),
            accuracy: confusion.accuracy(),
            macro_f1: confusion.macro_f1(),
            confusion,
            seconds: elapsed.as_secs_f64(),
        }
    }

    /// Whether no record could be evaluated.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            return output::json(self);
        }
        text_line(
            "record     beats    QRS tp    fn    fp      Se      +P   VEB Se      +P  SVEB Se      +P",
        )?;
        for record in &self.records {
            let figures = record.qrs.zip(record.veb).zip(record.sveb);
            text_line(&match figures {
                Some(((qrs, veb), sveb)) => row(&record.name, record.beats, &[qrs, veb, sveb]),
                None => format!("{:<8} {:>7}  not annotated", record.name, record.beats),
            })?;
        }
        let beats = self.records.iter().map(|record| record.beats).sum();
        text_line(&row(
            "gross",
            beats,
            &[self.gross.qrs, self.gross.veb, self.gross.sveb],
        ))?;
        text_line(&format!(
            "{:<8} {:>30} {:>7} {:>7}  {:>7} {:>7}  {:>7} {:>7}",
            "average",
            "",
            percent(self.average.qrs_se),
            percent(self.average.qrs_ppv),
            percent(self.average.veb_se),
            percent(self.average.veb_ppv),
            percent(self.average.sveb_se),
            percent(self.average.sveb_ppv),
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
        text_line(&format!(
            "Model {} on {}, {:.1} s.",
            self.model, self.engine, self.seconds
        ))?;
        match &self.training_data {
            Some(data) => text_line(&format!(
                "It was trained on beats of: {data}. The QRS detector was fitted on that database \
                 too: on its records the figures look better than on strangers."
            )),
            None => Ok(()),
        }
    }

    fn print_confusion(&self) -> Result<(), Failure> {
        text_line("\nAnnotated (rows) against labelled, beats that were found:")?;
        let heads: Vec<String> = BeatClass::ALL
            .iter()
            .map(|class| format!("{:>8}", class.symbol()))
            .collect();
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

impl Gross {
    fn new(gross: &RecordEvaluation) -> Self {
        Self {
            qrs: gross.qrs,
            veb: gross.veb,
            sveb: gross.sveb,
            aami: gross.aami,
        }
    }
}

impl RecordReport {
    fn new(evaluation: Evaluation) -> Self {
        let run = evaluation.run;
        let scored = evaluation.compared.map(|compared| compared.scored);
        let scored = scored.as_ref();
        Self {
            name: evaluation.name,
            signals: evaluation.signals,
            sample_rate_hz: run.rate_hz,
            seconds_of_ecg: run.samples as f64 / run.rate_hz,
            missing_samples: run.missing_samples,
            beats: run.beats.len(),
            annotated: scored.is_some(),
            scored_from_seconds: evaluation.scored_from_s,
            qrs: scored.map(|scored| scored.qrs),
            veb: scored.map(|scored| scored.veb),
            sveb: scored.map(|scored| scored.sveb),
            aami: scored.map(|scored| scored.aami),
            confusion: scored.map(|scored| scored.confusion),
        }
    }
}

fn row(name: &str, beats: usize, [qrs, veb, sveb]: &[Figures; 3]) -> String {
    format!(
        "{name:<8} {beats:>7}  {:>8} {:>5} {:>5} {:>7} {:>7}  {:>7} {:>7}  {:>7} {:>7}",
        qrs.tp,
        qrs.missed,
        qrs.fp,
        percent(qrs.se),
        percent(qrs.ppv),
        percent(veb.se),
        percent(veb.ppv),
        percent(sveb.se),
        percent(sveb.ppv),
    )
}
