//! How the explanations do: as data, as a table for a terminal, as a table for the model card.

use std::fmt::Write as _;

use arrhythmianet::BeatClass;
use arrhythmianet::explain::Method;
use serde::Serialize;

use super::explained::{Case, Explained, JITTER, OfRecord, SHUFFLED, Sums, WANTED_ON_QRS_T};
use crate::cli::output::percent;

/// What `--json` holds under `explanations`.
#[derive(Serialize)]
pub(super) struct Explanations {
    pub(super) rows: Vec<Row>,
    /// V beats whose SHAP map does not lie on QRS-T or does not beat random maps, the farthest from it
    /// first.
    pub(super) cases: Vec<Case>,
    pub(super) more_cases: usize,
    /// The V beats of each record that has some.
    pub(super) records: Vec<OfRecord>,
}

/// Cases that are shown.
const MOST_CASES: usize = 20;

/// One method and class; means over its beats.
#[derive(Serialize)]
pub(super) struct Row {
    method: &'static str,
    class: char,
    beats: u64,
    share_p: Option<f64>,
    share_qrs: Option<f64>,
    share_st_t: Option<f64>,
    beats_on_qrs_t: Option<f64>,
    mass_on_qrs_t: Option<f64>,
    deletion: Option<f64>,
    random_deletion: Option<f64>,
    deletion_beats_random: Option<f64>,
    insertion: Option<f64>,
    random_insertion: Option<f64>,
    insertion_beats_random: Option<f64>,
    shuffled_weights: [Option<f64>; SHUFFLED.len()],
    r_jitter: [Option<f64>; JITTER.len()],
    noise: Option<f64>,
}

impl Explanations {
    pub(super) fn new<'a>(of: impl Iterator<Item = &'a Explained>) -> Self {
        let mut all = Explained::default();
        of.for_each(|record| all.merge(record));
        all.cases.sort_by(|a, b| {
            a.on_qrs_t
                .unwrap_or(0.0)
                .total_cmp(&b.on_qrs_t.unwrap_or(0.0))
        });
        let more_cases = all.cases.len().saturating_sub(MOST_CASES);
        all.cases.truncate(MOST_CASES);
        Self {
            rows: all
                .sums
                .iter()
                .map(|((method, class), sums)| Row::new(*method, *class, sums))
                .collect(),
            cases: all.cases,
            more_cases,
            records: all.records,
        }
    }
}

impl Row {
    fn new(method: Method, class: BeatClass, sums: &Sums) -> Self {
        let mean = |sum: f64, count: u64| (count > 0).then(|| sum / count as f64);
        let of_beats = |sum: f64| mean(sum, sums.beats);
        let count = |count: u64| of_beats(count as f64);
        let [p, qrs, t] = sums.shares.map(|sum| mean(sum, sums.shared));
        Self {
            method: method.name(),
            class: class.symbol(),
            beats: sums.beats,
            share_p: p,
            share_qrs: qrs,
            share_st_t: t,
            beats_on_qrs_t: count(sums.on_qrs_t),
            mass_on_qrs_t: (sums.mass > 0.0).then(|| sums.mass_on_qrs_t / sums.mass),
            deletion: of_beats(sums.deletion),
            random_deletion: of_beats(sums.random_deletion),
            deletion_beats_random: count(sums.deletion_beats_random),
            insertion: of_beats(sums.insertion),
            random_insertion: of_beats(sums.random_insertion),
            insertion_beats_random: count(sums.insertion_beats_random),
            shuffled_weights: sums.shuffled.map(|(sum, count)| mean(sum, count)),
            r_jitter: sums.jitter.map(|(sum, count)| mean(sum, count)),
            noise: mean(sums.noise.0, sums.noise.1),
        }
    }

    fn cells(&self) -> Vec<String> {
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.2}"));
        let whole =
            |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{:.0}", v * 100.0));
        let both = |[a, b]: [Option<f64>; 2]| format!("{} ({})", number(a), number(b));
        let shuffled = self.shuffled_weights.map(number).join(" / ");
        vec![
            self.method.to_owned(),
            self.class.to_string(),
            self.beats.to_string(),
            [self.share_p, self.share_qrs, self.share_st_t]
                .map(whole)
                .join(" / "),
            percent(self.mass_on_qrs_t),
            percent(self.beats_on_qrs_t),
            both([self.deletion, self.random_deletion]),
            percent(self.deletion_beats_random),
            both([self.insertion, self.random_insertion]),
            percent(self.insertion_beats_random),
            shuffled,
            self.r_jitter.map(number).join(" / "),
            number(self.noise),
        ]
    }
}

const HEADS: [&str; 13] = [
    "method",
    "class",
    "beats",
    "P / QRS / ST-T, %",
    "of all on QRS-T, %",
    "beats with 70 % there, %",
    "deletion (random)",
    "beats it beats random, %",
    "insertion (random)",
    "beats it beats random, %",
    "shuffled weights: dense / last block / all",
    "R moved 8 / 16 ms",
    "noise 20 dB",
];

const ABOUT: &str = "Explanations of beats that were labelled rightly. P / QRS / ST-T: mean shares of \
     the map's positive values; then the share of those of all beats together, and the beats with at \
     least 70 % there. Deletion: mean probability of the class while 32 pieces of 32 ms are \
     replaced by the background's mean, most important first (low is good; insertion the other way \
     round), in brackets in random order. The last three columns are rank correlations with the map \
     of the network with shuffled weights (size; low is good), of the beat cut with R moved, and with \
     white noise (high is good), on every eighth beat.";

/// For a terminal; nothing where nobody asked.
pub(super) fn text<'a>(models: impl Iterator<Item = (&'a str, &'a Explanations)>) -> String {
    let mut text = String::new();
    for (model, explanations) in models {
        let _ = writeln!(text, "\n{model}: {ABOUT}");
        for row in &explanations.rows {
            let cells = row.cells();
            let named = HEADS.iter().zip(&cells).skip(2);
            let rest: Vec<String> = named.map(|(head, cell)| format!("{head} {cell}")).collect();
            let _ = writeln!(text, "{} {}: {}", cells[0], cells[1], rest.join("; "));
        }
        cases(&mut text, explanations);
    }
    text
}

/// For the model card.
pub(super) fn markdown<'a>(models: impl Iterator<Item = (&'a str, &'a Explanations)>) -> String {
    let mut page = String::new();
    for (model, explanations) in models {
        let _ = writeln!(page, "**{model}**. {ABOUT}\n");
        let _ = writeln!(page, "| {} |", HEADS.join(" | "));
        let _ = writeln!(page, "|{}", " --- |".repeat(HEADS.len()));
        for row in &explanations.rows {
            let _ = writeln!(page, "| {} |", row.cells().join(" | "));
        }
        page.push('\n');
        cases(&mut page, explanations);
    }
    page
}

/// The V beats by record, and those that do not keep what is asked of them.
fn cases(text: &mut String, explanations: &Explanations) {
    let Explanations {
        cases,
        more_cases,
        records,
        ..
    } = explanations;
    if records.is_empty() {
        return;
    }
    text.push_str(
        "| SHAP, record | V beats | of all on QRS-T, % | beats with 70 % there, % | deletion beats \
         random, % |\n| --- | --- | --- | --- | --- |\n",
    );
    for of in records {
        let share = |count: u64| percent(Some(count as f64 / of.beats as f64));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            of.record,
            of.beats,
            percent(of.mass_on_qrs_t),
            share(of.beats_on_qrs_t),
            share(of.deletion_beats_random)
        );
    }
    let _ = writeln!(
        text,
        "\nV beats whose SHAP map has less than {:.0} % on QRS-T or does not beat random maps: {}",
        WANTED_ON_QRS_T * 100.0,
        cases.len() + more_cases
    );
    for case in cases {
        let _ = writeln!(
            text,
            "- {} at {:.2} s: p {:.3}, {} % on QRS-T, deletion {:.3} (random {:.3})",
            case.record,
            case.seconds,
            case.probability,
            percent(case.on_qrs_t.map(f64::from)),
            case.deletion,
            case.random_deletion
        );
    }
    if *more_cases > 0 {
        let _ = writeln!(text, "- and {more_cases} more, nearer to it");
    }
}
