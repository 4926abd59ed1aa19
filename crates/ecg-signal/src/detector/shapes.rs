//! The shapes of a patient's QRS complexes, each with one place for R.
//!
//! A complex with an R and an S wave of nearly the same size would have its R peak placed now on
//! one, now on the other. Here the first complex of a shape decides, and all that look like it
//! follow.

use super::super::likeness::{centred_length, to_unit};
use super::duration::samples;
use super::history::History;

/// Samples on both sides of R that make a shape.
const HALF: usize = 18;
const LENGTH: usize = 2 * HALF + 1;
/// Farthest that R may stand from the dominant deflection to follow a shape, samples (60 ms).
const REACH: usize = 15;
const SPAN: usize = LENGTH + 2 * REACH;
/// Shapes kept.
const COUNT: usize = 5;
/// Correlation from which on a complex is of a known shape.
const SAME_SHAPE: f32 = 0.85;
/// Weight of the newest complex in its shape.
const SHAPE_WEIGHT: f32 = 0.125;
/// What remains of every shape's claim with each beat; the weakest makes room for a new one.
const CLAIM_DECAY: f32 = 0.97;
/// A shape is given up when its R is, in the running mean, this much smaller than the deflection
/// to the other side (logarithm of the ratio).
const CONTRADICTED: f32 = 0.7;
/// R of a known shape stands at most this far from where the shape has it, samples.
const TOLERANCE: u64 = samples(20);

/// Values around R without their mean, scaled to length one.
#[derive(Debug, Clone, Copy)]
struct Shape {
    values: [f32; LENGTH],
    claim: f32,
    /// Whether its R is the upward deflection.
    upward: bool,
    /// Running logarithm of the upward over the downward deflection.
    log_up_over_down: f32,
}

const NO_SHAPE: Shape = Shape {
    values: [0.0; LENGTH],
    claim: 0.0,
    upward: true,
    log_up_over_down: 0.0,
};

/// How a complex fits the known shapes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fit {
    /// Correlation with the best shape at its best place, -1 to 1; -1 if none is known.
    pub(super) likeness: f32,
    /// The same with the shape most beats have.
    pub(super) main_likeness: f32,
    /// The best shape's part of the beats so far, 0 to 1.
    pub(super) share: f32,
    known: Option<Known>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Known {
    shape: usize,
    /// Where the shape has its R.
    r: u64,
    upward: bool,
}

impl Fit {
    /// Whether R of the known shape is the upward deflection.
    pub(super) fn upward(&self) -> Option<bool> {
        self.known.map(|known| known.upward)
    }

    /// The extremum next to where the known shape has its R.
    pub(super) fn summit(&self, history: &History) -> Option<u64> {
        let Known { r, upward, .. } = self.known?;
        let height = |index: u64| {
            if upward {
                history.at(index)
            } else {
                -history.at(index)
            }
        };
        let (from, to) = (r.saturating_sub(TOLERANCE), r + TOLERANCE);
        let best = (from..=to).max_by(|&a, &b| height(a).total_cmp(&height(b)))?;
        (from < best && best < to).then_some(best)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Shapes {
    shapes: [Shape; COUNT],
}

impl Default for Shapes {
    fn default() -> Self {
        Self {
            shapes: [NO_SHAPE; COUNT],
        }
    }
}

impl Shapes {
    /// Compare the complex around index `r` with the known shapes.
    pub(super) fn fit(&self, history: &History, r: u64) -> Fit {
        let mut span = [0.0; SPAN];
        for (value, index) in span
            .iter_mut()
            .zip(r.saturating_sub((HALF + REACH) as u64)..)
        {
            *value = history.at(index);
        }
        let mut fit = Fit {
            likeness: -1.0,
            main_likeness: -1.0,
            share: 0.0,
            known: None,
        };
        let mut likeness = [-1.0; COUNT];
        let mut best = (0, 0);
        for (place, window) in span.windows(LENGTH).enumerate() {
            let length = centred_length(window);
            for (number, shape) in self.shapes.iter().enumerate() {
                if shape.claim <= 0.0 {
                    continue;
                }
                let product: f32 = window.iter().zip(&shape.values).map(|(a, b)| a * b).sum();
                if product > likeness[number] * length {
                    likeness[number] = product / length;
                    if likeness[number] > fit.likeness {
                        fit.likeness = likeness[number];
                        best = (number, place);
                    }
                }
            }
        }
        let mut main = (0.0, -1.0);
        let mut claims = 0.0;
        for (shape, likeness) in self.shapes.iter().zip(likeness) {
            claims += shape.claim;
            if shape.claim > main.0 {
                main = (shape.claim, likeness);
            }
        }
        fit.main_likeness = main.1;
        if claims > 0.0 {
            fit.share = self.shapes[best.0].claim / claims;
        }
        if fit.likeness >= SAME_SHAPE {
            fit.known = Some(Known {
                shape: best.0,
                r: (r + best.1 as u64).saturating_sub(REACH as u64),
                upward: self.shapes[best.0].upward,
            });
        }
        fit
    }

    /// Take a beat with its R at index `r`, which is the `upward` deflection or not.
    pub(super) fn learn(&mut self, history: &History, r: u64, upward: bool, log_up_over_down: f32) {
        for shape in &mut self.shapes {
            shape.claim *= CLAIM_DECAY;
        }
        // Fitted anew: the beats reported since it was found may have brought its shape.
        match self.fit(history, r).known {
            Some(known) => {
                let shape = &mut self.shapes[known.shape];
                shape.claim += 1.0;
                shape.log_up_over_down +=
                    (log_up_over_down - shape.log_up_over_down) * SHAPE_WEIGHT;
                if known.r.abs_diff(r) <= TOLERANCE {
                    shape.follow(&complex(history, r));
                }
                let sign = if shape.upward { 1.0 } else { -1.0 };
                if sign * shape.log_up_over_down < -CONTRADICTED {
                    *shape = NO_SHAPE;
                }
            }
            None => {
                let claim = |shape: &&mut Shape| shape.claim;
                let weakest = self
                    .shapes
                    .iter_mut()
                    .min_by(|a, b| claim(a).total_cmp(&claim(b)));
                if let Some(shape) = weakest {
                    *shape = Shape {
                        values: complex(history, r),
                        claim: 1.0,
                        upward,
                        log_up_over_down,
                    };
                }
            }
        }
    }
}

impl Shape {
    /// Change a little towards a complex.
    fn follow(&mut self, complex: &[f32; LENGTH]) {
        for (known, value) in self.values.iter_mut().zip(complex) {
            *known += (value - *known) * SHAPE_WEIGHT;
        }
        let length = centred_length(&self.values);
        for known in &mut self.values {
            *known /= length;
        }
    }
}

fn complex(history: &History, r: u64) -> [f32; LENGTH] {
    let mut values = [0.0; LENGTH];
    for (value, index) in values.iter_mut().zip(r.saturating_sub(HALF as u64)..) {
        *value = history.at(index);
    }
    to_unit(values)
}
