//! The GPU engine on whatever adapters there are, software ones included.
//!
//! With `ECG_REQUIRE_GPU=1` a missing Vulkan adapter fails the tests instead of skipping them.

mod golden;
mod loss;
mod parity;
mod real_beats;
mod shader_files;

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{GpuAdapter, GpuBackend, GpuKernels, GpuOptions};

/// What every engine is held to: absolute difference per value of any layer.
const TOLERANCE: f32 = 1e-4;

const KERNELS: [GpuKernels; 2] = [GpuKernels::Fused, GpuKernels::Layered];

/// One test at a time on the device: software adapters take all cores, and OpenGL contexts are
/// bound to threads.
fn exclusive() -> MutexGuard<'static, ()> {
    static DEVICE: Mutex<()> = Mutex::new(());
    DEVICE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The backends with an adapter.
fn backends() -> Vec<GpuBackend> {
    let found = GpuAdapter::all();
    let required = std::env::var("ECG_REQUIRE_GPU").is_ok_and(|value| value == "1");
    GpuBackend::ALL
        .into_iter()
        .filter(|&backend| {
            let there = found.iter().any(|adapter| adapter.backend == backend);
            if !there {
                assert!(
                    !(required && backend == GpuBackend::Vulkan),
                    "no Vulkan adapter, and ECG_REQUIRE_GPU=1"
                );
                println!("skipped on {}: no adapter", backend.name());
            }
            there
        })
        .collect()
}

fn options(backend: GpuBackend, kernels: GpuKernels, max_batch: usize) -> GpuOptions {
    GpuOptions {
        backend: Some(backend),
        kernels: Some(kernels),
        allow_software: true,
        // What a software adapter answers is judged here, not how soon beside other tests.
        timeout: std::time::Duration::from_secs(120),
        ..GpuOptions::new(max_batch)
    }
}

fn largest_difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found
        .iter()
        .zip(expected)
        .map(|(found, expected)| (found - expected).abs())
        .fold(0.0, |largest, difference| {
            if difference.is_nan() {
                f32::INFINITY
            } else {
                difference.max(largest)
            }
        })
}
