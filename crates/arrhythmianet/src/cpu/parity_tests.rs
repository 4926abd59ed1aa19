//! Every engine on the CPU against PyTorch on 1,024 real beats of each network.

use std::sync::Arc;

use crate::parity_support::Parity;
use crate::{Classifier, CpuIsa, CpuReference, CpuSimd, builtin_models};

#[test]
fn logits_and_labels_of_a_thousand_real_beats_are_pytorchs() {
    let failures: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = builtin_models()
            .into_iter()
            .map(|name| scope.spawn(move || failures(&Parity::load(name))))
            .collect();
        runs.into_iter()
            .flat_map(|run| run.join().unwrap())
            .collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn failures(parity: &Parity) -> Vec<String> {
    let model = || Arc::clone(&parity.model);
    let mut engines: Vec<Box<dyn Classifier>> = vec![Box::new(CpuReference::new(model(), 64))];
    for isa in CpuIsa::ALL {
        match CpuSimd::with_isa(model(), 64, isa) {
            Some(engine) => engines.push(Box::new(engine)),
            None => println!("skipped: this processor has no {}", isa.engine()),
        }
    }
    engines
        .iter_mut()
        .filter_map(|engine| parity.failure(&mut **engine, 64))
        .collect()
}
