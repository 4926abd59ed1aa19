//! What writer and reader share: record tags, limits, and the state both predict from.

use ecg_chain::MonotonicNs;

/// First byte of every record but the packed frame, whose first byte has the high bit set.
pub(super) mod tag {
    /// An SPI transaction, verbatim.
    pub(crate) const TRANSACTION: u8 = 0x01;
    /// A DRDY edge alone.
    pub(crate) const EDGE: u8 = 0x02;
    /// The host gave up waiting for an edge.
    pub(crate) const TIMEOUT: u8 = 0x03;
    /// The host drove a pin.
    pub(crate) const PIN: u8 = 0x04;
    /// End of a segment.
    pub(crate) const CHECKPOINT: u8 = 0x05;
    /// End of the trace.
    pub(crate) const END: u8 = 0x06;
    /// Packed frame.
    pub(crate) const FRAME: u8 = 0x80;
    /// Packed frame: status bytes follow.
    pub(crate) const FRAME_STATUS: u8 = 0x40;
    /// Packed frame: number of skipped sequence numbers follows.
    pub(crate) const FRAME_SKIPPED: u8 = 0x20;
    /// Packed frame: the host sent nine zeros.
    pub(crate) const FRAME_TRANSFERRED: u8 = 0x10;
    /// Packed frame: the edge's distance from the predicted time follows.
    pub(crate) const FRAME_EDGE: u8 = 0x08;
    /// Packed frame: the read's distance from the predicted time follows.
    pub(crate) const FRAME_LATENCY: u8 = 0x04;
    /// Packed frame: bits that must be 0.
    pub(crate) const FRAME_RESERVED: u8 = 0x03;
}

/// Follows the tag of a checkpoint and of the end, so that a search finds them.
pub(super) const CHECKPOINT_MARK: [u8; 4] = *b"CKPT";
/// Follows the tag of the end.
pub(super) const END_MARK: [u8; 4] = *b"END.";
/// A transaction's operations take no more than this, encoded.
pub(super) const MAX_TRANSACTION_BYTES: usize = 8 * 1024;
/// A segment takes no more than this; writers end theirs long before.
pub(super) const MAX_SEGMENT_BYTES: usize = 64 * 1024;
/// An interval further from the period than this share of it (1/8) does not teach it.
const MAX_PERIOD_ERROR_SHIFT: u32 = 3;
/// Share of a difference by which a running estimate follows it, as a shift: 1/16.
const FOLLOW_SHIFT: u32 = 4;

/// What both sides know before a record. All times are nanoseconds after the monotonic start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// The monotonic clock at the start.
    pub(super) start: MonotonicNs,
    /// Of the last event.
    pub(super) time: i64,
    /// Of the last edge.
    pub(super) edge_time: i64,
    /// Of the last edge.
    pub(super) sequence: u32,
    /// Estimated time between edges.
    pub(super) period: i64,
    /// Estimated time from an edge to the read.
    pub(super) latency: i64,
    /// Status bytes of the last packed frame.
    pub(super) status: [u8; 3],
    /// Codes of the last packed frame.
    pub(super) codes: [i32; 2],
}

impl State {
    /// Before the first record.
    pub(super) const fn start(start: MonotonicNs, period: i64) -> Self {
        Self {
            start,
            time: 0,
            edge_time: 0,
            sequence: 0,
            period,
            latency: 0,
            status: [0xC0, 0, 0],
            codes: [0; 2],
        }
    }

    /// After a checkpoint: times and estimates stay, the last frame is forgotten.
    pub(super) const fn at_checkpoint(self) -> Self {
        let Self { status, codes, .. } = Self::start(self.start, self.period);
        Self {
            status,
            codes,
            ..self
        }
    }

    /// Takes in an edge `skipped + 1` numbers after the last, at its time.
    pub(super) fn learn_edge(&mut self, skipped: u32, edge_time: i64) {
        let steps = i64::from(skipped) + 1;
        let interval = edge_time.wrapping_sub(self.edge_time).wrapping_div(steps);
        let error = interval.wrapping_sub(self.period).unsigned_abs();
        if error <= self.period.unsigned_abs() >> MAX_PERIOD_ERROR_SHIFT {
            self.period = follow(self.period, interval);
        }
        self.edge_time = edge_time;
        self.sequence = self.sequence.wrapping_add(skipped).wrapping_add(1);
    }

    /// A time of the monotonic clock, in the trace.
    pub(super) const fn relative(&self, time: MonotonicNs) -> i64 {
        time.0.wrapping_sub(self.start.0).cast_signed()
    }

    /// A time in the trace, of the monotonic clock.
    pub(super) const fn absolute(&self, time: i64) -> MonotonicNs {
        MonotonicNs(self.start.0.wrapping_add(time.cast_unsigned()))
    }

    pub(super) fn predicted_edge(&self, skipped: u32) -> i64 {
        let steps = i64::from(skipped) + 1;
        self.edge_time.wrapping_add(self.period.wrapping_mul(steps))
    }
}

pub(super) fn follow(estimate: i64, value: i64) -> i64 {
    estimate.wrapping_add(value.wrapping_sub(estimate) >> FOLLOW_SHIFT)
}
