//! The shaders without any adapter: naga validates them and the limits they may use.

use std::collections::BTreeSet;
use std::path::Path;

use wgpu::naga;

use super::KERNELS;
use crate::gpu::limits::{WORKGROUP_MEMORY_BYTES, required_limits};
use crate::gpu::plan::Plan;
use crate::gpu::program::plan;
use crate::gpu::{GpuBackend, fused};
use crate::test_support::{odd_json, random_model, v1_json, v2_json, with_context};
use crate::{Model, builtin_models};

/// Validates for what a Raspberry Pi 4 offers: no capability beyond plain float32 compute.
fn validate(source: &str) -> Result<naga::Module, String> {
    let module =
        naga::front::wgsl::parse_str(source).map_err(|error| error.emit_to_string(source))?;
    naga::valid::Validator::new(
        naga::valid::ValidationFlags::all(),
        naga::valid::Capabilities::empty(),
    )
    .validate(&module)
    .map_err(|error| error.emit_to_string(source))?;
    Ok(module)
}

fn models() -> Vec<Model> {
    let mut models: Vec<Model> = builtin_models()
        .iter()
        .map(|name| Model::load(name).unwrap())
        .collect();
    models.push(random_model(&odd_json(), 1));
    models.push(random_model(&with_context(odd_json()), 1));
    models.extend([v1_json(), v2_json()].map(|json| random_model(&with_context(json), 1)));
    models
}

fn plans() -> Vec<(String, Plan)> {
    let mut plans = Vec::new();
    for model in models() {
        let network = model.description();
        for kernels in KERNELS {
            for observe in [false, true] {
                if let Ok(plan) = plan(&model, Some(kernels), observe, 64) {
                    let name = format!("{} {kernels:?}", network.name);
                    plans.push((name, plan));
                }
            }
        }
    }
    plans
}

#[test]
fn every_kernel_is_valid_and_fits_the_limits() {
    let mut failures = Vec::new();
    let steps = plans().into_iter().flat_map(|(name, plan)| {
        let steps = plan.steps.into_iter();
        steps.map(move |step| (format!("{name} {}", step.label), step.source))
    });
    for (name, source) in steps {
        {
            match validate(&source) {
                Err(error) => failures.push(format!("{name}: {error}")),
                Ok(module) => {
                    let [entry] = module.entry_points.as_slice() else {
                        panic!("{name}: one entry point expected");
                    };
                    let size: u32 = entry.workgroup_size.iter().product();
                    let storage = module
                        .global_variables
                        .iter()
                        .filter(|(_, variable)| {
                            matches!(variable.space, naga::AddressSpace::Storage { .. })
                        })
                        .count();
                    let memory: u32 = module
                        .global_variables
                        .iter()
                        .filter(|(_, variable)| variable.space == naga::AddressSpace::WorkGroup)
                        .map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx()))
                        .sum();
                    let limits = required_limits(GpuBackend::Gl);
                    if size > limits.max_compute_invocations_per_workgroup
                        || storage > limits.max_storage_buffers_per_shader_stage as usize
                        || memory > limits.max_compute_workgroup_storage_size
                    {
                        failures.push(format!(
                            "{name}: {size} invocations, {storage} buffers, {memory} bytes"
                        ));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_file_is_part_of_a_kernel() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut files = BTreeSet::new();
    for folder in [root.clone(), root.join("fused")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "wgsl")
            {
                files.insert(path);
            }
        }
    }
    assert!(files.len() > 10, "{files:?}");
    let plans = plans();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            plans
                .iter()
                .flat_map(|(_, plan)| &plan.steps)
                .map(|step| &step.source)
                .any(|source| source.contains(&text)),
            "{} is in no kernel",
            file.display()
        );
    }
}

/// The networks we ship run as one dispatch, which is what keeps a small GPU busy.
#[test]
fn the_shipped_networks_fit_the_fused_kernel() {
    for (json, quads) in [(v1_json(), 512), (v2_json(), 1024)] {
        for json in [json.clone(), with_context(json)] {
            let model = random_model(&json, 1);
            let name = &model.description().name;
            let plan = fused::plan(&model, false).unwrap();
            let [step] = plan.steps.as_slice() else {
                panic!("{name}: {} dispatches", plan.steps.len());
            };
            assert!(
                step.source.contains(&format!("const QUADS = {quads}u;")),
                "{name}"
            );
        }
    }
    let odd = random_model(&odd_json(), 1);
    assert!(fused::plan(&odd, false).is_err());
}

#[test]
fn limits_are_those_of_the_raspberry_pi_4() {
    for backend in GpuBackend::ALL {
        let limits = required_limits(backend);
        assert_eq!(limits.max_compute_invocations_per_workgroup, 256);
        assert_eq!(
            limits.max_compute_workgroup_storage_size as usize,
            WORKGROUP_MEMORY_BYTES
        );
        assert!(limits.max_storage_buffers_per_shader_stage <= 8);
        assert!(limits.max_texture_dimension_2d <= 4096);
        assert_eq!(limits.max_storage_buffer_binding_size, 128 << 20);
        assert_eq!(limits.max_compute_workgroups_per_dimension, 65_535);
    }
}
