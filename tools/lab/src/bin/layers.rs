//! Which layer a Grad-CAM should read: deletion and insertion of the maps of every layer, beside random ones.
//!
//! `cargo run --release --manifest-path tools/Cargo.toml --bin layers -- [DATABASE_FOLDER [MODEL]]`
//!
//! On beats of the training and validation part of the random split (the test beats of
//! `models/split-intra.json` are left out): at most [`MOST`] of a class and record, evenly spaced, that the
//! network calls what they are. For each map: mean probability of the class while 32 pieces are replaced,
//! most important first (deletion; low is good) and the share of beats in which that is below the mean of
//! twenty random orders; the same of insertion; and what one map takes, the forward pass in it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arrhythmianet::explain::{
    BACKGROUND_BEATS, Explainer, Faithfulness, Method, SaliencyMap, background, deletion_order,
};
use arrhythmianet::{BeatClass, CLASS_COUNT, Classifier, CpuSimd, Model, Outputs, best_cpu_engine};
use ecg_chain::Details;
use ecg_evaluate::{RecordSettings, SignalChoice, chosen_signals, run_record};
use ecg_signal::{BeatSource, SampleRate};
use wfdb_io::{Record, read_annotations};

/// Beats of one class and record.
const MOST: usize = 12;

/// Sums of one map and class.
#[derive(Default)]
struct Sums {
    beats: u32,
    deletion: f64,
    insertion: f64,
    deletion_better: u32,
    insertion_better: u32,
    micros: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or("../shared/data/mitdb".into()));
    let model = Arc::new(Model::load(&arguments.next().unwrap_or("v1".into()))?);
    let split: serde_json::Value =
        serde_json::from_slice(&std::fs::read("models/split-intra.json")?)?;
    let test: HashMap<String, HashSet<u64>> =
        serde_json::from_value(split["test_samples_250hz"].clone())?;
    let mut names: Vec<String> = test.keys().cloned().collect();
    names.sort();
    let mut found: BTreeMap<(usize, BeatClass), Sums> = BTreeMap::new();
    let mut maps = Maps::new(&model)?;
    for name in &names {
        for (input, class) in beats(&folder, name, &test[name], &model)? {
            maps.look(&input, class, &mut found)?;
        }
        eprintln!("{name}");
    }
    print(&maps.names, &found);
    Ok(())
}

/// A beat as the network sees it, and its annotated class.
type InputAndClass = (Vec<f32>, BeatClass);

/// Inputs of the beats that are looked at.
fn beats(
    folder: &Path,
    name: &str,
    test: &HashSet<u64>,
    model: &Arc<Model>,
) -> Result<Vec<InputAndClass>, Box<dyn Error>> {
    let record = Record::open(&folder.join(name))?;
    let file = read_annotations(&record.file_with_ending("atr"))?;
    let (rate, chain) = (
        SampleRate::from_hz(record.rate_hz())?,
        SampleRate::from_hz(250.0)?,
    );
    let class =
        |code: &str| BeatClass::from_symbol(code.chars().next()?).filter(|_| code.len() == 1);
    let all: Vec<(u64, Option<BeatClass>)> = file
        .annotations
        .iter()
        .filter(|annotation| annotation.code.is_beat())
        .map(|annotation| {
            (
                annotation.sample,
                annotation.code.mnemonic().and_then(class),
            )
        })
        .collect();
    let first = chosen_signals(&record, SignalChoice::Auto)?[0];
    let peaks = all.iter().map(|(sample, _)| *sample);
    let settings = RecordSettings::new()
        .signals(SignalChoice::Fixed(first))
        .beats(BeatSource::Known(peaks.collect()))
        .details(Details::new().network_view(true));
    let run = run_record(&record, settings, best_cpu_engine(Arc::clone(model), 1))?;
    let annotated: HashMap<u64, Option<BeatClass>> = all.into_iter().collect();
    let mut of_class: BTreeMap<BeatClass, Vec<Vec<f32>>> = BTreeMap::new();
    for (beat, detail) in run.beats.iter().zip(run.details) {
        let right = annotated.get(&beat.r_sample).copied().flatten() == Some(beat.class);
        let tested = test.contains(&rate.convert_index(beat.r_sample, chain));
        if let Some(seen) = detail
            .network_view
            .filter(|_| right && !tested && beat.window_complete)
        {
            of_class.entry(beat.class).or_default().push(seen.input);
        }
    }
    Ok(of_class
        .into_iter()
        .flat_map(|(class, inputs)| {
            let step = inputs.len().div_ceil(MOST).max(1);
            inputs
                .into_iter()
                .step_by(step)
                .map(move |input| (input, class))
        })
        .collect())
}

/// All maps that are compared.
struct Maps {
    explainer: Explainer,
    faithfulness: Faithfulness,
    engine: CpuSimd,
    outputs: Outputs,
    /// Last feature maps of the background, mean.
    usual: Vec<f32>,
    layers: Vec<usize>,
    names: Vec<String>,
}

impl Maps {
    fn new(model: &Arc<Model>) -> Result<Self, Box<dyn Error>> {
        let network = model.description();
        let layers: Vec<usize> = (0..network.layers.len())
            .filter(|&layer| !network.layers[layer].parts.is_empty())
            .filter(|&layer| network.layers[layer].output.time > 1)
            .collect();
        let mut names: Vec<String> = layers
            .iter()
            .map(|&layer| format!("layer {layer}, {} steps", network.layers[layer].output.time))
            .collect();
        names.extend(
            [
                "last, against the other classes",
                "last, less the background",
                "all layers, mean",
                "SHAP",
            ]
            .map(str::to_owned),
        );
        let mut engine = CpuSimd::new(Arc::clone(model), BACKGROUND_BEATS);
        let mut outputs = Outputs::new(network, BACKGROUND_BEATS);
        engine.classify(
            &background(network.input.len()).ok_or("no background")?,
            &mut outputs,
        )?;
        let mut usual = vec![0.0; network.feature_maps().len()];
        for beat in 0..BACKGROUND_BEATS {
            let values = outputs.feature_maps(beat).ok_or("no feature maps")?;
            for (mean, value) in usual.iter_mut().zip(values) {
                *mean += value / BACKGROUND_BEATS as f32;
            }
        }
        Ok(Self {
            explainer: Explainer::new(Arc::clone(model)),
            faithfulness: Faithfulness::new(Arc::clone(model)).ok_or("no background")?,
            engine: CpuSimd::new(Arc::clone(model), 1),
            outputs: Outputs::new(network, 1),
            usual,
            layers,
            names,
        })
    }

    fn look(
        &mut self,
        input: &[f32],
        class: BeatClass,
        found: &mut BTreeMap<(usize, BeatClass), Sums>,
    ) -> Result<(), Box<dyn Error>> {
        let chance = self.faithfulness.random_curves(input, class, 7)?;
        let mut waveforms = Vec::new();
        for &layer in &self.layers {
            let start = Instant::now();
            let map = self
                .explainer
                .by_layer(Method::GradCamFine, layer, input, class)?;
            waveforms.push((map.waveform(), start.elapsed()));
        }
        let mean = mean_of(waveforms.iter().map(|(map, _)| map));
        let start = Instant::now();
        let contrast = self.last(input, class, true)?;
        let first = start.elapsed();
        let start = Instant::now();
        let less = self.last(input, class, false)?;
        waveforms.extend([(contrast, first), (less, start.elapsed())]);
        waveforms.push((mean, waveforms.iter().map(|(_, took)| *took).sum()));
        let start = Instant::now();
        let map = self.explainer.explain(Method::Shap, input, class)?;
        waveforms.push((map.waveform(), start.elapsed()));
        for (number, (waveform, took)) in waveforms.into_iter().enumerate() {
            let curves = self
                .faithfulness
                .curves(input, &deletion_order(&waveform), class)?;
            let sums = found.entry((number, class)).or_default();
            sums.beats += 1;
            sums.deletion += curves.deletion;
            sums.insertion += curves.insertion;
            sums.deletion_better += u32::from(curves.deletion < chance.deletion);
            sums.insertion_better += u32::from(curves.insertion > chance.insertion);
            sums.micros += took.as_secs_f64() * 1e6;
        }
        Ok(())
    }

    /// Grad-CAM of the last layer, of the class's logit less the mean of all, or of what differs from
    /// the background's feature maps.
    fn last(
        &mut self,
        input: &[f32],
        class: BeatClass,
        contrast: bool,
    ) -> Result<Vec<f32>, Box<dyn Error>> {
        self.engine.classify(input, &mut self.outputs)?;
        let model = self.explainer.model();
        let network = model.description();
        let shape = network.feature_maps();
        let (dense, _) = model.dense();
        let maps = self.outputs.feature_maps(0).ok_or("no feature maps")?;
        let mut nodes = vec![0.0; shape.time];
        for channel in 0..shape.channels {
            let weight = |class: usize| dense[class * shape.channels + channel];
            let mean = (0..CLASS_COUNT).map(weight).sum::<f32>() / CLASS_COUNT as f32;
            let weight = weight(class.index()) - if contrast { mean } else { 0.0 };
            for (time, node) in nodes.iter_mut().enumerate() {
                let place = channel * shape.time + time;
                let usual = if contrast { 0.0 } else { self.usual[place] };
                *node += weight * (maps[place] - usual);
            }
        }
        let map = SaliencyMap {
            method: Method::GradCam,
            class,
            channels: vec![nodes],
            context: Vec::new(),
            logit: 0.0,
            base: 0.0,
            samples: network.input.samples,
        };
        Ok(map.waveform())
    }
}

fn mean_of<'a>(maps: impl Iterator<Item = &'a Vec<f32>>) -> Vec<f32> {
    let mut mean = Vec::new();
    for map in maps {
        let size = map
            .iter()
            .map(|value| value.abs())
            .sum::<f32>()
            .max(f32::MIN_POSITIVE);
        mean.resize(map.len(), 0.0);
        for (mean, value) in mean.iter_mut().zip(map) {
            *mean += value / size;
        }
    }
    mean
}

fn print(names: &[String], found: &BTreeMap<(usize, BeatClass), Sums>) {
    println!(
        "| map | class | beats | deletion | beats random, % | insertion | beats random, % | us |"
    );
    println!("|{}", " --- |".repeat(8));
    for ((number, class), sums) in found {
        let mean = |sum: f64| sum / f64::from(sums.beats);
        let share = |count: u32| 100.0 * mean(f64::from(count));
        println!(
            "| {} | {} | {} | {:.3} | {:.1} | {:.3} | {:.1} | {:.0} |",
            names[*number],
            class.symbol(),
            sums.beats,
            mean(sums.deletion),
            share(sums.deletion_better),
            mean(sums.insertion),
            share(sums.insertion_better),
            mean(sums.micros)
        );
    }
}
