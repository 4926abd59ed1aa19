//! What happens when the device goes away.

use std::sync::Arc;

use super::{backends, exclusive, options};
use crate::gpu::{GpuAdapter, GpuEngine, GpuError, GpuKernels, GpuOptions};
use crate::{Classifier, ClassifyError, Model, Outputs, Wanted};

fn engine_error(result: Result<(), ClassifyError>) -> String {
    match result {
        Err(ClassifyError::Engine { engine, reason }) => format!("{engine}: {reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lost_device_is_an_error_and_a_new_engine_works() {
    let _device = exclusive();
    let model = Arc::new(Model::load("v2").unwrap());
    let input = vec![0.25; 8 * 128];
    for backend in backends() {
        let options = options(backend, GpuKernels::Fused, 8);
        let mut outputs = Outputs::new(model.description(), 8);
        let mut engine = GpuEngine::new(Arc::clone(&model), &options).unwrap();
        engine.classify(&input, &mut outputs).unwrap();
        let before = outputs.logits().to_vec();

        let _ = engine.submit(&input, Wanted::Maps).unwrap();
        let _ = engine.submit(&input, Wanted::Maps).unwrap();
        engine.destroy_device();
        // What was in flight may still arrive; what comes after cannot.
        while engine
            .collect(&mut outputs)
            .is_ok_and(|collected| collected)
        {}
        for _ in 0..3 {
            let error = engine_error(engine.classify(&input, &mut outputs));
            assert!(
                error.starts_with(&format!("gpu-{}: ", backend.name())),
                "{error}"
            );
            engine_error(engine.submit(&input, Wanted::Logits).map(|_| ()));
        }
        assert!(engine.fault().is_some());
        drop(engine);

        let mut engine = GpuEngine::new(Arc::clone(&model), &options).unwrap();
        engine.classify(&input, &mut outputs).unwrap();
        assert_eq!(outputs.logits(), before);
    }
}

#[test]
fn an_adapter_that_is_not_there_is_an_error_that_lists_those_that_are() {
    let _device = exclusive();
    let model = Arc::new(Model::load("v2").unwrap());
    let options = GpuOptions {
        adapter: Some("no such adapter".to_owned()),
        allow_software: true,
        ..GpuOptions::new(1)
    };
    let Err(GpuError::NoAdapter { wanted, found }) = GpuEngine::new(model, &options) else {
        panic!("an adapter of that name");
    };
    assert_eq!(wanted, "vulkan or gl, name with \"no such adapter\"");
    for adapter in GpuAdapter::all() {
        assert!(found.contains(&adapter.name), "{found}");
    }
}

#[test]
fn software_adapters_are_left_out_unless_allowed() {
    let _device = exclusive();
    for adapter in GpuAdapter::all()
        .into_iter()
        .filter(|adapter| adapter.software)
    {
        let options = GpuOptions {
            backend: Some(adapter.backend),
            adapter: Some(adapter.name.clone()),
            ..GpuOptions::new(1)
        };
        let model = Arc::new(Model::load("v2").unwrap());
        let made = GpuEngine::new(model, &options);
        assert!(matches!(made, Err(GpuError::NoAdapter { .. })), "{adapter}");
    }
}

#[test]
fn a_batch_that_takes_too_long_is_an_error() {
    let _device = exclusive();
    let model = Arc::new(Model::load("v1").unwrap());
    let input = vec![0.25; 256 * 128];
    for backend in backends() {
        let options = GpuOptions {
            timeout: std::time::Duration::from_nanos(1),
            ..options(backend, GpuKernels::Fused, 256)
        };
        let mut engine = GpuEngine::new(Arc::clone(&model), &options).unwrap();
        if engine.adapter().software {
            let mut outputs = Outputs::logits_only(model.description(), 256);
            let error = engine_error(engine.classify(&input, &mut outputs));
            assert!(error.ends_with("no answer within 1ns"), "{error}");
        }
    }
}
