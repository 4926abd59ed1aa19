//! What is to be done, read once before the records are.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ecg_evaluate::{DS1, DS2, Dropping, EscapeRule, NoiseTape};

use super::arguments::{Arguments, Escape, Protocol, Set, Unclassifiable};
use super::database;
use super::split::Split;
use crate::cli::failure::{Cause, Failure};
use crate::cli::session::LoadedModel;

/// The arguments with everything they name loaded.
pub(super) struct Plan<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) records: Vec<String>,
    /// `ds1`, `ds2`, `all` or `chosen`.
    pub(super) set: &'static str,
    pub(super) models: Vec<LoadedModel>,
    pub(super) escape: EscapeRule,
    /// Whether unclassifiable beats count as called Q.
    pub(super) counts_as_q: bool,
    pub(super) split: Option<Split>,
    pub(super) noise: Option<Arc<NoiseTape>>,
    /// Raised by a signal.
    pub(super) stop: Arc<AtomicBool>,
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
            .then(|| Split::read(&arguments.split))
            .transpose()?;
        let noise = arguments
            .noise
            .as_ref()
            .map(|path| NoiseTape::read(path, arguments.noise_power.into()))
            .transpose()?;
        Ok(Self {
            arguments,
            records,
            set,
            models,
            escape: match (arguments.escape, arguments.protocol) {
                (Some(Escape::Normal), _) | (None, Protocol::Inter) => EscapeRule::Normal,
                _ => EscapeRule::Supraventricular,
            },
            counts_as_q: arguments
                .unclassifiable
                .map_or(arguments.protocol == Protocol::Chain, |counted| {
                    counted == Unclassifiable::Q
                }),
            split,
            noise: noise.map(Arc::new),
            stop,
        })
    }
}

fn refuse_contradictions(arguments: &Arguments) -> Result<(), Failure> {
    let refuse = |message: &str| Err(Failure::new(Cause::Usage, message));
    let writes = arguments.write_annotations.is_some() || arguments.write_waves.is_some();
    if arguments.out.is_some() && !writes {
        return refuse("--out: nothing to write, expected --write-annotations or --write-waves");
    }
    if arguments.write_waves.is_some() && arguments.model.len() > 1 {
        return refuse("--write-waves: several models given, expected one");
    }
    if arguments.write_waves.is_some() && arguments.write_waves == arguments.write_annotations {
        return refuse("--write-waves: the ending of --write-annotations, expected another");
    }
    if arguments.write_annotations.is_some() {
        if arguments.protocol == Protocol::Intra {
            return refuse(
                "--write-annotations: the intra protocol scores a tenth of the beats; expected \
                 --protocol chain or inter",
            );
        }
        if arguments.model.len() > 1 {
            return refuse("--write-annotations: several models given, expected one");
        }
    }
    if arguments.confusion_picture.is_some() && arguments.model.len() > 1 {
        return refuse("--confusion-picture: several models given, expected one");
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
    let all = database::record_names(&arguments.data)?;
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
