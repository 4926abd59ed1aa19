//! A WFDB annotation file: what was read and can be written is readable again.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wfdb_io::{encode_annotations, parse_annotations};

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("record.atr");
    let file = parse_annotations(bytes);
    assert!(
        file.annotations
            .is_sorted_by_key(|annotation| annotation.sample)
    );
    let _ = file.note();
    if let Ok(written) = encode_annotations(&file.annotations, file.resolution_hz, path) {
        let again = parse_annotations(&written);
        assert!(
            again.problem.is_none() || file.problem.is_some(),
            "what we wrote is readable"
        );
        assert_eq!(again.annotations.len(), file.annotations.len());
    }
});
