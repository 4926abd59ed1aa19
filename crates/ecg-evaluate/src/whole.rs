//! Numbers as whole ones: counts of samples and places in a list.

/// The nearest whole number; 0 of what is negative or not a number, `u64::MAX` of what is too large.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates"
)]
pub fn whole(number: f64) -> u64 {
    number.round() as u64
}

/// The place in a list that `number` lies in, its fraction left out; 0 of what is negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates"
)]
pub(super) fn place(number: f64) -> usize {
    number as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_and_saturate() {
        for (number, nearest, below) in [
            (2.5, 3, 2),
            (2.4, 2, 2),
            (-7.0, 0, 0),
            (f64::NAN, 0, 0),
            (f64::INFINITY, u64::MAX, usize::MAX),
        ] {
            assert_eq!((whole(number), place(number)), (nearest, below), "{number}");
        }
    }
}
