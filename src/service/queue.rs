//! The queue between the acquisition thread and the pipeline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::acquisition::{Acquired, AcquisitionError, FrameSource, Pace, SourceInfo};
use crate::pipeline::{Gap, GapCause};
use crate::pulse::Pulse;

/// A source read on a thread of its own, so that a slow pipeline or disk never makes the reader
/// late for the next DRDY edge. When the queue is full samples are dropped, counted and handed over
/// as a [`Gap`] with their exact positions as soon as there is room.
#[derive(Debug)]
pub struct QueuedSource {
    info: SourceInfo,
    queue: Receiver<Result<Acquired, AcquisitionError>>,
    /// Taken out of the queue to see whether there is anything.
    seen: Option<Result<Acquired, AcquisitionError>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    reading: Pulse,
    taking: Pulse,
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
        let reading = Pulse::default();
        let read_turns = reading.clone();
        let thread = std::thread::Builder::new()
            .name("acquisition".to_owned())
            .spawn(move || read(source, &sender, &stop_reading, &read_turns))?;
        Ok(Self {
            info,
            queue,
            seen: None,
            stop,
            thread: Some(thread),
            reading,
            taking: Pulse::default(),
        })
    }

    /// Beats with every turn of the acquisition thread: a sample, a gap, an event, or the report
    /// that the chip is silent.
    #[must_use]
    pub fn reading_pulse(&self) -> &Pulse {
        &self.reading
    }

    /// Beats whenever the queue is asked for more, ten times a second at least while it is empty.
    #[must_use]
    pub fn taking_pulse(&self) -> &Pulse {
        &self.taking
    }
}

impl FrameSource for QueuedSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next(&mut self) -> Result<Option<Acquired>, AcquisitionError> {
        if let Some(seen) = self.seen.take() {
            self.taking.beat();
            return seen.map(Some);
        }
        loop {
            self.taking.beat();
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

    fn pace(&mut self) -> Pace {
        if self.seen.is_none() {
            self.seen = self.queue.try_recv().ok();
        }
        if self.seen.is_some() {
            Pace::Behind
        } else {
            Pace::Live
        }
    }
}

impl Drop for QueuedSource {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A thread that waits for room must learn that nobody makes any.
        drop(std::mem::replace(&mut self.queue, sync_channel(0).1));
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

type Sender = SyncSender<Result<Acquired, AcquisitionError>>;

fn read(mut source: impl FrameSource, queue: &Sender, stop: &AtomicBool, turns: &Pulse) {
    let mut overflow: Option<Gap> = None;
    while !stop.load(Ordering::Relaxed) {
        turns.beat();
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
        // Whatever began it: most of it is missing because there was no room.
        cause: GapCause::Overrun,
        ..gap
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::acquisition::RawSample;
    use crate::ads1292::{ChipModel, LeadOff};
    use crate::time::{ClockRelation, MonotonicNs, WallUs};

    /// Samples 0 to `length` as fast as they are asked for.
    struct Flood {
        info: SourceInfo,
        next: u64,
        length: u64,
    }

    impl FrameSource for Flood {
        fn info(&self) -> &SourceInfo {
            &self.info
        }

        fn next(&mut self) -> Result<Option<Acquired>, AcquisitionError> {
            if self.next == self.length {
                return Ok(None);
            }
            let index = self.next;
            self.next += 1;
            Ok(Some(Acquired::Sample(RawSample {
                index,
                time: MonotonicNs(index),
                codes: [0; 2],
                lead_off: LeadOff::default(),
            })))
        }
    }

    fn flood(length: u64) -> Flood {
        Flood {
            info: info(),
            next: 0,
            length,
        }
    }

    /// A source at 500 samples a second.
    pub(in crate::service) fn info() -> SourceInfo {
        SourceInfo {
            chip: ChipModel::Ads1292,
            sample_rate_hz: 500.0,
            uv_per_code: [1.0; 2],
            start: ClockRelation {
                monotonic: MonotonicNs(0),
                wall: WallUs(0),
            },
            leads: Default::default(),
            description: String::new(),
        }
    }

    #[test]
    fn a_full_queue_loses_no_sample_silently() {
        let length = 100_000;
        let stop = Arc::new(AtomicBool::new(false));
        let mut source = QueuedSource::start(flood(length), 16, stop).unwrap();
        // The reader comes late, so the queue of 16 must overflow.
        std::thread::sleep(Duration::from_millis(50));
        let (mut expected, mut missing) = (0, 0);
        while let Some(acquired) = source.next().unwrap() {
            match acquired {
                Acquired::Sample(sample) => {
                    assert_eq!(sample.index, expected);
                    expected += 1;
                }
                Acquired::Gap(gap) => {
                    assert_eq!(
                        (gap.first_missing_sample, gap.cause),
                        (expected, GapCause::Overrun)
                    );
                    expected += gap.missing_samples;
                    missing += gap.missing_samples;
                }
                Acquired::Event(event) => panic!("{event:?}"),
            }
        }
        assert_eq!(expected, length, "every sample is either there or in a gap");
        assert!(
            missing > 0,
            "the queue never overflowed: the test shows nothing"
        );
    }

    #[test]
    fn a_reader_that_leaves_is_not_waited_for() {
        let stop = Arc::new(AtomicBool::new(false));
        let source = QueuedSource::start(flood(100_000), 16, stop).unwrap();
        // By now the queue is full and the thread has a gap to hand over as its last word.
        std::thread::sleep(Duration::from_millis(50));
        let (done, waiting) = sync_channel(1);
        std::thread::spawn(move || {
            drop(source);
            done.send(()).unwrap();
        });
        assert!(
            waiting.recv_timeout(Duration::from_secs(10)).is_ok(),
            "the drop hangs"
        );
    }

    #[test]
    fn a_reader_that_keeps_up_loses_nothing() {
        let stop = Arc::new(AtomicBool::new(false));
        let mut source = QueuedSource::start(flood(1_000), 2_000, stop).unwrap();
        for expected in 0..1_000 {
            let Some(Acquired::Sample(sample)) = source.next().unwrap() else {
                panic!("sample {expected} is missing");
            };
            assert_eq!(sample.index, expected);
        }
        assert_eq!(source.next().unwrap(), None);
    }
}
