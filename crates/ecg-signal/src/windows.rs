//! The windows of beats whose R peaks are known, cut out of recorded ECG without looking for beats.

use std::collections::VecDeque;

use super::beats::{ends_inside, is_complete, window_around};
use super::chain::LONGEST_BRIDGED_GAP_S;
use super::detector::History;
use super::rate::whole;
use super::{Conditioner, Mains, SampleRate, WINDOW_SAMPLES};

/// Cuts the windows of known beats out of one channel, conditioned as the chain conditions it; `T` is
/// what the caller knows a beat by.
///
/// A gap of up to [`LONGEST_BRIDGED_GAP_S`] is bridged by a straight line; behind a longer one the
/// filters start anew. Memory is that of two seconds of signal and of the beats that wait.
///
/// ```
/// use ecg_signal::{BeatWindows, Mains, R_INDEX, SampleRate};
///
/// let mut windows = BeatWindows::new(SampleRate::from_hz(250.0).unwrap(), Mains::None);
/// windows.expect(500, "the only beat");
/// let mut found = Vec::new();
/// for index in 0..1_000_u64 {
///     let uv = (1_000.0 - 100.0 * index.abs_diff(500) as f32).max(0.0);
///     windows.push(index, uv, &mut |beat, window| found.push((beat, window.copied())));
/// }
/// let (beat, Some(window_uv)) = found[0] else { panic!("{found:?}") };
/// assert_eq!(beat, "the only beat");
/// assert!(window_uv[R_INDEX] > 500.0);
/// ```
#[derive(Debug, Clone)]
pub struct BeatWindows<T> {
    rate: SampleRate,
    conditioner: Conditioner,
    history: History,
    longest_bridge_samples: u64,
    /// Input index and value.
    newest: Option<(u64, f32)>,
    /// Index of R at the chain's rate, in the order they were told.
    expected: VecDeque<(u64, T)>,
}

impl<T> BeatWindows<T> {
    /// Nothing was seen yet; the first sample may have any index.
    #[must_use]
    pub fn new(rate: SampleRate, mains: Mains) -> Self {
        Self {
            rate,
            conditioner: Conditioner::new(rate, mains),
            history: History::new(),
            longest_bridge_samples: whole(LONGEST_BRIDGED_GAP_S * rate.hz()),
            newest: None,
            expected: VecDeque::new(),
        }
    }

    /// A beat has its R peak at input index `r_sample`. Beats are told in the order of time, each before
    /// the signal half a second behind it; one that is told later gets no window.
    pub fn expect(&mut self, r_sample: u64, beat: T) {
        let r = self.rate.convert_index(r_sample, SampleRate::CHAIN);
        self.expected.push_back((r, beat));
    }

    /// Take the sample with input index `index`, in µV; an index that is not after the newest is ignored.
    /// `sink` gets each beat whose window is known by now: `None` where a part of it lies outside the
    /// signal (start, gap, end).
    #[inline]
    pub fn push(
        &mut self,
        index: u64,
        uv: f32,
        sink: &mut impl FnMut(T, Option<&[f32; WINDOW_SAMPLES]>),
    ) {
        match self.newest {
            Some((newest, _)) if index <= newest => return,
            Some((newest, before_uv)) if index - newest - 1 <= self.longest_bridge_samples => {
                let step_uv = (uv - before_uv) / (index - newest) as f32;
                for ahead in 1..index - newest {
                    self.enter(before_uv + step_uv * ahead as f32);
                }
            }
            _ => {
                self.break_off(sink);
                self.conditioner.restart(index);
                self.history.restart(self.conditioner.next_index());
            }
        }
        self.newest = Some((index, uv));
        self.enter(uv);
        while let Some((r, _)) = self.expected.front()
            && ends_inside(&self.history, *r)
        {
            self.hand_out_first(sink);
        }
    }

    /// The signal ends: every beat that still waits is handed out.
    pub fn finish(&mut self, sink: &mut impl FnMut(T, Option<&[f32; WINDOW_SAMPLES]>)) {
        self.break_off(sink);
        while !self.expected.is_empty() {
            self.hand_out_first(sink);
        }
    }

    /// The signal stops here: beats with their R peak in it are handed out.
    fn break_off(&mut self, sink: &mut impl FnMut(T, Option<&[f32; WINDOW_SAMPLES]>)) {
        if self.newest.take().is_some() {
            let history = &mut self.history;
            self.conditioner
                .flush(&mut |sample| history.push(sample.uv));
        }
        while let Some((r, _)) = self.expected.front()
            && *r < self.history.end()
        {
            self.hand_out_first(sink);
        }
    }

    fn hand_out_first(&mut self, sink: &mut impl FnMut(T, Option<&[f32; WINDOW_SAMPLES]>)) {
        if let Some((r, beat)) = self.expected.pop_front() {
            let is_complete = is_complete(&self.history, r);
            let window_uv = is_complete.then(|| window_around(&self.history, r));
            sink(beat, window_uv.as_ref());
        }
    }

    #[inline]
    fn enter(&mut self, uv: f32) {
        let history = &mut self.history;
        self.conditioner
            .push(uv, &mut |sample| history.push(sample.uv));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Chain, ChainConfig, ChainEvent, R_INDEX, Sample};
    use super::*;

    /// A beat every 0.8 s with its peak at a multiple of that, from 0.8 s on.
    fn uv(index: u64, rate_hz: f64) -> f32 {
        let from_r = (index as f64 / rate_hz + 0.4) % 0.8 - 0.4;
        #[allow(clippy::cast_possible_truncation)]
        let uv = (1_000.0 * (-(from_r / 0.012).powi(2) / 2.0).exp()) as f32;
        uv
    }

    type Found = Vec<(u64, Option<[f32; WINDOW_SAMPLES]>)>;

    /// Windows of the beats at `r_samples` in the samples that `has` keeps, of 10 s at 500 SPS.
    fn windows(r_samples: &[u64], has: impl Fn(u64) -> bool) -> Found {
        let rate = SampleRate::from_hz(500.0).unwrap();
        let mut windows = BeatWindows::new(rate, Mains::Hz50);
        let mut found = Vec::new();
        let mut keep = |r, window: Option<&[f32; WINDOW_SAMPLES]>| found.push((r, window.copied()));
        for &r_sample in r_samples {
            windows.expect(r_sample, r_sample);
        }
        for index in (0..5_000).filter(|&index| has(index)) {
            windows.push(index, uv(index, 500.0), &mut keep);
        }
        windows.finish(&mut keep);
        found
    }

    #[test]
    fn a_window_is_the_chains_own() {
        let rate = SampleRate::from_hz(500.0).unwrap();
        let mut chain = Chain::new(&ChainConfig::new(rate).channel_count(1)).unwrap();
        let mut expected = Vec::new();
        let mut keep = |event| {
            if let ChainEvent::Beat(cut) = event
                && cut.window_complete
            {
                expected.push((cut.r_sample, cut.window_uv));
            }
        };
        for index in 0..5_000 {
            let sample = Sample {
                index,
                uv: [uv(index, 500.0), 0.0],
                lead_off: [false; 2],
            };
            chain.push(&sample, &mut keep);
        }
        chain.finish(&mut keep);
        assert!(expected.len() > 8, "{}", expected.len());
        let r_samples: Vec<_> = expected.iter().map(|(r, _)| *r).collect();
        let found = windows(&r_samples, |_| true);
        let found: Vec<_> = found.into_iter().map(|(r, w)| (r, w.unwrap())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn beats_beside_a_gap_at_the_start_and_at_the_end_have_none() {
        let r_samples: Vec<u64> = (0..13).map(|beat| 400 * beat).collect();
        let complete = |has: &dyn Fn(u64) -> bool| -> Vec<u64> {
            let found = windows(&r_samples, has);
            // Every beat comes once and in order, with a window or without.
            assert!(found.iter().map(|(r, _)| *r).eq(r_samples.iter().copied()));
            let complete = found.into_iter().filter(|(_, window)| window.is_some());
            complete.map(|(r, _)| r / 400).collect()
        };
        let all: Vec<u64> = (1..12).collect();
        assert_eq!(complete(&|_| true), all);
        // 20 ms are bridged.
        assert_eq!(complete(&|index| !(2_000..2_010).contains(&index)), all);
        // A gap from 4.4 s to 5.2 s: windows end 0.576 s behind R and begin 0.44 s before it.
        let with_gap = complete(&|index| !(2_200..2_600).contains(&index));
        assert_eq!(with_gap, [1, 2, 3, 4, 8, 9, 10, 11]);
    }

    #[test]
    fn r_stands_in_its_place() {
        for (r, window) in windows(&[1_200, 2_400], |_| true) {
            let window_uv = window.unwrap();
            let peak = (0..WINDOW_SAMPLES).max_by(|&a, &b| window_uv[a].total_cmp(&window_uv[b]));
            assert_eq!(peak, Some(R_INDEX), "{r}");
        }
    }

    #[test]
    fn a_beat_told_too_late_has_none() {
        let mut windows = BeatWindows::new(SampleRate::from_hz(500.0).unwrap(), Mains::None);
        let mut sink = |r: u64, window: Option<&[f32; WINDOW_SAMPLES]>| {
            assert_eq!((r, window), (400, None));
        };
        for index in 0..3_000 {
            windows.push(index, uv(index, 500.0), &mut sink);
        }
        windows.expect(400, 400);
        windows.push(3_000, 0.0, &mut sink);
        assert!(windows.expected.is_empty());
    }
}
