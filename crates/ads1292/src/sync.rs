//! Keeping in step with the chip's frames.

use super::frame::{FRAME_BYTES, Frame, FrameError};

/// Consecutive bad frames after which the chip is to be set up anew.
const DEFAULT_LIMIT: u32 = 8;

/// Counts bad frames and says when resynchronising by itself no longer works.
///
/// A frame starts where CS falls and the host reads exactly nine bytes per DRDY, so one bad frame
/// (a disturbed transfer, a late read) never spoils the next: reading on at the next DRDY *is* the
/// resynchronisation. When the limit of consecutive bad frames is reached, something lasting has
/// happened (a brown-out, a loose wire, the chip out of RDATAC) and
/// [`FrameSync::restart_needed`] turns true: set the chip up again with SDATAC, registers, START
/// and RDATAC, that is [`super::Ads1292::initialise`].
#[derive(Debug, Clone)]
pub struct FrameSync {
    limit: u32,
    consecutive_bad: u32,
    total_bad: u64,
    total_good: u64,
}

impl Default for FrameSync {
    /// Eight consecutive bad frames: 16 ms at 500 SPS.
    fn default() -> Self {
        Self::new(DEFAULT_LIMIT)
    }
}

impl FrameSync {
    /// A counter that asks for a restart after `limit` consecutive bad frames (at least one).
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self {
            limit: limit.max(1),
            consecutive_bad: 0,
            total_bad: 0,
            total_good: 0,
        }
    }

    /// Parses a frame and counts the outcome.
    ///
    /// # Errors
    /// [`FrameError`] as [`Frame::parse`].
    pub fn parse(&mut self, bytes: &[u8; FRAME_BYTES]) -> Result<Frame, FrameError> {
        let result = Frame::parse(bytes);
        if result.is_ok() {
            self.consecutive_bad = 0;
            self.total_good = self.total_good.saturating_add(1);
        } else {
            self.consecutive_bad = self.consecutive_bad.saturating_add(1);
            self.total_bad = self.total_bad.saturating_add(1);
        }
        result
    }

    /// Whether the limit of consecutive bad frames is reached.
    #[must_use]
    pub const fn restart_needed(&self) -> bool {
        self.consecutive_bad >= self.limit
    }

    /// Bad frames since the last good one.
    #[must_use]
    pub const fn consecutive_bad(&self) -> u32 {
        self.consecutive_bad
    }

    /// Bad frames in all.
    #[must_use]
    pub const fn total_bad(&self) -> u64 {
        self.total_bad
    }

    /// Good frames in all.
    #[must_use]
    pub const fn total_good(&self) -> u64 {
        self.total_good
    }

    /// Forgets the consecutive bad frames (the chip was set up anew); the totals stay.
    pub const fn restarted(&mut self) {
        self.consecutive_bad = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_good_frame_ends_a_run_of_bad_ones() {
        let good = Frame::default().to_bytes();
        let bad = [0; FRAME_BYTES];
        let mut sync = FrameSync::new(3);
        for bytes in [&bad, &bad, &good, &bad, &bad] {
            let _ = sync.parse(bytes);
            assert!(!sync.restart_needed());
        }
        assert!(sync.parse(&bad).is_err());
        assert!(sync.restart_needed());
        assert_eq!((sync.total_bad(), sync.total_good()), (5, 1));
        sync.restarted();
        assert!(!sync.restart_needed());
        assert_eq!(sync.total_bad(), 5);
    }
}
