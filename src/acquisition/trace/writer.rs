//! Writing a trace while it happens.

use std::io::Write;

use ads1292::FRAME_BYTES;
use ecg_chain::MonotonicNs;
use flate2::write::GzEncoder;

use super::super::drdy::DrdyEdge;
use super::codec::{self, MAX_TRANSACTION_BYTES, State};
use super::encode;
use super::error::TraceError;
use super::header::TraceHeader;
use super::spi::{ControlPin, FrameRead, SpiOperation};

/// Signal time after which a segment ends.
const SEGMENT_NS: i64 = 1_000_000_000;
/// Length at which a segment ends at the latest.
const SEGMENT_BYTES: usize = 16 * 1024;

/// Whether the stream is wrapped in gzip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Plain.
    #[default]
    None,
    /// gzip.
    Gzip,
}

/// Writes a trace. Every second of signal, and at the latest every 16 KiB, a segment goes to the
/// sink and is flushed there: whoever kills the recorder loses at most that. Dropping the writer
/// without [`Self::finish`] leaves a trace that reads as cut.
#[derive(Debug)]
pub struct TraceWriter<W: Write> {
    sink: Sink<W>,
    state: State,
    /// The segment so far.
    bytes: Vec<u8>,
    segment_start: i64,
    /// An edge that waits for its data read.
    edge: Option<DrdyEdge>,
    /// Operations of the transaction being written.
    operations: Vec<u8>,
    written_bytes: u64,
}

#[derive(Debug)]
enum Sink<W: Write> {
    Plain(W),
    Gzip(Box<GzEncoder<W>>),
}

impl<W: Write> TraceWriter<W> {
    /// Starts a trace and writes its header.
    ///
    /// # Errors
    /// [`TraceError::Io`], [`TraceError::HeaderTooLong`].
    pub fn create(
        sink: W,
        header: &TraceHeader,
        compression: Compression,
    ) -> Result<Self, TraceError> {
        let mut writer = Self {
            sink: match compression {
                Compression::None => Sink::Plain(sink),
                Compression::Gzip => {
                    Sink::Gzip(Box::new(GzEncoder::new(sink, flate2::Compression::new(6))))
                }
            },
            state: State::start(header.session.start.monotonic, header.period_ns()),
            bytes: header.encode()?,
            segment_start: 0,
            edge: None,
            operations: Vec::new(),
            written_bytes: 0,
        };
        writer.write_out()?;
        writer.bytes.reserve(2 * SEGMENT_BYTES);
        Ok(writer)
    }

    /// Records a DRDY edge.
    ///
    /// # Errors
    /// [`TraceError::Io`].
    pub fn edge(&mut self, edge: DrdyEdge) -> Result<(), TraceError> {
        self.settle_edge();
        self.edge = Some(edge);
        self.end_segment_if_due()
    }

    /// Records a wait that ended without an edge.
    ///
    /// # Errors
    /// [`TraceError::Io`].
    pub fn timeout(&mut self, time: MonotonicNs) -> Result<(), TraceError> {
        self.settle_edge();
        encode::push_timeout(&mut self.bytes, &mut self.state, time);
        self.end_segment_if_due()
    }

    /// Records a pin change.
    ///
    /// # Errors
    /// [`TraceError::Io`].
    pub fn pin(
        &mut self,
        time: MonotonicNs,
        pin: ControlPin,
        high: bool,
    ) -> Result<(), TraceError> {
        self.settle_edge();
        encode::push_pin(&mut self.bytes, &mut self.state, (time, pin, high));
        self.end_segment_if_due()
    }

    /// Records a transaction; a nine-byte read or transfer of zeros after an edge is packed with it.
    ///
    /// # Errors
    /// [`TraceError::Io`], [`TraceError::TransactionTooLong`].
    pub fn transaction<'a>(
        &mut self,
        time: MonotonicNs,
        operations: impl IntoIterator<Item = SpiOperation<'a>>,
    ) -> Result<(), TraceError> {
        let mut operations = operations.into_iter();
        let first = operations.next();
        let second = operations.next();
        if let (Some(edge), Some(first), None) = (self.edge, first, second)
            && let Some((transferred, rx)) = data_read(first)
        {
            self.edge = None;
            let frame = FrameRead {
                edge,
                read_time: time,
                transferred,
                rx,
            };
            encode::push_frame(&mut self.bytes, &mut self.state, &frame);
            return self.end_segment_if_due();
        }
        self.settle_edge();
        self.operations.clear();
        for operation in first.into_iter().chain(second).chain(operations) {
            encode::push_operation(&mut self.operations, operation);
        }
        if self.operations.len() > MAX_TRANSACTION_BYTES {
            return Err(TraceError::TransactionTooLong {
                found: self.operations.len(),
                limit: MAX_TRANSACTION_BYTES,
            });
        }
        encode::push_transaction(&mut self.bytes, &mut self.state, time, &self.operations);
        self.end_segment_if_due()
    }

    /// Ends the trace and returns the sink, flushed, and the trace's length before compression.
    ///
    /// # Errors
    /// [`TraceError::Io`].
    pub fn finish(mut self) -> Result<(W, u64), TraceError> {
        self.settle_edge();
        self.bytes.push(codec::tag::END);
        self.bytes.extend(codec::END_MARK);
        self.push_crc();
        self.write_out()?;
        let mut sink = match self.sink {
            Sink::Plain(sink) => sink,
            Sink::Gzip(encoder) => encoder.finish()?,
        };
        sink.flush()?;
        Ok((sink, self.written_bytes))
    }

    /// Writes an edge that no data read followed.
    fn settle_edge(&mut self) {
        if let Some(edge) = self.edge.take() {
            encode::push_edge(&mut self.bytes, &mut self.state, edge);
        }
    }

    fn end_segment_if_due(&mut self) -> Result<(), TraceError> {
        let age_ns = self.state.time.wrapping_sub(self.segment_start);
        if self.bytes.is_empty() || (age_ns < SEGMENT_NS && self.bytes.len() < SEGMENT_BYTES) {
            return Ok(());
        }
        encode::push_checkpoint(&mut self.bytes, &mut self.state);
        self.push_crc();
        self.segment_start = self.state.time;
        self.write_out()
    }

    fn push_crc(&mut self) {
        let crc = crc32fast::hash(&self.bytes);
        self.bytes.extend(crc.to_le_bytes());
    }

    fn write_out(&mut self) -> Result<(), TraceError> {
        let sink: &mut dyn Write = match &mut self.sink {
            Sink::Plain(sink) => sink,
            Sink::Gzip(encoder) => encoder,
        };
        sink.write_all(&self.bytes)?;
        sink.flush()?;
        self.written_bytes += self.bytes.len() as u64;
        self.bytes.clear();
        Ok(())
    }
}

/// Whether `operation` is a data read, and its answer.
fn data_read(operation: SpiOperation<'_>) -> Option<(bool, [u8; FRAME_BYTES])> {
    let rx = operation.read.try_into().ok()?;
    match operation.written {
        [] => Some((false, rx)),
        [0, 0, 0, 0, 0, 0, 0, 0, 0] => Some((true, rx)),
        _ => None,
    }
}
