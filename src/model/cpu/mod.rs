//! Engines on the CPU.

#[cfg(test)]
mod golden_tests;
mod kernels;
mod reference;
#[cfg(test)]
mod tests;

pub use reference::CpuReference;
