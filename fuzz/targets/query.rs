//! Query strings of the socket.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| ecg_gateway::api::fuzz_query(text));
