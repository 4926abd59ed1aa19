//! The cookie header of a browser, the files beside the page's tokens, and the hosts of the page.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| ecg_gateway::api::fuzz_web(bytes));
