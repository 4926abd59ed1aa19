//! The figures for a terminal.

use arrhythmianet::BeatClass;
use ecg_evaluate::{
    Counts, EscapeRule, FIGURE_NAMES, FigureValues, LEVEL, RESAMPLES, RunLength, RunTable,
};

use super::arguments::Protocol;
use super::report::{ModelReport, Report};
use crate::cli::output::percent;
use crate::cli::table::Table;
use crate::cli::terminal::printable;

/// The superclasses in the order of the AAMI table.
pub(super) const AAMI: [&str; 5] = ["N", "S", "V", "F", "Q"];

/// The figures of each record where R peaks are as annotated.
pub(super) const INTER_FIGURES: [&str; 7] = [
    "veb_se",
    "veb_ppv",
    "veb_fpr",
    "sveb_se",
    "sveb_ppv",
    "sveb_fpr",
    "aami_accuracy",
];

pub(super) fn text(report: &Report) -> String {
    let mut lines = Vec::new();
    for model in &report.models {
        match model.protocol {
            Protocol::Intra => intra(&mut lines, model),
            Protocol::Inter => inter(&mut lines, model),
            Protocol::Chain => chain(&mut lines, model),
        }
        ending(&mut lines, model);
    }
    for group in report.groups.iter().filter(|group| group.models.len() > 1) {
        lines.push(format!(
            "\nMean of {} seeds ({}), lowest and highest, {} % interval of the mean:",
            group.models.len(),
            group.models.join(", "),
            LEVEL * 100.0
        ));
        let rows = figures_of(&report.models[0]).into_iter();
        let rows = rows.filter_map(|(label, name)| {
            let figure = group.figures.get(name)?;
            let [mean, min, max] = [figure.spread.mean, figure.spread.min, figure.spread.max]
                .map(|value| percent(Some(value)));
            let interval = interval(figure.interval);
            Some(figure_row(
                &label,
                &mean,
                &format!("{min} to {max}   {interval}"),
            ))
        });
        lines.extend(rows);
    }
    lines.join("\n")
}

fn figure_row(label: &str, value: &str, more: &str) -> String {
    format!("  {label:<30} {value:>7}   {more}")
}

/// Label and name of the figures a protocol is about.
pub(super) fn figures_of(model: &ModelReport) -> Vec<(String, &'static str)> {
    let labelled: &[(&str, &str)] = match model.protocol {
        Protocol::Intra => &[
            ("accuracy", "accuracy"),
            ("macro-F1", "macro_f1"),
            ("calibration error", "calibration_error"),
        ],
        Protocol::Inter => &[
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
        Protocol::Chain => &[("called unclassifiable", "unclassifiable")],
    };
    let of_chain = |name: &&'static str| {
        let kind = name.split('_').next().unwrap_or_default();
        model.protocol == Protocol::Chain && ["qrs", "veb", "sveb", "ve", "sve"].contains(&kind)
    };
    let chain = FIGURE_NAMES.iter().copied().filter(of_chain);
    let labelled = labelled
        .iter()
        .map(|&(label, name)| (label.to_owned(), name));
    let figures = chain.map(|name| (label(name), name)).chain(labelled);
    figures
        .filter(|(_, name)| *name != "unclassifiable" || model.unclassifiable != "class")
        .collect()
}

/// `VE short run Se` of `ve_short_run_se`, `accuracy` of `aami_accuracy`.
pub(super) fn label(name: &str) -> String {
    let (events, figure) = name.rsplit_once('_').unwrap_or((name, ""));
    let figure = match figure {
        "se" => "Se",
        "ppv" => "+P",
        "fpr" => "FPR",
        whole => return whole.to_owned(),
    };
    let (kind, run) = events.split_at(events.find('_').unwrap_or(events.len()));
    format!("{}{} {figure}", kind.to_uppercase(), run.replace('_', " "))
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
    let all = notes.chain(skipped).chain(failed);
    all.map(|sentence| printable(&sentence).into_owned())
        .collect()
}

/// `99.12 to 99.95`, `-` where there is none.
pub(super) fn interval(ends: Option<(f64, f64)>) -> String {
    ends.map_or_else(
        || "-".to_owned(),
        |(low, high)| format!("{} to {}", percent(Some(low)), percent(Some(high))),
    )
}

/// What the escape beats e, j, n count as.
pub(super) fn escape(rule: EscapeRule) -> String {
    match rule {
        EscapeRule::Supraventricular => "Escape beats (e, j, n) count as SVEB, as in bxb.",
        EscapeRule::Normal => "Escape beats (e, j, n) count as N, as in de Chazal 2004.",
    }
    .to_owned()
}

/// How the AAMI table is read.
pub(super) const AAMI_RULES: &str = "V: F or Q called V is no error. S: Q called S is no error, F \
called S is one. Accuracy: share of all beats given their class; F and Q stay in the count.";

/// The cells of `names`.
pub(super) fn percents(figures: &FigureValues, names: &[&str]) -> Vec<String> {
    names
        .iter()
        .map(|name| percent(figures.get(name)))
        .collect()
}

/// Beats of all records.
fn beats(model: &ModelReport) -> String {
    let beats = model.records.iter().map(|record| record.beats);
    beats.sum::<usize>().to_string()
}

fn chain(lines: &mut Vec<String>, model: &ModelReport) {
    let names = [
        "qrs_se", "qrs_ppv", "veb_se", "veb_ppv", "sveb_se", "sveb_ppv",
    ];
    let row = |name: &str, beats: String, counts: &Counts| {
        let qrs = counts.aami.qrs();
        let counted = [qrs.tp, qrs.missed, qrs.fp].map(|count| count.to_string());
        let mut row = vec![name.to_owned(), beats];
        row.extend(counted);
        row.extend(percents(&counts.figures(), &names));
        row
    };
    let records = model.records.iter().map(|record| {
        let (name, beats) = (printable(&record.name), record.beats.to_string());
        match &record.counts {
            Some(counts) => row(&name, beats, counts),
            None => vec![name.into_owned(), beats, "  not annotated".to_owned()],
        }
    });
    let gross = &model.gross.0;
    // The averages stand one place further to the right.
    let mut average = ["average", "", "", "", "       "]
        .map(str::to_owned)
        .to_vec();
    average.extend(percents(&model.average, &names));
    let table = Table::under(
        8,
        "record     beats    QRS tp    fn    fp      Se      +P   VEB Se      +P  SVEB Se      +P",
    );
    let table = table
        .with(records)
        .with([row("gross", beats(model), gross), average]);
    lines.push(table.text());
    let table = Table::under(
        22,
        "Runs of                 annotated   found      Se   found  annotated      +P",
    );
    let table = table.with(run_rows(model, |kind, length| {
        format!("  {kind:<4} {length}")
    }));
    lines.push(format!("\n{}", table.text()));
    intervals(lines, model);
    if let Some(whole) = &model.gross_whole_records {
        let qrs = whole.0.aami.qrs();
        lines.push(format!(
            "The first {} s of each record are its learning period and not scored; with them QRS Se \
             {} +P {}.",
            model.learning_seconds,
            percent(qrs.se),
            percent(qrs.ppv)
        ));
    }
    lines.push(escape(model.escape_rule));
    confusion(lines, model);
}

/// Runs of both kinds by length, `title` of each first.
pub(super) fn run_rows(
    model: &ModelReport,
    title: impl Fn(&str, &str) -> String,
) -> Vec<[String; 7]> {
    let Counts {
        ve_runs, sve_runs, ..
    } = &model.gross.0;
    let lengths = RunLength::ALL
        .into_iter()
        .zip(["couplets", "3 to 5 beats", "more than 5"]);
    let of_kind = |(kind, runs): (&'static str, &'_ RunTable)| {
        let (title, runs) = (&title, *runs);
        lengths.clone().map(move |(length, named)| {
            let figures = runs.figures(length);
            [
                title(kind, named),
                figures.annotated.to_string(),
                figures.annotated_found.to_string(),
                percent(figures.se),
                figures.found.to_string(),
                figures.found_annotated.to_string(),
                percent(figures.ppv),
            ]
        })
    };
    [("VE", ve_runs), ("SVE", sve_runs)]
        .into_iter()
        .flat_map(of_kind)
        .collect()
}

fn inter(lines: &mut Vec<String>, model: &ModelReport) {
    let row = |name: &str, beats: String, figures: &FigureValues| {
        let mut row = vec![name.to_owned(), beats];
        row.extend(percents(figures, &INTER_FIGURES));
        row
    };
    let records = model.records.iter().map(|record| {
        let figures = record
            .counts
            .as_ref()
            .map(Counts::figures)
            .unwrap_or_default();
        row(&printable(&record.name), record.beats.to_string(), &figures)
    });
    let table = Table::under(
        8,
        "record     beats    V Se      +P     FPR    S Se      +P     FPR  accuracy",
    );
    let table = table.with(records).with([
        row("gross", beats(model), &model.figures),
        row("average", beats(model), &model.average),
    ]);
    lines.push(table.text());
    lines.push(
        "\nAnnotated (rows) against labelled, R peaks as annotated (Q: unclassifiable):".into(),
    );
    lines.push(matrix(&AAMI, &model.gross.0.aami.counts));
    intervals(lines, model);
    lines.push(AAMI_RULES.to_owned());
    lines.push(escape(model.escape_rule));
}

fn intra(lines: &mut Vec<String>, model: &ModelReport) {
    let rows = class_rows(model, |count| count.to_string()).map(|mut row| {
        row[0].insert_str(0, "  ");
        row
    });
    let table = Table::under(5, "class    beats      Se      +P      F1");
    lines.push(table.with(rows).text());
    confusion(lines, model);
    lines.push(format!(
        "expected calibration error {} %",
        percent(model.calibration.error())
    ));
    let coverage = model.calibration.coverage();
    let rows = coverage.iter().map(|row| {
        [
            row.confidence.to_string(),
            percent(row.coverage),
            percent(row.accuracy),
        ]
    });
    let table = Table::under(0, "probability at least   coverage   accuracy");
    lines.push(format!("\n{}", table.with(rows).text()));
    intervals(lines, model);
}

/// Symbol, beats, Se, +P and F1 of each class.
pub(super) fn class_rows(model: &ModelReport, count: fn(u64) -> String) -> [[String; 5]; 5] {
    BeatClass::ALL.map(|class| {
        let one = model.confusion.one_class(class);
        [
            class.symbol().to_string(),
            count(one.tp + one.missed),
            percent(one.se),
            percent(one.ppv),
            percent(model.confusion.f1(class)),
        ]
    })
}

fn confusion(lines: &mut Vec<String>, model: &ModelReport) {
    lines.push("\nAnnotated (rows) against labelled, beats that were found:".to_owned());
    let symbols = BeatClass::ALL.map(|class| class.symbol().to_string());
    lines.push(matrix(&symbols, &model.confusion.counts));
    lines.push(format!(
        "accuracy {} %, macro-F1 {} %",
        percent(model.figures.get("accuracy")),
        percent(model.figures.get("macro_f1"))
    ));
}

/// Counts under and beside their labels.
fn matrix<const N: usize>(labels: &[impl AsRef<str>], counts: &[[u64; N]]) -> String {
    let titles = labels.iter().map(|label| format!("{:>8}", label.as_ref()));
    let rows = labels.iter().zip(counts).map(|(label, row)| {
        let counts = row.iter().map(u64::to_string);
        std::iter::once(format!("  {}", label.as_ref())).chain(counts)
    });
    let head = format!("   {}", titles.collect::<String>());
    Table::under(3, &head).with(rows).text()
}

fn intervals(lines: &mut Vec<String>, model: &ModelReport) {
    lines.push(format!(
        "\nGross, with {} % intervals ({RESAMPLES} draws of the records):",
        LEVEL * 100.0
    ));
    lines.extend(figures_of(model).into_iter().map(|(label, name)| {
        let interval = interval(model.intervals.get(name));
        figure_row(&label, &percent(model.figures.get(name)), &interval)
    }));
    lines.push(String::new());
}

/// What was added to the signal, `noise` as it is named.
pub(super) fn noise(noise: &str, snr_db: f64) -> String {
    format!(
        "Noise {noise} added at {snr_db} dB: from minute 5 on, two minutes with it, two without."
    )
}

fn ending(lines: &mut Vec<String>, model: &ModelReport) {
    if let Some(degradation) = &model.degradation {
        if let (Some(name), Some(snr_db)) = (&degradation.noise, degradation.noise_snr_db) {
            lines.push(noise(name, snr_db));
        }
        if let Some(share) = degradation.drop_samples {
            let dropped = model.records.iter().map(|record| record.dropped_samples);
            let dropped: u64 = dropped.sum();
            lines.push(format!(
                "{} % of the samples lost on request: {dropped}, as gaps.",
                100.0 * share
            ));
        }
    }
    lines.extend(left_out(model));
    lines.push(format!(
        "Model {} on {}, {:.1} s.",
        model.model, model.engine, model.seconds
    ));
    lines.extend_from_slice(&model.disclosure);
}
