//! A WFDB record: the input is its header, a zero byte, and its signal file. Both are written to
//! memory, since the reader takes files.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use wfdb_io::Record;

/// A header may promise any number of frames; reading stops here.
const MOST_FRAMES: usize = 100_000;
const MOST_SIGNALS: usize = 64;

fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let shared = PathBuf::from("/dev/shm");
        let root = if shared.is_dir() {
            shared
        } else {
            std::env::temp_dir()
        };
        let folder = root.join(format!("ecg-gateway-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    })
}

fuzz_target!(|bytes: &[u8]| {
    let Some(cut) = bytes.iter().position(|byte| *byte == 0) else {
        return;
    };
    let folder = folder();
    let written = std::fs::write(folder.join("r.hea"), &bytes[..cut])
        .and_then(|()| std::fs::write(folder.join("r.dat"), &bytes[cut + 1..]));
    written.expect("the record is written");
    let Ok(record) = Record::open(&folder.join("r")) else {
        return;
    };
    let signals = record.header().signals.len();
    if signals > MOST_SIGNALS {
        return;
    }
    let Ok(mut frames) = record.frames() else {
        return;
    };
    let mut frame = vec![0; signals];
    for _ in 0..MOST_FRAMES {
        if !matches!(frames.next_frame(&mut frame), Ok(true)) {
            break;
        }
    }
    let _ = frames.verify_checksums();
});
