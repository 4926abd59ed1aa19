//! The demo's tables for people.

use arrhythmianet::BeatClass;
use ecg_chain::LabelledBeat;
use ecg_evaluate::Confusion;

use super::agreement::{RATE_HZ, agreement};
use crate::cli::output::percent;
use crate::cli::table::or_dash;
use crate::cli::traces::DemoTrace;

/// Beats shown of each trace.
const SHOWN: usize = 8;

pub(super) fn text(trace: &DemoTrace, beats: &[LabelledBeat], compared: &Confusion) -> String {
    let mut lines = vec![
        format!("\nRecord {}: {}", trace.name, trace.about),
        "    R peak s  RR ms  label  probability  quality".to_owned(),
    ];
    lines.extend(shown(beats).iter().map(|beat| {
        let unclassifiable = beat.unclassifiable;
        let unclassifiable = unclassifiable.map(|why| format!(", unclassifiable: {}", why.name()));
        format!(
            "  {:>10.3}  {:>5}  {:>5}  {:>11.3}  {}{}",
            beat.r_sample as f64 / RATE_HZ,
            or_dash(beat.rr_ms.map(|rr_ms| format!("{rr_ms:.0}"))),
            beat.class.symbol(),
            beat.probabilities[beat.class.index()],
            beat.quality.name(),
            unclassifiable.unwrap_or_default(),
        )
    }));
    lines.push(format!(
        "  ... {} beats in all. Annotated (rows) against labelled:",
        beats.len()
    ));
    lines.push("           N     L     R     A     V  missed".to_owned());
    for class in BeatClass::ALL {
        let row = compared.counts[class.index()];
        let missed = compared.missed[class.index()];
        if row.iter().sum::<u64>() + missed > 0 {
            let cells = row.map(|count| format!("{count:>6}")).concat();
            lines.push(format!("     {} {cells}  {missed:>6}", class.symbol()));
        }
    }
    lines.push(format!(
        "  {} % alike; {} beats annotated as something else, {} found where none is annotated",
        percent(agreement(compared)),
        compared.other.iter().sum::<u64>() + compared.other_missed,
        compared.extra.iter().sum::<u64>()
    ));
    lines.join("\n")
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
