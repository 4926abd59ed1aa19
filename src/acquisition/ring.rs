//! The lock-free ring between the acquisition thread and the pipeline.
//!
//! One thread sends, one receives; neither waits for the other, and nothing is allocated after
//! [`ring`]. What finds no room is dropped, counted and handed over as a [`Gap`] with its exact
//! positions as soon as there is room.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use ecg_chain::{Gap, GapCause};
use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::source::Acquired;

/// Places that samples leave free, so that gaps and events find room when samples do not.
const RESERVED: usize = 64;

/// How full the ring is, for anybody to look at; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct RingGauge(Arc<Gauge>);

#[derive(Debug, Default)]
struct Gauge {
    capacity: AtomicUsize,
    highest: AtomicUsize,
    overruns: AtomicU64,
    events_lost: AtomicU64,
}

/// A look at a [`RingGauge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RingLevel {
    /// Places in the ring, one for a sample, a gap or an event.
    pub capacity: usize,
    /// The most that were in use at a time.
    pub highest: usize,
    /// Samples that found no room; each lies in a gap with the cause `overrun`.
    pub samples_dropped: u64,
    /// Events that found no room even in the places kept for them.
    pub events_dropped: u64,
}

impl RingGauge {
    /// How things are.
    #[must_use]
    pub fn level(&self) -> RingLevel {
        RingLevel {
            capacity: self.0.capacity.load(Ordering::Relaxed),
            highest: self.0.highest.load(Ordering::Relaxed),
            samples_dropped: self.0.overruns.load(Ordering::Relaxed),
            events_dropped: self.0.events_lost.load(Ordering::Relaxed),
        }
    }
}

/// A ring of at least `capacity` samples: its two ends, each for one thread.
#[must_use]
pub fn ring(capacity: usize) -> (RingProducer, RingConsumer) {
    let (producer, consumer) = RingBuffer::new(capacity.max(1) + RESERVED);
    let gauge = RingGauge::default();
    let places = producer.buffer().capacity();
    gauge.0.capacity.store(places, Ordering::Relaxed);
    let reader = Arc::new(OnceLock::new());
    let producer = RingProducer {
        producer,
        gauge: gauge.clone(),
        reader: Arc::clone(&reader),
        overflow: None,
    };
    let consumer = RingConsumer {
        consumer,
        gauge,
        reader,
    };
    (producer, consumer)
}

/// The end that sends.
#[derive(Debug)]
pub struct RingProducer {
    producer: Producer<Acquired>,
    gauge: RingGauge,
    /// Whoever waits at the other end.
    reader: Arc<OnceLock<Thread>>,
    /// Samples dropped since there was room.
    overflow: Option<Gap>,
}

impl RingProducer {
    /// Hands `acquired` over, or takes note of what is lost. Never waits.
    pub fn send(&mut self, acquired: Acquired) {
        let reserved = match acquired {
            Acquired::Sample(_) => RESERVED,
            Acquired::Gap(_) | Acquired::Event(_) => 0,
            Acquired::Idle => return,
        };
        // What comes after a gap must not overtake it.
        let needed = reserved + 1 + usize::from(self.overflow.is_some());
        if self.producer.slots() < needed {
            self.drop_into_gap(&acquired);
        } else {
            self.flush_gap();
            self.push(acquired);
        }
    }

    /// Hands over a gap that is still held back: to be called when nothing more comes. False while there
    /// is no room for it.
    pub fn flush_gap(&mut self) -> bool {
        let Some(gap) = self.overflow else {
            return true;
        };
        if self.producer.slots() == 0 {
            return false;
        }
        self.overflow = None;
        self.push(Acquired::Gap(gap));
        true
    }

    /// Whether nobody is left at the other end.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.producer.is_abandoned()
    }

    fn push(&mut self, acquired: Acquired) {
        match self.producer.push(acquired) {
            Ok(()) => {
                let used = self.producer.buffer().capacity() - self.producer.slots();
                self.gauge.0.highest.fetch_max(used, Ordering::Relaxed);
                if let Some(reader) = self.reader.get() {
                    reader.unpark();
                }
            }
            Err(PushError::Full(refused)) => self.drop_into_gap(&refused),
        }
    }

    fn drop_into_gap(&mut self, lost: &Acquired) {
        let gap = match lost {
            Acquired::Sample(sample) => {
                self.gauge.0.overruns.fetch_add(1, Ordering::Relaxed);
                Gap {
                    first_missing_sample: sample.index,
                    missing_samples: 1,
                    time: sample.time,
                    cause: GapCause::Overrun,
                }
            }
            Acquired::Gap(gap) => *gap,
            Acquired::Event(_) => {
                self.gauge.0.events_lost.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Acquired::Idle => return,
        };
        let end = gap.first_missing_sample + gap.missing_samples;
        // Whatever began it: most of it is missing because there was no room.
        self.overflow = Some(self.overflow.map_or(gap, |held| Gap {
            missing_samples: end.saturating_sub(held.first_missing_sample),
            cause: GapCause::Overrun,
            ..held
        }));
    }
}

/// The end that receives.
#[derive(Debug)]
pub struct RingConsumer {
    consumer: Consumer<Acquired>,
    gauge: RingGauge,
    reader: Arc<OnceLock<Thread>>,
}

/// What a [`RingConsumer`] has.
#[derive(Debug, PartialEq)]
pub enum Received {
    /// The oldest thing in the ring.
    Acquired(Acquired),
    /// Nothing now.
    Nothing,
    /// Nothing, and nobody left who could send anything.
    Ended,
}

impl RingConsumer {
    /// What is there, waiting for it at most this long. One thread at a time is woken when something
    /// comes: the first that ever waited.
    pub fn receive(&mut self, timeout: Duration) -> Received {
        for waited in [false, true] {
            // Asked before looking: what was sent before the other end went is still found.
            let last_look = self.consumer.is_abandoned();
            if let Ok(acquired) = self.consumer.pop() {
                return Received::Acquired(acquired);
            }
            if last_look {
                return Received::Ended;
            }
            if waited || timeout.is_zero() {
                break;
            }
            self.reader.get_or_init(std::thread::current);
            // Something may have come before the registration; nobody was woken for it.
            if self.consumer.is_empty() {
                std::thread::park_timeout(timeout);
            }
        }
        Received::Nothing
    }

    /// Whether nothing is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.consumer.is_empty()
    }

    /// How full the ring is.
    #[must_use]
    pub fn gauge(&self) -> &RingGauge {
        &self.gauge
    }
}

#[cfg(test)]
mod tests {
    use ecg_chain::{Event, EventKind, LeadOff, MonotonicNs, RawSample};
    use proptest::prelude::*;

    use super::*;

    fn sample(index: u64) -> Acquired {
        Acquired::Sample(RawSample {
            index,
            time: MonotonicNs(index * 2_000_000),
            codes: [0; 2],
            lead_off: LeadOff::default(),
        })
    }

    /// What the acquisition does next: a sample, a gap of so many, or an event; and how much the
    /// reader takes then.
    #[derive(Debug, Clone)]
    enum Step {
        Sample,
        Gap(u64),
        Event,
        Take(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            8 => Just(Step::Sample),
            1 => (1_u64..50).prop_map(Step::Gap),
            1 => Just(Step::Event),
            2 => (0_usize..40).prop_map(Step::Take),
        ];
        prop::collection::vec(step, 0..600)
    }

    proptest! {
        /// Whatever the reader does, every index comes out once, as a sample or inside a gap, in order.
        #[test]
        fn every_position_is_accounted_for(steps in steps(), capacity in 1_usize..40) {
            let (mut producer, mut consumer) = ring(capacity);
            let (mut index, mut events) = (0, 0);
            let mut out = Vec::new();
            let take = |consumer: &mut RingConsumer, most: usize, out: &mut Vec<Acquired>| {
                for _ in 0..most {
                    match consumer.receive(Duration::ZERO) {
                        Received::Acquired(acquired) => out.push(acquired),
                        Received::Nothing | Received::Ended => break,
                    }
                }
            };
            for step in steps {
                match step {
                    Step::Sample => {
                        producer.send(sample(index));
                        index += 1;
                    }
                    Step::Gap(missing_samples) => {
                        producer.send(Acquired::Gap(Gap {
                            first_missing_sample: index,
                            missing_samples,
                            time: MonotonicNs(index * 2_000_000),
                            cause: GapCause::MissedDrdy,
                        }));
                        index += missing_samples;
                    }
                    Step::Event => {
                        let time = MonotonicNs(index * 2_000_000);
                        producer.send(Acquired::Event(Event::momentary(index, time, EventKind::LeadOff, String::new())));
                        events += 1;
                    }
                    Step::Take(most) => take(&mut consumer, most, &mut out),
                }
            }
            while !producer.flush_gap() {
                take(&mut consumer, 1, &mut out);
            }
            let level = consumer.gauge().level();
            drop(producer);
            take(&mut consumer, usize::MAX, &mut out);
            prop_assert_eq!(consumer.receive(Duration::ZERO), Received::Ended);
            let (mut expected, mut seen, mut overrun) = (0, 0, 0);
            for acquired in out {
                match acquired {
                    Acquired::Sample(sample) => {
                        prop_assert_eq!(sample.index, expected);
                        expected += 1;
                    }
                    Acquired::Gap(gap) => {
                        prop_assert_eq!(gap.first_missing_sample, expected);
                        prop_assert_eq!(gap.time, MonotonicNs(expected * 2_000_000));
                        prop_assert!(gap.missing_samples > 0);
                        expected += gap.missing_samples;
                        if gap.cause == GapCause::Overrun {
                            overrun += gap.missing_samples;
                        }
                    }
                    Acquired::Event(_) => seen += 1,
                    Acquired::Idle => prop_assert!(false, "an idle turn is nothing to hand over"),
                }
            }
            prop_assert_eq!(expected, index);
            prop_assert_eq!(seen + level.events_dropped, events);
            prop_assert!(level.samples_dropped <= overrun);
            prop_assert!(level.highest <= level.capacity);
        }
    }

    #[test]
    fn events_find_room_when_samples_do_not() {
        let (mut producer, mut consumer) = ring(4);
        for index in 0..100 {
            producer.send(sample(index));
        }
        let event = Event::momentary(100, MonotonicNs(0), EventKind::LeadOff, String::new());
        producer.send(Acquired::Event(event.clone()));
        let mut out = Vec::new();
        while let Received::Acquired(acquired) = consumer.receive(Duration::ZERO) {
            out.push(acquired);
        }
        assert_eq!(out.len(), 6, "four samples, the gap, the event");
        assert!(matches!(
            out[4],
            Acquired::Gap(Gap {
                first_missing_sample: 4,
                missing_samples: 96,
                ..
            })
        ));
        assert_eq!(out[5], Acquired::Event(event));
        let level = consumer.gauge().level();
        assert_eq!((level.samples_dropped, level.events_dropped), (96, 0));
    }

    #[test]
    fn a_waiting_reader_is_woken() {
        let (mut producer, mut consumer) = ring(4);
        let began = std::time::Instant::now();
        let writer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            producer.send(sample(0));
            std::thread::sleep(Duration::from_millis(50));
        });
        let mut received = Received::Nothing;
        while received == Received::Nothing {
            received = consumer.receive(Duration::from_secs(30));
        }
        assert_eq!(received, Received::Acquired(sample(0)));
        assert!(began.elapsed() < Duration::from_secs(20), "nobody woke it");
        writer.join().unwrap();
    }
}
