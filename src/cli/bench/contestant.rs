//! The engines of this machine.

use std::sync::Arc;

use arrhythmianet::{Classifier, ClassifyError, CpuIsa, CpuReference, CpuSimd, Model, Outputs};

/// An engine on a number of threads.
pub(super) struct Contestant {
    pub(super) engine: Box<dyn Classifier>,
    pub(super) threads: usize,
    /// Name of the adapter, and whether it computes on the CPU.
    pub(super) adapter: Option<(String, bool)>,
    /// Whether its work is done by this processor's vector units: has a share of their peak.
    pub(super) on_cpu: bool,
    /// Dispatches for a batch on the GPU, and the most beats of such a batch.
    dispatches: Option<(usize, usize)>,
}

/// An engine that parts a batch between threads.
struct Threaded(CpuSimd, usize);

impl Classifier for Threaded {
    fn engine(&self) -> &str {
        self.0.engine()
    }

    fn model(&self) -> &Model {
        self.0.model()
    }

    fn max_batch(&self) -> usize {
        self.0.max_batch()
    }

    fn classify(&mut self, windows: &[f32], outputs: &mut Outputs) -> Result<(), ClassifyError> {
        self.0.classify_threaded(windows, outputs, self.1)
    }
}

impl Contestant {
    /// Every engine that runs `model` here: each instruction set alone, the best one on all
    /// `processors`, the reference, and a GPU where the program knows one.
    pub(super) fn all(model: &Arc<Model>, largest_batch: usize, processors: usize) -> Vec<Self> {
        let on_cpu = |engine: Box<dyn Classifier>, threads| Self {
            engine,
            threads,
            adapter: None,
            on_cpu: true,
            dispatches: None,
        };
        let mut all: Vec<Self> = CpuIsa::ALL
            .into_iter()
            .filter_map(|isa| CpuSimd::with_isa(Arc::clone(model), largest_batch, isa))
            .map(|engine| on_cpu(Box::new(engine), 1))
            .collect();
        if processors > 1 {
            let engine = CpuSimd::new(Arc::clone(model), largest_batch);
            let engine = Box::new(Threaded(engine, processors));
            all.insert(1, on_cpu(engine, processors));
        }
        let reference = CpuReference::new(Arc::clone(model), largest_batch);
        all.push(on_cpu(Box::new(reference), 1));
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
                dispatches: Some((engine.dispatches(), engine.stream_batch())),
                engine: Box::new(engine),
            }),
            Err(error) => {
                tracing::warn!("no GPU measured: {error}");
                None
            }
        }
    }

    /// Dispatches a batch is run with; `None` without a GPU.
    pub(super) fn dispatches(&self, batch: usize) -> Option<usize> {
        let of = |(dispatches, beats)| dispatches * batch.div_ceil(beats);
        self.dispatches.map(of)
    }
}
