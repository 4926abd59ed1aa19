//! The QRS complex around a known R peak, by slope.

use super::trace::{LEN, R, Trace, samples};

/// Bounds of a complex, samples of [`Trace`].
pub(super) struct Qrs {
    pub(super) onset: usize,
    pub(super) end: usize,
    /// From its lowest to its highest value, µV.
    pub(super) height_uv: f32,
    /// Its steepest slope, µV a sample.
    pub(super) steepest: f32,
}

/// Smallest complex that is delineated, µV from lowest to highest.
const LEAST_HEIGHT_UV: f32 = 40.0;
/// A slope belongs to the complex above these shares of its steepest.
const ONSET_SHARE: f32 = 0.05;
const END_SHARE: f32 = 0.06;
/// And above this many times the quiet slope.
const ABOVE_QUIET: f32 = 2.5;
/// Peaks and notches inside a complex are flat for no longer than this.
const LONGEST_FLAT_MS: usize = 28;
/// The complex reaches no farther from the R peak than this.
const FARTHEST_BEFORE_MS: usize = 140;
const FARTHEST_AFTER_MS: usize = 180;

/// The complex; `None` where there is hardly a signal.
pub(super) fn find(trace: &Trace) -> Option<Qrs> {
    let near = R - samples(100)..=R + samples(120);
    let steepest = trace.steepness[near.clone()]
        .iter()
        .fold(0.0_f32, |most, &slope| most.max(slope));
    let height = |range: std::ops::RangeInclusive<usize>| {
        let values = &trace.uv[range];
        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
        let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        high - low
    };
    if height(near) < LEAST_HEIGHT_UV {
        return None;
    }
    let limit = |share: f32| {
        (share * steepest)
            .max(ABOVE_QUIET * trace.quiet)
            .min(steepest / 2.0)
    };
    let before = limit(ONSET_SHARE);
    let after = limit(END_SHARE);
    let onset = reach(
        (R - samples(FARTHEST_BEFORE_MS)..R).rev(),
        &trace.steepness,
        before,
    );
    let end = reach(
        R + 1..(R + samples(FARTHEST_AFTER_MS)).min(LEN),
        &trace.steepness,
        after,
    );
    Some(Qrs {
        onset: onset.unwrap_or(R - 1),
        end: end.unwrap_or(R + 1),
        height_uv: height(onset.unwrap_or(R)..=end.unwrap_or(R)),
        steepest,
    })
}

/// The last place on the way that is as steep as `limit`, before a flat stretch that is too long.
fn reach(way: impl Iterator<Item = usize>, steepness: &[f32], limit: f32) -> Option<usize> {
    let (mut last, mut flat) = (None, 0);
    for place in way {
        if steepness[place] >= limit {
            last = Some(place);
            flat = 0;
        } else {
            flat += 1;
            if flat > samples(LONGEST_FLAT_MS) && last.is_some() {
                break;
            }
        }
    }
    last
}
