//! Throughput of the GPU engine over batch sizes.
//!
//! `cargo run --release --manifest-path tools/Cargo.toml --features gpu --bin gpu_bench -- [seconds per row] [adapter name]`
//! needs nothing but the program and a Vulkan or OpenGL driver.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrhythmianet::gpu::{GpuAdapter, GpuBackend, GpuEngine, GpuKernels, GpuOptions};
use arrhythmianet::{Classifier, Model, Outputs, builtin_models};

const BATCHES: [usize; 6] = [1, 8, 64, 512, 4096, 16_384];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds: f64 = arguments
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1.0);
    let name = arguments.next();
    for adapter in GpuAdapter::all() {
        println!("adapter {adapter}, {:?}", adapter.device_type);
    }
    for backend in GpuBackend::ALL {
        for model in builtin_models() {
            for kernels in [GpuKernels::Fused, GpuKernels::Layered] {
                if let Err(error) = bench(backend, model, kernels, name.as_deref(), seconds) {
                    println!("{model} {} {kernels:?}: {error}", backend.name());
                }
            }
        }
    }
}

fn bench(
    backend: GpuBackend,
    model: &str,
    kernels: GpuKernels,
    adapter: Option<&str>,
    seconds: f64,
) -> Result<(), Box<dyn std::error::Error>> {
    let model = Arc::new(Model::load(model)?);
    let options = |batch: usize| {
        let options = GpuOptions::new(batch)
            .backend(backend)
            .allow_software(true)
            .kernels(kernels)
            .chunk(batch.min(16_384))
            .timeout(Duration::from_secs(60))
            .timestamps(true);
        match adapter {
            Some(name) => options.adapter(name),
            None => options,
        }
    };
    let start = Instant::now();
    let engine = GpuEngine::new(Arc::clone(&model), &options(1))?;
    println!(
        "\n{} {} {kernels:?}, {} dispatches a batch, ready in {:.2} s, on {}",
        model.description().name,
        engine.engine(),
        engine.dispatches(),
        start.elapsed().as_secs_f64(),
        engine.adapter()
    );
    let length = model.description().input.len();
    let gmacs = model.description().macs_per_beat() as f64 * 1e-9;
    println!(
        "  batch    call_us  beats/s   maps_beats/s  stream_beats/s  device_us  GFLOP/s_device"
    );
    for batch in BATCHES {
        let mut engine = GpuEngine::new(Arc::clone(&model), &options(batch))?;
        let input: Vec<f32> = (0..batch * length)
            .map(|index| ((index * 37 % 1013) as f32 / 500.0) - 1.0)
            .collect();
        let mut logits = Outputs::logits_only(model.description(), batch);
        let mut maps = Outputs::new(model.description(), batch);
        let mut device = Vec::new();
        let mut device_beats = 1;
        let call = measure(seconds, || {
            engine.classify(&input, &mut logits)?;
            let timings = engine.timings();
            device.extend(timings.device);
            device_beats = timings.windows;
            Ok(())
        })?;
        let with_maps = measure(seconds, || Ok(engine.classify(&input, &mut maps)?))?;
        // As many batches as make a call of a few milliseconds.
        let parts = (8192 / batch).clamp(8, 64);
        let stream = measure(seconds, || {
            let parts =
                std::iter::repeat_n(&input[..engine.stream_batch().min(batch) * length], parts);
            Ok(engine.classify_stream(parts, &mut logits, |_| ())?)
        })?;
        let streamed = (parts * engine.stream_batch().min(batch)) as f64;
        device.sort();
        let device = device.get(device.len() / 2).map(Duration::as_secs_f64);
        println!(
            "{batch:7} {:10.1} {:10.0} {:12.0} {:14.0} {:>10} {:>10}",
            call * 1e6,
            batch as f64 / call,
            batch as f64 / with_maps,
            streamed / stream,
            device.map_or("-".to_owned(), |device| format!("{:.1}", device * 1e6)),
            device.map_or("-".to_owned(), |device| format!(
                "{:.1}",
                2.0 * gmacs * device_beats as f64 / device
            )),
        );
        if call > seconds {
            break;
        }
    }
    Ok(())
}

/// Median seconds of a call.
fn measure(
    seconds: f64,
    mut call: impl FnMut() -> Result<(), Box<dyn std::error::Error>>,
) -> Result<f64, Box<dyn std::error::Error>> {
    for _ in 0..2 {
        call()?;
    }
    let start = Instant::now();
    let mut times = Vec::new();
    while start.elapsed().as_secs_f64() < seconds || times.len() < 3 {
        let before = Instant::now();
        call()?;
        times.push(before.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
