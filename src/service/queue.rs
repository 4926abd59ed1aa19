//! The queue between the acquisition thread and the pipeline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::acquisition::{Acquired, AcquisitionError, FrameSource, SourceInfo};
use crate::pipeline::{Gap, GapCause};

/// A source read on a thread of its own, so that a slow pipeline or disk never makes the reader
/// late for the next DRDY edge. When the queue is full samples are dropped, counted and handed over
/// as a [`Gap`] with their exact positions as soon as there is room.
#[derive(Debug)]
pub struct QueuedSource {
    info: SourceInfo,
    queue: Receiver<Result<Acquired, AcquisitionError>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl QueuedSource {
    /// Reads `source` on a new thread into a queue of `length` samples, gaps and events, until it
    /// ends, fails or `stop` is raised.
    ///
    /// # Errors
    /// The system's, where no thread can be started.
    pub fn start(
        source: impl FrameSource + Send + 'static,
        length: usize,
        stop: Arc<AtomicBool>,
    ) -> std::io::Result<Self> {
        let info = source.info().clone();
        let (sender, queue) = sync_channel(length);
        let stop_reading = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("acquisition".to_owned())
            .spawn(move || read(source, &sender, &stop_reading))?;
        Ok(Self {
            info,
            queue,
            stop,
            thread: Some(thread),
        })
    }
}

impl FrameSource for QueuedSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next(&mut self) -> Result<Option<Acquired>, AcquisitionError> {
        loop {
            match self.queue.recv_timeout(Duration::from_millis(100)) {
                Ok(acquired) => return acquired.map(Some),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                // A silent chip must not hold up a stop.
                Err(RecvTimeoutError::Timeout) if self.stop.load(Ordering::Relaxed) => {
                    return Ok(None);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl Drop for QueuedSource {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

type Sender = SyncSender<Result<Acquired, AcquisitionError>>;

fn read(mut source: impl FrameSource, queue: &Sender, stop: &AtomicBool) {
    let mut overflow: Option<Gap> = None;
    while !stop.load(Ordering::Relaxed) {
        let acquired = match source.next() {
            Ok(Some(acquired)) => acquired,
            Ok(None) => break,
            Err(error) => {
                // The last word may wait for room: nothing comes after it.
                let _ = queue.send(Err(error));
                return;
            }
        };
        if let Some(gap) = overflow {
            match queue.try_send(Ok(Acquired::Gap(gap))) {
                Ok(()) => overflow = None,
                Err(TrySendError::Full(_)) => {
                    overflow = Some(lengthen(gap, &acquired));
                    continue;
                }
                Err(TrySendError::Disconnected(_)) => return,
            }
        }
        match queue.try_send(Ok(acquired)) {
            Ok(()) => {}
            Err(TrySendError::Full(refused)) => {
                if let Ok(acquired) = refused {
                    overflow = first_lost(&acquired);
                }
            }
            Err(TrySendError::Disconnected(_)) => return,
        }
    }
    if let Some(gap) = overflow {
        let _ = queue.send(Ok(Acquired::Gap(gap)));
    }
}

/// The gap that begins with `lost`. An event that finds no room begins none: the log has it.
fn first_lost(lost: &Acquired) -> Option<Gap> {
    match lost {
        Acquired::Sample(sample) => Some(Gap {
            first_missing_sample: sample.index,
            missing_samples: 1,
            time: sample.time,
            cause: GapCause::Overrun,
        }),
        Acquired::Gap(gap) => Some(*gap),
        Acquired::Event(event) => {
            tracing::warn!(
                kind = event.kind,
                "dropped for want of room: {}",
                event.detail
            );
            None
        }
    }
}

/// `gap`, so long that it also covers `lost`.
fn lengthen(gap: Gap, lost: &Acquired) -> Gap {
    let end = match lost {
        Acquired::Sample(sample) => sample.index + 1,
        Acquired::Gap(further) => further.first_missing_sample + further.missing_samples,
        Acquired::Event(event) => {
            tracing::warn!(
                kind = event.kind,
                "dropped for want of room: {}",
                event.detail
            );
            return gap;
        }
    };
    Gap {
        missing_samples: end.saturating_sub(gap.first_missing_sample),
        ..gap
    }
}
