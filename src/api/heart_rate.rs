//! The heart rate, or why there is none.

use super::live::{LiveStatus, ServiceState};
use crate::signal::SignalQuality;
use crate::store::StoredBeat;

/// Intervals the median is taken over, at most.
pub(super) const MOST_INTERVALS: usize = 8;
/// Fewer intervals than this give no rate.
pub(super) const FEWEST_INTERVALS: usize = 3;
/// Older than this, the last beat says nothing about now.
pub(super) const OLDEST_BEAT_S: u64 = 4;

/// Beats per minute from the median of the last RR intervals, to a tenth; else the reason.
/// `newest_first` may go back into earlier sessions.
pub(super) fn heart_rate_bpm(
    newest_first: &[StoredBeat],
    open_session: Option<i64>,
    live: &LiveStatus,
) -> Result<f64, &'static str> {
    let Some(session) = open_session else {
        return Err("no_open_session");
    };
    if live.state == ServiceState::Recovering {
        return Err("front_end_recovering");
    }
    if live.lead_off.is_some_and(|off| off.iter().all(|off| *off)) {
        return Err("lead_off");
    }
    let beats: Vec<_> = newest_first
        .iter()
        .take_while(|row| row.session == session)
        .collect();
    let Some(last) = beats.first() else {
        return Err("no_beat_yet");
    };
    if let Some(now) = live.newest_sample
        && now.since(last.beat.r_time) > OLDEST_BEAT_S * 1_000_000_000
    {
        return Err("no_recent_beat");
    }
    if !matches!(
        last.beat.quality,
        SignalQuality::Good | SignalQuality::Noisy
    ) {
        return Err("poor_signal");
    }
    let mut intervals: Vec<f64> = beats
        .iter()
        .map_while(|row| row.beat.rr_ms)
        .map(f64::from)
        .filter(|rr_ms| rr_ms.is_finite() && *rr_ms > 0.0)
        .take(MOST_INTERVALS)
        .collect();
    if intervals.len() < FEWEST_INTERVALS {
        return Err("too_few_beats");
    }
    intervals.sort_by(f64::total_cmp);
    let middle = intervals.len() / 2;
    let upper = intervals.get(middle).copied().unwrap_or(f64::NAN);
    let lower = if intervals.len() % 2 == 1 {
        upper
    } else {
        intervals.get(middle - 1).copied().unwrap_or(upper)
    };
    let median_ms = f64::midpoint(lower, upper);
    Ok((600_000.0 / median_ms).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::BeatClass;
    use crate::pipeline::LabelledBeat;
    use crate::time::{MonotonicNs, WallUs};

    /// Newest first; the newest at 100 s.
    fn beats(session: i64, rr_ms: &[Option<f32>]) -> Vec<StoredBeat> {
        (0..)
            .zip(rr_ms)
            .map(|(age_s, rr_ms)| StoredBeat {
                id: 100 - age_s,
                session,
                r_wall: WallUs(0),
                model: "v1".into(),
                engine: "cpu".into(),
                beat: LabelledBeat {
                    r_sample: 0,
                    r_time: MonotonicNs((100 - age_s).unsigned_abs() * 1_000_000_000),
                    rr_ms: *rr_ms,
                    class: BeatClass::N,
                    unclassifiable: None,
                    probabilities: [1.0, 0.0, 0.0, 0.0, 0.0],
                    channel: 0,
                    quality: SignalQuality::Good,
                    window_complete: true,
                    label_delay_ms: 0.0,
                },
            })
            .collect()
    }

    #[test]
    fn a_rate_or_a_reason_for_every_situation() {
        let live = LiveStatus::default();
        let at = |s: u64| LiveStatus {
            newest_sample: Some(MonotonicNs(s * 1_000_000_000)),
            ..LiveStatus::default()
        };
        let off = |lead_off| LiveStatus {
            lead_off: Some(lead_off),
            ..LiveStatus::default()
        };
        let recovering = LiveStatus {
            state: ServiceState::Recovering,
            ..LiveStatus::default()
        };
        let even = beats(1, &[Some(800.0); 12]);
        let mut poor = even.clone();
        poor[0].beat.quality = SignalQuality::Clipped;
        let mixed = [beats(1, &[Some(800.0); 2]), beats(9, &[Some(400.0); 9])].concat();
        let table = [
            ("even", &even, Some(1), &live, Ok(75.0)),
            ("closed", &even, None, &live, Err("no_open_session")),
            ("other session", &even, Some(2), &live, Err("no_beat_yet")),
            ("fresh", &even, Some(1), &at(104), Ok(75.0)),
            ("old", &even, Some(1), &at(105), Err("no_recent_beat")),
            ("all off", &even, Some(1), &off([true; 2]), Err("lead_off")),
            ("one off", &even, Some(1), &off([true, false]), Ok(75.0)),
            (
                "silent",
                &even,
                Some(1),
                &recovering,
                Err("front_end_recovering"),
            ),
            ("poor", &poor, Some(1), &live, Err("poor_signal")),
            (
                "not across sessions",
                &mixed,
                Some(1),
                &live,
                Err("too_few_beats"),
            ),
            (
                "an early beat does not shift the median",
                &beats(
                    1,
                    &[
                        Some(800.0),
                        Some(1_100.0),
                        Some(500.0),
                        Some(800.0),
                        Some(810.0),
                    ],
                ),
                Some(1),
                &live,
                Ok(75.0),
            ),
            (
                "even number of intervals",
                &beats(1, &[Some(700.0), Some(800.0), Some(1_000.0), Some(1_200.0)]),
                Some(1),
                &live,
                Ok(66.7),
            ),
            (
                "a gap ends the run",
                &beats(
                    1,
                    &[Some(800.0), Some(800.0), None, Some(800.0), Some(800.0)],
                ),
                Some(1),
                &live,
                Err("too_few_beats"),
            ),
            (
                "old intervals are left out",
                &beats(
                    1,
                    &[[Some(600.0); 8].as_slice(), &[Some(2_000.0); 4]].concat(),
                ),
                Some(1),
                &live,
                Ok(100.0),
            ),
        ];
        let failures: Vec<_> = table
            .iter()
            .filter_map(|(name, beats, session, live, expected)| {
                let found = heart_rate_bpm(beats, *session, live);
                (found != *expected).then(|| format!("{name}: {found:?}"))
            })
            .collect();
        assert!(failures.is_empty(), "{failures:#?}");
    }
}
