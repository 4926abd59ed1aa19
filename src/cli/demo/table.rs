//! The demo's tables for people.

use arrhythmianet::BeatClass;
use ecg_chain::LabelledBeat;
use ecg_evaluate::Confusion;

use super::agreement::{RATE_HZ, agreement};
use crate::cli::output::percent;
use crate::cli::table::{Table, or_dash};
use crate::cli::traces::DemoTrace;

/// Beats shown of each trace.
const SHOWN: usize = 8;

pub(super) fn text(trace: &DemoTrace, beats: &[LabelledBeat], compared: &Confusion) -> String {
    let beat_rows = shown(beats).iter().map(|beat| {
        let unclassifiable = beat.unclassifiable;
        let quality = match unclassifiable.map(arrhythmianet::Unclassifiable::name) {
            Some(why) => format!("{}, unclassifiable: {why}", beat.quality.name()),
            None => beat.quality.name().to_owned(),
        };
        [
            format!("{:.3}", beat.r_sample as f64 / RATE_HZ),
            or_dash(beat.rr_ms.map(|rr_ms| format!("{rr_ms:.0}"))),
            beat.class.symbol().to_string(),
            format!("{:.3}", beat.probabilities[beat.class.index()]),
            // begins below its title
            format!("  {quality:7}"),
        ]
    });
    let confusion_rows = BeatClass::ALL.into_iter().filter_map(|class| {
        let counts = compared.counts[class.index()].into_iter();
        let counts: Vec<u64> = counts.chain([compared.missed[class.index()]]).collect();
        let label = format!("     {}", class.symbol());
        let cells = counts.iter().map(u64::to_string);
        (counts.iter().sum::<u64>() > 0)
            .then(|| [label].into_iter().chain(cells).collect::<Vec<_>>())
    });
    let beats_head = "    R peak s  RR ms  label  probability  quality";
    let confusion_head = "            N     L     R     A     V  missed";
    [
        format!("\nRecord {}: {}", trace.name, trace.about),
        Table::under(0, beats_head).with(beat_rows).text(),
        format!(
            "  ... {} beats in all. Annotated (rows) against labelled:",
            beats.len()
        ),
        Table::under(6, confusion_head).with(confusion_rows).text(),
        format!(
            "  {} % alike; {} beats annotated as something else, {} found where none is annotated",
            percent(agreement(compared)),
            compared.other.iter().sum::<u64>() + compared.other_missed,
            compared.extra.iter().sum::<u64>()
        ),
    ]
    .join("\n")
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
