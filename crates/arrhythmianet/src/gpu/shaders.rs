//! The WGSL sources in `shaders/`, one operation a file.

macro_rules! wgsl {
    ($($file:literal),+) => {
        concat!($(include_str!(concat!("../../shaders/", $file))),+)
    };
}

pub(super) const STEM: &str = wgsl!("stem.wgsl");
pub(super) const DEPTHWISE: &str = wgsl!("depthwise.wgsl");
pub(super) const POINTWISE: &str = wgsl!("pointwise.wgsl", "tile.wgsl");
pub(super) const SEPARABLE: &str = wgsl!("separable.wgsl", "tile.wgsl");
pub(super) const POOL_DENSE: &str = wgsl!("pool_dense.wgsl");

/// Everything the fused kernels call; the entry point is written for the network.
pub(super) const FUSED: &str = wgsl!(
    "fused/memory.wgsl",
    "fused/taps.wgsl",
    "fused/stem.wgsl",
    "fused/depthwise.wgsl",
    "fused/product.wgsl",
    "fused/pointwise.wgsl",
    "fused/pool_dense.wgsl"
);
