//! The demo's tables for people.

use arrhythmianet::BeatClass;
use ecg_chain::LabelledBeat;
use ecg_evaluate::Confusion;

use super::Failure;
use super::agreement::{RATE_HZ, agreement};
use crate::cli::output::{percent, text_line};
use crate::cli::traces::DemoTrace;

/// Beats shown of each trace.
const SHOWN: usize = 8;

pub(super) fn print(
    trace: &DemoTrace,
    beats: &[LabelledBeat],
    compared: &Confusion,
) -> Result<(), Failure> {
    text_line(&format!("\nRecord {}: {}", trace.name, trace.about))?;
    text_line("    R peak s  RR ms  label  probability  quality")?;
    for beat in shown(beats) {
        text_line(&format!(
            "  {:>10.3}  {:>5}  {:>5}  {:>11.3}  {}{}",
            beat.r_sample as f64 / RATE_HZ,
            beat.rr_ms
                .map_or_else(|| "-".to_owned(), |rr_ms| format!("{rr_ms:.0}")),
            beat.class.symbol(),
            beat.probabilities[beat.class.index()],
            beat.quality.name(),
            beat.unclassifiable
                .map(|reason| format!(", unclassifiable: {}", reason.name()))
                .unwrap_or_default(),
        ))?;
    }
    text_line(&format!(
        "  ... {} beats in all. Annotated (rows) against labelled:",
        beats.len()
    ))?;
    text_line("           N     L     R     A     V  missed")?;
    for class in BeatClass::ALL {
        let row = compared.counts[class.index()];
        let missed = compared.missed[class.index()];
        if row.iter().sum::<u64>() + missed == 0 {
            continue;
        }
        let cells: Vec<String> = row.iter().map(|count| format!("{count:>6}")).collect();
        text_line(&format!(
            "     {} {}  {missed:>6}",
            class.symbol(),
            cells.concat()
        ))?;
    }
    text_line(&format!(
        "  {} % alike; {} beats annotated as something else, {} found where none is annotated",
        percent(agreement(compared)),
        compared.other.iter().sum::<u64>() + compared.other_missed,
        compared.extra.iter().sum::<u64>()
    ))
}

/// A few consecutive beats, around the first change of the label where there is one.
fn shown(beats: &[LabelledBeat]) -> &[LabelledBeat] {
    let change = beats
        .windows(2)
        .position(|pair| pair[0].class != pair[1].class)
        .unwrap_or(0);
    let first = change
        .saturating_sub(SHOWN / 2 - 1)
        .min(beats.len().saturating_sub(SHOWN));
    &beats[first..beats.len().min(first + SHOWN)]
}
