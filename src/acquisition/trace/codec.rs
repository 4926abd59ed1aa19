//! The records of a trace: bytes to events, events to bytes, and the state both sides predict from.

use crate::time::MonotonicNs;

use super::varint::{self, unzigzag, zigzag};
use super::{ControlPin, DrdyEdge, FRAME_BYTES, FrameRead, SpiOperation};

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
    pub(super) const fn start(period: i64) -> Self {
        Self {
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
        Self {
            time: self.time,
            edge_time: self.edge_time,
            sequence: self.sequence,
            latency: self.latency,
            ..Self::start(self.period)
        }
    }

    /// Takes in an edge `skipped + 1` numbers after the last, at its time.
    fn learn_edge(&mut self, skipped: u32, edge_time: i64) {
        let steps = i64::from(skipped) + 1;
        let interval = edge_time.wrapping_sub(self.edge_time).wrapping_div(steps);
        let error = interval.wrapping_sub(self.period).unsigned_abs();
        if error <= self.period.unsigned_abs() >> MAX_PERIOD_ERROR_SHIFT {
            self.period = follow(self.period, interval);
        }
        self.edge_time = edge_time;
        self.sequence = self.sequence.wrapping_add(skipped).wrapping_add(1);
    }

    fn predicted_edge(&self, skipped: u32) -> i64 {
        let steps = i64::from(skipped) + 1;
        self.edge_time.wrapping_add(self.period.wrapping_mul(steps))
    }
}

fn follow(estimate: i64, value: i64) -> i64 {
    estimate.wrapping_add(value.wrapping_sub(estimate) >> FOLLOW_SHIFT)
}

/// Monotonic time to time in the trace and back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Epoch(pub(super) MonotonicNs);

impl Epoch {
    pub(super) const fn relative(self, time: MonotonicNs) -> i64 {
        time.0.wrapping_sub(self.0.0).cast_signed()
    }

    const fn absolute(self, time: i64) -> MonotonicNs {
        MonotonicNs(self.0.0.wrapping_add(time.cast_unsigned()))
    }
}

/// Appends a packed frame.
pub(super) fn push_frame(bytes: &mut Vec<u8>, state: &mut State, epoch: Epoch, frame: &FrameRead) {
    let edge_time = epoch.relative(frame.edge.time);
    let read_time = epoch.relative(frame.read_time);
    let [s0, s1, s2, a0, a1, a2, b0, b1, b2] = frame.rx;
    let status = [s0, s1, s2];
    let codes = [code([a0, a1, a2]), code([b0, b1, b2])];

    let skipped = frame
        .edge
        .sequence
        .wrapping_sub(state.sequence)
        .wrapping_sub(1);
    let edge_error = edge_time.wrapping_sub(state.predicted_edge(skipped));
    let latency = read_time.wrapping_sub(edge_time);
    let latency_error = latency.wrapping_sub(state.latency);

    let flag = |condition, flag| if condition { flag } else { 0 };
    bytes.push(
        tag::FRAME
            | flag(status != state.status, tag::FRAME_STATUS)
            | flag(skipped != 0, tag::FRAME_SKIPPED)
            | flag(frame.transferred, tag::FRAME_TRANSFERRED)
            | flag(edge_error != 0, tag::FRAME_EDGE)
            | flag(latency_error != 0, tag::FRAME_LATENCY),
    );
    if skipped != 0 {
        varint::push(bytes, skipped.into());
    }
    if edge_error != 0 {
        varint::push(bytes, zigzag(edge_error));
    }
    if latency_error != 0 {
        varint::push(bytes, zigzag(latency_error));
    }
    if status != state.status {
        bytes.extend(status);
    }
    for (code, last) in codes.into_iter().zip(state.codes) {
        varint::push(bytes, zigzag(i64::from(code) - i64::from(last)));
    }
    state.learn_edge(skipped, edge_time);
    state.latency = follow(state.latency, latency);
    state.time = read_time;
    state.status = status;
    state.codes = codes;
}

/// Appends an edge not followed by a data read.
pub(super) fn push_edge(bytes: &mut Vec<u8>, state: &mut State, epoch: Epoch, edge: DrdyEdge) {
    bytes.push(tag::EDGE);
    push_time(bytes, state, epoch.relative(edge.time));
    varint::push(bytes, edge.sequence.wrapping_sub(state.sequence).into());
    state.edge_time = state.time;
    state.sequence = edge.sequence;
}

/// Appends a wait that ended without an edge.
pub(super) fn push_timeout(
    bytes: &mut Vec<u8>,
    state: &mut State,
    epoch: Epoch,
    time: MonotonicNs,
) {
    bytes.push(tag::TIMEOUT);
    push_time(bytes, state, epoch.relative(time));
}

/// Appends a pin change.
pub(super) fn push_pin(
    bytes: &mut Vec<u8>,
    state: &mut State,
    epoch: Epoch,
    (time, pin, high): (MonotonicNs, ControlPin, bool),
) {
    bytes.push(tag::PIN);
    push_time(bytes, state, epoch.relative(time));
    let pin = match pin {
        ControlPin::Start => 0,
        ControlPin::Reset => 2,
    };
    bytes.push(pin | u8::from(high));
}

/// Appends a transaction whose operations are `encoded` already.
pub(super) fn push_transaction(
    bytes: &mut Vec<u8>,
    state: &mut State,
    epoch: Epoch,
    time: MonotonicNs,
    encoded: &[u8],
) {
    bytes.push(tag::TRANSACTION);
    push_time(bytes, state, epoch.relative(time));
    varint::push(bytes, encoded.len() as u64);
    bytes.extend(encoded);
}

/// Appends one operation of a transaction.
pub(super) fn push_operation(encoded: &mut Vec<u8>, operation: SpiOperation<'_>) {
    for part in [operation.written, operation.read] {
        varint::push(encoded, part.len() as u64);
        encoded.extend(part);
    }
}

/// Appends the end of a segment, its CRC left out.
pub(super) fn push_checkpoint(bytes: &mut Vec<u8>, state: &mut State) {
    bytes.push(tag::CHECKPOINT);
    bytes.extend(CHECKPOINT_MARK);
    for value in [state.time, state.edge_time, state.period, state.latency] {
        varint::push(bytes, zigzag(value));
    }
    varint::push(bytes, state.sequence.into());
    *state = state.at_checkpoint();
}

fn push_time(bytes: &mut Vec<u8>, state: &mut State, time: i64) {
    varint::push(bytes, zigzag(time.wrapping_sub(state.time)));
    state.time = time;
}

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

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(DecodeError::Incomplete)?;
        self.0 = rest;
        Ok(*array)
    }

    fn bytes(&mut self, length: u64) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_TRANSACTION_BYTES {
            return Err(DecodeError::Damaged("impossible length of a transaction"));
        }
        let (bytes, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(DecodeError::Incomplete)?;
        self.0 = rest;
        Ok(bytes)
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

    fn time(&mut self, state: &mut State, epoch: Epoch) -> Result<MonotonicNs, DecodeError> {
        state.time = state.time.wrapping_add(self.signed()?);
        Ok(epoch.absolute(state.time))
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
pub(super) fn record(
    input: &mut Input<'_>,
    state: &mut State,
    epoch: Epoch,
) -> Result<Record, DecodeError> {
    let first = input.byte()?;
    if first & tag::FRAME != 0 {
        return frame(first, input, state, epoch).map(Record::Frame);
    }
    match first {
        tag::TRANSACTION => {
            let time = input.time(state, epoch)?;
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
            let time = input.time(state, epoch)?;
            let step: u32 = input.number("sequence number beyond 32 bits")?;
            state.edge_time = state.time;
            state.sequence = state.sequence.wrapping_add(step);
            Ok(Record::Edge(DrdyEdge {
                time,
                sequence: state.sequence,
            }))
        }
        tag::TIMEOUT => input.time(state, epoch).map(Record::Timeout),
        tag::PIN => {
            let time = input.time(state, epoch)?;
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
                ..State::start(0)
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

fn frame(
    first: u8,
    input: &mut Input<'_>,
    state: &mut State,
    epoch: Epoch,
) -> Result<FrameRead, DecodeError> {
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
            time: epoch.absolute(edge_time),
            sequence: state.sequence,
        },
        read_time: epoch.absolute(state.time),
        transferred: has(tag::FRAME_TRANSFERRED),
        rx,
    })
}

/// 24 bits, two's complement, high byte first.
fn code([high, middle, low]: [u8; 3]) -> i32 {
    i32::from_be_bytes([high, middle, low, 0]) >> 8
}
