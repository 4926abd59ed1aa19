//! tract, optimised for the concrete shapes of the batch.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use tract_linalg::multithread::{Executor, multithread_tract_scope};
use tract_onnx::prelude::*;

use crate::contender::{Contender, Task};

pub(crate) struct Peer {
    layout: &'static str,
    state: TypedSimpleState,
    input: TValue,
    executor: Executor,
    logits: Vec<f32>,
}

impl Peer {
    pub(crate) fn new(
        task: &Task,
        file: &Path,
        layout: &'static str,
    ) -> Result<Self, Box<dyn Error>> {
        let model = tract_onnx::onnx().model_for_path(file)?.into_optimized()?;
        let fact = model.input_fact(0)?;
        let shape: Vec<usize> = fact
            .shape
            .as_concrete()
            .ok_or("the shape is not concrete")?
            .to_vec();
        let plan: Arc<TypedSimplePlan> = model.into_runnable()?;
        Ok(Self {
            layout,
            state: plan.spawn()?,
            input: Tensor::from_shape(&shape, task.windows())?.into_tvalue(),
            executor: match task.threads {
                1 => Executor::SingleThread,
                threads => Executor::multithread(threads),
            },
            logits: Vec::new(),
        })
    }
}

impl Contender for Peer {
    fn name(&self) -> String {
        format!("tract{}", self.layout)
    }

    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        let (state, input) = (&mut self.state, self.input.clone());
        let outputs = multithread_tract_scope(self.executor.clone(), || state.run(tvec![input]))?;
        self.logits.clear();
        self.logits
            .extend(outputs[0].to_plain_array_view::<f32>()?.iter());
        Ok(())
    }

    fn logits(&mut self) -> Result<Vec<f32>, Box<dyn Error>> {
        Ok(self.logits.clone())
    }
}
