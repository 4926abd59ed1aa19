//! How the explanations do, for a terminal and for the model card.

use std::fmt::Write as _;

use ecg_evaluate::{ExplanationRow, Explanations, Mean, WANTED_ON_QRS_T};

use crate::cli::output::percent;
use crate::cli::table::{Table, or_dash};

fn cells(row: &ExplanationRow) -> [String; 13] {
    let number = |mean: Mean| or_dash(mean.value().map(|value| format!("{value:.2}")));
    let whole = |mean: Mean| or_dash(mean.value().map(|value| format!("{:.0}", value * 100.0)));
    let both = |map, random| format!("{} ({})", number(map), number(random));
    let shares = [row.share_p, row.share_qrs, row.share_st_t];
    [
        row.method.to_owned(),
        row.class.to_string(),
        row.beats.to_string(),
        shares.map(whole).join(" / "),
        percent(row.mass_on_qrs_t.value()),
        percent(row.beats_on_qrs_t.value()),
        both(row.deletion, row.random_deletion),
        percent(row.deletion_beats_random.value()),
        both(row.insertion, row.random_insertion),
        percent(row.insertion_beats_random.value()),
        row.shuffled_weights.map(number).join(" / "),
        row.r_jitter.map(number).join(" / "),
        number(row.noise),
    ]
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
        for row in explanations.rows.values() {
            let cells = cells(row);
            let named = HEADS.iter().zip(&cells).skip(2);
            let rest: Vec<String> = named.map(|(head, cell)| format!("{head} {cell}")).collect();
            let _ = writeln!(text, "{} {}: {}", cells[0], cells[1], rest.join("; "));
        }
        text.push_str(&cases(explanations));
    }
    text
}

/// For the model card.
pub(super) fn markdown<'a>(models: impl Iterator<Item = (&'a str, &'a Explanations)>) -> String {
    let one = |(model, explanations): (&str, &Explanations)| {
        let table = Table::of_page(HEADS).with(explanations.rows.values().map(cells));
        let (table, cases) = (table.markdown(), cases(explanations));
        format!("**{model}**. {ABOUT}\n\n{table}\n{cases}")
    };
    models.map(one).collect()
}

/// The V beats by record, and those that do not keep what is asked of them.
fn cases(explanations: &Explanations) -> String {
    let Explanations {
        cases,
        more_cases,
        records,
        ..
    } = explanations;
    if records.is_empty() {
        return String::new();
    }
    let titles = [
        "SHAP, record",
        "V beats",
        "of all on QRS-T, %",
        "beats with 70 % there, %",
        "deletion beats random, %",
    ];
    let rows = records.iter().map(|of| {
        let share = |count: u64| percent(Some(count as f64 / of.beats as f64));
        [
            of.record.clone(),
            of.beats.to_string(),
            percent(of.mass_on_qrs_t),
            share(of.beats_on_qrs_t),
            share(of.deletion_beats_random),
        ]
    });
    let mut text = Table::of_page(titles).with(rows).markdown();
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
    text
}
