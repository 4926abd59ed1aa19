//! Turns in alternation.

use std::error::Error;
use std::time::{Duration, Instant};

use crate::contender::Contender;

/// Between two turns: time for the threads of the one before to come to rest.
const PAUSE: Duration = Duration::from_millis(20);

/// Seconds a call takes: one row a contender, one value a round, the median call of its turn.
pub(crate) fn race(
    contenders: &mut [Box<dyn Contender>],
    rounds: usize,
    turn: Duration,
) -> Result<Vec<Vec<f64>>, Box<dyn Error>> {
    let mut times = vec![Vec::with_capacity(rounds); contenders.len()];
    for round in 0..rounds {
        for place in 0..contenders.len() {
            // Another one begins each round.
            let index = (place + round) % contenders.len();
            let contender = &mut contenders[index];
            std::thread::sleep(PAUSE);
            contender.run()?;
            let mut calls = Vec::new();
            let start = Instant::now();
            while calls.is_empty() || start.elapsed() < turn {
                let before = Instant::now();
                contender.run()?;
                calls.push(before.elapsed().as_secs_f64());
            }
            times[index].push(median(calls));
        }
    }
    Ok(times)
}

/// The middle value, or the mean of the two in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        even if even % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_in_the_middle() {
        for (values, expected) in [
            (vec![3.0], 3.0),
            (vec![9.0, 1.0, 2.0], 2.0),
            (vec![1.0, 8.0, 2.0, 4.0], 3.0),
        ] {
            assert_eq!(median(values.clone()), expected, "{values:?}");
        }
        assert!(median([]).is_nan());
    }
}
