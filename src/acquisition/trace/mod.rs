//! The SPI trace: everything host and chip said to each other, with times.
//!
//! `docs/trace-format.md` describes the format byte for byte. A trace is a header and a stream of
//! self-delimiting records; checkpoints with a CRC cut it into segments of about a second. The
//! reader hands out a segment once its CRC has been checked, so nothing damaged leaves it; of a
//! trace that was cut (a recorder that died) it hands out every whole record before the cut.

mod codec;
mod decode;
mod encode;
mod error;
mod header;
mod reader;
mod source;
mod varint;
mod writer;

pub use error::TraceError;
pub use header::{REGISTER_COUNT, TraceHeader};
pub use reader::{TraceEnd, TraceReader};
pub use writer::{Compression, TraceWriter};

use crate::time::MonotonicNs;

use super::DrdyEdge;

/// Bytes of one data read of the chip: 24 status bits and two 24-bit codes.
pub const FRAME_BYTES: usize = 9;

/// One thing that happened between host and chip, in the order it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceEvent<'a> {
    /// A DRDY edge and the data read that followed it.
    Frame(FrameRead),
    /// A DRDY edge not followed by a data read.
    Edge(DrdyEdge),
    /// The host gave up waiting for an edge.
    Timeout(MonotonicNs),
    /// The host drove a pin.
    Pin {
        /// When.
        time: MonotonicNs,
        /// Which.
        pin: ControlPin,
        /// To which level.
        high: bool,
    },
    /// Any other SPI transaction.
    Transaction {
        /// When it began.
        time: MonotonicNs,
        /// What was said while the chip was selected.
        operations: Operations<'a>,
    },
}

/// A DRDY edge and the nine-byte read that followed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRead {
    /// The edge.
    pub edge: DrdyEdge,
    /// When the read began.
    pub read_time: MonotonicNs,
    /// Whether the host sent nine zeros (a transfer) or nothing of its own (a read).
    pub transferred: bool,
    /// What the chip answered.
    pub rx: [u8; FRAME_BYTES],
}

/// A pin by which the host controls the chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlPin {
    /// START: conversions run while high.
    Start,
    /// PWDN/RESET: low resets.
    Reset,
}

/// One operation of a transaction. A write has nothing read, a read nothing written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpiOperation<'a> {
    /// Bytes the host sent.
    pub written: &'a [u8],
    /// Bytes the host received.
    pub read: &'a [u8],
}

/// The operations of a transaction, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operations<'a> {
    /// Checked by the decoder: `count` operations, each two lengths followed by their bytes.
    encoded: &'a [u8],
}

impl<'a> Iterator for Operations<'a> {
    type Item = SpiOperation<'a>;

    fn next(&mut self) -> Option<SpiOperation<'a>> {
        let mut input = decode::Input::new(self.encoded);
        let operation = decode::operation(&mut input).ok()?;
        self.encoded = input.rest();
        Some(operation)
    }
}

#[cfg(test)]
mod tests;
