//! The whole network in one dispatch: a workgroup takes a beat from the window to the logits, and
//! every activation in between stays in workgroup memory.

mod plan;
mod source;
mod weights;

use super::options::GpuKernels;
use super::program::{Grid, Place, Plan, Step};
use crate::model::Model;

/// Plans the first `layers` layers of `model`, or says what does not fit.
pub(super) fn plan(model: &Model, layers: usize) -> Result<Plan, String> {
    let stages = plan::stages(model, layers)?;
    let mut buffers = vec![
        (0, Place::Windows),
        (1, Place::Weights),
        (3, Place::Maps),
        (4, Place::Request),
    ];
    if stages.ends_in_logits() {
        buffers.push((2, Place::Logits));
    }
    Ok(Plan {
        kernels: GpuKernels::Fused,
        steps: vec![Step {
            label: format!("fused {}", model.description().name),
            source: source::kernel(&stages.stages),
            constants: Vec::new(),
            buffers,
            grid: Grid::Beats { beats_each: 1 },
        }],
        weights: stages.weights,
        activation: 0,
    })
}
