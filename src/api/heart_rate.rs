//! The heart rate, or why there is none.

use std::time::{Duration, Instant};

use ecg_signal::SignalQuality;

use super::live::{LiveStatus, MOST_INTERVALS, ServiceState};

/// Fewer intervals than this give no rate.
pub(super) const FEWEST_INTERVALS: usize = 3;
/// Older than this, the last beat says nothing about now.
pub(super) const OLDEST_BEAT_S: u64 = 4;
/// Nothing received for longer than this says the same.
pub(super) const OLDEST_SAMPLE: Duration = Duration::from_secs(4);

/// Beats per minute from the median of the last RR intervals, to a tenth; else the reason. `now` is when
/// it is asked for.
pub(super) fn heart_rate_bpm(live: &LiveStatus, now: Instant) -> Result<f64, &'static str> {
    let Some(session) = live.session.as_ref().filter(|session| session.open) else {
        return Err("no_open_session");
    };
    if live.state == ServiceState::Recovering {
        return Err("front_end_recovering");
    }
    if live.lead_off.is_some_and(|off| off.iter().all(|off| *off)) {
        return Err("lead_off");
    }
    let Some(last) = session.newest_beats.front() else {
        return Err("no_beat_yet");
    };
    if let Some(received) = live.newest_received
        && now.saturating_duration_since(received) > OLDEST_SAMPLE
    {
        return Err("no_recent_sample");
    }
    if let Some(now) = live.newest_sample
        && now.since(last.r_time) > OLDEST_BEAT_S * 1_000_000_000
    {
        return Err("no_recent_beat");
    }
    if !matches!(last.quality, SignalQuality::Good | SignalQuality::Noisy) {
        return Err("poor_signal");
    }
    let mut intervals: Vec<f64> = session
        .newest_beats
        .iter()
        .map_while(|beat| beat.rr_ms)
        .map(f64::from)
        .filter(|rr_ms| rr_ms.is_finite() && *rr_ms > 0.0)
        .take(MOST_INTERVALS)
        .collect();
    if intervals.len() < FEWEST_INTERVALS {
        return Err("too_few_beats");
    }
    intervals.sort_by(f64::total_cmp);
    let at = |place: usize| intervals.get(place).copied().unwrap_or(f64::NAN);
    // both are the middle one of an odd number
    let median_ms = f64::midpoint(at((intervals.len() - 1) / 2), at(intervals.len() / 2));
    Ok((600_000.0 / median_ms).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use arrhythmianet::BeatClass;
    use ecg_chain::LabelledBeat;
    use ecg_chain::MonotonicNs;

    use super::super::live::LiveSession;
    use super::*;

    /// Newest first; the newest at 100 s.
    fn beats(rr_ms: &[Option<f32>]) -> Vec<LabelledBeat> {
        (0..)
            .zip(rr_ms)
            .map(|(age_s, rr_ms)| LabelledBeat {
                r_sample: 0,
                r_time: MonotonicNs((100 - age_s) * 1_000_000_000),
                rr_ms: *rr_ms,
                class: BeatClass::N,
                unclassifiable: None,
                probabilities: [1.0, 0.0, 0.0, 0.0, 0.0],
                channel: 0,
                quality: SignalQuality::Good,
                window_complete: true,
                label_delay_ms: 0.0,
            })
            .collect()
    }

    #[test]
    fn a_rate_or_a_reason_for_every_situation() {
        let now = Instant::now();
        let live = LiveStatus::default();
        let at = |s: u64| LiveStatus {
            newest_sample: Some(MonotonicNs(s * 1_000_000_000)),
            ..LiveStatus::default()
        };
        let off = |lead_off| LiveStatus {
            lead_off: Some(lead_off),
            ..LiveStatus::default()
        };
        let silent = |since| LiveStatus {
            newest_received: now.checked_sub(since),
            ..LiveStatus::default()
        };
        let recovering = LiveStatus {
            state: ServiceState::Recovering,
            ..LiveStatus::default()
        };
        let even = beats(&[Some(800.0); 12]);
        let mut poor = even.clone();
        poor[0].quality = SignalQuality::Clipped;
        let stalled = OLDEST_SAMPLE + Duration::from_millis(1);
        let irregular = [800.0, 1_100.0, 500.0, 800.0, 810.0].map(Some);
        let four = [700.0, 800.0, 1_000.0, 1_200.0].map(Some);
        let gap = [Some(800.0), Some(800.0), None, Some(800.0), Some(800.0)];
        let slow = [[Some(600.0); 8].as_slice(), &[Some(2_000.0); 4]].concat();
        let table = [
            ("even", &even, true, &live, Ok(75.0)),
            ("closed", &even, false, &live, Err("no_open_session")),
            ("none", &beats(&[]), true, &live, Err("no_beat_yet")),
            ("fresh", &even, true, &at(104), Ok(75.0)),
            ("old", &even, true, &at(105), Err("no_recent_beat")),
            ("all off", &even, true, &off([true; 2]), Err("lead_off")),
            ("one off", &even, true, &off([true, false]), Ok(75.0)),
            ("received", &even, true, &silent(OLDEST_SAMPLE), Ok(75.0)),
            (
                "nothing received",
                &even,
                true,
                &silent(stalled),
                Err("no_recent_sample"),
            ),
            (
                "silent chip",
                &even,
                true,
                &recovering,
                Err("front_end_recovering"),
            ),
            ("poor", &poor, true, &live, Err("poor_signal")),
            (
                "two intervals",
                &beats(&[Some(800.0); 2]),
                true,
                &live,
                Err("too_few_beats"),
            ),
            (
                "an early beat does not shift the median",
                &beats(&irregular),
                true,
                &live,
                Ok(75.0),
            ),
            ("even number", &beats(&four), true, &live, Ok(66.7)),
            (
                "a gap ends the run",
                &beats(&gap),
                true,
                &live,
                Err("too_few_beats"),
            ),
            ("old intervals", &beats(&slow), true, &live, Ok(100.0)),
        ];
        let failures: Vec<_> = table
            .iter()
            .filter_map(|(name, beats, open, live, expected)| {
                let session = LiveSession {
                    open: *open,
                    newest_beats: beats.iter().cloned().collect(),
                    ..LiveSession::default()
                };
                let live = LiveStatus {
                    session: Some(session),
                    ..(*live).clone()
                };
                let found = heart_rate_bpm(&live, now);
                (found != *expected).then(|| format!("{name}: {found:?}"))
            })
            .collect();
        assert!(failures.is_empty(), "{failures:#?}");
    }
}
