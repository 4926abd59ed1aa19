//! What a reader must know before believing a figure.

use super::arguments::{DetectorArgument, Protocol};
use crate::cli::session::LoadedModel;
use crate::evaluate::{DS1, DS2};

/// Sentences about what the model and the detector have seen of the evaluated records.
pub(super) fn sentences(
    model: &LoadedModel,
    protocol: Protocol,
    detector: DetectorArgument,
    records: &[String],
) -> Vec<String> {
    let mut sentences = Vec::new();
    let name = model.name();
    let training = &model.model.description().training;
    let part = training.get("trained_on").and_then(|part| part.as_str());
    let data = model.training_data().map(|data| match part {
        Some(part) => format!("{part} of the {data}"),
        None => data.to_owned(),
    });
    match (data, seen_records(model, records)) {
        (None, _) => sentences.push(format!(
            "What {name} was trained on is not stated in its file: it may have seen these records."
        )),
        (Some(data), Some(0)) => sentences.push(format!(
            "{name} was trained on: {data}. It has seen none of these {} records.",
            records.len()
        )),
        (Some(data), Some(seen)) => sentences.push(format!(
            "{name} was trained on: {data}. Beats of {seen} of these {} records were among them: its \
             labels look better here than on strangers.",
            records.len()
        )),
        (Some(data), None) => sentences.push(format!(
            "{name} was trained on: {data}. On those records its labels look better than on \
             strangers."
        )),
    }
    if protocol == Protocol::Intra {
        sentences.push(
            "Other beats of the same patients were in the training part: these figures say how well \
             the network knows these patients."
                .to_owned(),
        );
    }
    if protocol == Protocol::Chain {
        let fitted = match detector {
            DetectorArgument::Shipped => {
                "The QRS detector was fitted on the MIT-BIH Arrhythmia Database: on its records the \
                 detection figures look better than on strangers."
            }
            DetectorArgument::Ds1 => {
                "The QRS detector's weights are those fitted on DS1 of the MIT-BIH Arrhythmia \
                 Database alone; its thresholds were chosen on all of it."
            }
        };
        sentences.push(fitted.to_owned());
    }
    sentences
}

/// How many of `records` the training part held; `None` where that cannot be told, because the file
/// does not name them or these are other records than MIT-BIH's.
fn seen_records(model: &LoadedModel, records: &[String]) -> Option<usize> {
    let training = &model.model.description().training;
    let is_one_of = |set: &[&str], name: &String| set.contains(&name.as_str());
    let counted = |in_training: &dyn Fn(&String) -> bool| {
        Some(records.iter().filter(|name| in_training(name)).count())
    };
    if let Some(list) = training.get("records").and_then(|list| list.as_array()) {
        let named: Vec<&str> = list.iter().filter_map(|name| name.as_str()).collect();
        return counted(&|name| named.contains(&name.as_str()));
    }
    let paced = ["102", "104", "107", "217"];
    let known =
        |name: &String| is_one_of(&DS1, name) || is_one_of(&DS2, name) || is_one_of(&paced, name);
    if !records.iter().all(known) {
        return None;
    }
    match training.get("protocol")?.as_str()? {
        protocol if protocol.starts_with("inter-patient") => counted(&|name| is_one_of(&DS1, name)),
        "final fit" => counted(&|name| !is_one_of(&paced, name)),
        protocol if protocol.starts_with("intra-patient") => Some(records.len()),
        _ => None,
    }
}
