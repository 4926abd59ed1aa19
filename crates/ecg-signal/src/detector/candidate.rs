//! What may be a QRS complex.

use super::envelope::Peak;
use super::shapes::Fit;

/// Where the R peak of a complex is, and how the complex looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fiducial {
    /// Index of the sample nearest the R peak.
    pub(super) index: u64,
    /// Distance of the peak from it by the parabola through its neighbours, -0.5 to 0.5 samples.
    pub(super) offset: f32,
    /// Whether R is the upward deflection.
    pub(super) upward: bool,
    /// From the highest to the lowest value of the complex, µV.
    pub(super) amplitude_uv: f32,
    /// The highest above and the lowest below the level before, µV, both positive.
    pub(super) up_uv: f32,
    pub(super) down_uv: f32,
    /// Range of the means over 40 ms around it over its amplitude.
    pub(super) breadth: f32,
    /// How the complex fits the patient's shapes.
    pub(super) fit: Fit,
    /// Logarithm of the upward over the downward deflection.
    pub(super) log_up_over_down: f32,
}

/// A peak of the envelope that waits to be decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) peak: Peak,
    pub(super) fiducial: Fiducial,
    /// Index of the newest sample by which it must be decided.
    pub(super) deadline: u64,
    /// Whether an early decision was tried.
    pub(super) tried: bool,
}

impl Candidate {
    pub(super) fn r(&self) -> u64 {
        self.fiducial.index
    }
}

/// A candidate and what became of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decided {
    pub(super) candidate: Candidate,
    /// In this channel alone.
    pub(super) log_odds: f32,
    pub(super) accepted: bool,
}
