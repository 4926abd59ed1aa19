//! What is to be done, read once before the records are.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrhythmianet::Rejection;
use ecg_chain::Details;
use ecg_evaluate::{
    DS1, DS2, Dropping, EscapeRule, Evaluation, NoiseTape, RecordSettings, Split, record_names,
};
use ecg_files::read_whole;

use super::arguments::{Arguments, Protocol, Set, Unclassifiable};
use crate::cli::failure::{Cause, Failure, other};
use crate::cli::session::LoadedModel;

/// Largest split that is read: that of MIT-BIH takes 69 kB for 10,900 beats.
const MAX_SPLIT_BYTES: u64 = 16 << 20;

/// The arguments with everything they name loaded.
pub(super) struct Plan<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) records: Vec<String>,
    /// `ds1`, `ds2`, `all` or `chosen`.
    pub(super) set: &'static str,
    pub(super) models: Vec<LoadedModel>,
    pub(super) evaluation: Evaluation,
}

impl<'a> Plan<'a> {
    pub(super) fn new(arguments: &'a Arguments, stop: Arc<AtomicBool>) -> Result<Self, Failure> {
        refuse_contradictions(arguments)?;
        let models = arguments
            .model
            .iter()
            .map(|name| LoadedModel::load(name, arguments.engine, Cause::Usage))
            .collect::<Result<_, _>>()?;
        let (records, set) = records(arguments)?;
        let split = (arguments.protocol == Protocol::Intra)
            .then(|| split(&arguments.split))
            .transpose()?;
        let noise = arguments
            .noise
            .as_ref()
            .map(|path| NoiseTape::read(path, arguments.noise_power))
            .transpose()?;
        let is_chain = arguments.protocol == Protocol::Chain;
        let escape = arguments.escape.unwrap_or(match arguments.protocol {
            Protocol::Inter => EscapeRule::Normal,
            Protocol::Intra | Protocol::Chain => EscapeRule::Supraventricular,
        });
        let counts_as_q = arguments
            .unclassifiable
            .map_or(is_chain, |counted| counted == Unclassifiable::Q);
        let settings = RecordSettings::new()
            .signals(arguments.channel)
            .mains(arguments.mains)
            .detector(arguments.detector.clone())
            .details(Details::new().waves(arguments.write_waves.is_some()))
            .rejection(Rejection {
                confidence: arguments.unclassifiable_below,
                novelty: !arguments.ignore_novelty,
            })
            .stop(stop);
        let evaluation = Evaluation::new(&arguments.data)
            .annotated_peaks(!is_chain)
            .split(split)
            .lead(arguments.lead.clone())
            .reference(arguments.reference.clone())
            .learning_seconds(arguments.learning_seconds)
            .escape(escape)
            .counts_as_q(counts_as_q)
            .noise(noise.map(Arc::new).zip(arguments.noise_snr_db))
            .drop_samples(arguments.drop_samples)
            .explanations(arguments.explanations)
            .settings(settings);
        Ok(Self {
            arguments,
            records,
            set,
            models,
            evaluation,
        })
    }
}

/// The test beats of the intra-patient protocol.
fn split(path: &Path) -> Result<Split, Failure> {
    let bytes = read_whole(path, MAX_SPLIT_BYTES).map_err(|error| {
        let about = "--split names the test beats of the intra-patient protocol";
        other(path.display(), format!("{error} ({about})"))
    })?;
    let mut split: Split =
        serde_json::from_slice(&bytes).map_err(|error| other(path.display(), error))?;
    path.clone_into(&mut split.path);
    Ok(split)
}

fn refuse_contradictions(arguments: &Arguments) -> Result<(), Failure> {
    let refuse = |message: &str| Err(Failure::new(Cause::Usage, message));
    let (beats, waves) = (&arguments.write_annotations, &arguments.write_waves);
    let several = arguments.model.len() > 1;
    let contradictions = [
        (
            arguments.out.is_some() && beats.is_none() && waves.is_none(),
            "--out: nothing to write, expected --write-annotations or --write-waves",
        ),
        (
            waves.is_some() && several,
            "--write-waves: several models given, expected one",
        ),
        (
            waves.is_some() && waves == beats,
            "--write-waves: the ending of --write-annotations, expected another",
        ),
        (
            beats.is_some() && arguments.protocol == Protocol::Intra,
            "--write-annotations: the intra protocol scores a tenth of the beats; expected \
             --protocol chain or inter",
        ),
        (
            beats.is_some() && several,
            "--write-annotations: several models given, expected one",
        ),
        (
            arguments.confusion_picture.is_some() && several,
            "--confusion-picture: several models given, expected one",
        ),
    ];
    if let Some((_, message)) = contradictions.into_iter().find(|(is, _)| *is) {
        return refuse(message);
    }
    if let Some(snr_db) = arguments.noise_snr_db.filter(|db| !db.is_finite()) {
        return refuse(&format!(
            "--noise-snr-db: found {snr_db}, expected decibels"
        ));
    }
    if let Some(share) = arguments.drop_samples {
        Dropping::new(share, 250.0, 0)?;
    }
    Ok(())
}

fn records(arguments: &Arguments) -> Result<(Vec<String>, &'static str), Failure> {
    if let Some(names) = &arguments.records {
        return Ok((names.clone(), "chosen"));
    }
    let all = record_names(&arguments.data)?;
    let has = |set: &[&str]| set.iter().all(|name| all.iter().any(|have| have == name));
    let set = arguments
        .set
        .unwrap_or(if arguments.protocol == Protocol::Inter && has(&DS2) {
            Set::Ds2
        } else {
            Set::All
        });
    let (half, name) = match set {
        Set::All => return Ok((all, "all")),
        Set::Ds1 => (DS1, "ds1"),
        Set::Ds2 => (DS2, "ds2"),
    };
    if !has(&half) {
        return Err(Failure::new(
            Cause::Wfdb,
            format!(
                "{}: not all records of {name} are here, expected the MIT-BIH Arrhythmia Database",
                arguments.data.display()
            ),
        ));
    }
    Ok((half.map(str::to_owned).to_vec(), name))
}
