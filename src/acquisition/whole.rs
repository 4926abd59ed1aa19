//! From real numbers to whole ones.

/// The whole part of a number that is not negative. Saturates; NaN is 0.
pub(super) fn whole(value: f64) -> u64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let whole = value as u64;
    whole
}
