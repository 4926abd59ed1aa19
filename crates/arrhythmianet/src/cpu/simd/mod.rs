//! The fast CPU engine: one set of kernels, compiled for each instruction set, picked at run time.

mod block_sparsity;
#[cfg(test)]
mod block_sparsity_tests;
mod dead_channels;
mod depthwise;
mod engine;
mod fma_peak;
mod gradient;
mod instruction_set;
mod int8;
#[cfg(test)]
mod int8_tests;
mod isa;
mod layout;
mod network;
mod nonzero_mask;
mod product;
mod sparse;
#[cfg(test)]
mod sparse_tests;
#[cfg(test)]
mod tests;
mod tile;
mod tiling;

pub use self::engine::CpuSimd;
pub use self::gradient::CpuGradient;
pub use self::instruction_set::CpuIsa;
