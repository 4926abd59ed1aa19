//! The lock-free ring between the acquisition thread and the pipeline.
//!
//! One thread puts in, one takes out; neither waits for the other, and nothing is allocated after
//! [`ring`]. What finds no room is dropped, counted and handed over as a [`Gap`] with its exact
//! positions as soon as there is room.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::{Acquired, Gap, GapCause};

/// Places samples leave free, so that gaps and events find room when samples do not.
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
    /// The most that were taken at a time.
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
pub fn ring(capacity: usize) -> (Outbox, Inbox) {
    let (producer, consumer) = RingBuffer::new(capacity.max(1) + RESERVED);
    let gauge = RingGauge::default();
    let places = producer.buffer().capacity();
    gauge.0.capacity.store(places, Ordering::Relaxed);
    let reader = Arc::new(OnceLock::new());
    let outbox = Outbox {
        producer,
        gauge: gauge.clone(),
        reader: Arc::clone(&reader),
        overflow: None,
    };
    let inbox = Inbox {
        consumer,
        gauge,
        reader,
    };
    (outbox, inbox)
}

/// The end that puts in.
#[derive(Debug)]
pub struct Outbox {
    producer: Producer<Acquired>,
    gauge: RingGauge,
    /// Whoever waits at the other end.
    reader: Arc<OnceLock<Thread>>,
    /// Samples dropped since there was room.
    overflow: Option<Gap>,
}

impl Outbox {
    /// Hands `acquired` over, or takes note of what is lost. Never waits.
    pub fn put(&mut self, acquired: Acquired) {
        let kept = match acquired {
            Acquired::Sample(_) => RESERVED,
            Acquired::Gap(_) | Acquired::Event(_) => 0,
            Acquired::Idle => return,
        };
        // What comes after a gap must not overtake it.
        let needed = kept + 1 + usize::from(self.overflow.is_some());
        if self.producer.slots() < needed {
            self.drop_into_gap(&acquired);
        } else {
            self.flush_gap();
            self.push(acquired);
        }
    }

    /// Hands over what is still owed: to be called when nothing more comes. False while there is no
    /// room for it.
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
                let taken = self.producer.buffer().capacity() - self.producer.slots();
                self.gauge.0.highest.fetch_max(taken, Ordering::Relaxed);
                if let Some(reader) = self.reader.get() {
                    reader.unpark();
                }
            }
            Err(PushError::Full(refused)) => self.drop_into_gap(&refused),
        }
    }

    fn drop_into_gap(&mut self, lost: &Acquired) {
        let (first, end, time, cause) = match lost {
            Acquired::Sample(sample) => {
                self.gauge.0.overruns.fetch_add(1, Ordering::Relaxed);
                (
                    sample.index,
                    sample.index + 1,
                    sample.time,
                    GapCause::Overrun,
                )
            }
            Acquired::Gap(gap) => (
                gap.first_missing_sample,
                gap.first_missing_sample + gap.missing_samples,
                gap.time,
                gap.cause,
            ),
            Acquired::Event(_) => {
                self.gauge.0.events_lost.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Acquired::Idle => return,
        };
        self.overflow = Some(match self.overflow {
            None => Gap {
                first_missing_sample: first,
                missing_samples: end - first,
                time,
                cause,
            },
            // Whatever began it: most of it is missing because there was no room.
            Some(gap) => Gap {
                missing_samples: end.saturating_sub(gap.first_missing_sample),
                cause: GapCause::Overrun,
                ..gap
            },
        });
    }
}

/// The end that takes out.
#[derive(Debug)]
pub struct Inbox {
    consumer: Consumer<Acquired>,
    gauge: RingGauge,
    reader: Arc<OnceLock<Thread>>,
}

/// What an [`Inbox`] has.
#[derive(Debug, PartialEq)]
pub enum Taken {
    /// The oldest thing in the ring.
    Acquired(Acquired),
    /// Nothing now.
    Nothing,
    /// Nothing, and nobody who would put anything in.
    Ended,
}

impl Inbox {
    /// What is there, waiting for it at most this long. One thread at a time is woken when something
    /// comes: the first that ever waited.
    pub fn take(&mut self, patience: Duration) -> Taken {
        for waited in [false, true] {
            // Asked before looking: what was put in before the other end went is still found.
            let last_look = self.consumer.is_abandoned();
            if let Ok(acquired) = self.consumer.pop() {
                return Taken::Acquired(acquired);
            }
            if last_look {
                return Taken::Ended;
            }
            if waited || patience.is_zero() {
                break;
            }
            self.reader.get_or_init(std::thread::current);
            // Between the registration and here something may have come to nobody's knowledge.
            if self.consumer.is_empty() {
                std::thread::park_timeout(patience);
            }
        }
        Taken::Nothing
    }

    /// Whether something is there.
    #[must_use]
    pub fn has_some(&self) -> bool {
        !self.consumer.is_empty()
    }

    /// How full the ring is.
    #[must_use]
    pub fn gauge(&self) -> &RingGauge {
        &self.gauge
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acquisition::{Event, RawSample};
    use crate::ads1292::LeadOff;
    use crate::time::MonotonicNs;
    use proptest::prelude::*;

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
            let (mut outbox, mut inbox) = ring(capacity);
            let (mut index, mut events) = (0, 0);
            let mut out = Vec::new();
            let take = |inbox: &mut Inbox, most: usize, out: &mut Vec<Acquired>| {
                for _ in 0..most {
                    match inbox.take(Duration::ZERO) {
                        Taken::Acquired(acquired) => out.push(acquired),
                        Taken::Nothing | Taken::Ended => break,
                    }
                }
            };
            for step in steps {
                match step {
                    Step::Sample => {
                        outbox.put(sample(index));
                        index += 1;
                    }
                    Step::Gap(missing_samples) => {
                        outbox.put(Acquired::Gap(Gap {
                            first_missing_sample: index,
                            missing_samples,
                            time: MonotonicNs(index * 2_000_000),
                            cause: GapCause::MissedDrdy,
                        }));
                        index += missing_samples;
                    }
                    Step::Event => {
                        let time = MonotonicNs(index * 2_000_000);
                        outbox.put(Acquired::Event(Event::momentary(index, time, "test", String::new())));
                        events += 1;
                    }
                    Step::Take(most) => take(&mut inbox, most, &mut out),
                }
            }
            while !outbox.flush_gap() {
                take(&mut inbox, 1, &mut out);
            }
            let level = inbox.gauge().level();
            drop(outbox);
            take(&mut inbox, usize::MAX, &mut out);
            prop_assert_eq!(inbox.take(Duration::ZERO), Taken::Ended);
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
        let (mut outbox, mut inbox) = ring(4);
        for index in 0..100 {
            outbox.put(sample(index));
        }
        let event = Event::momentary(100, MonotonicNs(0), "test", String::new());
        outbox.put(Acquired::Event(event.clone()));
        let mut out = Vec::new();
        while let Taken::Acquired(acquired) = inbox.take(Duration::ZERO) {
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
        let level = inbox.gauge().level();
        assert_eq!((level.samples_dropped, level.events_dropped), (96, 0));
    }

    #[test]
    fn a_waiting_reader_is_woken() {
        let (mut outbox, mut inbox) = ring(4);
        let began = std::time::Instant::now();
        let writer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            outbox.put(sample(0));
            std::thread::sleep(Duration::from_millis(50));
        });
        let mut taken = Taken::Nothing;
        while taken == Taken::Nothing {
            taken = inbox.take(Duration::from_secs(30));
        }
        assert_eq!(taken, Taken::Acquired(sample(0)));
        assert!(began.elapsed() < Duration::from_secs(20), "nobody woke it");
        writer.join().unwrap();
    }
}
