//! Labels a WFDB record: `cargo run -p ecg-evaluate --example label_record -- DIR/RECORD`.
//!
//! Prints each beat with its time, its class (N, L, R, A or V) and how sure the network is. An engineering and
//! research system, not a medical device.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use arrhythmianet::{DEFAULT_MODEL, Model, best_cpu_engine};
use ecg_evaluate::{RecordSettings, run_record};
use wfdb_io::Record;

/// Beats that the network labels at a time.
const BATCH: usize = 64;

/// A line per beat of the record at `path`.
fn label(path: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let record = Record::open(path)?;
    let engine = best_cpu_engine(Arc::new(Model::load(DEFAULT_MODEL)?), BATCH);
    let run = run_record(&record, RecordSettings::new(), engine)?;
    let line = |beat: &ecg_chain::LabelledBeat| {
        format!(
            "{:9.3} s  {}  {:.2}{}",
            beat.r_sample as f64 / run.rate_hz,
            beat.class.symbol(),
            beat.probabilities[beat.class.index()],
            if beat.unclassifiable.is_some() {
                "  not to be trusted"
            } else {
                ""
            }
        )
    };
    Ok(run.beats.iter().map(line).collect())
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("expected the path of a record, without .hea")?;
    for line in label(Path::new(&path))? {
        println!("{line}");
    }
    Ok(())
}

#[test]
fn the_beats_of_a_stranger_are_labelled() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/strangers");
    let lines = label(&folder.join("855")).unwrap();
    let normal = lines.iter().filter(|line| line.contains("  N  ")).count();
    assert!(
        lines.len() > 500 && normal > lines.len() / 2,
        "{normal} of {}",
        lines.len()
    );
}
