//! ONNX Runtime through its C API, the library taken from PyPI's wheel.

use std::error::Error;
use std::path::Path;

use ort::environment::Environment;
use ort::memory::MemoryInfo;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{IoBinding, Session};
use ort::value::Tensor;

use crate::contender::{Contender, Task};

pub(crate) fn load(library: &Path) -> Result<Environment, Box<dyn Error>> {
    Ok(ort::init_from(library)?.with_telemetry(false).build()?)
}

pub(crate) struct Peer {
    layout: &'static str,
    session: Session,
    binding: IoBinding,
    logits: Vec<f32>,
}

impl Peer {
    pub(crate) fn new(
        environment: &Environment,
        task: &Task,
        file: &Path,
        layout: &'static str,
    ) -> Result<Self, Box<dyn Error>> {
        let session = Session::builder(environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(task.threads)?
            .commit_from_file(file)?;
        let mut binding = session.create_binding()?;
        let shape: Vec<i64> = session.inputs()[0]
            .dtype()
            .tensor_shape()
            .ok_or("the input is no tensor")?
            .to_vec();
        let window = Tensor::from_array((shape, task.windows().to_vec()))?;
        binding.bind_input("window", &window)?;
        binding.bind_output_to_device("logits", &MemoryInfo::default())?;
        Ok(Self {
            layout,
            session,
            binding,
            logits: Vec::new(),
        })
    }
}

impl Contender for Peer {
    fn name(&self) -> String {
        format!("ONNX Runtime{}", self.layout)
    }

    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        let outputs = self.session.run_binding(&self.binding)?;
        let (_, logits) = outputs["logits"].try_extract_tensor::<f32>()?;
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        Ok(())
    }

    fn logits(&mut self) -> Result<Vec<f32>, Box<dyn Error>> {
        Ok(self.logits.clone())
    }
}
