//! Replays a recorded SPI trace into an SQLite database: `cargo run --example replay_trace -- TRACE DATABASE`.
//!
//! The bytes go through the real driver, the signal chain and the network, as the daemon's would.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrhythmianet::{DEFAULT_MODEL, Model, best_cpu_engine};
use ecg_gateway::acquisition::{FrameSource, open_replay};
use ecg_gateway::service::{Gateway, GatewayOptions, SessionOptions};
use ecg_gateway::store::StoreOptions;

/// How many beats were stored.
fn replay(trace: &Path, database: &Path) -> Result<u64, Box<dyn Error>> {
    let (mut source, _) = open_replay(trace)?;
    let engine = best_cpu_engine(Arc::new(Model::load(DEFAULT_MODEL)?), 64);
    let options = SessionOptions {
        ecg_block_seconds: Some(10.0),
        ..SessionOptions::default()
    };
    let origin = trace.display().to_string();
    let session = options.prepare(("replay", &origin), source.info(), engine)?;
    let gateway = Gateway::open(&GatewayOptions {
        database: database.to_owned(),
        store: StoreOptions::default(),
        socket: None,
    })?;
    let stop = AtomicBool::new(false);
    let outcome = gateway.run_session(&mut source, session, &stop, |_| {});
    gateway.close()?;
    outcome.ended?;
    Ok(outcome.report.beats_by_class.iter().sum())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(trace), Some(database)) = (arguments.next(), arguments.next()) else {
        return Err("expected a trace and the path of a database".into());
    };
    println!(
        "{} beats stored",
        replay(Path::new(&trace), Path::new(&database))?
    );
    Ok(())
}

#[test]
fn a_trace_becomes_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let trace = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/200.ecgtrace.gz");
    assert!(replay(&trace, &folder.path().join("ecg.db")).unwrap() > 100);
}
