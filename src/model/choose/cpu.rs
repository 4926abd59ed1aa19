//! The CPU engine that passed the exam.

use std::sync::Arc;

use super::calibration::{Figures, measure};
use super::exam::Exam;
use super::notice::EngineNotice;
use super::shared::CPU_BATCH;
use crate::model::{Classifier, ClassifyError, CpuReference, Model, best_cpu_engine};

/// The CPU engine that passed.
pub(super) struct Cpu {
    pub(super) name: String,
    pub(super) figures: Figures,
    /// Whether the vector engine gave wrong numbers.
    plain: bool,
}

impl Cpu {
    pub(super) fn engine(&self, model: &Arc<Model>, max_batch: usize) -> Box<dyn Classifier> {
        if self.plain {
            Box::new(CpuReference::new(Arc::clone(model), max_batch))
        } else {
            best_cpu_engine(Arc::clone(model), max_batch)
        }
    }
}

/// The vector engine where it passes the exam, the plain one otherwise.
pub(super) fn examined(
    model: &Arc<Model>,
    exam: &Exam,
    notices: &mut Vec<EngineNotice>,
) -> Result<Cpu, ClassifyError> {
    let mut cpu = Cpu {
        name: String::new(),
        figures: Figures {
            single_ns: 0,
            batch: CPU_BATCH,
            batch_ns_per_beat: 0,
        },
        plain: false,
    };
    let mut engine = cpu.engine(model, CPU_BATCH);
    if let Err(reason) = exam.check(&mut *engine) {
        tracing::error!(engine = engine.engine(), reason, "self-check failed");
        notices.push(EngineNotice::Refused {
            engine: engine.engine().to_owned(),
            reason,
        });
        cpu.plain = true;
        engine = cpu.engine(model, CPU_BATCH);
    }
    cpu.figures = measure(&mut *engine, exam.windows(), CPU_BATCH)?;
    cpu.name = engine.engine().to_owned();
    Ok(cpu)
}
