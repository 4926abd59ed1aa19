//! The figures for a page: what the model cards hold.

use ecg_evaluate::{CONFIDENCE_LIMITS, Counts, FigureValues, LEVEL, RESAMPLES};

use super::arguments::Protocol;
use super::report::{Group, ModelReport, Report};
use super::text::{
    AAMI, AAMI_RULES, INTER_FIGURES, class_rows, escape, figures_of, interval, label, left_out,
    noise, percents, run_rows,
};
use crate::cli::output::percent;
use crate::cli::table::Table;
use crate::cli::terminal::printable;

pub(super) fn page(report: &Report) -> String {
    let Some(first) = report.models.first() else {
        return String::new();
    };
    let models = report.models.iter();
    let mut tables = vec![gross(report, first)];
    match first.protocol {
        Protocol::Intra => {
            tables.extend(models.map(classes));
            tables.push(coverage(report));
        }
        Protocol::Inter => tables.extend(models.map(aami)),
        Protocol::Chain => tables.extend(models.map(runs)),
    }
    if report.models.len() == 1 && first.protocol != Protocol::Intra {
        tables.push(records(first));
    }
    let tables = tables.iter().map(|table| table.markdown() + "\n");
    tables.collect::<String>() + &notes(report, first) + "\n"
}

/// A row or the titles of a table: `first`, then the others.
fn cells(
    first: impl Into<String>,
    others: impl IntoIterator<Item = String>,
) -> impl Iterator<Item = String> {
    std::iter::once(first.into()).chain(others)
}

fn gross(report: &Report, first: &ModelReport) -> Table {
    let groups = report.groups.iter();
    let titles = groups.clone().map(|group| match group.models.len() {
        1 => group.name.clone(),
        seeds => format!("{}, mean of {seeds} seeds [lowest, highest]", group.name),
    });
    let title = format!("gross, % ({} % interval)", LEVEL * 100.0);
    let figures = figures_of(first).into_iter();
    let figures =
        figures.map(|(label, name)| cells(label, groups.clone().map(move |of| cell(of, name))));
    let beats = groups.clone().map(|group| {
        let mut models = report.models.iter();
        let model = models.find(|model| group.models.first() == Some(&model.model));
        model
            .map(|of| thousands(scored_beats(of)))
            .unwrap_or_default()
    });
    Table::of_page(cells(title, titles))
        .with(figures)
        .with([cells("beats scored", beats)])
}

fn cell(group: &Group, name: &str) -> String {
    let Some(figure) = group.figures.get(name) else {
        return "-".to_owned();
    };
    let spread = &figure.spread;
    let [mean, min, max] = [spread.mean, spread.min, spread.max].map(|value| percent(Some(value)));
    let range = if group.models.len() > 1 {
        format!(" [{min}, {max}]")
    } else {
        String::new()
    };
    format!("{mean}{range} ({})", interval(figure.interval))
}

fn scored_beats(model: &ModelReport) -> u64 {
    if model.protocol == Protocol::Intra {
        model.confusion.counts.iter().flatten().sum()
    } else {
        let qrs = model.gross.0.aami.qrs();
        qrs.tp + qrs.missed
    }
}

fn thousands(count: u64) -> String {
    match count / 1_000 {
        0 => count.to_string(),
        more => format!("{},{:03}", thousands(more), count % 1_000),
    }
}

fn classes(model: &ModelReport) -> Table {
    let titles = ["beats", "Se %", "+P %", "F1 %", "called N L R A V"].map(str::to_owned);
    let rows = class_rows(model, thousands).into_iter();
    let rows = rows.zip(&model.confusion.counts).map(|(row, called)| {
        let called: Vec<String> = called.iter().map(u64::to_string).collect();
        row.into_iter().chain([called.join(" ")])
    });
    Table::of_page(cells(format!("{}: class", model.model), titles)).with(rows)
}

fn coverage(report: &Report) -> Table {
    let models = report.models.iter();
    let columns: Vec<_> = models.clone().map(|of| of.calibration.coverage()).collect();
    let rows = CONFIDENCE_LIMITS.iter().enumerate().map(|(place, limit)| {
        let of = columns.iter().map(move |rows| {
            let row = &rows[place];
            format!("{} / {}", percent(row.coverage), percent(row.accuracy))
        });
        cells(limit.to_string(), of)
    });
    let title = "probability at least: coverage / accuracy, %";
    Table::of_page(cells(title, models.map(|model| model.model.clone()))).with(rows)
}

fn aami(model: &ModelReport) -> Table {
    let titles = AAMI.map(|class| format!("called {class}"));
    let rows = AAMI.iter().zip(&model.gross.0.aami.counts);
    let rows = rows.map(|(class, counts)| {
        let counts = counts[..AAMI.len()].iter();
        cells(*class, counts.map(|&count| thousands(count)))
    });
    Table::of_page(cells(format!("{}: annotated", model.model), titles)).with(rows)
}

fn runs(model: &ModelReport) -> Table {
    let titles = ["annotated", "found", "Se %", "found", "annotated", "+P %"].map(str::to_owned);
    Table::of_page(cells(format!("{}: runs of", model.model), titles))
        .with(run_rows(model, |kind, length| format!("{kind}, {length}")))
}

fn records(model: &ModelReport) -> Table {
    let names: &[&str] = if model.protocol == Protocol::Inter {
        &INTER_FIGURES
    } else {
        &[
            "qrs_se", "qrs_ppv", "veb_se", "veb_ppv", "veb_fpr", "sveb_se", "sveb_ppv", "sveb_fpr",
        ]
    };
    let titles = ["record", "beats"].map(str::to_owned).into_iter();
    let titles = titles.chain(names.iter().map(|name| label(name)));
    let row = |name: String, beats: String, figures: &FigureValues| {
        cells(name, cells(beats, percents(figures, names)))
    };
    let records = model.records.iter().map(|record| {
        let figures = record
            .counts
            .as_ref()
            .map(Counts::figures)
            .unwrap_or_default();
        let name = printable(&record.name).into_owned();
        row(name, thousands(record.beats as u64), &figures)
    });
    let all = [("gross", &model.figures), ("average", &model.average)];
    let all = all.map(|(name, figures)| row(format!("**{name}**"), String::new(), figures));
    Table::of_page(titles).with(records).with(all)
}

fn notes(report: &Report, first: &ModelReport) -> String {
    let mut sentences = vec![format!(
        "Records: {} ({}). Intervals: {RESAMPLES} draws of the records.",
        first.set,
        first.records.len()
    )];
    if let Some(degradation) = &first.degradation {
        if let (Some(name), Some(snr_db)) = (&degradation.noise, degradation.noise_snr_db) {
            sentences.push(noise(name.rsplit('/').next().unwrap_or(name), snr_db));
        }
        if let Some(share) = degradation.drop_samples {
            sentences.push(format!("{} % of the samples lost in gaps.", 100.0 * share));
        }
    }
    match first.protocol {
        Protocol::Intra => {}
        Protocol::Inter => sentences.extend([AAMI_RULES.to_owned(), escape(first.escape_rule)]),
        Protocol::Chain => sentences.extend([
            format!(
                "The first {} s of each record are its learning period and not scored.",
                first.learning_seconds
            ),
            escape(first.escape_rule),
        ]),
    }
    sentences.extend(left_out(first));
    for sentence in report.models.iter().flat_map(|model| &model.disclosure) {
        if !sentences.contains(sentence) {
            sentences.push(sentence.clone());
        }
    }
    sentences.join(" ")
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
