//! The chain over stored codes.

use super::RevisitError;
use crate::ads1292::CODE_MAX;
use crate::pipeline::CHANNEL_COUNT;
use crate::signal::{
    Chain, ChainConfig, ChainEvent, ChannelChoice, CutBeat, Mains, Sample, SampleRate,
};
use crate::store::{StoreError, StoreReader, StoredBeat};

/// Codes read from the store at a time.
const PIECE: i64 = 1 << 16;
/// Signal behind the R peak by which a beat is reported, seconds: the largest label delay and some.
const AFTER_S: f64 = 1.2;
/// Beats of so much signal are kept: more than are compared.
const COMPARED_S: f64 = 15.0;

/// How the session's signal may have been treated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Treatment {
    mains: Mains,
    channel: ChannelChoice,
}

impl Treatment {
    /// Everything the program offers, the likeliest first.
    pub(super) fn of(beat: &StoredBeat) -> impl Iterator<Item = Self> + use<> {
        let fixed = ChannelChoice::Fixed(usize::from(beat.beat.channel));
        [ChannelChoice::Auto, fixed]
            .into_iter()
            .flat_map(|channel| {
                [Mains::Hz60, Mains::Hz50, Mains::None].map(|mains| Self { mains, channel })
            })
    }
}

/// The last beats as the chain cuts them, having run `lead_s` of signal before this one.
pub(super) fn beats(
    reader: &StoreReader,
    beat: &StoredBeat,
    treatment: Treatment,
    lead_s: f64,
    given_up: &dyn Fn() -> bool,
) -> Result<Vec<CutBeat>, RevisitError> {
    let session = reader.session(beat.session)?.ok_or(StoreError::Value {
        column: "beats.session",
        found: beat.session.to_string(),
        expected: "the id of a session",
    })?;
    let info = &session.info;
    let rate = SampleRate::from_hz(info.sample_rate_hz)?;
    let r_sample = i64::try_from(beat.beat.r_sample).unwrap_or(i64::MAX / 2);
    let first = r_sample
        .saturating_sub(samples(lead_s, info.sample_rate_hz))
        .max(0);
    let last = r_sample.saturating_add(samples(AFTER_S, info.sample_rate_hz));
    let mut chain = Chain::new(&ChainConfig {
        mains: treatment.mains,
        channel: treatment.channel,
        full_scale_uv: info
            .uv_per_code
            .map(|uv| Some(narrow(f64::from(CODE_MAX) * uv))),
        ..ChainConfig::new(rate)
    })?;
    let scale = info.uv_per_code.map(narrow);
    let mut found = Vec::new();
    let recent = r_sample.saturating_sub(samples(COMPARED_S, info.sample_rate_hz));
    let mut take = |event| {
        if let ChainEvent::Beat(cut) = event
            && i64::try_from(cut.r_sample).is_ok_and(|at| at >= recent)
        {
            found.push(cut);
        }
    };
    // As the pipeline's: the whole chain is compiled anew for every other kind of sink.
    let mut take: &mut dyn FnMut(ChainEvent) = &mut take;
    let mut piece = first;
    while piece <= last {
        if given_up() {
            return Err(RevisitError::GivenUp { beat: beat.id });
        }
        let end = last.min(piece + PIECE - 1);
        for (block_first, codes) in reader.blocks(beat.session, piece, end)? {
            for (index, codes) in (block_first..).zip(codes) {
                if (piece..=end).contains(&index) {
                    chain.push(&sample(index, codes, scale), &mut take);
                }
            }
        }
        piece = end + 1;
    }
    chain.finish(&mut take);
    Ok(found)
}

fn sample(index: i64, codes: [i32; CHANNEL_COUNT], scale: [f32; CHANNEL_COUNT]) -> Sample {
    let mut uv = [0.0; CHANNEL_COUNT];
    for ((uv, code), scale) in uv.iter_mut().zip(codes).zip(scale) {
        *uv = code as f32 * scale;
    }
    Sample {
        index: index.unsigned_abs(),
        uv,
        // Not stored: while an electrode was off no beat was reported.
        lead_off: [false; CHANNEL_COUNT],
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "seconds and rates of the program's own; saturates"
)]
fn samples(seconds: f64, rate_hz: f64) -> i64 {
    (seconds * rate_hz).round() as i64
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "f32 holds a scale to 7 digits"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}
