//! The whole network in one dispatch: a workgroup takes a beat from the window to the logits, and
//! every activation in between stays in workgroup memory.

mod plan;
mod weights;

use super::options::GpuKernels;
use super::plan::{Grid, Place, Plan, Step};
use crate::Model;

/// Plans `model`, or says what does not fit. With `observe` the feature maps are the output of every
/// layer up to the pooling, one after the other.
pub(super) fn plan(model: &Model, observe: bool) -> Result<Plan, String> {
    let (source, weights) = plan::kernel(model, observe)?;
    Ok(Plan {
        kernels: GpuKernels::Fused,
        steps: vec![Step {
            label: format!("fused {}", model.description().name),
            source,
            constants: Vec::new(),
            buffers: vec![
                (0, Place::Windows),
                (1, Place::Weights),
                (2, Place::Logits),
                (3, Place::Maps),
                (4, Place::Request),
            ],
            grid: Grid::Beats,
        }],
        weights,
        activation: 0,
        #[cfg(test)]
        layer_ends: Vec::new(),
    })
}
