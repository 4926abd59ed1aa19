//! A WFDB annotation file: what was read and can be written is readable again.
#![no_main]

use std::path::Path;

use ecg_gateway::wfdb::{encode_annotations, parse_annotations};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("record.atr");
    let Ok(file) = parse_annotations(bytes, path) else {
        return;
    };
    if let Ok(again) = encode_annotations(&file.annotations, file.resolution_hz, path) {
        parse_annotations(&again, path).expect("what we wrote is readable");
    }
});
