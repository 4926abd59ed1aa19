//! A gradient, and attributions against 32 beats, beside a classification.

use std::sync::Arc;

use arrhythmianet::test_support::Random;
use arrhythmianet::{Classifier, CpuGradient, CpuSimd, Model, Outputs, builtin_models};
use criterion::{Criterion, criterion_group, criterion_main};

fn gradient(criterion: &mut Criterion) {
    for name in builtin_models() {
        let model = Arc::new(Model::load(name).expect("a built-in model"));
        let len = model.description().input.len();
        let mut random = Random(9);
        let mut engine = CpuGradient::new(Arc::clone(&model));
        let background = random.values(32 * len);
        engine.set_background(&background).expect("whole beats");
        let mut classifier = CpuSimd::new(Arc::clone(&model), 1);
        let mut outputs = Outputs::logits_only(model.description(), 1);
        let (input, mut out) = (random.values(len), vec![0.0; len]);
        let of_class = [0.0, 0.0, 0.0, 0.0, 1.0];
        let mut group = criterion.benchmark_group(name);
        group.bench_function("classify", |bencher| {
            bencher.iter(|| classifier.classify(&input, &mut outputs).expect("logits"));
        });
        group.bench_function("gradient", |bencher| {
            bencher.iter(|| engine.gradient(&input, &of_class, &mut out).expect("one"));
        });
        group.bench_function("attributions", |bencher| {
            bencher.iter(|| {
                engine
                    .attributions(&input, &of_class, &mut out)
                    .expect("some")
            });
        });
        group.finish();
    }
}

criterion_group!(benches, gradient);
criterion_main!(benches);
