//! The classifier's figures as text.

use std::fmt::Write as _;

use super::classifier::{Engine, Summary};
use crate::cli::table::or_dash;

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
    text +=
        "\nengine          threads  batch    us/beat     beats/s  GFLOP/s  % of peak  dispatches";
    for engine in &summary.engines {
        rows(&mut text, engine);
    }
    text += "\nGFLOP/s counts all multiply-adds, those too that are skipped because their input is zero";
    if let Some((resident, peak)) = summary.resident_kib.zip(summary.peak_resident_kib) {
        let _ = write!(
            text,
            "\nresident memory with all engines and a batch of 4096: {resident} KiB, peak {peak} KiB"
        );
    }
    text
}

fn rows(text: &mut String, engine: &Engine) {
    for batch in &engine.batches {
        let share = batch
            .share_of_peak
            .map(|share| format!("{:.1}", share * 100.0));
        let _ = write!(
            text,
            "\n{:15} {:7} {:6} {:10.2} {:11.0} {:8.1} {:>10} {:>11}",
            engine.engine,
            engine.threads,
            batch.batch,
            batch.us_per_beat,
            batch.beats_per_second,
            batch.gflops,
            or_dash(share),
            or_dash(batch.dispatches.map(|count| count.to_string())),
        );
    }
    let _ = write!(
        text,
        "\n{:15} one beat alone: median {:.1} us, 99th percentile {:.1} us",
        engine.engine, engine.latency_median_us, engine.latency_p99_us
    );
    if let Some(adapter) = &engine.adapter {
        let _ = write!(text, "; adapter {adapter}");
    }
}
