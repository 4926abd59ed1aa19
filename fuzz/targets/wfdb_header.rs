//! A WFDB header file.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wfdb_io::Header;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = Header::parse_bytes(bytes, Path::new("record.hea")) {
        let _ = header.ecg_signals();
        for signal in &header.signals {
            if let Some(conversion) = signal.uv_conversion() {
                let _ = conversion.to_uv(i32::MAX);
            }
        }
    }
});
