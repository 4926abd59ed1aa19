//! What host and chip say to each other.

use ads1292::FRAME_BYTES;
use ecg_chain::MonotonicNs;
use embedded_hal::spi::Operation;

use super::super::drdy::DrdyEdge;

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

impl<'a> SpiOperation<'a> {
    /// What is said in an operation. Of one in place both are the same bytes: what is sent before it,
    /// and what is received after it.
    pub(in crate::acquisition) fn from_operation(operation: &'a Operation<'_, u8>) -> Self {
        let (written, read): (&[u8], &[u8]) = match operation {
            Operation::Read(read) => (&[], read),
            Operation::Write(written) => (written, &[]),
            Operation::Transfer(read, written) => (written, read),
            Operation::TransferInPlace(bytes) => (bytes, bytes),
            Operation::DelayNs(_) => (&[], &[]),
        };
        Self { written, read }
    }
}
