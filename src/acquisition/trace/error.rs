//! What can be wrong with a trace.

use std::io;

use ads1292::ConfigError;

/// Why a trace could not be read or written. Offsets count bytes of the trace itself, after
/// decompression where it is wrapped in gzip.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The operating system refused to read or write.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file does not begin like a trace.
    #[error("not an SPI trace: begins with {found:02x?}, expected `ECGTRACE`, plain or in gzip")]
    NotATrace {
        /// The first bytes.
        found: Vec<u8>,
    },
    /// The trace is of a version this program does not know.
    #[error("trace version {found}, expected {expected}")]
    Version {
        /// The trace's version.
        found: u16,
        /// The version this program reads.
        expected: u16,
    },
    /// The trace was made with a chip this program does not know.
    #[error("trace of a chip with ID 0x{found:02X}, expected 0x53 (ADS1292) or 0x73 (ADS1292R)")]
    UnknownChip {
        /// The chip's ID register.
        found: u8,
    },
    /// The file ends inside the header: there is nothing to read.
    #[error("trace ends at byte {offset}, inside its header")]
    CutInHeader {
        /// Length of the file.
        offset: u64,
    },
    /// The file ends while the host still sets the chip up: there is no sample to read.
    #[error("trace ends at byte {offset}, before the chip is set up")]
    CutInSetUp {
        /// Length of the trace.
        offset: u64,
    },
    /// The header does not hold together.
    #[error("damaged trace header: {problem}")]
    Header {
        /// What is wrong.
        problem: &'static str,
    },
    /// Bytes have changed since they were written. Everything before the segment that holds the
    /// damage has been handed out; of the segment nothing.
    #[error(
        "damaged trace: at byte {offset}, in the segment that begins at byte {segment}: {problem}"
    )]
    Corrupt {
        /// Where the damage showed.
        offset: u64,
        /// Where the segment begins that holds it.
        segment: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// The bytes are as they were written, but times or edge numbers make no sense: nothing after that
    /// event can be placed. Everything before it has been handed out.
    #[error("damaged trace: event {event}: {problem}")]
    Senseless {
        /// Number of the trace's event, counted from 1.
        event: u64,
        /// What makes no sense.
        problem: &'static str,
    },
    /// The set-up in the header is none the driver knows.
    #[error(transparent)]
    SetUp(#[from] ConfigError),
    /// The host does not say to the replayed chip what the recorded host said.
    #[error("event {event}: the recorded host {recorded}, this host {host}")]
    Replay {
        /// Number of the trace's event, counted from 1.
        event: u64,
        /// What the recorded host did.
        recorded: String,
        /// What this host did.
        host: String,
    },
    /// The header to be written does not fit the format.
    #[error("trace header cannot be written: {field} is longer than 65535 bytes")]
    HeaderTooLong {
        /// The text.
        field: &'static str,
    },
    /// The transaction to be written does not fit the format.
    #[error("an SPI transaction of {found} bytes cannot be recorded, at most {limit} can")]
    TransactionTooLong {
        /// Its length as encoded.
        found: usize,
        /// The longest possible.
        limit: usize,
    },
}
