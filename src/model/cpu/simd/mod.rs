//! The fast CPU engine: one set of kernels, compiled for each instruction set, picked at run time.

mod depthwise;
mod gradient;
mod int8;
#[cfg(test)]
mod int8_tests;
mod isa;
mod kept;
#[cfg(test)]
mod kept_tests;
mod layout;
mod marks;
mod network;
mod peak;
mod product;
mod sparse;
#[cfg(test)]
mod sparse_tests;
#[cfg(test)]
mod tests;
mod tile;
mod unread;

use std::sync::Arc;

pub use self::gradient::CpuGradient;
use self::isa::Isa;
use self::network::{Network, Observer, Workspace};
use crate::model::classifier::{Classifier, ClassifyError, Outputs, OutputsMut};
use crate::model::weights::Model;

/// Instruction sets the kernels are compiled for, fastest first. All names exist on every
/// processor; [`CpuIsa::is_available`] says which can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CpuIsa {
    /// AVX-512F of x86-64.
    Avx512,
    /// AVX2 and FMA of x86-64.
    Avx2,
    /// NEON of 64-bit Arm.
    Neon,
    /// What every processor of the target has.
    Portable,
}

impl CpuIsa {
    /// All of them, fastest first.
    pub const ALL: [Self; 4] = [Self::Avx512, Self::Avx2, Self::Neon, Self::Portable];

    /// The fastest one this processor has.
    #[must_use]
    pub fn best() -> Self {
        Self::ALL
            .into_iter()
            .find(|isa| isa.is_available())
            .unwrap_or(Self::Portable)
    }

    /// Whether this processor has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => isa::Avx512::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => isa::Avx2::detect().is_some(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => isa::Neon::detect().is_some(),
            Self::Portable => isa::Portable::detect().is_some(),
            #[allow(unreachable_patterns, reason = "some sets belong to other processors")]
            _ => false,
        }
    }

    /// `model` lowered for it, where this processor has it.
    fn runner(self, model: &Model) -> Option<Box<dyn Run>> {
        fn lowered<I: Isa>(model: &Model) -> Option<Box<dyn Run>> {
            let isa = I::detect()?;
            Some(Runner::boxed(Arc::new(Network::new(isa, model))))
        }
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 if model.description().int8 && isa::Avx512Vnni::detect().is_some() => {
                lowered::<isa::Avx512Vnni>(model)
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => lowered::<isa::Avx512>(model),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => lowered::<isa::Avx2>(model),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => lowered::<isa::Neon>(model),
            Self::Portable => lowered::<isa::Portable>(model),
            #[allow(unreachable_patterns, reason = "some sets belong to other processors")]
            _ => None,
        }
    }

    /// Runs a short loop of multiply-adds on registers, as fast as this processor can with it, and
    /// gives the floating-point operations done (a multiply-add is two); `None` where the processor
    /// lacks it. The caller measures the time.
    #[must_use]
    pub fn multiply_adds(self) -> Option<u64> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => isa::Avx512::detect().map(peak::multiply_adds),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => isa::Avx2::detect().map(peak::multiply_adds),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => isa::Neon::detect().map(peak::multiply_adds),
            Self::Portable => isa::Portable::detect().map(peak::multiply_adds),
            #[allow(unreachable_patterns, reason = "some sets belong to other processors")]
            _ => None,
        }
    }

    /// Name of the engine that uses it, e.g. `cpu-avx512`.
    #[must_use]
    pub const fn engine(self) -> &'static str {
        match self {
            Self::Avx512 => "cpu-avx512",
            Self::Avx2 => "cpu-avx2",
            Self::Neon => "cpu-neon",
            Self::Portable => "cpu-portable",
        }
    }
}

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
            runners: vec![isa.runner(&model)?],
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
