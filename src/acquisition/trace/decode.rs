//! Bytes to events.

use ads1292::FRAME_BYTES;
use ecg_chain::MonotonicNs;

use super::super::drdy::DrdyEdge;
use super::codec::{CHECKPOINT_MARK, END_MARK, MAX_TRANSACTION_BYTES, State, follow, tag};
use super::spi::{ControlPin, FrameRead, SpiOperation};
use super::varint::{self, unzigzag};

/// A decoded record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record {
    Frame(FrameRead),
    Edge(DrdyEdge),
    Timeout(MonotonicNs),
    Pin(MonotonicNs, ControlPin, bool),
    /// With the length of its operations, the record's last bytes.
    Transaction(MonotonicNs, usize),
    Checkpoint,
    End,
}

/// Why a record could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecodeError {
    /// The bytes end inside the record.
    Incomplete,
    /// No writer writes this.
    Damaged(&'static str),
}

/// Bytes being taken from the front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn rest(self) -> &'a [u8] {
        self.0
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, DecodeError> {
        let (&byte, rest) = self.0.split_first().ok_or(DecodeError::Incomplete)?;
        self.0 = rest;
        Ok(byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(DecodeError::Incomplete)?;
        self.0 = rest;
        Ok(*array)
    }

    pub(super) fn slice(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let split = self.0.split_at_checked(length);
        let (bytes, rest) = split.ok_or(DecodeError::Incomplete)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// What a transaction holds.
    fn bytes(&mut self, length: u64) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_TRANSACTION_BYTES {
            return Err(DecodeError::Damaged("impossible length of a transaction"));
        }
        self.slice(length)
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0;
        for position in 0..varint::MAX_BYTES {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << (7 * position);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Damaged("number longer than ten bytes"))
    }

    #[inline]
    fn signed(&mut self) -> Result<i64, DecodeError> {
        self.varint().map(unzigzag)
    }

    fn number<T: TryFrom<u64>>(&mut self, problem: &'static str) -> Result<T, DecodeError> {
        T::try_from(self.varint()?).map_err(|_| DecodeError::Damaged(problem))
    }

    fn time(&mut self, state: &mut State) -> Result<MonotonicNs, DecodeError> {
        state.time = state.time.wrapping_add(self.signed()?);
        Ok(state.absolute(state.time))
    }
}

/// Takes one operation of a transaction.
pub(super) fn operation<'a>(input: &mut Input<'a>) -> Result<SpiOperation<'a>, DecodeError> {
    let length = input.varint()?;
    let written = input.bytes(length)?;
    let length = input.varint()?;
    let read = input.bytes(length)?;
    Ok(SpiOperation { written, read })
}

/// Takes one record; on an error `state` is unspecified.
pub(super) fn record(input: &mut Input<'_>, state: &mut State) -> Result<Record, DecodeError> {
    let first = input.byte()?;
    if first & tag::FRAME != 0 {
        return frame(first, input, state).map(Record::Frame);
    }
    match first {
        tag::TRANSACTION => {
            let time = input.time(state)?;
            let length = input.varint()?;
            let mut operations = Input::new(input.bytes(length)?);
            let encoded = operations.rest().len();
            while !operations.rest().is_empty() {
                operation(&mut operations)
                    .map_err(|_| DecodeError::Damaged("transaction does not fit its length"))?;
            }
            Ok(Record::Transaction(time, encoded))
        }
        tag::EDGE => {
            let time = input.time(state)?;
            let step: u32 = input.number("sequence number beyond 32 bits")?;
            state.edge_time = state.time;
            state.sequence = state.sequence.wrapping_add(step);
            Ok(Record::Edge(DrdyEdge {
                time,
                sequence: state.sequence,
            }))
        }
        tag::TIMEOUT => input.time(state).map(Record::Timeout),
        tag::PIN => {
            let time = input.time(state)?;
            let (pin, high) = match input.byte()? {
                0 => (ControlPin::Start, false),
                1 => (ControlPin::Start, true),
                2 => (ControlPin::Reset, false),
                3 => (ControlPin::Reset, true),
                _ => return Err(DecodeError::Damaged("unknown pin")),
            };
            Ok(Record::Pin(time, pin, high))
        }
        tag::CHECKPOINT => {
            if input.array()? != CHECKPOINT_MARK {
                return Err(DecodeError::Damaged("checkpoint without its mark"));
            }
            *state = State {
                time: input.signed()?,
                edge_time: input.signed()?,
                period: input.signed()?,
                latency: input.signed()?,
                sequence: input.number("sequence number beyond 32 bits")?,
                ..State::start(state.start, 0)
            };
            Ok(Record::Checkpoint)
        }
        tag::END => {
            if input.array()? != END_MARK {
                return Err(DecodeError::Damaged("end without its mark"));
            }
            Ok(Record::End)
        }
        _ => Err(DecodeError::Damaged("unknown record")),
    }
}

fn frame(first: u8, input: &mut Input<'_>, state: &mut State) -> Result<FrameRead, DecodeError> {
    if first & tag::FRAME_RESERVED != 0 {
        return Err(DecodeError::Damaged("reserved bits of a frame are set"));
    }
    let has = |flag| first & flag != 0;
    let skipped = if has(tag::FRAME_SKIPPED) {
        input.number("sequence number beyond 32 bits")?
    } else {
        0
    };
    let mut edge_time = state.predicted_edge(skipped);
    if has(tag::FRAME_EDGE) {
        edge_time = edge_time.wrapping_add(input.signed()?);
    }
    let mut latency = state.latency;
    if has(tag::FRAME_LATENCY) {
        latency = latency.wrapping_add(input.signed()?);
    }
    if has(tag::FRAME_STATUS) {
        state.status = input.array()?;
    }
    for code in &mut state.codes {
        let next = i64::from(*code).wrapping_add(input.signed()?);
        *code = i32::try_from(next)
            .ok()
            .filter(|next| (-0x80_0000..0x80_0000).contains(next))
            .ok_or(DecodeError::Damaged("code beyond 24 bits"))?;
    }
    state.learn_edge(skipped, edge_time);
    state.latency = follow(state.latency, latency);
    state.time = edge_time.wrapping_add(latency);

    let [s0, s1, s2] = state.status;
    let [[_, a0, a1, a2], [_, b0, b1, b2]] = state.codes.map(i32::to_be_bytes);
    let rx: [u8; FRAME_BYTES] = [s0, s1, s2, a0, a1, a2, b0, b1, b2];
    Ok(FrameRead {
        edge: DrdyEdge {
            time: state.absolute(edge_time),
            sequence: state.sequence,
        },
        read_time: state.absolute(state.time),
        transferred: has(tag::FRAME_TRANSFERRED),
        rx,
    })
}
