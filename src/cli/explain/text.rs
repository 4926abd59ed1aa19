//! The maps as tables and JSON.

use ecg_signal::{MODEL_RATE_HZ, R_INDEX, Wave};
use serde::Serialize;

use super::collect::{Collected, Explained, probability};
use crate::cli::output::percent;
use crate::cli::table::Table;
use crate::cli::terminal::printable;

pub(super) fn text(collected: &Collected) -> String {
    let method = collected.method.name();
    let of = collected.class.map_or_else(
        || "the class each beat was called".to_owned(),
        |class| format!("class {}", class.symbol()),
    );
    let rows = collected.found().map(|(class, found)| {
        let shares = found.maps.shares().map(Shares::from);
        let cell = |share: fn(Shares) -> f64| percent(shares.map(share));
        [
            class.symbol().to_string(),
            found.maps.maps().to_string(),
            cell(|of| of.p),
            cell(|of| of.qrs),
            cell(|of| of.st_t),
            cell(|of| of.outside) + " ",
        ]
    });
    let table = Table::under(0, "called  beats       P     QRS    ST-T  outside").with(rows);
    let mut lines = vec![
        format!(
            "What speaks for {of}, model {}, {method}: share of the positive map, %",
            collected.model
        ),
        table.text(),
    ];
    if let (count, Some(first)) = &collected.failed {
        lines.push(format!("{count} beats not explained; the first: {first}"));
    }
    let notes = collected.notes.iter().map(|note| format!("Note: {note}."));
    let skipped = collected.skipped.iter();
    let skipped = skipped.map(|(name, reason)| format!("Skipped {name}: {reason}."));
    let failed = collected.sources_failed.iter();
    let failed = failed.map(|(name, failure)| format!("Failed {name}: {}.", failure.message));
    let sentences = notes.chain(skipped).chain(failed);
    lines.extend(sentences.map(|sentence| printable(&sentence).into_owned()));
    lines.join("\n")
}

/// What `--json` prints; `docs/command-line.md` has every field.
#[derive(Serialize)]
pub(super) struct Json {
    model: String,
    method: &'static str,
    sample_rate_hz: u32,
    r_index: usize,
    classes: Vec<Class>,
    not_explained: u64,
    not_explained_reason: Option<String>,
    notes: Vec<String>,
    skipped: Vec<LeftOut>,
    failed: Vec<LeftOut>,
}

/// A trace or record that gave no beats.
#[derive(Serialize)]
struct LeftOut {
    source: String,
    reason: String,
}

#[derive(Serialize)]
struct Class {
    called: char,
    beats: u64,
    mean: Vec<f64>,
    spread: Vec<f64>,
    shares: Option<Shares>,
    example: Option<Example>,
}

#[derive(Clone, Copy, Serialize)]
struct Shares {
    p: f64,
    qrs: f64,
    st_t: f64,
    outside: f64,
}

#[derive(Serialize)]
struct Example {
    origin: String,
    beat: Option<i64>,
    r_sample: u64,
    class: char,
    probability: f32,
    logit: f32,
    base: f32,
    window_uv: Vec<f32>,
    map: Vec<f32>,
    context: Vec<f32>,
    shares: Option<Shares>,
    p_ms: Option<[Option<f32>; 2]>,
    qrs_ms: Option<[Option<f32>; 2]>,
    t_ms: Option<[Option<f32>; 2]>,
}

impl Json {
    pub(super) fn new(collected: &Collected) -> Self {
        let classes = collected.found().map(|(class, found)| Class {
            called: class.symbol(),
            beats: found.maps.maps(),
            mean: found.maps.mean(),
            spread: found.maps.spread(),
            shares: found.maps.shares().map(Shares::from),
            example: found.example.as_ref().map(Example::new),
        });
        let (skipped, failed) = (collected.skipped.iter(), collected.sources_failed.iter());
        Self {
            model: collected.model.clone(),
            method: collected.method.name(),
            sample_rate_hz: MODEL_RATE_HZ,
            r_index: R_INDEX,
            classes: classes.collect(),
            not_explained: collected.failed.0,
            not_explained_reason: collected.failed.1.clone(),
            notes: collected.notes.clone(),
            skipped: skipped.map(|(name, why)| LeftOut::new(name, why)).collect(),
            failed: failed
                .map(|(name, failure)| LeftOut::new(name, &failure.message))
                .collect(),
        }
    }
}

impl LeftOut {
    fn new(source: &str, reason: &str) -> Self {
        Self {
            source: source.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

impl From<[f64; 3]> for Shares {
    fn from([p, qrs, st_t]: [f64; 3]) -> Self {
        Self {
            p,
            qrs,
            st_t,
            outside: (1.0 - p - qrs - st_t).max(0.0),
        }
    }
}

impl Example {
    fn new(of: &Explained) -> Self {
        let ms = |wave: Option<Wave>| wave.map(|wave| [Some(wave.onset_ms), wave.end_ms]);
        Self {
            origin: of.origin.clone(),
            beat: of.id,
            r_sample: of.beat.r_sample,
            class: of.map.class.symbol(),
            probability: probability(&of.beat),
            logit: of.map.logit,
            base: of.map.base,
            window_uv: of.window_uv.to_vec(),
            map: of.map.waveform(),
            context: of.map.context.clone(),
            shares: of
                .shares
                .map(|of| [of.p, of.qrs, of.t].map(f64::from).into()),
            p_ms: ms(of.waves.p),
            qrs_ms: ms(of.waves.qrs),
            t_ms: ms(of.waves.t),
        }
    }
}
