//! What a map costs beside a classification in one process: real beats in turn, since kernels skip zeros
//! and processors learn a beat that comes again. Then Grad-CAM is held to 1.3 times a classification.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use arrhythmianet::explain::{Explainer, Method};
use arrhythmianet::{BeatClass, Classifier, CpuSimd, Outputs, builtin_models};
use criterion::{Criterion, criterion_group, criterion_main};
use ecg_gateway_speed::RealBeats;

const BEATS: usize = 16;
const TURNS: usize = 100;
const KINDS: [&str; 4] = ["classify", "with Grad-CAM", "fine Grad-CAM", "SHAP"];

struct Maps {
    engine: CpuSimd,
    logits: Outputs,
    maps: Outputs,
    explainer: Explainer,
}

impl Maps {
    /// Does the work of `KINDS[kind]` for one beat.
    fn work(&mut self, kind: usize, input: &[f32]) {
        match kind {
            0 => self
                .engine
                .classify(input, &mut self.logits)
                .expect("logits"),
            1 => {
                self.engine.classify(input, &mut self.maps).expect("maps");
                let maps = self.maps.feature_maps(0).expect("maps of one beat");
                black_box(self.explainer.grad_cam(maps, BeatClass::V).expect("a map"));
            }
            _ => {
                let method = [Method::GradCamFine, Method::Shap][kind - 2];
                let map = self.explainer.explain(method, input, BeatClass::V);
                black_box(map.expect("a map"));
            }
        }
    }
}

fn maps(criterion: &mut Criterion) {
    for name in builtin_models() {
        let beats = RealBeats::load(name);
        let count = beats.input.len() / beats.window();
        let rows = beats.input.chunks_exact(beats.window());
        let inputs: Vec<&[f32]> = rows.step_by(count / BEATS).collect();
        let mut maps = Maps {
            engine: CpuSimd::new(Arc::clone(&beats.model), 1),
            logits: Outputs::logits_only(beats.model.description(), 1),
            maps: Outputs::new(beats.model.description(), 1),
            explainer: Explainer::new(Arc::clone(&beats.model)),
        };
        let mut group = criterion.benchmark_group(format!("{name}, {BEATS} beats"));
        for (kind, title) in KINDS.into_iter().enumerate() {
            group.bench_function(title, |bencher| {
                bencher.iter(|| inputs.iter().for_each(|input| maps.work(kind, input)));
            });
        }
        group.finish();
        let ratios = ratios(&mut maps, &inputs);
        for (title, ratio) in KINDS.into_iter().zip(ratios) {
            println!("{name}: {title}: {ratio:.3} times a classification");
        }
        assert!(ratios[1] <= 1.3, "{name}: Grad-CAM costs too much");
    }
}

/// The sums of each beat's least time, all kinds in turn, over that of a classification.
fn ratios(maps: &mut Maps, inputs: &[&[f32]]) -> [f64; KINDS.len()] {
    let mut least = vec![[f64::INFINITY; KINDS.len()]; inputs.len()];
    for _ in 0..TURNS {
        for (input, least) in inputs.iter().zip(&mut least) {
            for (kind, least) in least.iter_mut().enumerate() {
                let start = Instant::now();
                maps.work(kind, input);
                *least = least.min(start.elapsed().as_secs_f64());
            }
        }
    }
    let sum = |kind: usize| least.iter().map(|least| least[kind]).sum::<f64>();
    std::array::from_fn(|kind| sum(kind) / sum(0))
}

criterion_group!(benches, maps);
criterion_main!(benches);
