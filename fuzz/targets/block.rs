//! Raw ECG blocks of the database: what is accepted is encoded and read again the same.
#![no_main]

use ecg_gateway::store::{BlockEncoder, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(codes) = decode(bytes) {
        let again = BlockEncoder::new(2).encode(&codes).expect("not too long");
        assert_eq!(decode(&again).expect("readable"), codes);
    }
});
