//! One wave.

/// A wave of a beat, in milliseconds from its R peak; negative before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wave {
    /// Where it begins.
    pub onset_ms: f32,
    /// Where it is farthest from the baseline; 0 of a QRS complex, whose R peak is the origin.
    pub peak_ms: f32,
    /// Where it ends; `None` where that lies beyond the window, as of a T wave after a very wide
    /// complex.
    pub end_ms: Option<f32>,
}
