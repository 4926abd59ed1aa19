//! The usual beat of a channel: what a new one is compared with.

use super::WINDOW_SAMPLES;

/// Beats the median is taken over.
const BEATS: usize = 64;
/// The first so many beats renew the template each; later every so many do.
const RENEWED_EVERY: usize = 8;
/// Samples whose medians are found together: with [`BEATS`] 4 KiB, which stay in the first-level
/// cache.
const COLUMNS: usize = 16;

/// Median window of the last 64 beats of one channel, sample by sample.
///
/// Most of a patient's beats look alike; the median is one of them even when every third is an
/// extrasystole. It is found anew after each of the first eight beats and every eighth later.
#[derive(Debug, Clone)]
pub(super) struct RunningTemplate {
    windows_uv: Vec<[f32; WINDOW_SAMPLES]>,
    /// Beats ever taken.
    count: usize,
    template_uv: [f32; WINDOW_SAMPLES],
}

impl RunningTemplate {
    pub(super) fn new() -> Self {
        Self {
            windows_uv: vec![[0.0; WINDOW_SAMPLES]; BEATS],
            count: 0,
            template_uv: [0.0; WINDOW_SAMPLES],
        }
    }

    /// The template, µV, unless there was no beat yet.
    pub(super) fn get(&self) -> Option<[f32; WINDOW_SAMPLES]> {
        (self.count > 0).then_some(self.template_uv)
    }

    /// Take the window of a beat, a complete one.
    pub(super) fn add_window(&mut self, window_uv: &[f32; WINDOW_SAMPLES]) {
        self.windows_uv[self.count % BEATS] = *window_uv;
        self.count += 1;
        if self.count < RENEWED_EVERY || self.count.is_multiple_of(RENEWED_EVERY) {
            self.renew();
        }
    }

    fn renew(&mut self) {
        let beats = self.count.min(BEATS);
        // Beats that are not there yet are larger than all that are, and end up behind them.
        let mut sorted = [[f32::INFINITY; COLUMNS]; BEATS];
        for (number, template_uv) in self.template_uv.chunks_exact_mut(COLUMNS).enumerate() {
            let columns = number * COLUMNS..(number + 1) * COLUMNS;
            for (row, window_uv) in sorted.iter_mut().zip(&self.windows_uv[..beats]) {
                row.copy_from_slice(&window_uv[columns.clone()]);
            }
            sorted[beats..].fill([f32::INFINITY; COLUMNS]);
            sort_columns(&mut sorted);
            let middle = sorted[(beats - 1) / 2].iter().zip(&sorted[beats / 2]);
            for (median, (low, high)) in template_uv.iter_mut().zip(middle) {
                *median = f32::midpoint(*low, *high);
            }
        }
    }
}

/// Batcher's odd-even merge sort (K. E. Batcher, Sorting networks and their applications, AFIPS
/// 1968): the same comparisons whatever the values, so all columns are sorted at once.
fn sort_columns(rows: &mut [[f32; COLUMNS]; BEATS]) {
    let mut sorted = 1;
    while sorted < BEATS {
        let mut distance = sorted;
        while distance > 0 {
            for first in (distance % sorted..BEATS - distance).step_by(2 * distance) {
                for low in first..(first + distance).min(BEATS - distance) {
                    if low / (2 * sorted) == (low + distance) / (2 * sorted) {
                        order(rows, low, low + distance);
                    }
                }
            }
            distance /= 2;
        }
        sorted *= 2;
    }
}

/// Puts the smaller values of two rows into the lower.
#[inline(always)]
fn order(rows: &mut [[f32; COLUMNS]; BEATS], low: usize, high: usize) {
    let (a, b) = (rows[low], rows[high]);
    for (column, (a, b)) in a.into_iter().zip(b).enumerate() {
        rows[low][column] = if a < b { a } else { b };
        rows[high][column] = if a < b { b } else { a };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(state: &mut u64) -> [f32; WINDOW_SAMPLES] {
        std::array::from_fn(|_| {
            *state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // Few different values: equal ones too.
            f32::from(u16::try_from((*state >> 33) % 1000).unwrap()) - 500.0
        })
    }

    fn median(windows: &[[f32; WINDOW_SAMPLES]]) -> [f32; WINDOW_SAMPLES] {
        std::array::from_fn(|sample| {
            let mut values: Vec<f32> = windows.iter().map(|window| window[sample]).collect();
            values.sort_by(f32::total_cmp);
            f32::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
        })
    }

    #[test]
    fn it_is_the_median_of_the_last_64_as_of_the_last_renewal() {
        let mut template = RunningTemplate::new();
        assert_eq!(template.get(), None);
        let (mut state, mut seen) = (3, Vec::new());
        for beat in 1..=200_usize {
            let window = window(&mut state);
            template.add_window(&window);
            seen.push(window);
            let renewed = if beat < 8 { beat } else { beat / 8 * 8 };
            let expected = median(&seen[renewed.saturating_sub(64)..renewed]);
            assert_eq!(template.get(), Some(expected), "after {beat} beats");
        }
    }

    #[test]
    fn extrasystoles_do_not_shape_it() {
        let mut template = RunningTemplate::new();
        for beat in 0..64 {
            let usual = beat % 3 != 0;
            template.add_window(&[if usual { 100.0 } else { 2000.0 }; WINDOW_SAMPLES]);
        }
        assert_eq!(template.get(), Some([100.0; WINDOW_SAMPLES]));
    }
}
