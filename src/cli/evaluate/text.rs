//! The figures for a terminal.

use arrhythmianet::BeatClass;
use ecg_evaluate::{EscapeRule, Figures, LEVEL, RESAMPLES, RunFigures};

use super::report::{ModelReport, RecordReport, Report, Runs};
use crate::cli::failure::Failure;
use crate::cli::output::{percent, text_line};
use crate::cli::terminal::printable;

/// The superclasses in the order of the AAMI table.
pub(super) const AAMI: [&str; 5] = ["N", "S", "V", "F", "Q"];

pub(super) fn print(report: &Report) -> Result<(), Failure> {
    for model in &report.models {
        match model.protocol {
            "intra" => intra(model)?,
            "inter" => inter(model)?,
            _ => chain(model)?,
        }
        ending(model)?;
    }
    for group in report.groups.iter().filter(|group| group.models.len() > 1) {
        text_line(&format!(
            "\nMean of {} seeds ({}), lowest and highest, {} % interval of the mean:",
            group.models.len(),
            group.models.join(", "),
            LEVEL * 100.0
        ))?;
        let shown = figures_of(&report.models[0]);
        for (label, name) in shown {
            if let Some(figure) = group.figures.get(name) {
                let spread = &figure.spread;
                text_line(&format!(
                    "  {label:<30} {:>7}   {} to {}   {}",
                    percent(Some(spread.mean)),
                    percent(Some(spread.min)),
                    percent(Some(spread.max)),
                    interval(figure.interval)
                ))?;
            }
        }
    }
    Ok(())
}

/// Label and name of the figures a protocol is about.
pub(super) fn figures_of(model: &ModelReport) -> Vec<(&'static str, &'static str)> {
    let mut figures = match model.protocol {
        "intra" => vec![
            ("accuracy", "accuracy"),
            ("macro-F1", "macro_f1"),
            ("calibration error", "calibration_error"),
        ],
        "inter" => vec![
            ("V Se", "veb_se"),
            ("V +P", "veb_ppv"),
            ("V FPR", "veb_fpr"),
            ("S Se", "sveb_se"),
            ("S +P", "sveb_ppv"),
            ("S FPR", "sveb_fpr"),
            ("N Se", "aami_n_se"),
            ("N +P", "aami_n_ppv"),
            ("accuracy over N, S, V, F, Q", "aami_accuracy"),
            ("called unclassifiable", "unclassifiable"),
        ],
        _ => vec![
            ("QRS Se", "qrs_se"),
            ("QRS +P", "qrs_ppv"),
            ("VEB Se", "veb_se"),
            ("VEB +P", "veb_ppv"),
            ("VEB FPR", "veb_fpr"),
            ("SVEB Se", "sveb_se"),
            ("SVEB +P", "sveb_ppv"),
            ("SVEB FPR", "sveb_fpr"),
            ("VE couplet Se", "ve_couplet_se"),
            ("VE couplet +P", "ve_couplet_ppv"),
            ("VE short run Se", "ve_short_run_se"),
            ("VE short run +P", "ve_short_run_ppv"),
            ("VE long run Se", "ve_long_run_se"),
            ("VE long run +P", "ve_long_run_ppv"),
            ("SVE couplet Se", "sve_couplet_se"),
            ("SVE couplet +P", "sve_couplet_ppv"),
            ("SVE short run Se", "sve_short_run_se"),
            ("SVE short run +P", "sve_short_run_ppv"),
            ("SVE long run Se", "sve_long_run_se"),
            ("SVE long run +P", "sve_long_run_ppv"),
            ("called unclassifiable", "unclassifiable"),
        ],
    };
    if model.unclassifiable == "class" {
        figures.retain(|(_, name)| *name != "unclassifiable");
    }
    figures
}

/// Sentences about records that were skipped, failed, or were read with a note.
pub(super) fn left_out(model: &ModelReport) -> Vec<String> {
    let notes = model.records.iter().flat_map(|record| {
        let of = move |note| format!("Note on {}: {note}.", record.name);
        record.notes.iter().map(of)
    });
    let skipped = model.skipped.iter();
    let skipped = skipped.map(|left| format!("Skipped {}: {}.", left.record, left.reason));
    let failed = model.failed.iter();
    let failed = failed.map(|left| format!("Failed {}: {}.", left.record, left.reason));
    notes.chain(skipped).chain(failed).collect()
}

/// `99.12 to 99.95`, `-` where there is none.
pub(super) fn interval(ends: Option<(f64, f64)>) -> String {
    ends.map_or_else(
        || "-".to_owned(),
        |(low, high)| format!("{} to {}", percent(Some(low)), percent(Some(high))),
    )
}

/// What the escape beats e, j, n count as.
pub(super) fn escape(rule: EscapeRule) -> &'static str {
    match rule {
        EscapeRule::Supraventricular => "Escape beats (e, j, n) count as SVEB, as in bxb.",
        EscapeRule::Normal => "Escape beats (e, j, n) count as N, as in de Chazal 2004.",
    }
}

/// How the AAMI table is read.
pub(super) const AAMI_RULES: &str = "V: F or Q called V is no error. S: Q called S is no error, F \
called S is one. Accuracy: share of all beats given their class; F and Q stay in the count.";

fn chain(model: &ModelReport) -> Result<(), Failure> {
    text_line(
        "record     beats    QRS tp    fn    fp      Se      +P   VEB Se      +P  SVEB Se      +P",
    )?;
    for record in &model.records {
        let figures = record.qrs.zip(record.veb).zip(record.sveb);
        text_line(&match figures {
            Some(((qrs, veb), sveb)) => {
                chain_row(&printable(&record.name), record.beats, &[qrs, veb, sveb])
            }
            None => format!(
                "{:<8} {:>7}  not annotated",
                printable(&record.name),
                record.beats
            ),
        })?;
    }
    let gross = &model.gross;
    let beats = model.records.iter().map(|record| record.beats).sum();
    text_line(&chain_row(
        "gross",
        beats,
        &[gross.qrs, gross.veb, gross.sveb],
    ))?;
    let average = |name| percent(model.average.get(name));
    text_line(&format!(
        "{:<8} {:>30} {:>7} {:>7}  {:>7} {:>7}  {:>7} {:>7}",
        "average",
        "",
        average("qrs_se"),
        average("qrs_ppv"),
        average("veb_se"),
        average("veb_ppv"),
        average("sveb_se"),
        average("sveb_ppv"),
    ))?;
    text_line("\nRuns of                 annotated   found      Se   found  annotated      +P")?;
    for (kind, runs) in [("VE", &gross.ve_runs), ("SVE", &gross.sve_runs)] {
        for (label, figures) in run_rows(runs) {
            text_line(&format!(
                "  {kind:<4} {label:<15} {:>10} {:>7} {:>7} {:>7} {:>10} {:>7}",
                figures.annotated,
                figures.annotated_found,
                percent(figures.se),
                figures.found,
                figures.found_annotated,
                percent(figures.ppv),
            ))?;
        }
    }
    intervals(model)?;
    if let Some(whole) = &model.gross_whole_records {
        text_line(&format!(
            "The first {} s of each record are its learning period and not scored; with them QRS Se \
             {} +P {}.",
            model.learning_seconds,
            percent(whole.qrs.se),
            percent(whole.qrs.ppv)
        ))?;
    }
    text_line(escape(model.escape_rule))?;
    confusion(model)
}

pub(super) fn run_rows(runs: &Runs) -> [(&'static str, &RunFigures); 3] {
    [
        ("couplets", &runs.couplet),
        ("3 to 5 beats", &runs.short),
        ("more than 5", &runs.long),
    ]
}

fn inter(model: &ModelReport) -> Result<(), Failure> {
    text_line("record     beats    V Se      +P     FPR    S Se      +P     FPR  accuracy")?;
    for record in &model.records {
        text_line(&inter_row(&printable(&record.name), record.beats, |name| {
            record.figures.and_then(|figures| figures.get(name))
        }))?;
    }
    let beats = model.records.iter().map(|record| record.beats).sum();
    text_line(&inter_row("gross", beats, |name| model.figures.get(name)))?;
    text_line(&inter_row("average", beats, |name| model.average.get(name)))?;
    text_line("\nAnnotated (rows) against labelled, R peaks as annotated (Q: unclassifiable):")?;
    let heads: Vec<String> = AAMI.iter().map(|class| format!("{class:>8}")).collect();
    text_line(&format!("   {}", heads.concat()))?;
    for (class, row) in AAMI.iter().zip(&model.gross.aami.counts) {
        let cells: Vec<String> = row[..AAMI.len()]
            .iter()
            .map(|count| format!("{count:>8}"))
            .collect();
        text_line(&format!("  {class}{}", cells.concat()))?;
    }
    intervals(model)?;
    text_line(AAMI_RULES)?;
    text_line(escape(model.escape_rule))
}

fn inter_row(name: &str, beats: usize, figure: impl Fn(&str) -> Option<f64>) -> String {
    let cells = [
        "veb_se", "veb_ppv", "veb_fpr", "sveb_se", "sveb_ppv", "sveb_fpr",
    ]
    .map(|name| format!("{:>7}", percent(figure(name))));
    format!(
        "{name:<8} {beats:>7} {}   {:>7}",
        cells.join(" "),
        percent(figure("aami_accuracy"))
    )
}

fn intra(model: &ModelReport) -> Result<(), Failure> {
    text_line("class    beats      Se      +P      F1")?;
    for class in BeatClass::ALL {
        let one = model.confusion.one_class(class);
        text_line(&format!(
            "  {}    {:>7} {:>7} {:>7} {:>7}",
            class.symbol(),
            one.tp + one.missed,
            percent(one.se),
            percent(one.ppv),
            percent(model.confusion.f1(class))
        ))?;
    }
    confusion(model)?;
    text_line(&format!(
        "expected calibration error {} %",
        percent(model.calibration.error())
    ))?;
    text_line("\nprobability at least   coverage   accuracy")?;
    for row in model.calibration.coverage() {
        text_line(&format!(
            "  {:>18}   {:>8}   {:>8}",
            row.confidence,
            percent(row.coverage),
            percent(row.accuracy)
        ))?;
    }
    intervals(model)
}

fn confusion(model: &ModelReport) -> Result<(), Failure> {
    text_line("\nAnnotated (rows) against labelled, beats that were found:")?;
    let heads: Vec<String> = BeatClass::ALL
        .iter()
        .map(|class| format!("{:>8}", class.symbol()))
        .collect();
    text_line(&format!("   {}", heads.concat()))?;
    for (class, row) in BeatClass::ALL.iter().zip(&model.confusion.counts) {
        let cells: Vec<String> = row.iter().map(|count| format!("{count:>8}")).collect();
        text_line(&format!("  {}{}", class.symbol(), cells.concat()))?;
    }
    text_line(&format!(
        "accuracy {} %, macro-F1 {} %",
        percent(model.accuracy),
        percent(model.macro_f1)
    ))
}

fn intervals(model: &ModelReport) -> Result<(), Failure> {
    text_line(&format!(
        "\nGross, with {} % intervals ({RESAMPLES} draws of the records):",
        LEVEL * 100.0
    ))?;
    for (label, name) in figures_of(model) {
        text_line(&format!(
            "  {label:<30} {:>7}   {}",
            percent(model.figures.get(name)),
            interval(model.intervals.get(name))
        ))?;
    }
    text_line("")
}

fn ending(model: &ModelReport) -> Result<(), Failure> {
    if let Some(degradation) = &model.degradation {
        if let (Some(noise), Some(snr_db)) = (&degradation.noise, degradation.noise_snr_db) {
            text_line(&format!(
                "Noise {noise} added at {snr_db} dB: from minute 5 on, two minutes with it, two \
                 without."
            ))?;
        }
        if let Some(share) = degradation.drop_samples {
            let dropped: u64 = model.records.iter().map(RecordReport::dropped).sum();
            text_line(&format!(
                "{} % of the samples lost on request: {dropped}, as gaps.",
                100.0 * share
            ))?;
        }
    }
    for sentence in left_out(model) {
        text_line(&printable(&sentence))?;
    }
    text_line(&format!(
        "Model {} on {}, {:.1} s.",
        model.model, model.engine, model.seconds
    ))?;
    for sentence in &model.disclosure {
        text_line(sentence)?;
    }
    Ok(())
}

fn chain_row(name: &str, beats: usize, [qrs, veb, sveb]: &[Figures; 3]) -> String {
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
