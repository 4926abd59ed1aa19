//! Engines on the CPU.

mod kernels;
mod reference;
#[cfg(test)]
mod tests;

pub use reference::CpuReference;
