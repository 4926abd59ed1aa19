//! float32 and int8 on every instruction set of this machine, one beat and 64.

use std::sync::Arc;

use arrhythmianet::{Classifier, CpuIsa, CpuSimd, Model, Outputs, builtin_models};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ecg_gateway_speed::RealBeats;

fn int8(criterion: &mut Criterion) {
    for name in builtin_models() {
        let beats = RealBeats::load(name);
        let int8 = Arc::new(Model::load(&format!("{name}-int8")).expect("an int8 variant"));
        let mut outputs = Outputs::logits_only(beats.model.description(), 64);
        for isa in CpuIsa::ALL {
            for batch in [1, 64] {
                let title = format!("{name} {} batch {batch}", isa.engine());
                let mut group = criterion.benchmark_group(title);
                group.throughput(Throughput::Elements(batch as u64));
                let input = &beats.input[..batch * beats.window()];
                for (kind, model) in [("float32", &beats.model), ("int8", &int8)] {
                    let Some(mut engine) = CpuSimd::with_isa(Arc::clone(model), 64, isa) else {
                        continue; // this processor lacks it
                    };
                    group.bench_function(kind, |bencher| {
                        bencher.iter(|| engine.classify(input, &mut outputs).expect("logits"));
                    });
                }
                group.finish();
            }
        }
    }
}

criterion_group!(benches, int8);
criterion_main!(benches);
