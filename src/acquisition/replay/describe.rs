//! Host and trace in words, for errors.

use ads1292::FRAME_BYTES;
use embedded_hal::spi::Operation;

use super::super::trace::{ControlPin, TraceEvent};

pub(super) fn describe(event: &TraceEvent<'_>) -> String {
    match event {
        TraceEvent::Frame(frame) => format!(
            "read a frame of {FRAME_BYTES} bytes{}",
            if frame.transferred {
                " by a transfer"
            } else {
                ""
            }
        ),
        TraceEvent::Edge(_) => "saw a DRDY edge".to_owned(),
        TraceEvent::Timeout(_) => "gave up waiting for DRDY".to_owned(),
        TraceEvent::Pin { pin, high, .. } => format!("drove {}", describe_pin(*pin, *high)),
        TraceEvent::Transaction { operations, .. } => {
            let parts: Vec<_> = operations
                .map(|operation| describe_operation(operation.written, operation.read.len()))
                .collect();
            describe_parts(&parts)
        }
    }
}

pub(super) fn describe_host(operations: &[Operation<'_, u8>]) -> String {
    let parts: Vec<_> = operations
        .iter()
        .filter_map(|operation| {
            Some(match operation {
                Operation::Read(read) => describe_operation(&[], read.len()),
                Operation::Write(written) => describe_operation(written, 0),
                Operation::Transfer(read, written) => describe_operation(written, read.len()),
                Operation::TransferInPlace(bytes) => describe_operation(bytes, bytes.len()),
                Operation::DelayNs(_) => return None,
            })
        })
        .collect();
    describe_parts(&parts)
}

fn describe_parts(parts: &[String]) -> String {
    if parts.is_empty() {
        "selected the chip and said nothing".to_owned()
    } else {
        parts.join(", ")
    }
}

fn describe_operation(written: &[u8], read: usize) -> String {
    match (written, read) {
        ([], count) => format!("read {count} bytes"),
        (bytes, 0) => format!("sent {bytes:02x?}"),
        (bytes, count) => format!("sent {bytes:02x?} and read {count} bytes"),
    }
}

pub(super) fn describe_pin(pin: ControlPin, high: bool) -> String {
    let name = match pin {
        ControlPin::Start => "START",
        ControlPin::Reset => "RESET",
    };
    format!("{name} {}", if high { "high" } else { "low" })
}
