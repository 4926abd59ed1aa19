//! The confusion matrix as a picture (SVG).

use std::fmt::Write as _;

use arrhythmianet::BeatClass;
use ecg_evaluate::{LEVEL, whole};

use super::arguments::Protocol;
use super::report::{ModelReport, Report};
use super::text::{AAMI, interval};
use crate::cli::output::percent;

/// Side of a cell, and room for the labels, pixels.
const CELL: usize = 96;
const LEFT: usize = 112;
const TOP: usize = 96;
/// Width of the scale beside the cells, with its room.
const SCALE: usize = 96;
/// Up to this share of a row a cell is light enough for black text.
const LIGHT_UP_TO: f64 = 0.43;

/// The picture: rows annotated, columns labelled, a cell the darker the larger its share of the row.
/// Every cell holds its count and share as text, so nothing depends on telling colours apart.
pub(super) fn confusion(report: &Report) -> String {
    let Some(model) = report.models.first() else {
        return String::new();
    };
    if model.protocol == Protocol::Inter {
        let rows = model.gross.0.aami.counts[..AAMI.len()].iter();
        let rows: Vec<&[u64]> = rows.map(|row| &row[..AAMI.len()]).collect();
        draw(&title(model), &AAMI.map(str::to_owned), &rows)
    } else {
        let symbols = BeatClass::ALL.map(|class| class.symbol().to_string());
        let rows = model.confusion.counts.iter().map(|row| &row[..]);
        draw(&title(model), &symbols, &rows.collect::<Vec<_>>())
    }
}

fn title(model: &ModelReport) -> String {
    let (protocol, name, figure) = match model.protocol {
        Protocol::Inter => ("inter", "accuracy over N, S, V, F, Q", "aami_accuracy"),
        Protocol::Intra => ("intra", "accuracy", "accuracy"),
        Protocol::Chain => ("chain", "accuracy", "accuracy"),
    };
    let ends = model.intervals.get(figure);
    let interval = ends.map_or_else(String::new, |ends| {
        let level = LEVEL * 100.0;
        format!(" ({level} % interval {})", interval(Some(ends)))
    });
    format!(
        "{}, protocol {protocol}: {name} {} %{interval}",
        model.model,
        percent(model.figures.get(figure))
    )
}

fn draw(title: &str, labels: &[String], rows: &[&[u64]]) -> String {
    let side = CELL * labels.len();
    let (width, height) = (LEFT + side + SCALE, TOP + side + 24);
    let mut svg = String::new();
    let mut put = |text: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(svg, "{text}");
    };
    put(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"16\" \
         text-anchor=\"middle\" role=\"img\">"
    ));
    let title = escaped(title);
    put(format!("<title>{title}</title>"));
    put(format!(
        "<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>"
    ));
    put(format!(
        "<text x=\"12\" y=\"28\" font-size=\"14\" text-anchor=\"start\">{title}</text>"
    ));
    put(format!(
        "<text x=\"{}\" y=\"56\">labelled</text>",
        LEFT + side / 2
    ));
    let middle = TOP + side / 2;
    put(format!(
        "<text x=\"24\" y=\"{middle}\" transform=\"rotate(-90 24 {middle})\">annotated (beats)</text>"
    ));
    for (place, (label, row)) in labels.iter().zip(rows).enumerate() {
        let label = escaped(label);
        let total: u64 = row.iter().sum();
        put(format!(
            "<text x=\"{}\" y=\"{}\" font-weight=\"bold\">{label}</text>",
            LEFT + CELL * place + CELL / 2,
            TOP - 12
        ));
        let y = TOP + CELL * place + CELL / 2;
        put(format!(
            "<text x=\"{}\" y=\"{y}\" font-weight=\"bold\">{label}</text>",
            LEFT - 40
        ));
        put(format!(
            "<text x=\"{}\" y=\"{}\" font-size=\"12\">{total}</text>",
            LEFT - 40,
            y + 18
        ));
        for (column, &count) in row.iter().enumerate() {
            let share = (total > 0).then(|| count as f64 / total as f64);
            put(cell(
                LEFT + CELL * column,
                TOP + CELL * place,
                count,
                share,
                column == place,
            ));
        }
    }
    scale(&mut put, LEFT + side + 24, side);
    put("</svg>".to_owned());
    svg
}

fn cell(x: usize, y: usize, count: u64, share: Option<f64>, diagonal: bool) -> String {
    let part = share.unwrap_or(0.0);
    let text = if part > LIGHT_UP_TO {
        "#ffffff"
    } else {
        "#000000"
    };
    let edge = if diagonal { 3 } else { 1 };
    let (middle, below) = (x + CELL / 2, y + CELL / 2);
    format!(
        "<rect x=\"{x}\" y=\"{y}\" width=\"{CELL}\" height=\"{CELL}\" fill=\"{}\" \
         stroke=\"#000000\" stroke-width=\"{edge}\"/>\n\
         <text x=\"{middle}\" y=\"{below}\" fill=\"{text}\">{count}</text>\n\
         <text x=\"{middle}\" y=\"{}\" font-size=\"12\" fill=\"{text}\">{}</text>",
        colour(part),
        below + 20,
        share.map_or_else(
            || "-".to_owned(),
            |share| format!("{} %", percent(Some(share)))
        ),
    )
}

fn scale(put: &mut impl FnMut(String), x: usize, side: usize) {
    const STEPS: usize = 20;
    let height = side / STEPS;
    for step in 0..STEPS {
        put(format!(
            "<rect x=\"{x}\" y=\"{}\" width=\"16\" height=\"{}\" fill=\"{}\"/>",
            TOP + side - height * (step + 1),
            height + 1,
            colour((step as f64 + 0.5) / STEPS as f64)
        ));
    }
    for (text, y) in [("100 %", TOP + 12), ("0 %", TOP + side)] {
        put(format!(
            "<text x=\"{}\" y=\"{y}\" font-size=\"12\" text-anchor=\"start\">{text}</text>",
            x + 20
        ));
    }
}

/// White to dark blue: one hue, and lightness falls evenly, so it reads without colour too. The
/// square root lets small shares show.
fn colour(share: f64) -> String {
    let part = share.clamp(0.0, 1.0).sqrt();
    let between = |from: f64, to: f64| whole(from + (to - from) * part);
    format!(
        "#{:02x}{:02x}{:02x}",
        between(255.0, 8.0),
        between(255.0, 48.0),
        between(255.0, 107.0)
    )
}

pub(in crate::cli) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_and_share_is_written_and_text_stands_out() {
        let labels = ["N".to_owned(), "<V>".to_owned()];
        let svg = draw("a & b", &labels, &[&[3, 1], &[0, 0]]);
        for expected in [
            "<title>a &amp; b</title>",
            ">3</text>",
            ">75.00 %</text>",
            ">25.00 %</text>",
            ">-</text>",
            "&lt;V&gt;",
        ] {
            assert!(svg.contains(expected), "{expected} in {svg}");
        }
        assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
    }

    /// Relative luminance of the Web Content Accessibility Guidelines.
    fn luminance(colour: &str) -> f64 {
        let part = |from: usize| {
            let value = f64::from(u8::from_str_radix(&colour[from..from + 2], 16).unwrap()) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    }

    #[test]
    fn darker_means_more_and_every_text_has_contrast() {
        let mut before = f64::INFINITY;
        for step in 0..=1000 {
            let share = f64::from(step) / 1000.0;
            let ground = luminance(&colour(share));
            assert!(ground <= before, "{share}");
            before = ground;
            let text = if share > LIGHT_UP_TO { 1.0 } else { 0.0 };
            let contrast = (f64::max(text, ground) + 0.05) / (f64::min(text, ground) + 0.05);
            assert!(contrast >= 4.5, "{share}: {contrast}");
        }
    }
}
