//! The configuration file, and the fault script beside it.
#![no_main]

use ads1292::simulator::FaultScript;
use ecg_gateway::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = Config::from_str("c.toml", text);
    let _ = text.parse::<FaultScript>();
});
