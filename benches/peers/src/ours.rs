//! ecg-gateway's own engine.

use std::error::Error;
use std::sync::Arc;

use arrhythmianet::{Classifier, CpuSimd, Outputs};

use crate::contender::{Contender, Task};

pub(crate) struct Ours {
    engine: CpuSimd,
    outputs: Outputs,
    beats: Vec<f32>,
    /// Where in `beats` the next batch starts: what the kernels skip depends on the beats, so that
    /// one batch over and over would be learnt by the processor's branch prediction.
    next: usize,
    threads: usize,
    batch: usize,
}

impl Ours {
    pub(crate) fn new(task: &Task) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            engine: CpuSimd::new(Arc::clone(&task.model), task.batch),
            outputs: Outputs::logits_only(task.model.description(), task.batch),
            beats: task.beats.clone(),
            next: 0,
            threads: task.threads,
            batch: task.batch,
        })
    }
}

impl Contender for Ours {
    fn name(&self) -> String {
        format!("ecg-gateway ({})", self.engine.engine())
    }

    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        let windows =
            &self.beats[self.next..][..self.batch * self.engine.model().description().input.len()];
        self.next = (self.next + windows.len()) % self.beats.len();
        // A thread costs more than a beat: one is started for a good many of them only.
        let threads = self.threads.min(self.batch / 16);
        if threads < 2 {
            self.engine.classify(windows, &mut self.outputs)?;
        } else {
            self.engine
                .classify_threaded(windows, &mut self.outputs, threads)?;
        }
        Ok(())
    }

    fn logits(&mut self) -> Result<Vec<f32>, Box<dyn Error>> {
        Ok(self.outputs.logits().as_flattened().to_vec())
    }
}
