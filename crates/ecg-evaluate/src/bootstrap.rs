//! Confidence intervals by drawing records again.

use super::counts::{ByFigure, Counts, FIGURE_COUNT, FigureValues};
use super::figures::mean;
use super::whole::place;
use arrhythmianet::SplitMix64;

/// Draws of as many records as there are.
pub const RESAMPLES: usize = 2_000;
/// Share of the draws inside an interval.
pub const LEVEL: f64 = 0.95;
/// Seed of the draws.
pub const SEED: u64 = 20_260_101;

/// Lower and upper end, `None` where the figure is undefined in every draw.
pub type Intervals = ByFigure<(f64, f64)>;

/// Percentile intervals of the gross figures: records are drawn with replacement, because beats of
/// one patient are no independent samples. `models` holds the records' counts of each model, in
/// equal order; with several models a draw's figure is their mean. A draw in which a figure is
/// undefined says nothing about it.
#[must_use]
pub fn intervals(models: &[Vec<&Counts>]) -> Intervals {
    let records = models.iter().map(Vec::len).min().unwrap_or(0);
    let mut values: Vec<Vec<f64>> = vec![Vec::new(); FIGURE_COUNT];
    if records > 0 {
        let mut random = SplitMix64::new(SEED);
        let mut drawn = vec![0; records];
        for _ in 0..RESAMPLES {
            drawn.fill_with(|| usize::try_from(random.below(records as u64)).unwrap_or_default());
            let figures: Vec<FigureValues> = models
                .iter()
                .map(|counts| Counts::sum(drawn.iter().map(|&record| counts[record])).figures())
                .collect();
            for (place, values) in values.iter_mut().enumerate() {
                values.extend(mean(figures.iter().filter_map(|figures| figures.0[place])));
            }
        }
    }
    ByFigure(std::array::from_fn(|place| ends(&mut values[place])))
}

fn ends(values: &mut [f64]) -> Option<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    Some((
        percentile(values, (1.0 - LEVEL) / 2.0)?,
        percentile(values, 1.0 - (1.0 - LEVEL) / 2.0)?,
    ))
}

/// Linear between the sorted values.
fn percentile(sorted: &[f64], part: f64) -> Option<f64> {
    let at = part * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted.get(place(at))?, sorted.get(place(at.ceil()))?);
    Some(below + (above - below) * at.fract())
}

#[cfg(test)]
mod tests {
    use arrhythmianet::AamiClass;

    use super::*;

    fn record(found: usize, missed: usize) -> Counts {
        let mut counts = Counts::default();
        for _ in 0..found {
            counts.aami.add(Some(AamiClass::V), Some(AamiClass::V));
        }
        for _ in 0..missed {
            counts.aami.add(Some(AamiClass::V), Some(AamiClass::N));
        }
        counts
    }

    #[test]
    fn intervals_come_from_the_spread_between_records() {
        let equal: Vec<Counts> = (0..20).map(|_| record(9, 1)).collect();
        let spread: Vec<Counts> = (0..20)
            .map(|number| {
                if number % 2 == 0 {
                    record(10, 0)
                } else {
                    record(8, 2)
                }
            })
            .collect();
        let of = |counts: &[Counts]| {
            let all = intervals(&[counts.iter().collect()]);
            all.get("veb_se").unwrap()
        };
        let (low, high) = of(&equal);
        assert!((low - 0.9).abs() < 1e-12 && (high - 0.9).abs() < 1e-12);
        let (low, high) = of(&spread);
        // Standard error 0.1 / sqrt(20) = 0.0224: about 0.856 to 0.944.
        assert!(
            (0.84..0.87).contains(&low) && (0.93..0.96).contains(&high),
            "{low} {high}"
        );
        assert_eq!(of(&spread), (low, high), "reproducible");
        assert_eq!(intervals(&[]).0[0], None);
        assert_eq!(intervals(&[spread.iter().collect()]).get("sveb_se"), None);
    }

    #[test]
    fn several_models_are_drawn_together() {
        let good: Vec<Counts> = (0..10).map(|_| record(10, 0)).collect();
        let bad: Vec<Counts> = (0..10).map(|_| record(6, 4)).collect();
        let both = intervals(&[good.iter().collect(), bad.iter().collect()]);
        let (low, high) = both.get("veb_se").unwrap();
        assert!((low - 0.8).abs() < 1e-12 && (high - 0.8).abs() < 1e-12);
    }
}
