//! Events to bytes.

use ecg_chain::MonotonicNs;

use super::super::drdy::DrdyEdge;
use super::codec::{CHECKPOINT_MARK, State, follow, tag};
use super::spi::{ControlPin, FrameRead, SpiOperation};
use super::varint::{self, zigzag};

/// Appends a packed frame.
pub(super) fn push_frame(bytes: &mut Vec<u8>, state: &mut State, frame: &FrameRead) {
    let edge_time = state.relative(frame.edge.time);
    let read_time = state.relative(frame.read_time);
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
pub(super) fn push_edge(bytes: &mut Vec<u8>, state: &mut State, edge: DrdyEdge) {
    bytes.push(tag::EDGE);
    push_time(bytes, state, edge.time);
    varint::push(bytes, edge.sequence.wrapping_sub(state.sequence).into());
    state.edge_time = state.time;
    state.sequence = edge.sequence;
}

/// Appends a wait that ended without an edge.
pub(super) fn push_timeout(bytes: &mut Vec<u8>, state: &mut State, time: MonotonicNs) {
    bytes.push(tag::TIMEOUT);
    push_time(bytes, state, time);
}

/// Appends a pin change.
pub(super) fn push_pin(
    bytes: &mut Vec<u8>,
    state: &mut State,
    (time, pin, high): (MonotonicNs, ControlPin, bool),
) {
    bytes.push(tag::PIN);
    push_time(bytes, state, time);
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
    time: MonotonicNs,
    encoded: &[u8],
) {
    bytes.push(tag::TRANSACTION);
    push_time(bytes, state, time);
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

fn push_time(bytes: &mut Vec<u8>, state: &mut State, time: MonotonicNs) {
    let time = state.relative(time);
    varint::push(bytes, zigzag(time.wrapping_sub(state.time)));
    state.time = time;
}

/// 24 bits, two's complement, high byte first.
fn code([high, middle, low]: [u8; 3]) -> i32 {
    i32::from_be_bytes([high, middle, low, 0]) >> 8
}
