//! Frames as they come from the bus: what is taken for one must be the bytes again.
#![no_main]

use ads1292::{CODE_MAX, CODE_MIN, FRAME_BYTES, FrameSync};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut sync = FrameSync::default();
    for chunk in bytes.chunks_exact(FRAME_BYTES) {
        let Ok(raw) = <&[u8; FRAME_BYTES]>::try_from(chunk) else {
            continue;
        };
        if let Ok(frame) = sync.parse(raw) {
            assert_eq!(frame.to_bytes(), *raw);
            assert!(
                frame
                    .codes
                    .iter()
                    .all(|code| (CODE_MIN..=CODE_MAX).contains(code))
            );
        }
        let _ = sync.restart_needed();
    }
});
