//! A weights file (safetensors with the network's description): what is accepted can be run.
#![no_main]

use arrhythmianet::Model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(model) = Model::from_safetensors("weights", bytes) {
        let _ = model.layers().count();
        let _ = model.into_int8();
    }
});
