//! ecg-gateway's networks in other runtimes, in the same process with the same weights and inputs.
//!
//! `benches/peers/run` prepares what this needs and calls it.

mod contender;
mod litert;
mod onnx_runtime;
mod ours;
mod race;
mod report;
mod tract;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::contender::{Contender, Task};

/// Times the networks in ecg-gateway and its peers, alternating, after checking that all agree.
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder with NAME-beats.safetensors, NAME-BATCH.onnx, NAME-BATCH-flat.onnx and
    /// NAME-BATCH.tflite.
    #[arg(long)]
    models: PathBuf,
    /// The project's folder of weights.
    #[arg(long)]
    weights: PathBuf,
    /// libonnxruntime.so of the wheel.
    #[arg(long)]
    onnxruntime: PathBuf,
    /// libLiteRt.so of the wheel.
    #[arg(long)]
    litert: PathBuf,
    /// Versions of the peers, for the report.
    #[arg(long, default_value = "")]
    versions: String,
    /// Networks.
    #[arg(long, value_delimiter = ',', default_value = "v1,v2")]
    networks: Vec<String>,
    /// Batch sizes; the models must have been exported for them.
    #[arg(long, value_delimiter = ',', default_value = "1,64")]
    batches: Vec<usize>,
    /// Numbers of threads; 0 stands for one for each processor.
    #[arg(long, value_delimiter = ',', default_value = "1,0")]
    threads: Vec<usize>,
    /// Rounds; each gives every contender its turn.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Length of a turn.
    #[arg(long, value_name = "MS", default_value_t = 50)]
    turn_ms: u64,
    /// Print a Markdown table.
    #[arg(long)]
    markdown: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let runtime = onnx_runtime::load(&arguments.onnxruntime)?;
    let litert = litert::Library::load(&arguments.litert)?;
    let processors = std::thread::available_parallelism()?.get();
    let folders = (arguments.weights.as_path(), arguments.models.as_path());
    let mut rows = Vec::new();
    for name in &arguments.networks {
        for &threads in &arguments.threads {
            let threads = if threads == 0 { processors } else { threads };
            for &batch in &arguments.batches {
                let task = Task::read(folders, name, batch, threads)?;
                let file = |ending: &str| arguments.models.join(format!("{name}-{batch}{ending}"));
                let (plain, flat) = (file(".onnx"), file("-flat.onnx"));
                let mut contenders: Vec<Box<dyn Contender>> = vec![
                    Box::new(ours::Ours::new(&task)?),
                    Box::new(onnx_runtime::Peer::new(&runtime, &task, &plain, "")?),
                    Box::new(onnx_runtime::Peer::new(&runtime, &task, &flat, " (4-D)")?),
                    Box::new(tract::Peer::new(&task, &plain, "")?),
                    Box::new(tract::Peer::new(&task, &flat, " (4-D)")?),
                    Box::new(litert::Peer::new(&litert, &task, &file(".tflite"))?),
                ];
                for contender in &mut contenders {
                    task.check(contender.as_mut())?;
                }
                let turn = Duration::from_millis(arguments.turn_ms);
                let times = race::race(&mut contenders, arguments.rounds, turn)?;
                rows.push(report::Row::new(&task, &contenders, times));
                eprintln!("{}", rows[rows.len() - 1]);
            }
        }
    }
    report::print(&rows, &arguments.versions, arguments.markdown);
    Ok(())
}
