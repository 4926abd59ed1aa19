//! What a network has seen in training, and what that means for the records it labels.

use arrhythmianet::DEFAULT_MODEL;
use ecg_evaluate::{DS1, PACED, mitdb_record};

use super::session::LoadedModel;
use crate::acquisition::SourceInfo;

impl LoadedModel {
    /// What the model was trained on, where its file says so.
    pub(super) fn training_data(&self) -> Option<&str> {
        self.training("data")
    }

    /// Whether the training part held beats of the patients it is tested on (the paper's split).
    pub(super) fn patients_shared(&self) -> Option<bool> {
        self.model
            .description()
            .training
            .get("patients_shared")?
            .as_bool()
    }

    /// Whether the model was made to know the patients of its training data and no others: the paper's
    /// random split chooses and tests it on other beats of the same patients.
    pub(super) fn knows_its_patients_only(&self) -> bool {
        self.training("protocol")
            .is_some_and(|protocol| protocol.starts_with("intra-patient"))
    }

    /// Whether beats of this record of the MIT-BIH Arrhythmia Database were in the training part;
    /// `None` where the file does not tell.
    pub(super) fn has_seen(&self, mitdb: &str) -> Option<bool> {
        let training = &self.model.description().training;
        if let Some(list) = training.get("records").and_then(|list| list.as_array()) {
            return Some(list.iter().any(|name| name.as_str() == Some(mitdb)));
        }
        match self.training("protocol")? {
            protocol if protocol.starts_with("inter-patient") => Some(DS1.contains(&mitdb)),
            "final fit" => Some(!PACED.contains(&mitdb)),
            protocol if protocol.starts_with("intra-patient") => Some(true),
            _ => None,
        }
    }

    /// Whether beats of a record that is not of the MIT-BIH Arrhythmia Database were in the training
    /// part; `None` where the file does not tell.
    pub(super) fn has_seen_elsewhere(&self, name: &str) -> Option<bool> {
        // First the database: records of others may have the same names as its own.
        let database = self
            .training_data()
            .and_then(|data| data.strip_suffix(')')?.split_once(" ("));
        if let Some((
            "MIT-BIH Arrhythmia Database" | "MIT-BIH Arrhythmia Database, all 48 records",
            _,
        )) = database
        {
            return Some(false);
        }
        let list = self
            .model
            .description()
            .training
            .get("records")?
            .as_array()?;
        Some(list.iter().any(|known| known.as_str() == Some(name)))
    }

    /// The sentence for beats of strangers labelled by a network that knows its patients only;
    /// `whose` are they, e.g. `record 855`.
    pub(super) fn stranger_warning(&self, whose: &str) -> Option<String> {
        self.knows_its_patients_only().then(|| {
            format!(
                "{} was made to know the patients of the MIT-BIH Arrhythmia Database (the paper's random \
                 split), and not {whose}: its labels there are not to be relied on; {DEFAULT_MODEL} \
                 holds up on strangers",
                self.name(),
            )
        })
    }

    /// As [`Self::stranger_warning`], of a source of samples.
    pub(super) fn stranger_warning_for_source(
        &self,
        source: &SourceInfo,
        name: &str,
    ) -> Option<String> {
        match mitdb_source(source) {
            Some(_) => None,
            None => self.stranger_warning(name),
        }
    }

    fn training(&self, key: &str) -> Option<&str> {
        self.model.description().training.get(key)?.as_str()
    }
}

/// The record of the MIT-BIH Arrhythmia Database a trace was simulated from, as its description says:
/// `Simulated ADS1292 fed from WFDB record 200, 0 s to 9 s, resampled from 360 Hz to 500 Hz.`
fn mitdb_source(source: &SourceInfo) -> Option<&'static str> {
    let first = source.description.lines().next()?;
    let (_, told) = first.split_once("fed from WFDB record ")?;
    let (name, rest) = told.split_once(',')?;
    let (_, rate) = rest.split_once("resampled from ")?;
    let rate_hz = rate.split_once(" Hz")?.0.parse().ok()?;
    let known = source.leads.iter().filter(|lead| !lead.is_empty());
    mitdb_record(name, rate_hz, &known.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use arrhythmianet::choose::EngineChoice;

    use super::*;
    use crate::acquisition::{FrameSource, open_replay};
    use crate::cli::failure::Cause;

    #[test]
    fn a_network_says_whom_it_knows() {
        for (name, knows_only, [seen_101, seen_200, seen_217]) in [
            ("v1", true, [true; 3]),
            ("v2-int8", true, [true; 3]),
            ("v1-context", false, [true, true, false]),
            ("v2-context-int8", false, [true, true, false]),
            ("v1-context-ds1", false, [true, false, false]),
        ] {
            let Ok(model) = LoadedModel::load(name, EngineChoice::Cpu, Cause::Usage) else {
                panic!("{name}");
            };
            assert_eq!(model.knows_its_patients_only(), knows_only, "{name}");
            for (record, seen) in [("101", seen_101), ("200", seen_200), ("217", seen_217)] {
                assert_eq!(model.has_seen(record), Some(seen), "{name} {record}");
            }
            assert_eq!(model.has_seen_elsewhere("855"), Some(false), "{name}");
            assert_eq!(model.stranger_warning("x").is_some(), knows_only, "{name}");
        }
    }

    #[test]
    fn a_trace_tells_whose_it_is() {
        let trace = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/232.ecgtrace.gz");
        let (source, _) = open_replay(&trace).unwrap();
        let mut info = source.info().clone();
        assert_eq!(mitdb_source(&info), Some("232"));
        for (from, to) in [
            ("record 232", "record 855"),
            ("from 360 Hz", "from 128 Hz"),
            ("WFDB record", "something"),
        ] {
            info.description = source.info().description.replacen(from, to, 1);
            assert_eq!(mitdb_source(&info), None, "{to}");
        }
        info.description.clear();
        assert_eq!(mitdb_source(&info), None);
    }
}
