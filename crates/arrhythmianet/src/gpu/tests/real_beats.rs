//! The GPU engine against PyTorch on 1,024 real beats of each network.

use std::sync::Arc;

use super::{KERNELS, backends, exclusive, options};
use crate::builtin_models;
use crate::gpu::GpuEngine;
use crate::parity_support::Parity;

#[test]
fn logits_and_labels_of_a_thousand_real_beats_are_pytorchs() {
    let _device = exclusive();
    let mut failures = Vec::new();
    for name in builtin_models() {
        let parity = Parity::load(name);
        for backend in backends() {
            for kernels in KERNELS {
                let options = options(backend, kernels, 256);
                let mut engine = GpuEngine::new(Arc::clone(&parity.model), &options).unwrap();
                if let Some(failure) = parity.failure(&mut engine, 256) {
                    failures.push(format!("{kernels:?}: {failure}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
