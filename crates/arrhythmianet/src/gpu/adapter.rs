//! Finding an adapter.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::error::GpuError;
use super::options::{GpuBackend, GpuOptions};

/// What kind of device an adapter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GpuDeviceType {
    /// A card with its own memory.
    Discrete,
    /// Shares memory with the CPU, as the Raspberry Pi's does.
    Integrated,
    /// Seen through a hypervisor.
    Virtual,
    /// The CPU itself (llvmpipe, lavapipe).
    Software,
    /// The driver does not say.
    Unknown,
}

/// The adapter an engine runs on, for the log and the status page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuAdapter {
    /// Name of the device, as the driver gives it.
    pub name: String,
    /// Name and version of the driver.
    pub driver: String,
    /// Interface to the driver.
    pub backend: GpuBackend,
    /// Kind of device.
    pub device_type: GpuDeviceType,
    /// Whether the CPU does the work, so that nothing is gained.
    pub software: bool,
}

impl fmt::Display for GpuAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let software = if self.software { ", software" } else { "" };
        write!(
            f,
            "{} ({}, {}{software})",
            self.name,
            self.backend.name(),
            self.driver
        )
    }
}

impl GpuAdapter {
    /// The adapters of this machine that run compute shaders.
    #[must_use]
    pub fn all() -> Vec<Self> {
        found(None)
            .into_iter()
            .map(|(_, adapter)| adapter)
            .collect()
    }

    fn new(info: &wgpu::AdapterInfo) -> Option<Self> {
        let backend = match info.backend {
            wgpu::Backend::Vulkan => GpuBackend::Vulkan,
            wgpu::Backend::Gl => GpuBackend::Gl,
            _ => return None,
        };
        let device_type = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => GpuDeviceType::Discrete,
            wgpu::DeviceType::IntegratedGpu => GpuDeviceType::Integrated,
            wgpu::DeviceType::VirtualGpu => GpuDeviceType::Virtual,
            wgpu::DeviceType::Cpu => GpuDeviceType::Software,
            wgpu::DeviceType::Other => GpuDeviceType::Unknown,
        };
        // OpenGL has no device type of its own: the name of the renderer tells.
        let name = info.name.to_lowercase();
        let software = device_type == GpuDeviceType::Software
            || [
                "llvmpipe",
                "lavapipe",
                "softpipe",
                "swiftshader",
                "software",
            ]
            .iter()
            .any(|known| name.contains(known));
        Some(Self {
            name: info.name.clone(),
            driver: format!("{} {}", info.driver, info.driver_info)
                .trim()
                .to_owned(),
            backend,
            device_type: if software {
                GpuDeviceType::Software
            } else {
                device_type
            },
            software,
        })
    }
}

/// The adapter that fits `options` best: hardware before software, Vulkan before OpenGL, a card
/// before what is built in.
pub(super) fn choose(options: &GpuOptions) -> Result<(wgpu::Adapter, GpuAdapter), GpuError> {
    let all = found(options.backend);
    let list = all
        .iter()
        .map(|(_, adapter)| adapter.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    all.into_iter()
        .filter(|(_, adapter)| fits(adapter, options))
        .min_by_key(|(_, adapter)| {
            let kind = match adapter.device_type {
                GpuDeviceType::Discrete => 0,
                GpuDeviceType::Integrated => 1,
                GpuDeviceType::Virtual | GpuDeviceType::Unknown => 2,
                GpuDeviceType::Software => 3,
            };
            (kind, adapter.backend != GpuBackend::Vulkan)
        })
        .ok_or_else(|| GpuError::NoAdapter {
            wanted: wanted(options),
            found: if list.is_empty() {
                "none".to_owned()
            } else {
                list
            },
        })
}

fn fits(adapter: &GpuAdapter, options: &GpuOptions) -> bool {
    (options.allow_software || !adapter.software)
        && options.adapter.as_ref().is_none_or(|name| {
            adapter
                .name
                .to_lowercase()
                .contains(name.to_lowercase().as_str())
        })
}

fn wanted(options: &GpuOptions) -> String {
    let backend = options.backend.map_or("vulkan or gl", GpuBackend::name);
    let software = if options.allow_software {
        ""
    } else {
        ", no software"
    };
    match &options.adapter {
        Some(name) => format!("{backend}, name with \"{name}\"{software}"),
        None => format!("{backend}{software}"),
    }
}

fn found(backend: Option<GpuBackend>) -> Vec<(wgpu::Adapter, GpuAdapter)> {
    let backends = match backend {
        None => wgpu::Backends::VULKAN | wgpu::Backends::GL,
        Some(GpuBackend::Vulkan) => wgpu::Backends::VULKAN,
        Some(GpuBackend::Gl) => wgpu::Backends::GL,
    };
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        flags: wgpu::InstanceFlags::empty(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    ready(instance.enumerate_adapters(backends))
        .unwrap_or_default()
        .into_iter()
        .filter(|adapter| {
            let capabilities = adapter.get_downlevel_capabilities();
            capabilities
                .flags
                .contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
        })
        .filter_map(|adapter| {
            let info = GpuAdapter::new(&adapter.get_info())?;
            Some((adapter, info))
        })
        .collect()
}

/// The value of a future of wgpu's: outside browsers they are ready at once.
pub(super) fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
