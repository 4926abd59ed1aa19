//! Every engine on the CPU against PyTorch on 1,024 real beats of each network.

use std::sync::Arc;

use crate::model::parity_support::Parity;
use crate::model::{Classifier, CpuIsa, CpuReference, CpuSimd, builtin_models};

#[test]
fn logits_and_labels_of_a_thousand_real_beats_are_pytorchs() {
    let mut failures = Vec::new();
    for name in builtin_models() {
        let parity = Parity::of(name);
        let mut engines: Vec<Box<dyn Classifier>> =
            vec![Box::new(CpuReference::new(Arc::clone(&parity.model), 64))];
        for isa in CpuIsa::ALL {
            match CpuSimd::with_isa(Arc::clone(&parity.model), 64, isa) {
                Some(engine) => engines.push(Box::new(engine)),
                None => println!("skipped: this processor has no {}", isa.engine()),
            }
        }
        for engine in &mut engines {
            failures.extend(parity.failure(&mut **engine, 64));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
