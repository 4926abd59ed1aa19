//! QRS detection with a bounded look-ahead.
//!
//! 1. [`envelope`] turns the conditioned signal into the energy of its QRS band; every local
//!    maximum is a candidate.
//! 2. A candidate waits until the signal after it is known (at the earliest when the window of a
//!    beat is complete, at the latest [`DEADLINE_SAMPLES`] after its R peak). A stretch without any
//!    likely candidate is thereby searched back within the same bound.
//! 3. [`features`] compares it, free of any scale, with the patient's last beats, with the noise
//!    between them, with the rhythm and with its neighbours; [`network`] weighs these features.
//! 4. [`fiducial`] places the R peak.

mod candidate;
mod duration;
mod envelope;
mod features;
mod fiducial;
mod fusion;
mod history;
mod memory;
mod network;
mod shapes;
mod weights;

use std::collections::VecDeque;

pub use features::{FEATURE_COUNT, FEATURE_GROUPS};
pub use network::Network;
pub use weights::DetectorWeights;

use super::R_INDEX;
use candidate::{Candidate, Decided};
use duration::samples;
use envelope::{Envelope, PEAK_DELAY_SAMPLES, Peak};
use features::{Context, QUIET};
pub use fusion::FUSION_COUNT;
use fusion::Opinion;
pub(super) use history::History;
use memory::Memory;

/// Samples after R that must be known before a beat is reported: the end of its window.
pub(super) const LEAST_WAIT_SAMPLES: u64 = 144;
/// Samples after R by which every candidate has been decided.
pub(super) const DEADLINE_SAMPLES: u64 = samples(800);
/// Two beats are never closer than this.
pub(super) const REFRACTORY_SAMPLES: u64 = samples(200);
/// A candidate this likely is reported without waiting for the deadline (log odds).
const EARLY_LOG_ODDS: f32 = 4.0;
/// Log odds of what is decided without the network.
const FULL_LOG_ODDS: f32 = 6.0;
/// From here on a candidate is a beat at the deadline (log odds): below even odds, because a lost
/// beat also costs the levels their memory.
const LEAST_LOG_ODDS: f32 = -0.55;
/// The same with the opinion of the other channel.
const LEAST_FUSED_LOG_ODDS: f32 = -1.0;
/// In noise a lost beat weighs more: from this energy between the beats over theirs on (logarithm)
/// the limit falls by the slope, for as far as the width.
const NOISE_FROM: f32 = -2.2;
const NOISE_WIDTH: f32 = 0.6;
const NOISE_SLOPE: f32 = 1.5;
/// Most candidates that can be waiting: one each 100 ms, and those of a flush.
const QUEUE_LENGTH: usize = 32;
/// Decided candidates that are remembered: as many as fit into the time a P wave lies before R.
const BEFORE: usize = 4;
/// A candidate below this energy is converter noise whatever came before, µV.
const LEAST_ENERGY_UV: f32 = 3.0;
/// Before any beat is known, what reaches this part of the largest candidate ahead is one.
const FIRST_BEAT_PART: f32 = 0.4;
/// A first beat whose window begins before the signal is none if what it rests on is slow: a T wave
/// whose QRS complex lies before the signal stands out as long as nothing else is known. Such a wave
/// has hardly any energy above that of its slope ([`Peak::sharpness`] is 0.5 of a straight slope) and
/// loses nothing in means over 40 ms (`Fiducial::breadth`). Of the first candidates of 48 records of
/// MIT-BIH and 50 of SVDB all QRS complexes, paced and wide ones too, are sharper than 0.55.
const SLOW_SHARPNESS: f32 = 0.545;
const SLOW_BREADTH: f32 = 0.85;
/// Samples of a beat's window before its R peak.
const WINDOW_BEFORE_R: u64 = 2 * R_INDEX as u64;
/// Weight of the newest rejected candidate in the noise level.
const NOISE_WEIGHT: f32 = 0.1;
/// Without a beat for this long, the levels of the last beats sink with every candidate.
const SILENCE_SAMPLES: u64 = samples(2500);
/// Without a beat for this long what is known of the beats is forgotten: the patient's beats changed,
/// or something else had been learned for them.
const LOST_SAMPLES: u64 = samples(6000);
/// What remains of the levels each time.
const SINKING: f32 = 0.9;
/// Candidates of two channels this close are of the same complex.
const SAME_SAMPLES: u64 = samples(100);

/// A beat found in one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Index of the sample nearest the R peak, at [`super::CHAIN_RATE_HZ`].
    pub index: u64,
    /// Distance of the R peak from that sample, in samples, -0.5 to 0.5.
    pub offset: f32,
}

/// How one candidate was judged: the training material of the detector's weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// Index of the candidate's R peak, at [`super::CHAIN_RATE_HZ`].
    pub index: u64,
    /// Its features when it was decided, in the order of [`FEATURE_GROUPS`].
    pub features: [f32; FEATURE_COUNT],
    /// What the network made of them.
    pub log_odds: f32,
    /// What it was weighed with the other channel by, if there was one.
    pub beside: Option<[f32; FUSION_COUNT]>,
    /// Whether it was taken for a beat.
    pub accepted: bool,
}

/// How a candidate is decided, and its log odds in its own channel.
struct Verdict {
    accepted: bool,
    log_odds: f32,
}

impl Verdict {
    /// Not worth a judgement.
    const NO: Self = Self {
        accepted: false,
        log_odds: -FULL_LOG_ODDS,
    };
}

/// Streaming QRS detector for one channel of conditioned signal.
#[derive(Debug, Clone)]
pub struct Detector {
    history: History,
    envelope: Envelope,
    queue: VecDeque<Candidate>,
    memory: Memory,
    last_beat: Option<Candidate>,
    /// The last decided candidates, newest first.
    before: [Option<Decided>; BEFORE],
    weights: DetectorWeights,
    judgements: Option<Vec<Judgement>>,
}

impl Detector {
    /// A detector that knows nothing; its first sample has index 0.
    #[must_use]
    pub fn new(weights: DetectorWeights) -> Self {
        Self {
            history: History::new(),
            envelope: Envelope::new(),
            queue: VecDeque::with_capacity(QUEUE_LENGTH),
            memory: Memory::default(),
            last_beat: None,
            before: [None; BEFORE],
            weights,
            judgements: None,
        }
    }

    /// Keep every judgement from now on, for training; they take memory without bound.
    pub fn keep_judgements(&mut self) {
        self.judgements = Some(Vec::new());
    }

    /// The judgements kept so far.
    #[must_use]
    pub fn judgements(&self) -> &[Judgement] {
        self.judgements.as_deref().unwrap_or_default()
    }

    /// Continue at index `next` after a gap; what is known of the patient's beats is kept.
    pub fn restart(&mut self, next: u64) {
        self.history.restart(next);
        self.envelope.restart(next);
        self.queue.clear();
        self.last_beat = None;
        self.before = [None; BEFORE];
    }

    /// The newest samples.
    pub(super) fn history(&self) -> &History {
        &self.history
    }

    /// Median energy of the last beats' QRS complexes, µV.
    pub(super) fn qrs_energy_uv(&self) -> Option<f32> {
        self.memory.energy_uv.median()
    }

    /// The envelope's newest value, µV.
    pub(super) fn envelope_uv(&self) -> f32 {
        self.envelope.newest_uv()
    }

    /// Take the conditioned sample with the next index, µV; `sink` gets the beats that were decided
    /// by it, in order of time.
    #[inline]
    pub fn push(&mut self, uv: f32, sink: &mut impl FnMut(Detection)) {
        self.process(uv, None, &mut |detection, _| sink(detection));
    }

    /// As [`Detector::push`], with the opinion of the detector of another channel of the same
    /// patient, which has taken its samples up to this index or the one before.
    pub fn push_beside(&mut self, uv: f32, other: &Self, sink: &mut impl FnMut(Detection)) {
        self.process(uv, Some(other), &mut |detection, _| sink(detection));
    }

    /// Decide all waiting candidates with what is known. Call [`Detector::restart`] before pushing
    /// again.
    pub fn finish(&mut self, sink: &mut impl FnMut(Detection)) {
        self.flush(&mut |detection, _| sink(detection));
    }

    /// As [`Detector::push`]; `sink` also gets the samples around the beat.
    #[inline]
    pub(super) fn process(
        &mut self,
        uv: f32,
        other: Option<&Self>,
        sink: &mut impl FnMut(Detection, &History),
    ) {
        self.history.push(uv);
        if let Some(peak) = self.envelope.push(uv) {
            self.add_candidate(peak);
        }
        if !self.queue.is_empty() {
            self.decide(false, other, sink);
        }
    }

    /// As [`Detector::finish`]; `sink` also gets the samples around the beat.
    pub(super) fn flush(&mut self, sink: &mut impl FnMut(Detection, &History)) {
        let last = self.history.at(self.history.end());
        for _ in 0..PEAK_DELAY_SAMPLES {
            if let Some(peak) = self.envelope.push(last) {
                self.add_candidate(peak);
            }
        }
        self.decide(true, None, sink);
    }

    fn add_candidate(&mut self, peak: Peak) {
        if peak.energy_uv < LEAST_ENERGY_UV || self.queue.len() == QUEUE_LENGTH {
            return;
        }
        let fiducial = fiducial::place(&self.history, peak.index, &self.memory);
        let deadline = fiducial.index + DEADLINE_SAMPLES;
        // Two candidates' R peaks may stand in the other order than their energies.
        for earlier in &mut self.queue {
            earlier.deadline = earlier.deadline.min(deadline);
        }
        self.queue.push_back(Candidate {
            peak,
            fiducial,
            deadline,
            tried: false,
        });
    }

    fn decide(
        &mut self,
        now: bool,
        other: Option<&Self>,
        sink: &mut impl FnMut(Detection, &History),
    ) {
        let newest = self.history.end().saturating_sub(1);
        while let Some(front) = self.queue.front_mut() {
            let last_call = now || newest >= front.deadline;
            let early = !front.tried && newest >= front.r() + LEAST_WAIT_SAMPLES;
            if !last_call && !early {
                return;
            }
            front.tried = true;
            let front = *front;
            let Some(verdict) = self.judge(&front, other, last_call) else {
                return;
            };
            self.queue.pop_front();
            self.before.rotate_right(1);
            self.before[0] = Some(Decided {
                candidate: front,
                log_odds: verdict.log_odds,
                accepted: verdict.accepted,
            });
            if verdict.accepted {
                self.remember(&front);
                let detection = Detection {
                    index: front.r(),
                    offset: front.fiducial.offset,
                };
                sink(detection, &self.history);
            } else {
                self.reject(&front);
            }
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            memory: &self.memory,
            history: &self.history,
            envelope: &self.envelope,
            last: self.last_beat.as_ref(),
            queue: &self.queue,
            before: &self.before,
            newest: self.history.end().saturating_sub(1),
        }
    }

    /// What this channel makes of a complex whose R peak another has at index `r`; `None` if it
    /// knows no beat yet or has no candidate there.
    fn opinion(&self, r: u64, network: &Network) -> Option<Opinion> {
        let level_uv = self.memory.energy_uv.median()?;
        let near = |candidate: &Candidate| candidate.r().abs_diff(r) <= SAME_SAMPLES;
        let waiting = (0..self.queue.len())
            .filter_map(|place| Some((self.queue.get(place)?, Some(place), 0.0)));
        let decided = self.before.iter().flatten();
        let decided = decided.map(|decided| (&decided.candidate, None, decided.log_odds));
        let (candidate, place, log_odds) = decided
            .chain(waiting)
            .filter(|(candidate, ..)| near(candidate))
            .max_by(|(a, ..), (b, ..)| a.peak.energy_uv.total_cmp(&b.peak.energy_uv))?;
        let log_odds = place.map_or(log_odds, |place| {
            network.log_odds(&self.context().features(place))
        });
        Some(Opinion::new(candidate, log_odds, level_uv))
    }

    /// `None` if the candidate may wait.
    fn judge(
        &mut self,
        front: &Candidate,
        other: Option<&Self>,
        last_call: bool,
    ) -> Option<Verdict> {
        let too_close = |earlier: u64, later: u64| later < earlier + REFRACTORY_SAMPLES;
        let last_r = self.last_beat.map(|last| last.r());
        if last_r.is_some_and(|last| too_close(last, front.r())) {
            return Some(Verdict::NO);
        }
        let rivals = self.queue.iter().enumerate().skip(1);
        let mut rivals = rivals.filter(|(_, other)| too_close(front.r(), other.r()));
        let Some(level_uv) = self.memory.energy_uv.median() else {
            if rivals.any(|(_, other)| other.peak.energy_uv > front.peak.energy_uv) {
                return Some(Verdict::NO);
            }
            if self.is_slow_wave_at_the_start(front) {
                return Some(Verdict::NO);
            }
            // Nothing known yet: wait for as much as may be seen, then trust what stands out.
            return last_call.then(|| {
                let largest = |most: f32, other: &Candidate| most.max(other.peak.energy_uv);
                let largest = self.queue.iter().fold(0.0, largest);
                Verdict {
                    accepted: front.peak.energy_uv >= FIRST_BEAT_PART * largest
                        && front.peak.energy_uv >= self.memory.least_energy_uv,
                    log_odds: FULL_LOG_ODDS,
                }
            });
        };
        let (context, network) = (self.context(), self.weights.network());
        let features = context.features(0);
        let log_odds = network.log_odds(&features);
        let beside = other.map(|other| {
            let theirs = other.opinion(front.r(), network);
            Opinion::new(front, log_odds, level_uv).beside(theirs.as_ref())
        });
        let weighed = beside.map_or(log_odds, |beside| network.fused_log_odds(&beside));
        if !last_call && weighed <= EARLY_LOG_ODDS {
            return None;
        }
        // Of two that are too close for both to be beats the likelier one is: a large P wave must
        // not hide a small QRS complex.
        let accepted = weighed > least_log_odds(features[QUIET], beside.is_some())
            && !rivals.any(|(place, _)| network.log_odds(&context.features(place)) > log_odds);
        if let Some(judgements) = &mut self.judgements {
            judgements.push(Judgement {
                index: front.r(),
                features,
                log_odds,
                beside,
                accepted,
            });
        }
        Some(Verdict { accepted, log_odds })
    }

    /// Whether `front` looks like the T wave of a beat whose QRS complex lies before the signal.
    fn is_slow_wave_at_the_start(&self, front: &Candidate) -> bool {
        front.r() < self.history.start() + WINDOW_BEFORE_R
            && front.peak.sharpness < SLOW_SHARPNESS
            && front.fiducial.breadth > SLOW_BREADTH
    }

    fn remember(&mut self, beat: &Candidate) {
        if let Some(last) = self.last_beat {
            self.memory.rr_samples.add((beat.r() - last.r()) as f32);
        }
        self.memory.add_beat(beat, &self.history);
        self.last_beat = Some(*beat);
    }

    fn reject(&mut self, candidate: &Candidate) {
        let noise = &mut self.memory.noise_uv;
        *noise += (candidate.peak.energy_uv - *noise) * NOISE_WEIGHT;
        let last_r = self.last_beat.map_or(self.history.start(), |last| last.r());
        if candidate.r() > last_r + LOST_SAMPLES {
            self.memory.forget();
            self.last_beat = None;
        } else if candidate.r() > last_r + SILENCE_SAMPLES {
            self.memory.sink(SINKING);
        }
    }
}

/// The least log odds of a beat in a background of `quiet`, see [`QUIET`].
fn least_log_odds(quiet: f32, fused: bool) -> f32 {
    let least = if fused {
        LEAST_FUSED_LOG_ODDS
    } else {
        LEAST_LOG_ODDS
    };
    least - NOISE_SLOPE * (quiet - NOISE_FROM).clamp(0.0, NOISE_WIDTH)
}
