//! A source on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use super::error::AcquisitionError;
use super::realtime::{Realtime, RealtimeGranted};
use super::ring::{Received, RingConsumer, RingGauge, RingProducer, ring};
use super::source::{Acquired, FrameSource, Pace, SourceInfo};
use crate::liveness::Liveness;

/// A source read on a thread of its own, so that a slow pipeline or disk never makes the reader
/// late for the next DRDY edge. The thread reads, puts into the ring ([`ring()`]) and does nothing
/// else: it neither allocates nor logs while the chip delivers.
#[derive(Debug)]
pub struct QueuedSource<S> {
    info: SourceInfo,
    consumer: Option<RingConsumer>,
    gauge: RingGauge,
    granted: RealtimeGranted,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<(S, Result<(), AcquisitionError>)>>,
    /// The source, once its thread has ended.
    source: Option<S>,
    reading: Liveness,
    receiving: Liveness,
}

impl<S: FrameSource + Send + 'static> QueuedSource<S> {
    /// Reads `source` on a new thread into a ring of `length` samples, until it ends, fails or
    /// `stop` is raised.
    ///
    /// # Errors
    /// The system's, where no thread can be started.
    pub fn start(
        source: S,
        length: usize,
        realtime: Realtime,
        stop: Arc<AtomicBool>,
    ) -> std::io::Result<Self> {
        let info = source.info().clone();
        let (producer, consumer) = ring(length);
        let gauge = consumer.gauge().clone();
        let stop_reading = Arc::clone(&stop);
        let reading = Liveness::default();
        let read_turns = reading.clone();
        let (answer, granted) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("acquisition".to_owned())
            .spawn(move || {
                // Nobody waits for an answer only if the caller has died.
                let _ = answer.send(realtime.apply());
                read(source, producer, &stop_reading, &read_turns)
            })?;
        Ok(Self {
            info,
            consumer: Some(consumer),
            gauge,
            granted: granted.recv().unwrap_or_default(),
            stop,
            thread: Some(thread),
            source: None,
            reading,
            receiving: Liveness::default(),
        })
    }

    /// What the thread was granted.
    #[must_use]
    pub fn granted(&self) -> &RealtimeGranted {
        &self.granted
    }

    /// How full the ring is.
    #[must_use]
    pub fn gauge(&self) -> &RingGauge {
        &self.gauge
    }

    /// Beats with every turn of the acquisition thread: a sample, a gap, an event, or an idle turn
    /// while the chip is silent.
    #[must_use]
    pub fn reading_liveness(&self) -> &Liveness {
        &self.reading
    }

    /// Beats whenever the queue is asked for more, ten times a second at least while it is empty.
    #[must_use]
    pub fn receiving_liveness(&self) -> &Liveness {
        &self.receiving
    }

    /// Ends the thread and gives the source back; `None` if the thread has died.
    pub fn finish(mut self) -> Option<S> {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.join();
        self.source.take()
    }
}

impl<S> QueuedSource<S> {
    /// Waits for the thread's end and how it ended. What was not taken is dropped.
    fn join(&mut self) -> Result<(), AcquisitionError> {
        // A thread that waits for room must learn that nobody makes any.
        self.consumer = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok((source, ended))) => {
                self.source = Some(source);
                ended
            }
            // A panic there has been reported by the panic hook.
            Some(Err(_)) | None => Ok(()),
        }
    }
}

impl<S: FrameSource> FrameSource for QueuedSource<S> {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next(&mut self) -> Result<Option<Acquired>, AcquisitionError> {
        self.receiving.beat();
        let Some(consumer) = &mut self.consumer else {
            return Ok(None);
        };
        match consumer.receive(Duration::from_millis(100)) {
            Received::Acquired(acquired) => Ok(Some(acquired)),
            Received::Ended => self.join().map(|()| None),
            // A silent chip must not hold up a stop.
            Received::Nothing if self.stop.load(Ordering::Relaxed) => Ok(None),
            Received::Nothing => Ok(Some(Acquired::Idle)),
        }
    }

    fn pace(&mut self) -> Pace {
        match &self.consumer {
            Some(consumer) if !consumer.is_empty() => Pace::Behind,
            _ => Pace::Live,
        }
    }
}

impl<S> Drop for QueuedSource<S> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.join();
    }
}

fn read<S: FrameSource>(
    mut source: S,
    mut producer: RingProducer,
    stop: &AtomicBool,
    turns: &Liveness,
) -> (S, Result<(), AcquisitionError>) {
    let mut ended = Ok(());
    while !stop.load(Ordering::Relaxed) && !producer.is_abandoned() {
        turns.beat();
        match source.next() {
            Ok(Some(Acquired::Idle)) => {}
            Ok(Some(acquired)) => producer.send(acquired),
            Ok(None) => break,
            Err(error) => {
                ended = Err(error);
                break;
            }
        }
    }
    // The last gap may wait for room: nothing comes after it.
    while !producer.flush_gap() && !producer.is_abandoned() {
        std::thread::sleep(Duration::from_millis(1));
    }
    (source, ended)
}

#[cfg(test)]
pub(crate) mod tests {
    use ads1292::ChipModel;
    use ecg_chain::{ClockRelation, GapCause, LeadOff, MonotonicNs, RawSample, WallUs};

    use super::*;
    use crate::acquisition::EdgeNumbers;

    /// Samples 0 to `length` as fast as they are asked for, then the end or an error.
    #[derive(Debug)]
    struct Flood {
        info: SourceInfo,
        next: u64,
        length: u64,
        fails: bool,
    }

    impl FrameSource for Flood {
        fn info(&self) -> &SourceInfo {
            &self.info
        }

        fn next(&mut self) -> Result<Option<Acquired>, AcquisitionError> {
            if self.next == self.length {
                return if self.fails {
                    Err(AcquisitionError::Bus("gone".to_owned()))
                } else {
                    Ok(None)
                };
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
            fails: false,
        }
    }

    fn start(source: Flood, length: usize) -> QueuedSource<Flood> {
        let stop = Arc::new(AtomicBool::new(false));
        QueuedSource::start(source, length, Realtime::default(), stop).unwrap()
    }

    /// A source at 500 samples a second.
    pub(crate) fn info() -> SourceInfo {
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
            edge_numbers: EdgeNumbers::Kernel,
        }
    }

    #[test]
    fn a_full_ring_loses_no_sample_silently() {
        let length = 100_000;
        let mut source = start(flood(length), 16);
        // The reader comes late, so the ring must overflow.
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
                Acquired::Idle => {}
            }
        }
        assert_eq!(expected, length, "every sample is either there or in a gap");
        assert!(
            missing > 0,
            "the ring never overflowed: the test shows nothing"
        );
        assert_eq!(source.gauge().level().samples_dropped, missing);
    }

    #[test]
    fn a_reader_that_leaves_is_not_waited_for() {
        let source = start(flood(100_000), 16);
        // By now the ring is full and the thread has a gap to hand over as its last word.
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
        let mut source = start(flood(1_000), 2_000);
        for expected in 0..1_000 {
            let sample = loop {
                match source.next().unwrap() {
                    Some(Acquired::Sample(sample)) => break sample,
                    Some(Acquired::Idle) => {}
                    other => panic!("sample {expected} is missing: {other:?}"),
                }
            };
            assert_eq!(sample.index, expected);
        }
        // The thread may not have said yet that it was the last one.
        let end = loop {
            match source.next().unwrap() {
                Some(Acquired::Idle) => {}
                other => break other,
            }
        };
        assert_eq!(end, None);
        assert_eq!(source.next().unwrap(), None);
    }

    #[test]
    fn a_failure_comes_after_everything_before_it() {
        let fails = Flood {
            fails: true,
            ..flood(100)
        };
        let mut source = start(fails, 2_000);
        let mut samples = 0;
        let error = loop {
            match source.next() {
                Ok(Some(Acquired::Sample(_))) => samples += 1,
                Ok(Some(_)) => {}
                Ok(None) => panic!("the failure went unnoticed"),
                Err(error) => break error,
            }
        };
        assert_eq!((samples, error.to_string().contains("gone")), (100, true));
    }

    #[test]
    fn the_source_is_given_back() {
        let source = start(flood(u64::MAX), 16);
        std::thread::sleep(Duration::from_millis(20));
        assert!(source.finish().unwrap().next > 0);
    }
}
