//! The engines of this machine.

use std::sync::Arc;

use arrhythmianet::{Classifier, ClassifyError, CpuIsa, CpuReference, CpuSimd, Model, Outputs};

/// An engine on a number of threads.
pub(super) struct Contestant {
    pub(super) threads: usize,
    /// Name of the adapter, and whether it computes on the CPU.
    pub(super) adapter: Option<(String, bool)>,
    /// Whether its work is done by this processor's vector units: has a share of their peak.
    pub(super) on_cpu: bool,
    kind: Kind,
}

enum Kind {
    One(Box<dyn Classifier>),
    Several(CpuSimd),
    #[cfg(feature = "gpu")]
    Gpu(Box<arrhythmianet::gpu::GpuEngine>),
}

impl Contestant {
    /// Every engine that runs `model` here: each instruction set alone, the best one on all
    /// `processors`, the reference, and a GPU where the program knows one.
    pub(super) fn all(model: &Arc<Model>, largest_batch: usize, processors: usize) -> Vec<Self> {
        let alone = |kind| Self {
            threads: 1,
            adapter: None,
            on_cpu: true,
            kind,
        };
        let mut all: Vec<Self> = CpuIsa::ALL
            .into_iter()
            .filter_map(|isa| CpuSimd::with_isa(Arc::clone(model), largest_batch, isa))
            .map(|engine| alone(Kind::One(Box::new(engine))))
            .collect();
        if processors > 1 {
            let engine = CpuSimd::new(Arc::clone(model), largest_batch);
            all.insert(
                1,
                Self {
                    threads: processors,
                    ..alone(Kind::Several(engine))
                },
            );
        }
        let reference = CpuReference::new(Arc::clone(model), largest_batch);
        all.push(alone(Kind::One(Box::new(reference))));
        #[cfg(feature = "gpu")]
        all.extend(Self::gpu(model, largest_batch));
        all
    }

    #[cfg(feature = "gpu")]
    fn gpu(model: &Arc<Model>, largest_batch: usize) -> Option<Self> {
        use arrhythmianet::gpu::{GpuEngine, GpuOptions};
        let options = GpuOptions::new(largest_batch)
            .allow_software(true)
            .timeout(std::time::Duration::from_secs(60));
        match GpuEngine::new(Arc::clone(model), &options) {
            Ok(engine) => Some(Self {
                threads: 1,
                adapter: Some((engine.adapter().to_string(), engine.adapter().software)),
                on_cpu: false,
                kind: Kind::Gpu(Box::new(engine)),
            }),
            Err(error) => {
                tracing::warn!("no GPU measured: {error}");
                None
            }
        }
    }

    pub(super) fn name(&self) -> &str {
        match &self.kind {
            Kind::One(engine) => engine.engine(),
            Kind::Several(engine) => engine.engine(),
            #[cfg(feature = "gpu")]
            Kind::Gpu(engine) => engine.engine(),
        }
    }

    /// Dispatches a batch is run with; `None` without a GPU.
    pub(super) fn dispatches(&self, batch: usize) -> Option<usize> {
        #[cfg(feature = "gpu")]
        if let Kind::Gpu(engine) = &self.kind {
            return Some(engine.dispatches() * batch.div_ceil(engine.stream_batch()));
        }
        #[cfg(not(feature = "gpu"))]
        let _ = batch;
        None
    }

    pub(super) fn classify(
        &mut self,
        windows: &[f32],
        outputs: &mut Outputs,
    ) -> Result<(), ClassifyError> {
        match &mut self.kind {
            Kind::One(engine) => engine.classify(windows, outputs),
            Kind::Several(engine) => engine.classify_threaded(windows, outputs, self.threads),
            #[cfg(feature = "gpu")]
            Kind::Gpu(engine) => engine.classify(windows, outputs),
        }
    }
}
