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
mod event;
mod header;
mod reader;
mod source;
mod spi;
mod varint;
mod writer;

pub use error::TraceError;
pub use event::{Operations, TraceEvent};
pub use header::TraceHeader;
pub use reader::{TraceEnd, TraceReader};
pub use spi::{ControlPin, FrameRead, SpiOperation};
pub use writer::{Compression, TraceWriter};

#[cfg(test)]
mod tests;
