//! The engine behind the `Classifier` trait, and its stream of batches.

use std::sync::Arc;
use std::time::Duration;

use super::adapter::GpuAdapter;
use super::error::GpuError;
use super::options::{GpuBackend, GpuKernels, GpuOptions};
use super::runner::Runner;
use super::slot::Results;
use crate::{Classifier, ClassifyError, Model, Outputs, Wanted};

/// Runs a network on a GPU.
///
/// After an error of the device every call gives [`ClassifyError::Engine`] with the first reason: a
/// new engine has to be made. Nothing here panics on what a driver reports.
#[derive(Debug)]
pub struct GpuEngine {
    model: Arc<Model>,
    runner: Runner,
    max_batch: usize,
    timings: GpuTimings,
}

/// Whether a batch was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Submitted {
    /// It is on its way.
    Yes,
    /// As many batches as the engine takes are in flight: collect one first.
    Full,
}

/// Where the time of the last batch (or, of a large one, its last part) went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GpuTimings {
    /// Windows it had.
    pub windows: usize,
    /// From submission to the results being read.
    pub in_flight: Duration,
    /// Of that, waiting with nothing else to do.
    pub waited: Duration,
    /// Time of the dispatches on the device, where it was asked for and the adapter measures it.
    pub device: Option<Duration>,
}

impl GpuEngine {
    /// Opens an adapter and prepares `model` for it: shaders compiled, buffers allocated.
    ///
    /// # Errors
    /// See [`GpuError`].
    pub fn new(model: Arc<Model>, options: &GpuOptions) -> Result<Self, GpuError> {
        let runner = Runner::new(&model, false, options)?;
        let max_batch = options.max_batch.max(1);
        Ok(Self {
            model,
            runner,
            max_batch,
            timings: GpuTimings::default(),
        })
    }

    /// The adapter it runs on.
    #[must_use]
    pub const fn adapter(&self) -> &GpuAdapter {
        &self.runner.gpu.adapter
    }

    /// How the network is cut into dispatches.
    #[must_use]
    pub const fn kernels(&self) -> GpuKernels {
        self.runner.kernels
    }

    /// Dispatches of one command buffer.
    #[must_use]
    pub const fn dispatches(&self) -> usize {
        self.runner.program.dispatches()
    }

    /// Times of the last batch.
    #[must_use]
    pub const fn timings(&self) -> GpuTimings {
        self.timings
    }

    /// Why the device is of no more use; `None` while it is.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.runner.gpu.check().err()
    }

    /// Most windows of one batch of a stream ([`GpuEngine::submit`]).
    #[must_use]
    pub const fn stream_batch(&self) -> usize {
        self.runner.capacity
    }

    /// Batches submitted and not yet collected.
    #[must_use]
    pub const fn in_flight(&self) -> usize {
        self.runner.in_flight
    }

    /// Sends a batch of at most [`GpuEngine::stream_batch`] windows, of which something is `wanted`,
    /// and returns at once. Results come in the order of submission.
    ///
    /// # Errors
    /// See [`ClassifyError`].
    pub fn submit(&mut self, input: &[f32], wanted: Wanted) -> Result<Submitted, ClassifyError> {
        let window = self.model.description().input.len();
        if input.is_empty() || !input.len().is_multiple_of(window) {
            return Err(ClassifyError::InputLength {
                found: input.len(),
                window,
            });
        }
        let found = input.len() / window;
        let limit = self.stream_batch();
        if found > limit {
            return Err(ClassifyError::BatchTooLarge { found, limit });
        }
        match self.runner.submit(input, wanted) {
            Ok(true) => Ok(Submitted::Yes),
            Ok(false) => Ok(Submitted::Full),
            Err(reason) => Err(self.failed(reason)),
        }
    }

    /// Waits for the oldest batch in flight; `false` where there is none. `outputs` has to want what
    /// was wanted at submission.
    ///
    /// # Errors
    /// See [`ClassifyError`]. The batch is then lost; those after it are not.
    pub fn collect(&mut self, outputs: &mut Outputs) -> Result<bool, ClassifyError> {
        let (model, limit, timings) = (&self.model, self.max_batch, &mut self.timings);
        let collected = self.runner.collect(|results| {
            let into = outputs.begin_windows(model.description(), limit, results.beats)?;
            results.logits(into.logits);
            results.pooled(into.pooled);
            results.maps(into.feature_maps);
            *timings = timings_of(results);
            Ok(())
        });
        match collected {
            Ok(None) => Ok(false),
            Ok(Some(result)) => result.map(|()| true),
            Err(reason) => Err(self.failed(reason)),
        }
    }

    /// Classifies batch after batch, each of at most [`GpuEngine::stream_batch`] windows, so that
    /// upload, computation and read-back of consecutive batches overlap. `each` gets the results in
    /// order.
    ///
    /// # Errors
    /// See [`ClassifyError`]. Batches that `each` has not seen were not classified.
    pub fn classify_stream<'a>(
        &mut self,
        batches: impl IntoIterator<Item = &'a [f32]>,
        outputs: &mut Outputs,
        mut each: impl FnMut(&Outputs),
    ) -> Result<(), ClassifyError> {
        let wanted = outputs.wanted();
        for batch in batches {
            while self.submit(batch, wanted)? == Submitted::Full {
                if self.collect(outputs)? {
                    each(outputs);
                }
            }
        }
        while self.collect(outputs)? {
            each(outputs);
        }
        Ok(())
    }

    /// Destroys the device, as a driver does that resets it: for tests of what happens then.
    pub fn destroy_device(&self) {
        self.runner.gpu.device.destroy();
        // wgpu reports a device destroyed by its owner only when it is polled, which waiting for a
        // batch avoids; one that a driver loses is reported while waiting.
        let _ = self
            .runner
            .gpu
            .fail("device lost: destroyed on purpose".to_owned());
    }

    fn failed(&self, reason: String) -> ClassifyError {
        ClassifyError::Engine {
            engine: self.engine().to_owned(),
            reason,
        }
    }
}

impl Classifier for GpuEngine {
    fn engine(&self) -> &str {
        match self.adapter().backend {
            GpuBackend::Vulkan => "gpu-vulkan",
            GpuBackend::Gl => "gpu-gl",
        }
    }

    fn model(&self) -> &Model {
        &self.model
    }

    fn max_batch(&self) -> usize {
        self.max_batch
    }

    /// As in the trait; batches of a stream still in flight are dropped.
    fn classify(&mut self, input: &[f32], outputs: &mut Outputs) -> Result<(), ClassifyError> {
        let network = self.model.description();
        let wanted = outputs.wanted();
        let into = outputs.begin(network, self.max_batch, input)?;
        let (logits, pooled, maps) = (into.logits, into.pooled, into.feature_maps);
        let (window, shape) = (network.input.len(), network.feature_maps());
        let result = (|| {
            while self.runner.collect(|_| ())?.is_some() {}
            let mut chunks = input.chunks(self.runner.capacity * window);
            let mut done = 0;
            loop {
                while self.runner.in_flight < super::runner::SLOTS {
                    let Some(chunk) = chunks.next() else { break };
                    self.runner.submit(chunk, wanted)?;
                }
                let timings = &mut self.timings;
                let collected = self.runner.collect(|results| {
                    let end = done + results.beats;
                    results.logits(&mut logits[done..end]);
                    let part = |values: usize| done * values..end * values;
                    if let Some(pooled) = pooled.get_mut(part(shape.channels)) {
                        results.pooled(pooled);
                    }
                    if let Some(maps) = maps.get_mut(part(shape.len())) {
                        results.maps(maps);
                    }
                    *timings = timings_of(results);
                    end
                })?;
                match collected {
                    Some(end) => done = end,
                    None => return Ok(()),
                }
            }
        })();
        result.map_err(|reason| self.failed(reason))
    }
}

fn timings_of(results: &Results<'_>) -> GpuTimings {
    GpuTimings {
        windows: results.beats,
        in_flight: results.in_flight,
        waited: results.waited,
        device: results.device,
    }
}
