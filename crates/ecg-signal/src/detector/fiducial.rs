//! Where in a QRS complex the R peak is.

use super::candidate::Fiducial;
use super::duration::samples;
use super::history::History;
use super::memory::Memory;

/// The R peak is looked for this far on both sides of the peak of the energy.
const SEARCH_HALF: u64 = samples(72);
/// The level before the complex is the mean of this stretch before the peak of the energy.
const LEVEL_FROM: u64 = samples(200);
const LEVEL_TO: u64 = samples(112);
/// A complex whose deflections differ by less than this (logarithm of their ratio) keeps the
/// polarity of the patient's beats so far: R and S must not take turns.
const UNDECIDED: f32 = 0.4;
/// What remains of a complex in means over this many samples (40 ms) tells its breadth: little of a
/// QRS complex, nearly all of a T wave.
const BROAD_LENGTH: u64 = samples(40);
const BROAD_FROM: u64 = samples(200);
const BROAD_COUNT: u64 = 9;

/// The dominant deflection of the complex around `peak`, or the place of R in the known shape it
/// has.
pub(super) fn place(history: &History, peak: u64, memory: &Memory) -> Fiducial {
    let from = peak.saturating_sub(SEARCH_HALF).max(history.first());
    let to = (peak + SEARCH_HALF).min(history.end().saturating_sub(1));
    let level_uv = mean(
        history,
        peak.saturating_sub(LEVEL_FROM),
        peak.saturating_sub(LEVEL_TO),
    );
    let (mut highest, mut lowest) = ((from, f32::MIN), (from, f32::MAX));
    for index in from..=to {
        let uv = history.at(index) - level_uv;
        if uv > highest.1 {
            highest = (index, uv);
        }
        if uv < lowest.1 {
            lowest = (index, uv);
        }
    }
    let log_up_over_down = (highest.1.max(1.0) / (-lowest.1).max(1.0)).ln();
    let dominant = if log_up_over_down > 0.0 {
        highest.0
    } else {
        lowest.0
    };
    let fit = memory.shapes.fit(history, dominant);
    let unknown = log_up_over_down + UNDECIDED * memory.polarity.signum() > 0.0;
    let upward = fit.upward().unwrap_or(unknown);
    let extremum = if upward { highest.0 } else { lowest.0 };
    let index = fit.summit(history).unwrap_or(extremum);
    Fiducial {
        index,
        offset: vertex(
            history.at(index.saturating_sub(1)),
            history.at(index),
            history.at(index + 1),
        ),
        upward,
        amplitude_uv: highest.1 - lowest.1,
        up_uv: highest.1.max(0.0),
        down_uv: (-lowest.1).max(0.0),
        breadth: broad_range_uv(history, peak) / (highest.1 - lowest.1).max(1.0),
        fit,
        log_up_over_down,
    }
}

fn broad_range_uv(history: &History, peak: u64) -> f32 {
    let from = peak.saturating_sub(BROAD_FROM);
    let (mut highest, mut lowest) = (f32::MIN, f32::MAX);
    for block in 0..BROAD_COUNT {
        let start = from + block * BROAD_LENGTH;
        let mean_uv = mean(history, start, start + BROAD_LENGTH - 1);
        highest = highest.max(mean_uv);
        lowest = lowest.min(mean_uv);
    }
    highest - lowest
}

fn mean(history: &History, from: u64, to: u64) -> f32 {
    let sum: f32 = (from..=to).map(|index| history.at(index)).sum();
    sum / (to - from + 1) as f32
}

/// Place of the extremum of the parabola through three neighbouring samples.
fn vertex(before: f32, at: f32, after: f32) -> f32 {
    let curvature = before - 2.0 * at + after;
    if curvature.abs() < 1e-6 {
        return 0.0;
    }
    (0.5 * (before - after) / curvature).clamp(-0.5, 0.5)
}
