//! The events of a trace.

use ecg_chain::MonotonicNs;

use super::super::drdy::DrdyEdge;
use super::decode;
use super::spi::{ControlPin, FrameRead, SpiOperation};

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

/// The operations of a transaction, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operations<'a> {
    /// Checked by the decoder: `count` operations, each two lengths followed by their bytes.
    pub(super) encoded: &'a [u8],
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
