//! The figures for a page: what the model cards hold.

use std::fmt::Write as _;

use arrhythmianet::BeatClass;
use ecg_evaluate::{LEVEL, RESAMPLES};

use super::report::{Group, ModelReport, Report};
use super::text::{AAMI, AAMI_RULES, escape, figures_of, interval, left_out, run_rows};
use crate::cli::output::percent;
use crate::cli::terminal::printable;

pub(super) fn page(report: &Report) -> String {
    let mut page = String::new();
    let Some(first) = report.models.first() else {
        return page;
    };
    gross(&mut page, report, first);
    match first.protocol {
        "intra" => {
            for model in &report.models {
                classes(&mut page, model);
            }
            coverage(&mut page, report);
        }
        "inter" => report
            .models
            .iter()
            .for_each(|model| aami(&mut page, model)),
        _ => report
            .models
            .iter()
            .for_each(|model| runs(&mut page, model)),
    }
    if report.models.len() == 1 && first.protocol != "intra" {
        records(&mut page, first);
    }
    notes(&mut page, report, first);
    page
}

/// Writing to a string cannot fail.
fn line(page: &mut String, text: &str) {
    let _ = writeln!(page, "{text}");
}

fn row(page: &mut String, cells: &[String]) {
    line(page, &format!("| {} |", cells.join(" | ")));
}

fn head(page: &mut String, cells: &[String]) {
    row(page, cells);
    row(page, &vec!["---".to_owned(); cells.len()]);
}

fn gross(page: &mut String, report: &Report, first: &ModelReport) {
    let mut cells = vec![format!("gross, % ({} % interval)", LEVEL * 100.0)];
    cells.extend(report.groups.iter().map(|group| match group.models.len() {
        1 => group.name.clone(),
        seeds => format!("{}, mean of {seeds} seeds [lowest, highest]", group.name),
    }));
    head(page, &cells);
    for (label, name) in figures_of(first) {
        let mut cells = vec![label.to_owned()];
        cells.extend(report.groups.iter().map(|group| cell(group, name)));
        row(page, &cells);
    }
    let mut beats = vec!["beats scored".to_owned()];
    beats.extend(report.groups.iter().map(|group| {
        report
            .models
            .iter()
            .find(|model| group.models.first() == Some(&model.model))
            .map(|model| thousands(scored_beats(model)))
            .unwrap_or_default()
    }));
    row(page, &beats);
    line(page, "");
}

fn cell(group: &Group, name: &str) -> String {
    let Some(figure) = group.figures.get(name) else {
        return "-".to_owned();
    };
    let spread = &figure.spread;
    let range = if group.models.len() > 1 {
        format!(
            " [{}, {}]",
            percent(Some(spread.min)),
            percent(Some(spread.max))
        )
    } else {
        String::new()
    };
    format!(
        "{}{range} ({})",
        percent(Some(spread.mean)),
        interval(figure.interval)
    )
}

fn scored_beats(model: &ModelReport) -> u64 {
    if model.protocol == "intra" {
        model.confusion.counts.iter().flatten().sum()
    } else {
        model.gross.qrs.tp + model.gross.qrs.missed
    }
}

fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join(",")
}

fn classes(page: &mut String, model: &ModelReport) {
    let titles = ["class", "beats", "Se %", "+P %", "F1 %", "called N L R A V"];
    let mut titles: Vec<String> = titles.map(str::to_owned).to_vec();
    titles[0] = format!("{}: class", model.model);
    head(page, &titles);
    for class in BeatClass::ALL {
        let one = model.confusion.one_class(class);
        let called: Vec<String> = model.confusion.counts[class.index()]
            .iter()
            .map(u64::to_string)
            .collect();
        row(
            page,
            &[
                class.symbol().to_string(),
                thousands(one.tp + one.missed),
                percent(one.se),
                percent(one.ppv),
                percent(model.confusion.f1(class)),
                called.join(" "),
            ],
        );
    }
    line(page, "");
}

fn coverage(page: &mut String, report: &Report) {
    let mut cells = vec!["probability at least: coverage / accuracy, %".to_owned()];
    cells.extend(report.models.iter().map(|model| model.model.clone()));
    head(page, &cells);
    let columns: Vec<_> = report
        .models
        .iter()
        .map(|model| model.calibration.coverage())
        .collect();
    for (place, limit) in ecg_evaluate::CONFIDENCE_LIMITS.iter().enumerate() {
        let mut cells = vec![limit.to_string()];
        cells.extend(columns.iter().map(|rows| {
            format!(
                "{} / {}",
                percent(rows[place].coverage),
                percent(rows[place].accuracy)
            )
        }));
        row(page, &cells);
    }
    line(page, "");
}

fn aami(page: &mut String, model: &ModelReport) {
    let mut cells = vec![format!("{}: annotated", model.model)];
    cells.extend(AAMI.map(|class| format!("called {class}")));
    head(page, &cells);
    for (class, counts) in AAMI.iter().zip(&model.gross.aami.counts) {
        let mut cells = vec![(*class).to_owned()];
        cells.extend(counts[..AAMI.len()].iter().map(|&count| thousands(count)));
        row(page, &cells);
    }
    line(page, "");
}

fn runs(page: &mut String, model: &ModelReport) {
    let titles = [
        "runs of",
        "annotated",
        "found",
        "Se %",
        "found",
        "annotated",
        "+P %",
    ];
    let mut titles: Vec<String> = titles.map(str::to_owned).to_vec();
    titles[0] = format!("{}: runs of", model.model);
    head(page, &titles);
    for (kind, runs) in [("VE", &model.gross.ve_runs), ("SVE", &model.gross.sve_runs)] {
        for (label, figures) in run_rows(runs) {
            row(
                page,
                &[
                    format!("{kind}, {label}"),
                    figures.annotated.to_string(),
                    figures.annotated_found.to_string(),
                    percent(figures.se),
                    figures.found.to_string(),
                    figures.found_annotated.to_string(),
                    percent(figures.ppv),
                ],
            );
        }
    }
    line(page, "");
}

fn records(page: &mut String, model: &ModelReport) {
    let names: &[&str] = if model.protocol == "inter" {
        &[
            "veb_se",
            "veb_ppv",
            "veb_fpr",
            "sveb_se",
            "sveb_ppv",
            "sveb_fpr",
            "aami_accuracy",
        ]
    } else {
        &[
            "qrs_se", "qrs_ppv", "veb_se", "veb_ppv", "veb_fpr", "sveb_se", "sveb_ppv", "sveb_fpr",
        ]
    };
    let mut cells = vec!["record".to_owned(), "beats".to_owned()];
    cells.extend(names.iter().map(|name| {
        let (kind, figure) = name.rsplit_once('_').unwrap_or((name, ""));
        let figure = match figure {
            "se" => "Se",
            "ppv" => "+P",
            "fpr" => "FPR",
            _ => return "accuracy".to_owned(),
        };
        format!("{} {figure}", kind.to_uppercase())
    }));
    head(page, &cells);
    let values = |figure: &dyn Fn(&str) -> Option<f64>| -> Vec<String> {
        names.iter().map(|name| percent(figure(name))).collect()
    };
    for record in &model.records {
        let mut cells = vec![
            printable(&record.name).into_owned(),
            thousands(record.beats as u64),
        ];
        cells.extend(values(&|name| {
            record.figures.and_then(|figures| figures.get(name))
        }));
        row(page, &cells);
    }
    for (name, figures) in [("gross", &model.figures), ("average", &model.average)] {
        let mut cells = vec![format!("**{name}**"), String::new()];
        cells.extend(values(&|name| figures.get(name)));
        row(page, &cells);
    }
    line(page, "");
}

fn notes(page: &mut String, report: &Report, first: &ModelReport) {
    let mut sentences = vec![format!(
        "Records: {} ({}). Intervals: {RESAMPLES} draws of the records.",
        first.set,
        first.records.len()
    )];
    if let Some(degradation) = &first.degradation {
        if let (Some(noise), Some(snr_db)) = (&degradation.noise, degradation.noise_snr_db) {
            let name = noise.rsplit('/').next().unwrap_or(noise);
            sentences.push(format!(
                "Noise {name} added at {snr_db} dB: from minute 5 on, two minutes with it, two \
                 without."
            ));
        }
        if let Some(share) = degradation.drop_samples {
            sentences.push(format!("{} % of the samples lost in gaps.", 100.0 * share));
        }
    }
    match first.protocol {
        "intra" => {}
        "inter" => sentences.extend([AAMI_RULES, escape(first.escape_rule)].map(str::to_owned)),
        _ => sentences.extend([
            format!(
                "The first {} s of each record are its learning period and not scored.",
                first.learning_seconds
            ),
            escape(first.escape_rule).to_owned(),
        ]),
    }
    sentences.extend(left_out(first).iter().map(|of| printable(of).into_owned()));
    for model in &report.models {
        for sentence in &model.disclosure {
            if !sentences.contains(sentence) {
                sentences.push(sentence.clone());
            }
        }
    }
    line(page, &sentences.join(" "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_parted_by_thousands() {
        for (count, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(count), expected);
        }
    }
}
