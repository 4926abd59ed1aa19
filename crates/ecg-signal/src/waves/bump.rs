//! P and T wave: bumps before and after the QRS complex.

use super::qrs::Qrs;
use super::trace::{LEN, R, Trace, samples, to_ms};
use super::wave::Wave;

/// A bump counts above the largest of these: µV, shares of the QRS complex's height, and times the
/// noise.
const LEAST_P_UV: f32 = 25.0;
const LEAST_T_UV: f32 = 30.0;
const P_SHARE: f32 = 0.02;
const T_SHARE: f32 = 0.04;
const P_ABOVE_NOISE: f32 = 3.0;
const T_ABOVE_NOISE: f32 = 2.5;
/// A P wave stands out over no more than this to either side.
const P_REACH_MS: usize = 120;
/// No P wave is longer; a bump that is, is baseline or a part of another wave.
const LONGEST_P_MS: usize = 160;
/// From an R peak to the end of its T wave at 1 s of RR, as far as a P wave is not to be looked for
/// there, seconds; shorter intervals shorten it by their square root.
const USUAL_R_TO_T_END_S: f32 = 0.38;
/// A T wave ends within this share of the RR interval, or within this time where that is longer.
const T_OF_RR: f32 = 0.58;
const SHORTEST_TO_T_END_S: f32 = 0.45;
/// The T wave's peak is at least this far behind the QRS complex.
const J_TO_T_PEAK_MS: usize = 60;
/// A complex that runs into its T wave, as those of V beats do, has no ST segment: the wave begins with
/// the complex's end and is farthest from the baseline within this time behind it.
const MERGED_PEAK_MS: usize = 80;
/// Its return from there is this share of the complex's height: less may be what is left of the complex.
const MERGED_SHARE: f32 = 0.15;
/// A slope this steep, of the QRS complex's steepest, is the next complex.
const NEXT_QRS: f32 = 0.45;
/// A T wave stands out over no more than this to either side.
const T_REACH_MS: usize = 180;
/// What the larger of both sides counts beside the smaller one.
const T_ONE_SIDED: f32 = 0.3;
/// What its fall counts alone: an ST segment may run into the wave without a rise before it.
const T_FALL_ALONE: f32 = 0.5;
/// An end this near to the window's is not seen: the wave may go on.
const UNSEEN_MS: usize = 16;
/// The farthest that the foot of a wave is from its steepest slope.
const P_FOOT_MS: usize = 60;
const T_FOOT_MS: usize = 110;

/// The P wave before `qrs`.
pub(super) fn p_wave(trace: &Trace, qrs: &Qrs, rr_s: Option<f32>) -> Option<Wave> {
    let first = rr_s.map_or(2, first_for_p).max(2);
    let last = qrs.onset.checked_sub(2)?;
    if last < first + samples(60) {
        return None;
    }
    let y = &trace.smooth;
    let prominence = |peak: usize| {
        let left = y[peak.saturating_sub(samples(P_REACH_MS)).max(first)..=peak].iter();
        let right = y[peak..=(peak + samples(P_REACH_MS)).min(last)].iter();
        let lowest = |side: std::slice::Iter<'_, f32>| side.fold(f32::INFINITY, |a, &b| a.min(b));
        let highest =
            |side: std::slice::Iter<'_, f32>| side.fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        let up = (y[peak] - lowest(left.clone())).min(y[peak] - lowest(right.clone()));
        let down = (highest(left) - y[peak]).min(highest(right) - y[peak]);
        up.max(down)
    };
    let turns = |k: &usize| (y[*k] - y[k - 1]) * (y[k + 1] - y[*k]) <= 0.0;
    let peak = (first + 1..last)
        .filter(turns)
        .max_by(|&a, &b| prominence(a).total_cmp(&prominence(b)))?;
    let least = LEAST_P_UV
        .max(P_SHARE * qrs.height_uv)
        .max(P_ABOVE_NOISE * trace.noise_uv);
    if prominence(peak) < least {
        return None;
    }
    let onset = foot(trace, peak, first, samples(P_FOOT_MS));
    let end = foot(trace, peak, last, samples(P_FOOT_MS));
    if end - onset > samples(LONGEST_P_MS) {
        return None;
    }
    Some(Wave {
        onset_ms: to_ms(onset),
        peak_ms: to_ms(peak),
        end_ms: Some(to_ms(end)),
    })
}

/// Where the T wave of the beat before is over, if that beat was `rr_s` ago.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and is compared with the window's length afterwards"
)]
fn first_for_p(rr_s: f32) -> usize {
    // A short interval is a premature beat's: the beat before it was in the usual rhythm.
    let over_s = USUAL_R_TO_T_END_S * rr_s.clamp(0.8, 1.2).sqrt() - rr_s;
    (R as f32 + over_s * 250.0).max(0.0) as usize
}

/// Behind it the next beat's P wave may begin, in a rhythm of `rr_s` from beat to beat: a share of the
/// interval, but for a premature beat, after which comes a pause.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive and bounded"
)]
fn last_for_t(rr_s: f32) -> usize {
    R + ((T_OF_RR * rr_s).clamp(SHORTEST_TO_T_END_S, 1.0) * 250.0) as usize
}

/// The T wave behind `qrs`.
pub(super) fn t_wave(trace: &Trace, qrs: &Qrs, rr_s: Option<f32>) -> Option<Wave> {
    let first = qrs.end + 1;
    let last = rr_s.map_or(LEN, last_for_t).min(LEN);
    let next = (qrs.end + samples(120)..last)
        .find(|&k| trace.steepness[k] >= NEXT_QRS * qrs.steepest)
        .map_or(last - 1, |next| next.saturating_sub(samples(60)));
    let earliest = first + samples(J_TO_T_PEAK_MS);
    if next < earliest + samples(60) {
        return None;
    }
    let y = &trace.smooth;
    let turns = |k: &usize| (y[*k] - y[k - 1]) * (y[k + 1] - y[*k]) <= 0.0;
    // How far it falls behind the peak, and how far it has risen before it, of which less may be seen: an ST
    // segment may run into it.
    let height = |peak: usize| {
        let far = |side: &[f32], sign: f32| {
            side.iter()
                .fold(0.0_f32, |most, uv| most.max(sign * (y[peak] - uv)))
        };
        let before = &y[peak.saturating_sub(samples(T_REACH_MS)).max(first)..peak];
        let behind = &y[peak..=(peak + samples(T_REACH_MS)).min(next)];
        let of = |sign| {
            let (rise, fall) = (far(before, sign), far(behind, sign));
            let less = rise.min(fall);
            (less + T_ONE_SIDED * rise.max(fall).min(4.0 * less)).max(T_FALL_ALONE * fall)
        };
        of(1.0_f32).max(of(-1.0))
    };
    let least = LEAST_T_UV
        .max(T_SHARE * qrs.height_uv)
        .max(T_ABOVE_NOISE * trace.noise_uv);
    let apart = (earliest..next)
        .filter(turns)
        .max_by(|&a, &b| height(a).total_cmp(&height(b)))
        .filter(|&peak| height(peak) >= least);
    let (peak, onset) = match apart {
        Some(peak) => (peak, foot(trace, peak, first, samples(T_FOOT_MS))),
        None => (merged_peak(trace, qrs, first, next, least)?, first),
    };
    let end = foot(trace, peak, next, samples(T_FOOT_MS));
    Some(Wave {
        onset_ms: to_ms(onset),
        peak_ms: to_ms(peak),
        end_ms: (end + samples(UNSEEN_MS) < LEN).then(|| to_ms(end)),
    })
}

/// The peak of a T wave that the complex runs into: what lies farthest to one side soon behind the complex,
/// if it comes back by enough.
fn merged_peak(
    trace: &Trace,
    qrs: &Qrs,
    first: usize,
    next: usize,
    least_uv: f32,
) -> Option<usize> {
    let y = &trace.smooth;
    let near = first..(first + samples(MERGED_PEAK_MS)).min(next);
    let side = |sign: f32| {
        let farthest = near
            .clone()
            .max_by(|&a, &b| (sign * y[a]).total_cmp(&(sign * y[b])))?;
        let behind = &y[farthest..=(farthest + samples(T_REACH_MS)).min(next)];
        let back = behind
            .iter()
            .fold(0.0_f32, |most, uv| most.max(sign * (y[farthest] - uv)));
        Some((farthest, back))
    };
    [side(1.0), side(-1.0)]
        .into_iter()
        .flatten()
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .filter(|&(_, back)| back >= least_uv.max(MERGED_SHARE * qrs.height_uv))
        .map(|(peak, _)| peak)
}

/// Where the wave with this peak begins or ends, on the way from the peak to `limit`: the corner
/// between its steepest slope and what is flat behind it, which makes the trapezium between them
/// largest (Vázquez-Seisdedos et al. 2011).
fn foot(trace: &Trace, peak: usize, limit: usize, reach: usize) -> usize {
    let y = &trace.smooth;
    let towards = |from: usize, by: usize| {
        if limit < peak {
            from.saturating_sub(by).max(limit)
        } else {
            (from + by).min(limit)
        }
    };
    let slope = |k: usize| {
        let (a, b) = (k.saturating_sub(1), (k + 1).min(LEN - 1));
        (y[b] - y[a]).abs()
    };
    let between = |a: usize, b: usize| a.min(b)..=a.max(b);
    let far = towards(peak, reach + reach / 2);
    let Some(steepest) = between(peak, far).max_by(|&a, &b| slope(a).total_cmp(&slope(b))) else {
        return peak;
    };
    let flat = towards(steepest, reach);
    let area = |k: usize| {
        let width = 2.0 * flat.abs_diff(k) as f32 + k.abs_diff(steepest) as f32;
        (y[steepest] - y[k]).abs() * width
    };
    // Only as long as the wave goes on: what turns back is another wave.
    let falls = |k: usize| (y[k] - y[peak]).abs() >= (y[steepest] - y[peak]).abs();
    between(steepest, flat)
        .filter(|&k| falls(k))
        .max_by(|&a, &b| area(a).total_cmp(&area(b)))
        .unwrap_or(steepest)
}
