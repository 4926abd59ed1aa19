//! Host and trace in words, for errors.

use ads1292::FRAME_BYTES;
use embedded_hal::spi::Operation;

use super::super::trace::{ControlPin, SpiOperation, TraceEvent};

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
            let parts: Vec<_> = operations.map(describe_operation).collect();
            describe_parts(&parts)
        }
    }
}

pub(super) fn describe_host(operations: &[Operation<'_, u8>]) -> String {
    let parts: Vec<_> = operations
        .iter()
        .filter(|operation| !matches!(operation, Operation::DelayNs(_)))
        .map(|operation| describe_operation(SpiOperation::from_operation(operation)))
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

fn describe_operation(operation: SpiOperation<'_>) -> String {
    match (operation.written, operation.read.len()) {
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
