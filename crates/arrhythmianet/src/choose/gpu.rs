//! The GPU engine as an accelerator.

use std::sync::Arc;
use std::time::Duration;

use super::accelerator::{Accelerator, AcceleratorSource, Unavailable};
use super::options::EngineChoice;
use super::report::AdapterReport;
use crate::Model;
use crate::gpu::{GpuAdapter, GpuBackend, GpuDeviceType, GpuEngine, GpuError, GpuOptions};

/// Longer than whoever waits for a batch does; ends a thread that was left behind.
const LONGEST_BATCH: Duration = Duration::from_secs(30);

/// The GPUs of this machine.
#[derive(Debug, Clone)]
pub struct Gpus {
    allow_software: bool,
}

impl Gpus {
    /// Those that `choice` may take: software ones only where the GPU was asked for.
    #[must_use]
    pub fn for_choice(choice: EngineChoice) -> Self {
        Self {
            allow_software: choice == EngineChoice::Gpu,
        }
    }
}

impl AcceleratorSource for Gpus {
    fn make(
        &self,
        model: Arc<Model>,
        max_batch: usize,
    ) -> Result<Box<dyn Accelerator>, Unavailable> {
        // OpenGL is not even looked at where a GPU speaks Vulkan: its libraries look for a display
        // and complain on standard error where there is none.
        let options = GpuOptions::new(max_batch).timeout(LONGEST_BATCH);
        let vulkan = options.clone().backend(GpuBackend::Vulkan);
        let any = options.allow_software(self.allow_software);
        let opened = match GpuEngine::new(Arc::clone(&model), &vulkan) {
            Err(GpuError::NoAdapter { .. }) => GpuEngine::new(model, &any),
            opened => opened,
        };
        match opened {
            Ok(engine) => Ok(Box::new(engine)),
            Err(error) => Err(self.unavailable(&error)),
        }
    }
}

impl Gpus {
    fn unavailable(&self, error: &GpuError) -> Unavailable {
        let no_device = matches!(error, GpuError::NoAdapter { .. });
        let others: Vec<AdapterReport> = if no_device {
            GpuAdapter::all().iter().map(report).collect()
        } else {
            Vec::new()
        };
        let reason = if no_device && !others.is_empty() && !self.allow_software {
            "computes on the CPU, so that nothing is gained: taken only where asked for".to_owned()
        } else if no_device {
            "no GPU with a Vulkan or OpenGL ES driver".to_owned()
        } else {
            error.to_string()
        };
        Unavailable {
            reason,
            no_device,
            others,
        }
    }
}

impl Accelerator for GpuEngine {
    fn adapter(&self) -> AdapterReport {
        report(GpuEngine::adapter(self))
    }
}

fn report(adapter: &GpuAdapter) -> AdapterReport {
    AdapterReport {
        name: adapter.name.clone(),
        driver: adapter.driver.clone(),
        backend: adapter.backend.name(),
        device_type: match adapter.device_type {
            GpuDeviceType::Discrete => "discrete",
            GpuDeviceType::Integrated => "integrated",
            GpuDeviceType::Virtual => "virtual",
            GpuDeviceType::Software => AdapterReport::SOFTWARE,
            GpuDeviceType::Unknown => "unknown",
        },
    }
}
