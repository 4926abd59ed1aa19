//! Intervals between beats and what is unusual about the newest.

/// Values that tell a network the rhythm around a beat, see [`RrFeatures::context`].
pub const CONTEXT_VALUES: usize = 16;

/// Intervals compared with.
const LONG: usize = 256;
/// Intervals of the nearer past.
const SHORT: usize = 64;
/// Intervals of the mean, and differences of the variability.
const FEW: usize = 8;
/// A longer interval is a pause of the signal or a beat missed, not a rhythm, seconds.
const LONGEST_S: f64 = 3.0;
/// Earlier intervals without which nothing is said.
const FEWEST: usize = 2;

/// The rhythm up to a beat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RrFeatures {
    /// Interval ending in this beat, seconds; `None` for the first beat and the first after a gap.
    pub rr_s: Option<f32>,
    /// What the context networks read besides the waveform, each between -3 and 3.2.
    ///
    /// With `R0` the interval ending in this beat, `R1`, `R2`, ... the earlier ones, newest first,
    /// `f(v) = 2 clip(v, -1.5, 1.5)` and `Pq(n)` the percentile of `R1` to `Rn` (linear between
    /// neighbours; of those there are where there are fewer):
    ///
    /// | index | value |
    /// | --- | --- |
    /// | 0, 1, 2, 3 | f(ln R0 / x), x the mean of R1 to R8, P50(256), R1, 0.8 s |
    /// | 4, 5, 6 | the same, x = P75(64), P75(256), P90(256) |
    /// | 7 | 4 min(0.8, mean of abs(ln Rk / R(k+1)), k = 1 to 8) |
    /// | 8 | 3 min(1, (P75(64) - P25(64)) / P50(64)) |
    /// | 9, 10 | 2 times the share of R1 to R64 below 1.02 R0, of R1 to R256 below 0.97 R0 |
    /// | 11 to 14 | f(ln Rk / P75(64)), k = 1 to 4; 0 where there is no such interval |
    /// | 15 | f(ln P75(64) / P50(256)) |
    ///
    /// All are 0 with fewer than two earlier intervals; 0 to 6, 9 and 10 also where `R0` is unknown
    /// or longer than 3 s. Such intervals are not among the earlier ones of later beats.
    pub context: [f32; CONTEXT_VALUES],
}

/// The last 256 intervals of a session. A gap breaks an interval, not the history.
#[derive(Debug, Clone)]
pub(super) struct RrHistory {
    intervals_s: [f64; LONG],
    /// Intervals ever taken.
    count: usize,
    short: Sorted<SHORT>,
    long: Sorted<LONG>,
    /// Time of the last beat, seconds.
    last_beat_s: Option<f64>,
}

impl RrHistory {
    pub(super) fn new() -> Self {
        Self {
            intervals_s: [0.0; LONG],
            count: 0,
            short: Sorted::new(),
            long: Sorted::new(),
            last_beat_s: None,
        }
    }

    /// The next beat's interval is unknown.
    pub(super) fn break_interval(&mut self) {
        self.last_beat_s = None;
    }

    /// Take a beat at `beat_s`, seconds, later than the one before.
    #[allow(clippy::cast_possible_truncation, reason = "intervals are short")]
    pub(super) fn add(&mut self, beat_s: f64) -> RrFeatures {
        let rr_s = self.last_beat_s.map(|last_s| beat_s - last_s);
        self.last_beat_s = Some(beat_s);
        let usable = rr_s.filter(|&rr_s| rr_s > 0.0 && rr_s <= LONGEST_S);
        let context = self.context(usable);
        if let Some(interval_s) = usable {
            self.add_interval(interval_s);
        }
        RrFeatures {
            rr_s: rr_s.map(|rr_s| rr_s as f32),
            context,
        }
    }

    pub(super) fn add_interval(&mut self, interval_s: f64) {
        self.short.replace(self.back(SHORT), interval_s);
        self.long.replace(self.back(LONG), interval_s);
        self.intervals_s[self.count % LONG] = interval_s;
        self.count += 1;
    }

    /// The interval `age` back, 1 the newest; at most [`LONG`].
    fn back(&self, age: usize) -> Option<f64> {
        let place = self.count.checked_sub(age)?;
        Some(self.intervals_s[place % LONG])
    }

    pub(super) fn context(&self, rr_s: Option<f64>) -> [f32; CONTEXT_VALUES] {
        let mut context = [0.0; CONTEXT_VALUES];
        if self.count < FEWEST {
            return context.map(narrow);
        }
        let back = |age: usize| self.back(age).unwrap_or(1.0);
        let (short, long) = (&self.short, &self.long);
        let quarter_short = short.percentile(0.75);
        let median_long = long.percentile(0.5);
        if let Some(r0) = rr_s {
            let few = FEW.min(self.count);
            let mean = (1..=few).map(back).sum::<f64>() / few as f64;
            let references = [
                mean,
                median_long,
                back(1),
                0.8,
                quarter_short,
                long.percentile(0.75),
                long.percentile(0.9),
            ];
            for (value, reference) in context.iter_mut().zip(references) {
                *value = log_ratio(r0, reference);
            }
            context[9] = 2.0 * short.share_below(1.02 * r0);
            context[10] = 2.0 * long.share_below(0.97 * r0);
        }
        let pairs = FEW.min(self.count - 1);
        let variability = (1..=pairs)
            .map(|age| (back(age) / back(age + 1)).ln().abs())
            .sum::<f64>()
            / pairs as f64;
        context[7] = 4.0 * variability.min(0.8);
        let spread = quarter_short - short.percentile(0.25);
        context[8] = 3.0 * (spread / short.percentile(0.5)).min(1.0);
        for (age, value) in (1..=4.min(self.count)).zip(&mut context[11..15]) {
            *value = log_ratio(back(age), quarter_short);
        }
        context[15] = log_ratio(quarter_short, median_long);
        context.map(narrow)
    }
}

fn log_ratio(interval_s: f64, reference_s: f64) -> f64 {
    2.0 * (interval_s / reference_s).ln().clamp(-1.5, 1.5)
}

#[allow(clippy::cast_possible_truncation, reason = "what the networks read")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// The newest up to `N` intervals in order of their length.
#[derive(Debug, Clone)]
struct Sorted<const N: usize> {
    values: [f64; N],
    count: usize,
}

impl<const N: usize> Sorted<N> {
    const fn new() -> Self {
        Self {
            values: [0.0; N],
            count: 0,
        }
    }

    /// Take `new`; `oldest` is the value that gives way once all places are taken.
    fn replace(&mut self, oldest: Option<f64>, new: f64) {
        let hole = match oldest {
            Some(oldest) if self.count == N => self.place(oldest).min(N - 1),
            _ => {
                self.count += 1;
                self.count - 1
            }
        };
        let to = self.values[..hole].partition_point(|&value| value < new);
        if to < hole {
            self.values.copy_within(to..hole, to + 1);
            self.values[to] = new;
            return;
        }
        let behind = self.values[hole + 1..self.count].partition_point(|&value| value < new);
        self.values.copy_within(hole + 1..=hole + behind, hole);
        self.values[hole + behind] = new;
    }

    /// Values below `limit`.
    fn place(&self, limit: f64) -> usize {
        self.values[..self.count].partition_point(|&value| value < limit)
    }

    fn share_below(&self, limit: f64) -> f64 {
        self.place(limit) as f64 / self.count as f64
    }

    /// `part` 0 to 1 of the way from the smallest to the largest, linear between neighbours; there
    /// is at least one.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place among 256"
    )]
    fn percentile(&self, part: f64) -> f64 {
        let place = part * (self.count - 1) as f64;
        let below = self.values[place as usize];
        let above = self.values[(place as usize + 1).min(self.count - 1)];
        below + (above - below) * place.fract()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(intervals_s: &[f64]) -> (RrHistory, f64) {
        let mut history = RrHistory::new();
        let mut beat_s = 1.0;
        history.add(beat_s);
        for interval_s in intervals_s {
            beat_s += interval_s;
            history.add(beat_s);
        }
        (history, beat_s)
    }

    fn assert_close(found: [f32; CONTEXT_VALUES], expected: [f64; CONTEXT_VALUES]) {
        for (index, (found, expected)) in found.into_iter().zip(expected).enumerate() {
            assert!(
                (f64::from(found) - expected).abs() < 1e-5,
                "value {index}: found {found}, expected {expected}"
            );
        }
    }

    #[test]
    fn intervals_need_two_beats_and_the_context_three() {
        let mut history = RrHistory::new();
        let first = history.add(1.0);
        assert_eq!(first.rr_s, None);
        let second = history.add(1.75);
        assert_eq!(second.rr_s, Some(0.75));
        let third = history.add(2.75);
        assert_eq!(third.rr_s, Some(1.0));
        for beat in [first, second, third] {
            assert_eq!(beat.context.map(f32::to_bits), [0; CONTEXT_VALUES]);
        }
        assert!(history.add(3.75).context[0] > 0.0);
    }

    /// By hand: earlier intervals, newest first, 1.0, 0.8, 0.5, this one 0.6.
    #[test]
    fn few_intervals_give_what_the_definition_says() {
        let (mut history, beat_s) = history(&[0.5, 0.8, 1.0]);
        let f = |ratio: f64| 2.0 * ratio.ln();
        let (p25, p75, p90) = (0.65, 0.9, 0.96);
        assert_close(
            history.add(beat_s + 0.6).context,
            [
                f(0.6 / (2.3 / 3.0)),
                f(0.6 / 0.8),
                f(0.6),
                f(0.6 / 0.8),
                f(0.6 / p75),
                f(0.6 / p75),
                f(0.6 / p90),
                4.0 * f64::midpoint((1.0_f64 / 0.8).ln(), (0.8_f64 / 0.5).ln()),
                3.0 * (p75 - p25) / 0.8,
                2.0 / 3.0,
                2.0 / 3.0,
                f(1.0 / p75),
                f(0.8 / p75),
                f(0.5 / p75),
                0.0,
                f(p75 / 0.8),
            ],
        );
    }

    #[test]
    fn a_premature_beat_and_its_pause_show_against_a_long_history() {
        let (mut history, beat_s) = history(&[0.8].repeat(300));
        let premature = history.add(beat_s + 0.4).context;
        let half = 2.0 * 0.5_f64.ln();
        let mut expected = [0.0; CONTEXT_VALUES];
        for index in [0, 1, 2, 3, 4, 5, 6] {
            expected[index] = half;
        }
        assert_close(premature, expected);
        let pause = history.add(beat_s + 1.6).context;
        let longer = 2.0 * 1.5_f64.ln();
        assert_close(
            pause,
            [
                2.0 * (1.2_f64 / 0.75).ln(),
                longer,
                2.0 * 3.0_f64.ln().min(1.5),
                longer,
                longer,
                longer,
                longer,
                4.0 * 2.0_f64.ln() / 8.0,
                0.0,
                2.0,
                2.0,
                half,
                0.0,
                0.0,
                0.0,
                0.0,
            ],
        );
    }

    #[test]
    fn values_are_clipped() {
        let (mut history, beat_s) = history(&[0.21, 2.9].repeat(40));
        let context = history.add(beat_s + 0.2).context;
        for (index, expected) in [(2, -3.0), (7, 3.2), (8, 3.0), (11, 0.0), (12, -3.0)] {
            let found = f64::from(context[index]);
            assert!(
                (found - expected).abs() < 1e-5,
                "{index}: {found}, {expected}"
            );
        }
    }

    #[test]
    fn a_gap_breaks_the_interval_but_not_the_history() {
        let (mut history, beat_s) = history(&[0.5, 0.8, 1.0]);
        let known = history.clone().add(beat_s + 0.6).context;
        history.break_interval();
        let first = history.add(100.0);
        assert_eq!(first.rr_s, None);
        let unknown = [0, 1, 2, 3, 4, 5, 6, 9, 10];
        for (index, (found, known)) in first.context.into_iter().zip(known).enumerate() {
            let expected = if unknown.contains(&index) { 0.0 } else { known };
            assert_eq!(found.to_bits(), expected.to_bits(), "{index}");
        }
        assert_eq!(
            history.add(100.6),
            RrFeatures {
                rr_s: Some(0.6),
                context: known
            }
        );
    }

    #[test]
    fn an_interval_of_more_than_3_s_is_no_part_of_the_rhythm() {
        let (mut history, beat_s) = history(&[0.5, 0.8, 1.0]);
        let known = history.clone().add(beat_s + 0.6).context;
        let late = history.add(beat_s + 3.5);
        assert_eq!(late.rr_s, Some(3.5));
        assert_eq!(late.context[0].to_bits(), 0);
        assert_close(
            history.add(beat_s + 3.5 + 0.6).context,
            known.map(f64::from),
        );
    }

    /// The sorted lists, kept up beat by beat, against sorting anew.
    #[test]
    fn percentiles_and_shares_are_those_of_the_newest_intervals() {
        let mut state = 7_u64;
        let mut intervals = Vec::new();
        let (mut short, mut long) = (Sorted::<SHORT>::new(), Sorted::<LONG>::new());
        for _ in 0..700 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // Few different values: equal ones are the hard case.
            let interval_s = 0.3 + ((state >> 33) % 50) as f64 / 50.0;
            let before = |age: usize| intervals.len().checked_sub(age).map(|at| intervals[at]);
            short.replace(before(SHORT), interval_s);
            long.replace(before(LONG), interval_s);
            intervals.push(interval_s);
            check(&short, &intervals);
            check(&long, &intervals);
        }
    }

    fn check<const N: usize>(sorted: &Sorted<N>, intervals: &[f64]) {
        let mut newest = intervals[intervals.len().saturating_sub(N)..].to_vec();
        newest.sort_by(f64::total_cmp);
        assert_eq!(&sorted.values[..sorted.count], &newest);
        let below = newest.iter().filter(|&&value| value < 0.7).count();
        let share = below as f64 / newest.len() as f64;
        assert!((sorted.share_below(0.7) - share).abs() < 1e-12);
        let median = f64::midpoint(newest[(newest.len() - 1) / 2], newest[newest.len() / 2]);
        assert!((sorted.percentile(0.5) - median).abs() < 1e-12);
    }
}
