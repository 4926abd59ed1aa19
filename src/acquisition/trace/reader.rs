//! Reading a trace, also one that was cut or damaged.

use std::fmt;
use std::io::Read;

use super::codec::{MAX_SEGMENT_BYTES, State};
use super::decode::{self, DecodeError, Input, Record};
use super::error::TraceError;
use super::event::{Operations, TraceEvent};
use super::header::{PREFIX_BYTES, TraceHeader};
use super::source::{ByteSource, SourceError};

/// How a trace ended. Offsets count bytes of the trace, after decompression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceEnd {
    /// With its end record.
    Complete {
        /// Length of the trace.
        bytes: u64,
    },
    /// Without: the recorder died, or the file lost its end.
    Cut {
        /// Where the bytes end.
        offset: u64,
        /// End of the last whole record, up to which everything was handed out.
        readable: u64,
    },
    /// In damage, which was returned as [`TraceError::Corrupt`].
    Damaged {
        /// Where the damage showed.
        offset: u64,
        /// Where the damaged segment begins, up to which everything was handed out.
        readable: u64,
    },
}

/// Reads a trace from any byte source in constant memory; gzip is recognised by its first bytes.
pub struct TraceReader {
    source: ByteSource,
    header: TraceHeader,
    state: State,
    /// Where in the source's window the next undecoded segment begins.
    next_segment: usize,
    /// The segment being handed out.
    records: Vec<Positioned>,
    next_record: usize,
    end: Option<TraceEnd>,
    /// What is wrong, where `end` is damage.
    problem: &'static str,
}

#[derive(Debug, Clone, Copy)]
struct Positioned {
    record: Record,
    /// End of the record in the source's window.
    end: usize,
}

impl fmt::Debug for TraceReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceReader")
            .field("header", &self.header)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl TraceReader {
    /// Reads the header.
    ///
    /// # Errors
    /// [`TraceError`]: not a trace, another version, an unknown chip, a damaged or cut header.
    pub fn new(reader: impl Read + Send + 'static) -> Result<Self, TraceError> {
        let mut source = ByteSource::new(reader)?;
        let (header, next_segment) = read_header(&mut source)?;
        Ok(Self {
            source,
            state: State::start(header.session.start.monotonic, header.period_ns()),
            header,
            next_segment,
            records: Vec::new(),
            next_record: 0,
            end: None,
            problem: "",
        })
    }

    /// What the trace says about itself.
    #[must_use]
    pub fn header(&self) -> &TraceHeader {
        &self.header
    }

    /// How the trace ended, once [`Self::next_event`] has returned `None` or an error.
    #[must_use]
    pub fn end(&self) -> Option<TraceEnd> {
        self.end.filter(|_| self.next_record == self.records.len())
    }

    /// The next event; `None` at the end, of which [`Self::end`] tells more.
    ///
    /// # Errors
    /// [`TraceError::Io`], [`TraceError::Corrupt`]; the trace cannot be read on after either, and
    /// whoever asks again is told of the damage again.
    pub fn next_event(&mut self) -> Result<Option<TraceEvent<'_>>, TraceError> {
        self.fetch()?;
        let index = self.next_record;
        self.next_record = (index + 1).min(self.records.len());
        Ok(self.event(index))
    }

    /// The event that [`Self::next_event`] will hand out.
    ///
    /// # Errors
    /// As [`Self::next_event`].
    pub fn peek_event(&mut self) -> Result<Option<TraceEvent<'_>>, TraceError> {
        self.fetch()?;
        Ok(self.event(self.next_record))
    }

    /// Makes the next record available, unless the trace has ended.
    fn fetch(&mut self) -> Result<(), TraceError> {
        while self.next_record == self.records.len() {
            match self.end {
                None => self.read_segment()?,
                Some(TraceEnd::Damaged { offset, readable }) => {
                    return Err(self.damage(offset, readable));
                }
                Some(_) => break,
            }
        }
        Ok(())
    }

    fn event(&self, index: usize) -> Option<TraceEvent<'_>> {
        let &Positioned { record, end } = self.records.get(index)?;
        match record {
            Record::Frame(frame) => Some(TraceEvent::Frame(frame)),
            Record::Edge(edge) => Some(TraceEvent::Edge(edge)),
            Record::Timeout(time) => Some(TraceEvent::Timeout(time)),
            Record::Pin(time, pin, high) => Some(TraceEvent::Pin { time, pin, high }),
            Record::Transaction(time, length) => Some(TraceEvent::Transaction {
                time,
                operations: Operations {
                    encoded: self.source.between(end.saturating_sub(length), end),
                },
            }),
            // Segments are handed out without what ends them.
            Record::Checkpoint | Record::End => None,
        }
    }

    /// Decodes up to and including the next checkpoint, the end, or the cut.
    fn read_segment(&mut self) -> Result<(), TraceError> {
        self.records.clear();
        self.next_record = 0;
        self.next_segment = self.source.release(self.next_segment);
        let mut position = self.next_segment;
        while position - self.next_segment <= MAX_SEGMENT_BYTES {
            let mut state = self.state;
            let mut input = Input::new(self.source.from(position));
            match decode::record(&mut input, &mut state) {
                Ok(record @ (Record::Checkpoint | Record::End)) => {
                    let crc_at = self.source.len() - input.rest().len();
                    if let Some(end) = self.check_crc(crc_at)? {
                        self.state = state;
                        self.next_segment = end;
                        if record == Record::End {
                            self.check_nothing_follows(end);
                        }
                        return Ok(());
                    }
                    if !self.read_more(position)? {
                        return Ok(());
                    }
                }
                Ok(record) => {
                    self.state = state;
                    position = self.source.len() - input.rest().len();
                    self.records.push(Positioned {
                        record,
                        end: position,
                    });
                }
                Err(DecodeError::Damaged(problem)) => return Err(self.corrupt(position, problem)),
                Err(DecodeError::Incomplete) => {
                    if !self.read_more(position)? {
                        return Ok(());
                    }
                }
            }
        }
        Err(self.corrupt(position, "no checkpoint within 64 KiB"))
    }

    /// Compares the segment before `crc_at` with the CRC there, and returns where that ends; `None`
    /// if the CRC is not read yet.
    fn check_crc(&mut self, crc_at: usize) -> Result<Option<usize>, TraceError> {
        let Some((&crc, _)) = self.source.from(crc_at).split_first_chunk::<4>() else {
            return Ok(None);
        };
        let segment = self.source.between(self.next_segment, crc_at);
        if crc32fast::hash(segment) != u32::from_le_bytes(crc) {
            return Err(self.corrupt(crc_at, "CRC differs"));
        }
        Ok(Some(crc_at + 4))
    }

    /// Notes how the trace ends. What follows the end record is damage, told after the last segment
    /// has been handed out: that one is whole.
    fn check_nothing_follows(&mut self, end: usize) {
        // Reading to the end also lets gzip check its own sum.
        let more = match self.source.len() {
            length if length == end => self.source.read_more(),
            _ => Ok(true),
        };
        let offset = self.source.offset_of(end);
        self.problem = match more {
            // A few bytes that might begin another member, or the member's own end is missing.
            Ok(false) if self.source.is_cut_in_gzip() => {
                "bytes after the end record that are no whole gzip, or a gzip without its end"
            }
            Ok(false) => {
                self.end = Some(TraceEnd::Complete { bytes: offset });
                return;
            }
            Ok(true) => "bytes after the end record",
            Err(SourceError::Gzip) => {
                "bytes after the end record that are no gzip, or a damaged gzip sum"
            }
            Err(SourceError::Io(_)) => "what follows the end record cannot be read",
        };
        self.end = Some(TraceEnd::Damaged {
            offset,
            readable: offset,
        });
    }

    /// Fetches bytes for the record at `position`; `false` at the cut, which is then noted.
    fn read_more(&mut self, position: usize) -> Result<bool, TraceError> {
        let more = self.source.read_more();
        let more = more.map_err(|error| self.source_error(error, self.source.len()))?;
        if !more {
            self.end = Some(TraceEnd::Cut {
                offset: self.source.offset_of(self.source.len()),
                readable: self.source.offset_of(position),
            });
        }
        Ok(more)
    }

    fn source_error(&mut self, error: SourceError, position: usize) -> TraceError {
        match error {
            SourceError::Gzip => self.corrupt(position, "the gzip wrapping is damaged"),
            SourceError::Io(error) => {
                let _ = self.corrupt(position, "the file cannot be read on");
                error.into()
            }
        }
    }

    /// Nothing more is handed out after damage.
    fn corrupt(&mut self, position: usize, problem: &'static str) -> TraceError {
        self.records.clear();
        self.next_record = 0;
        self.problem = problem;
        let offset = self.source.offset_of(position);
        let segment = self.source.offset_of(self.next_segment);
        self.end = Some(TraceEnd::Damaged {
            offset,
            readable: segment,
        });
        self.damage(offset, segment)
    }

    fn damage(&self, offset: u64, segment: u64) -> TraceError {
        TraceError::Corrupt {
            offset,
            segment,
            problem: self.problem,
        }
    }
}

/// The header and its length.
fn read_header(source: &mut ByteSource) -> Result<(TraceHeader, usize), TraceError> {
    loop {
        match source.read_more() {
            Ok(more) => {
                let known = if more && source.len() < PREFIX_BYTES {
                    None
                } else {
                    TraceHeader::encoded_length(source.from(0))?
                };
                if let Some(length) = known.filter(|&length| length <= source.len()) {
                    let header = TraceHeader::decode(source.between(0, length))?;
                    return Ok((header, length));
                }
                if !more {
                    return Err(TraceError::CutInHeader {
                        offset: source.len() as u64,
                    });
                }
            }
            Err(SourceError::Gzip) => {
                let problem = "the gzip wrapping is damaged";
                return Err(TraceError::Header { problem });
            }
            Err(SourceError::Io(error)) => return Err(error.into()),
        }
    }
}
