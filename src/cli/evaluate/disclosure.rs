//! What a reader must know before believing a figure.

use ecg_evaluate::EvaluatedRecord;
use ecg_signal::DetectorWeights;

use super::arguments::Protocol;
use crate::cli::session::LoadedModel;

/// Sentences about what the model and the detector have seen of the evaluated records.
pub(super) fn sentences(
    model: &LoadedModel,
    protocol: Protocol,
    detector: &DetectorWeights,
    records: &[EvaluatedRecord],
) -> Vec<String> {
    let mut sentences = Vec::new();
    let name = model.name();
    let training = &model.model.description().training;
    let part = training.get("trained_on").and_then(|part| part.as_str());
    let data = model.training_data().map(|data| match part {
        Some(part) => format!("{part} of the {data}"),
        None => data.to_owned(),
    });
    let all = records.len();
    sentences.push(match (data, seen_records(model, records)) {
        (None, _) => format!(
            "What {name} was trained on is not stated in its file: it may have seen these records."
        ),
        (Some(data), Some(0)) => {
            format!("{name} was trained on: {data}. It has seen none of these {all} records.")
        }
        (Some(data), Some(seen)) => format!(
            "{name} was trained on: {data}. Beats of {seen} of these {all} records were among them: its \
             labels look better here than on strangers."
        ),
        (Some(data), None) => format!(
            "{name} was trained on: {data}. On those records its labels look better than on \
             strangers."
        ),
    });
    sentences.extend(stranger_warning(model, records));
    if protocol == Protocol::Intra {
        sentences.push(
            "Other beats of the same patients were in the training part: these figures say how well \
             the network knows these patients."
                .to_owned(),
        );
    }
    if protocol == Protocol::Chain {
        let fitted = match detector {
            DetectorWeights::Fitted(_) => {
                "The QRS detector's weights are others than the shipped ones."
            }
            DetectorWeights::Shipped => {
                "The QRS detector was fitted on the MIT-BIH Arrhythmia Database: on its records the \
                 detection figures look better than on strangers."
            }
            DetectorWeights::Ds1 => {
                "The QRS detector's weights are those fitted on DS1 of the MIT-BIH Arrhythmia \
                 Database alone; its thresholds were chosen on all of it."
            }
        };
        sentences.push(fitted.to_owned());
    }
    sentences
}

/// How many of the records the training part held; `None` where the file does not tell.
fn seen_records(model: &LoadedModel, records: &[EvaluatedRecord]) -> Option<usize> {
    records
        .iter()
        .map(|record| {
            let seen = match record.mitdb {
                Some(name) => model.has_seen(name),
                None => model.has_seen_elsewhere(&record.name),
            };
            seen.map(usize::from)
        })
        .sum()
}

/// What a network that knows its patients only must not be believed about, if anything.
pub(super) fn stranger_warning(model: &LoadedModel, records: &[EvaluatedRecord]) -> Option<String> {
    let strangers = records.iter().filter(|record| record.mitdb.is_none());
    let names: Vec<&str> = strangers.map(|record| record.name.as_str()).collect();
    match names.as_slice() {
        [] => None,
        [only] => model.stranger_warning(&format!("that of record {only}")),
        all => model.stranger_warning(&format!("those of {} of these records", all.len())),
    }
}
