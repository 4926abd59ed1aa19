//! The fast CPU engine.

use std::sync::Arc;

use super::instruction_set::{CpuIsa, on_isa};
#[cfg(target_arch = "x86_64")]
use super::isa::Avx512Vnni;
use super::isa::Isa;
use super::network::{Network, Observer, Workspace};
use crate::classifier::{Classifier, ClassifyError, Outputs, OutputsMut};
use crate::model::Model;

/// Runs a network in float32 with the processor's vector instructions, on one core or several.
///
/// Fused multiply-add rounds once where the reference engine rounds twice: values differ between
/// instruction sets by rounding (1e-4 at most, held by the golden vectors), but never between
/// batch sizes or numbers of threads.
pub struct CpuSimd {
    model: Arc<Model>,
    isa: CpuIsa,
    max_batch: usize,
    /// One for each thread that was ever asked for.
    runners: Vec<Box<dyn Run>>,
}

impl CpuSimd {
    /// Prepares `model` for batches up to `max_batch` windows (0 counts as 1) with the fastest
    /// instruction set of this processor.
    #[must_use]
    pub fn new(model: Arc<Model>, max_batch: usize) -> Self {
        Self::with_isa(model, max_batch, CpuIsa::best())
            .expect("the best instruction set is an available one")
    }

    /// As [`CpuSimd::new`] with a chosen instruction set; `None` where this processor lacks it.
    #[must_use]
    pub fn with_isa(model: Arc<Model>, max_batch: usize, isa: CpuIsa) -> Option<Self> {
        Some(Self {
            runners: vec![runner(isa, &model)?],
            model,
            isa,
            max_batch: max_batch.max(1),
        })
    }

    /// The instruction set in use.
    #[must_use]
    pub const fn isa(&self) -> CpuIsa {
        self.isa
    }

    /// As [`Classifier::classify`], and calls `observe` with the number of the window in the batch,
    /// the index of the layer and the layer's output `[channels][time]` after its activation.
    ///
    /// # Errors
    /// See [`ClassifyError`].
    pub fn classify_observed(
        &mut self,
        input: &[f32],
        outputs: &mut Outputs,
        mut observe: impl FnMut(usize, usize, &[f32]),
    ) -> Result<(), ClassifyError> {
        self.run(input, outputs, Some(&mut observe))
    }

    /// As [`Classifier::classify`], on up to `threads` threads (0 counts as 1) that start and end
    /// with the call: worth their start for some hundred windows and more. The first call with a
    /// larger number of threads than before allocates their workspaces.
    ///
    /// # Errors
    /// See [`ClassifyError`].
    pub fn classify_threaded(
        &mut self,
        input: &[f32],
        outputs: &mut Outputs,
        threads: usize,
    ) -> Result<(), ClassifyError> {
        let network = self.model.description();
        let into = outputs.begin(network, self.max_batch, input)?;
        let share = into.logits.len().div_ceil(threads.max(1));
        let shares = into.logits.len().div_ceil(share);
        while self.runners.len() < shares {
            let another = self.runners[0].another();
            self.runners.push(another);
        }
        let window = network.input.len();
        let beats = into.logits.len();
        let part = |values: &[f32]| (values.len() / beats * share).max(1);
        let mut maps = into.feature_maps.chunks_mut(part(into.feature_maps));
        let mut pooled = into.pooled.chunks_mut(part(into.pooled));
        std::thread::scope(|scope| {
            for ((runner, input), logits) in self
                .runners
                .iter_mut()
                .zip(input.chunks(share * window))
                .zip(into.logits.chunks_mut(share))
            {
                let outputs = OutputsMut {
                    logits,
                    pooled: pooled.next().unwrap_or_default(),
                    feature_maps: maps.next().unwrap_or_default(),
                };
                scope.spawn(move || runner.run(input, outputs, None));
            }
        });
        Ok(())
    }

    fn run(
        &mut self,
        input: &[f32],
        outputs: &mut Outputs,
        observe: Option<Observer<'_>>,
    ) -> Result<(), ClassifyError> {
        let into = outputs.begin(self.model.description(), self.max_batch, input)?;
        self.runners[0].run(input, into, observe);
        Ok(())
    }
}

impl Classifier for CpuSimd {
    fn engine(&self) -> &str {
        self.isa.engine()
    }

    fn model(&self) -> &Model {
        &self.model
    }

    fn max_batch(&self) -> usize {
        self.max_batch
    }

    fn classify(&mut self, input: &[f32], outputs: &mut Outputs) -> Result<(), ClassifyError> {
        self.run(input, outputs, None)
    }
}

/// `model` lowered for an instruction set, where this processor has it.
fn runner(set: CpuIsa, model: &Model) -> Option<Box<dyn Run>> {
    #[cfg(target_arch = "x86_64")]
    if set == CpuIsa::Avx512
        && model.description().int8
        && let Some(isa) = Avx512Vnni::detect()
    {
        return Some(Runner::boxed(Arc::new(Network::new(isa, model))));
    }
    on_isa!(set, isa => Runner::boxed(Arc::new(Network::new(isa, model))))
}

/// A network and its workspace, whatever the instruction set.
trait Run: Send {
    fn run(&mut self, windows: &[f32], outputs: OutputsMut<'_>, observe: Option<Observer<'_>>);

    /// The same network with a workspace of its own.
    fn another(&self) -> Box<dyn Run>;
}

struct Runner<I: Isa> {
    network: Arc<Network<I>>,
    workspace: Workspace<I>,
}

impl<I: Isa> Runner<I> {
    fn boxed(network: Arc<Network<I>>) -> Box<dyn Run> {
        Box::new(Self {
            workspace: network.workspace(),
            network,
        })
    }
}

impl<I: Isa> Run for Runner<I> {
    fn run(&mut self, windows: &[f32], outputs: OutputsMut<'_>, observe: Option<Observer<'_>>) {
        let Self { network, workspace } = self;
        network.run(workspace, windows, outputs, observe);
    }

    fn another(&self) -> Box<dyn Run> {
        Self::boxed(Arc::clone(&self.network))
    }
}
