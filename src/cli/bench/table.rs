//! The classifier's figures as text.

use std::fmt::Write as _;

use super::classifier::{Engine, Summary};
use crate::cli::table::{Table, or_dash};

pub(super) fn text(summary: &Summary) -> String {
    let mut text = format!(
        "classifier {}: {} multiply-adds a beat, {} processor(s)\nmultiply-add peak:",
        summary.model, summary.multiply_adds_per_beat, summary.processors
    );
    for peak in &summary.peaks {
        let _ = write!(
            text,
            "  {} x{} {:.1} GFLOP/s",
            peak.engine, peak.threads, peak.gflops
        );
    }
    let head =
        "engine          threads  batch    us/beat     beats/s  GFLOP/s  % of peak  dispatches";
    let table = Table::under(15, head).with(summary.engines.iter().flat_map(rows));
    let _ = write!(text, "\n{}", table.text());
    text += "\nGFLOP/s counts all multiply-adds, those too that are skipped because their input is zero";
    if let Some((resident, peak)) = summary.resident_kib.zip(summary.peak_resident_kib) {
        let _ = write!(
            text,
            "\nresident memory with all engines and a batch of 4096: {resident} KiB, peak {peak} KiB"
        );
    }
    text
}

/// A row per size of batch, and one for the time of a beat alone.
fn rows(engine: &Engine) -> Vec<Vec<String>> {
    let batches = engine.batches.iter().map(|batch| {
        let share = batch
            .share_of_peak
            .map(|share| format!("{:.1}", share * 100.0));
        vec![
            engine.engine.clone(),
            engine.threads.to_string(),
            batch.batch.to_string(),
            format!("{:.2}", batch.us_per_beat),
            format!("{:.0}", batch.beats_per_second),
            format!("{:.1}", batch.gflops),
            or_dash(share),
            or_dash(batch.dispatches.map(|count| count.to_string())),
        ]
    });
    let adapter = engine.adapter.iter();
    let adapter: String = adapter
        .map(|adapter| format!("; adapter {adapter}"))
        .collect();
    let alone = format!(
        " one beat alone: median {:.1} us, 99th percentile {:.1} us{adapter}",
        engine.latency_median_us, engine.latency_p99_us
    );
    batches
        .chain([vec![engine.engine.clone(), alone]])
        .collect()
}
