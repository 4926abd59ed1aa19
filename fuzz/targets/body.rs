//! Bodies of requests that correct something.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| ecg_gateway::api::fuzz_body(bytes));
