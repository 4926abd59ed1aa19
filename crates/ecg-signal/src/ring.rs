//! A window of the newest samples that is always one contiguous slice.

/// The newest `length` values. Every value is written twice, so no read ever wraps.
#[derive(Debug, Clone)]
pub(super) struct SlidingWindow {
    values: Box<[f32]>,
    length: usize,
    oldest: usize,
}

impl SlidingWindow {
    /// A window of `length` (at least 1) zeros.
    pub(super) fn new(length: usize) -> Self {
        let length = length.max(1);
        Self {
            values: vec![0.0; 2 * length].into_boxed_slice(),
            length,
            oldest: 0,
        }
    }

    #[inline]
    pub(super) fn push(&mut self, value: f32) {
        self.values[self.oldest] = value;
        self.values[self.oldest + self.length] = value;
        self.oldest += 1;
        if self.oldest == self.length {
            self.oldest = 0;
        }
    }

    /// All values, oldest first.
    #[inline]
    pub(super) fn values(&self) -> &[f32] {
        &self.values[self.oldest..self.oldest + self.length]
    }

    /// The value `age` pushes before the newest; `age` below the length.
    #[inline]
    pub(super) fn back(&self, age: usize) -> f32 {
        self.values[self.oldest + self.length - 1 - age]
    }

    pub(super) fn fill(&mut self, value: f32) {
        self.values.fill(value);
    }
}

/// Number of independent sums in [`dot`]; slices are padded with zeros to a multiple of it.
const LANES: usize = 8;

/// `length` rounded up to a multiple of the lanes of [`dot`].
pub(super) const fn padded(length: usize) -> usize {
    length.div_ceil(LANES) * LANES
}

/// Inner product of two slices whose length is a multiple of eight (a rest is ignored). The order
/// of the additions is fixed, so the result is the same on every machine.
#[inline]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_slides_over_its_end() {
        let mut window = SlidingWindow::new(3);
        for value in [1.0, 2.0, 3.0, 4.0, 5.0] {
            window.push(value);
        }
        assert_eq!(window.values(), [3.0, 4.0, 5.0]);
        assert!((window.back(0) - 5.0).abs() < f32::EPSILON);
        assert!((window.back(2) - 3.0).abs() < f32::EPSILON);
    }

    #[test]
    fn inner_product_adds_every_lane() {
        let a: Vec<f32> = (0..24_u8).map(f32::from).collect();
        let b = vec![2.0; 24];
        assert!((dot(&a, &b) - 552.0).abs() < 1e-4);
        assert_eq!(padded(31), 32);
        assert_eq!(padded(32), 32);
    }
}
