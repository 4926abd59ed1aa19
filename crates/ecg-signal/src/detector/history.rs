//! The newest conditioned samples of one channel, by index.

/// Number of samples kept: 2.05 s, more than the longest way from the start of a beat's window to
/// the newest sample.
const LENGTH: usize = 512;

/// A ring of conditioned samples addressed by their index at the chain's rate.
#[derive(Debug, Clone)]
pub(crate) struct History {
    values_uv: Box<[f32; LENGTH]>,
    /// Index of the first sample since the start or the last gap.
    first: u64,
    /// Index after the newest sample.
    end: u64,
}

impl History {
    pub(crate) fn new() -> Self {
        Self {
            values_uv: Box::new([0.0; LENGTH]),
            first: 0,
            end: 0,
        }
    }

    /// Forget everything; the next sample pushed has index `next`.
    pub(crate) fn restart(&mut self, next: u64) {
        self.first = next;
        self.end = next;
    }

    #[inline]
    pub(crate) fn push(&mut self, uv: f32) {
        self.values_uv[place(self.end)] = uv;
        self.end += 1;
    }

    /// Index after the newest sample.
    #[inline]
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Index of the first sample since the start or the last gap.
    pub(crate) fn start(&self) -> u64 {
        self.first
    }

    /// Index of the oldest sample that is still there.
    #[inline]
    pub(crate) fn first(&self) -> u64 {
        self.first.max(self.end.saturating_sub(LENGTH as u64))
    }

    /// The sample at `index`; before the first and after the newest the nearest one is repeated.
    #[inline]
    pub(crate) fn at(&self, index: u64) -> f32 {
        let newest = self.end.saturating_sub(1);
        self.values_uv[place(index.min(newest).max(self.first()))]
    }
}

#[inline]
#[allow(clippy::cast_possible_truncation, reason = "reduced below 512")]
fn place(index: u64) -> usize {
    (index % LENGTH as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_are_repeated() {
        let mut history = History::new();
        history.restart(100);
        for value in 0..600_u16 {
            history.push(f32::from(value));
        }
        assert_eq!(history.first(), 188);
        for (index, expected) in [
            (699, 599.0),
            (700, 599.0),
            (9999, 599.0),
            (188, 88.0),
            (0, 88.0),
        ] {
            assert!((history.at(index) - expected).abs() < 1e-6, "{index}");
        }
        history.restart(1000);
        history.push(7.0);
        assert!((history.at(900) - 7.0).abs() < 1e-6);
    }
}
