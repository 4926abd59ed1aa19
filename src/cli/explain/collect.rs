//! What is kept of the beats explained: an example of each class, and all of a class together.

use arrhythmianet::explain::{GlobalMap, Method, SaliencyMap, WaveShares};
use arrhythmianet::{BeatClass, CLASS_COUNT};
use ecg_chain::LabelledBeat;
use ecg_signal::{SignalQuality, WINDOW_SAMPLES, Waves};

use crate::cli::failure::Failure;

/// One beat explained.
pub(super) struct Explained {
    /// Where it is from, for people.
    pub(super) origin: String,
    /// Its id, where it is from a database.
    pub(super) id: Option<i64>,
    pub(super) beat: LabelledBeat,
    pub(super) map: SaliencyMap,
    pub(super) shares: Option<WaveShares>,
    pub(super) waves: Waves,
    pub(super) window_uv: [f32; WINDOW_SAMPLES],
}

/// All beats called one class.
#[derive(Default)]
pub(super) struct OfClass {
    pub(super) maps: GlobalMap,
    pub(super) window_sum_uv: Vec<f64>,
    /// The likeliest of good quality.
    pub(super) example: Option<Explained>,
}

pub(super) struct Collected {
    pub(super) method: Method,
    /// The class the maps speak for, where it is not each beat's own.
    pub(super) class: Option<BeatClass>,
    /// Name of the model of the newest beat.
    pub(super) model: String,
    pub(super) classes: [OfClass; CLASS_COUNT],
    /// Beats that could not be explained, and why the first could not.
    pub(super) failed: (u64, Option<String>),
    /// Traces and records that could not be read or run, by name, and why: the others are explained
    /// all the same.
    pub(super) sources_failed: Vec<(String, Failure)>,
    /// Records that have no signals.
    pub(super) skipped: Vec<(String, &'static str)>,
    /// What somebody who relies on the maps should know, in sentences.
    pub(super) notes: Vec<String>,
}

impl Collected {
    pub(super) fn new(method: Method, class: Option<BeatClass>) -> Self {
        Self {
            method,
            class,
            model: String::new(),
            classes: std::array::from_fn(|_| OfClass::default()),
            failed: (0, None),
            sources_failed: Vec::new(),
            skipped: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, explained: Explained) {
        let of = &mut self.classes[explained.beat.class.index()];
        of.maps.add(&explained.map, explained.shares);
        if of.window_sum_uv.is_empty() {
            of.window_sum_uv = vec![0.0; WINDOW_SAMPLES];
        }
        for (sum, value) in of.window_sum_uv.iter_mut().zip(explained.window_uv) {
            *sum += f64::from(value);
        }
        let clear = explained.beat.window_complete && explained.beat.quality == SignalQuality::Good;
        let likelier = of
            .example
            .as_ref()
            .is_none_or(|before| probability(&explained.beat) > probability(&before.beat));
        if likelier && (clear || of.example.is_none()) {
            of.example = Some(explained);
        }
    }

    pub(super) fn fail(&mut self, why: impl std::fmt::Display) {
        self.failed.0 += 1;
        self.failed.1.get_or_insert_with(|| why.to_string());
    }

    /// The classes that have beats.
    pub(super) fn found(&self) -> impl Iterator<Item = (BeatClass, &OfClass)> {
        let classes = BeatClass::ALL.into_iter().zip(&self.classes);
        classes.filter(|(_, of)| of.maps.maps() > 0)
    }
}

/// Of the class the beat was called.
pub(super) fn probability(beat: &LabelledBeat) -> f32 {
    beat.probabilities[beat.class.index()]
}
