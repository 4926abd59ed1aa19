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

/// How one side of a complex is looked for.
struct Side {
    /// A flank belongs to the complex if it is this steep, of the complex's steepest.
    flank: f32,
    /// Between two flanks of a complex, peaks and notches, it is flat for no longer than this.
    longest_flat_ms: usize,
    /// The complex is over where no more than this of the outermost flank's slope is left.
    left_over: f32,
    /// How much farther out hand marks stand.
    margin_ms: usize,
    /// The outermost flank is no farther from the R peak than this.
    farthest_ms: usize,
}

const BEFORE: Side = Side {
    flank: 0.1,
    longest_flat_ms: 20,
    left_over: 0.1,
    margin_ms: 8,
    farthest_ms: 140,
};
const AFTER: Side = Side {
    flank: 0.15,
    longest_flat_ms: 40,
    left_over: 0.2,
    margin_ms: 8,
    farthest_ms: 160,
};

/// Smallest complex that is delineated, µV from lowest to highest.
const LEAST_HEIGHT_UV: f32 = 40.0;
/// No flank is less steep than this many times the quiet slope, and no end lies above it.
const ABOVE_QUIET: f32 = 3.0;
/// From the outermost flank to the end it is no farther than this.
const LONGEST_FOOT_MS: usize = 60;

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
    let onset = R - reach(trace, steepest, &BEFORE, |far| R - far);
    let end = R + reach(trace, steepest, &AFTER, |far| R + far);
    Some(Qrs {
        onset,
        end,
        height_uv: height(onset..=end),
        steepest,
    })
}

/// How far from the R peak the complex reaches to one side, samples: along its flanks, and from the
/// outermost of them to where its slope has died away. A share of that flank's own slope decides, not of
/// the steepest: a slow last wave ends later than a share of a sharp R wave would say.
fn reach(trace: &Trace, steepest: f32, side: &Side, at: impl Fn(usize) -> usize) -> usize {
    let slope = |far: usize| trace.steepness[at(far)];
    let quiet = ABOVE_QUIET * trace.quiet;
    let flank = (side.flank * steepest).max(quiet.min(steepest / 3.0));
    let (mut last, mut outermost) = (0, 0);
    for far in 1..samples(side.farthest_ms) {
        if slope(far) >= flank {
            last = far;
            if slope(far) >= slope(far - 1) && slope(far) >= slope(far + 1) {
                outermost = far;
            }
        } else if outermost > 0 && far - last > samples(side.longest_flat_ms) {
            break;
        }
    }
    let of = slope(outermost);
    let limit = (side.left_over * of).max(quiet.min(of / 2.0));
    let foot = outermost + 1..outermost + samples(LONGEST_FOOT_MS);
    let end = foot
        .clone()
        .find(|&far| slope(far) < limit)
        .unwrap_or(foot.end);
    (end - 1 + samples(side.margin_ms)).clamp(1, (LEN - 1 - R).min(R))
}
