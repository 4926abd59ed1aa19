//! An SPI trace: its events one by one, then the driver run against it as `replay` does.
#![no_main]

use std::io::Cursor;
use std::path::Path;

use ecg_gateway::acquisition::trace::TraceReader;
use ecg_gateway::acquisition::{FrameSource, replay};
use libfuzzer_sys::fuzz_target;

/// A trace may hold a gap of any length and say so in a few bytes; samples cost bytes.
const MOST: usize = 20_000;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(mut reader) = TraceReader::new(Cursor::new(bytes.to_vec())) {
        let mut events = 0;
        while let Ok(Some(_)) = reader.next_event() {
            events += 1;
            if events == MOST {
                break;
            }
        }
    }
    if let Ok((mut source, handle)) = replay(Cursor::new(bytes.to_vec()), Path::new("trace")) {
        for _ in 0..MOST {
            if !matches!(source.next(), Ok(Some(_))) {
                break;
            }
        }
        let _ = handle.end();
    }
});
