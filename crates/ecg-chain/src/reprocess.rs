//! One recorded beat once more: the signal chain run again over the recording's codes.
//!
//! What the network saw of a beat follows from the codes, the rhythm and the usual beat before it, so
//! the chain runs again from some time before the beat on. Whether it saw the same is checked and not
//! assumed: the same R peak, and the recorded probabilities within [`LARGEST_DIFFERENCE`].

use std::sync::Arc;

use arrhythmianet::{Classifier, Decision, Model, Outputs, best_cpu_engine};
use ecg_signal::{
    Chain, ChainConfig, ChainEvent, ChannelChoice, CutBeat, Mains, Sample, SignalError,
    WINDOW_SAMPLES, Waves,
};

use super::event::{CHANNEL_COUNT, LabelledBeat, Scale};
use super::labeller::network_input;

/// How far a probability may be from the recorded one.
pub const LARGEST_DIFFERENCE: f32 = 0.02;

/// Signal before a beat that the chain runs over, seconds: for the filters and the detector to settle,
/// and where the network reads it for the rhythm (256 intervals) and the usual beat (64 beats).
const LEAD_S: f64 = 20.0;
const CONTEXT_LEAD_S: f64 = 600.0;
/// Where that was not enough, the chain runs from the session's start unless it is longer ago.
const LONGEST_LEAD_S: f64 = 3600.0;
/// Codes asked for at a time.
const PIECE: i64 = 1 << 16;
/// Signal behind the R peak by which a beat is reported, seconds: the largest label delay and some.
const AFTER_S: f64 = 1.2;
/// Beats of so much signal are compared at most.
const COMPARED_S: f64 = 15.0;

/// Index of the first sample, and the codes from there on.
pub type PlacedCodes = (i64, Vec<[i32; CHANNEL_COUNT]>);

/// How the signal of a session was treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Treatment {
    /// The mains filter.
    pub mains: Mains,
    /// Where beats were taken from.
    pub channel: ChannelChoice,
}

impl Treatment {
    /// Everything a beat of `channel` may come from, the likeliest first: for sessions that do not say.
    pub fn candidates(channel: u8) -> impl Iterator<Item = Self> {
        [
            ChannelChoice::Auto,
            ChannelChoice::Fixed(usize::from(channel)),
        ]
        .into_iter()
        .flat_map(|channel| {
            [Mains::Hz60, Mains::Hz50, Mains::None].map(|mains| Self { mains, channel })
        })
    }
}

/// What is known of a recorded beat.
#[derive(Debug, Clone)]
pub struct RecordedBeat<'a> {
    /// The chain of its session; mains filter and channel are those of a treatment.
    pub config: ChainConfig,
    /// Microvolts per code, per channel.
    pub uv_per_code: [f64; CHANNEL_COUNT],
    /// How its signal was treated; else what is tried.
    pub treatments: &'a [Treatment],
    /// Whether the first treatment is right unless it does not fit.
    pub first_is_known: bool,
    /// The beat.
    pub beat: &'a LabelledBeat,
    /// The last beats before it, by which a treatment is recognised.
    pub before: &'a [LabelledBeat],
}

/// A recorded beat as it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct ReprocessedBeat {
    /// The window, µV.
    pub window_uv: [f32; WINDOW_SAMPLES],
    /// The network's input.
    pub input: Vec<f32>,
    /// Its waves.
    pub waves: Waves,
    /// The largest difference of a probability from the recorded one.
    pub difference: f32,
}

/// Why a beat was not seen again; `E` is why its codes cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReprocessError<E> {
    /// The chain found another R peak, or the network gave other probabilities.
    #[error("run again, the chain {0}")]
    NotReproduced(String),
    /// The session's rate is none the chain works with.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// The codes cannot be had.
    #[error(transparent)]
    Codes(E),
}

/// Sees beats of one model again.
#[derive(Debug, Clone)]
pub struct Reprocessor {
    model: Arc<Model>,
}

impl Reprocessor {
    /// For beats that `model` labelled.
    #[must_use]
    pub const fn new(model: Arc<Model>) -> Self {
        Self { model }
    }

    /// The beat as it was seen, and the treatment that comes nearest to the recorded beats. `codes` gives
    /// the blocks that overlap a range of samples, both ends included.
    ///
    /// # Errors
    /// [`ReprocessError`].
    pub fn reprocess<E>(
        &self,
        recorded: &RecordedBeat<'_>,
        mut codes: impl FnMut(i64, i64) -> Result<Vec<PlacedCodes>, E>,
    ) -> Result<(Treatment, ReprocessedBeat), ReprocessError<E>> {
        let context = self.model.description().input.context > 0;
        let lead_s = if context { CONTEXT_LEAD_S } else { LEAD_S };
        let mut nearest: Option<(f32, Treatment, ReprocessedBeat)> = None;
        // Where a short lead has not let the chain settle as it had then, a long one is run.
        for lead_s in [lead_s, LONGEST_LEAD_S] {
            for &treatment in recorded.treatments {
                let cuts = cut_beats(recorded, treatment, lead_s, &mut codes)?;
                let Some((total, seen)) = self.compare(recorded, &cuts) else {
                    continue;
                };
                let fits = seen.difference <= LARGEST_DIFFERENCE;
                if nearest.as_ref().is_none_or(|(least, ..)| total < *least) {
                    nearest = Some((total, treatment, seen));
                }
                if fits && recorded.first_is_known {
                    break;
                }
            }
            let fits = |(.., seen): &(_, _, ReprocessedBeat)| seen.difference <= LARGEST_DIFFERENCE;
            if nearest.as_ref().is_some_and(fits) {
                break;
            }
        }
        match nearest {
            None => Err(ReprocessError::NotReproduced(
                "found no R peak there".to_owned(),
            )),
            Some((.., seen)) if seen.difference > LARGEST_DIFFERENCE => {
                Err(ReprocessError::NotReproduced(format!(
                    "gave probabilities up to {:.3} apart",
                    seen.difference
                )))
            }
            Some((_, treatment, seen)) => Ok((treatment, seen)),
        }
    }

    /// How far the probabilities of the last beats are from the recorded ones on the whole, and the beat;
    /// `None` where it is not among `cuts`.
    fn compare(
        &self,
        recorded: &RecordedBeat<'_>,
        cuts: &[CutBeat],
    ) -> Option<(f32, ReprocessedBeat)> {
        let mut engine = best_cpu_engine(Arc::clone(&self.model), 1);
        let mut see = |beat: &LabelledBeat| {
            let near = |cut: &&CutBeat| cut.r_sample.abs_diff(beat.r_sample) <= 1;
            classify(engine.as_mut(), beat, cuts.iter().find(near)?)
        };
        let seen = see(recorded.beat)?;
        // A beat that is not found again is as far away as it can be.
        let others = recorded.before.iter();
        let others: f32 = others
            .map(|beat| see(beat).map_or(1.0, |seen| seen.difference))
            .sum();
        Some((others + seen.difference, seen))
    }
}

/// What the network says of `cut`, beside what is recorded of the beat.
fn classify(
    engine: &mut dyn Classifier,
    beat: &LabelledBeat,
    cut: &CutBeat,
) -> Option<ReprocessedBeat> {
    let network = engine.model().description();
    let temperature = network.temperature;
    let mut input = vec![0.0; network.input.len()];
    network.fill_input(&network_input(cut), &mut input).ok()?;
    let mut outputs = Outputs::logits_only(network, 1);
    engine.classify(&input, &mut outputs).ok()?;
    let decision = Decision::from_logits(outputs.logits().first()?, temperature).ok()?;
    let pairs = decision.probabilities.iter().zip(beat.probabilities);
    Some(ReprocessedBeat {
        window_uv: cut.window_uv,
        input,
        waves: Waves::find(&cut.window_uv, cut.rr.rr_s),
        difference: pairs.fold(0.0, |most, (found, recorded)| {
            most.max((found - recorded).abs())
        }),
    })
}

/// The last beats as the chain cuts them, having run `lead_s` of signal before this one.
fn cut_beats<E>(
    recorded: &RecordedBeat<'_>,
    treatment: Treatment,
    lead_s: f64,
    codes: &mut impl FnMut(i64, i64) -> Result<Vec<PlacedCodes>, E>,
) -> Result<Vec<CutBeat>, ReprocessError<E>> {
    let rate_hz = recorded.config.rate.hz();
    let r_sample = i64::try_from(recorded.beat.r_sample).unwrap_or(i64::MAX / 2);
    let first = r_sample.saturating_sub(samples(lead_s, rate_hz)).max(0);
    let last = r_sample.saturating_add(samples(AFTER_S, rate_hz));
    let recent = r_sample.saturating_sub(samples(COMPARED_S, rate_hz));
    let config = recorded.config.clone();
    let mut chain = Chain::new(&config.mains(treatment.mains).channel(treatment.channel))?;
    let scale = Scale::new(recorded.uv_per_code);
    let mut found = Vec::new();
    let mut keep = |event| {
        if let ChainEvent::Beat(cut) = event
            && i64::try_from(cut.r_sample).is_ok_and(|at| at >= recent)
        {
            found.push(cut);
        }
    };
    // As the pipeline's: the whole chain is compiled anew for every other kind of sink.
    let mut keep: &mut dyn FnMut(ChainEvent) = &mut keep;
    let mut piece = first;
    while piece <= last {
        let end = last.min(piece + PIECE - 1);
        for (block_first, codes) in codes(piece, end).map_err(ReprocessError::Codes)? {
            for (index, codes) in (block_first..).zip(codes) {
                if (piece..=end).contains(&index) {
                    let sample = Sample {
                        index: index.unsigned_abs(),
                        uv: scale.microvolts(codes),
                        // Not recorded: while an electrode was off no beat was reported.
                        lead_off: [false; CHANNEL_COUNT],
                    };
                    chain.push(&sample, &mut keep);
                }
            }
        }
        piece = end + 1;
    }
    chain.finish(&mut keep);
    Ok(found)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "seconds and rates of the program's own; saturates"
)]
fn samples(seconds: f64, rate_hz: f64) -> i64 {
    (seconds * rate_hz).round() as i64
}
