//! `ecg-gateway bench`: how fast the whole chain and the classifier are, and how much memory they
//! take.

mod arguments;
mod chain;
mod classifier;
mod contestant;
mod peak;
mod process;
mod realtime;
mod table;

use serde::Serialize;

pub(super) use self::arguments::Arguments;
use self::arguments::Part;
use super::failure::{Cause, Failure};
use super::wait::stop_on_signals;
use super::{live, output};

#[derive(Serialize)]
struct Summary {
    #[serde(flatten)]
    chain: Option<chain::Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    classifier: Option<classifier::Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    realtime: Option<realtime::Summary>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let stop = stop_on_signals()?;
    let config = arguments.treatment.for_shipped_traces();
    let model = live::model(&config, Cause::Usage)?;
    let mut summary = Summary {
        chain: None,
        classifier: None,
        realtime: None,
    };
    if arguments.measures(Part::Chain) {
        let chain = chain::measure(arguments, &model, config.session(), &stop)?;
        if !arguments.json {
            output::text_line(&chain.to_string())?;
        }
        summary.chain = Some(chain);
    }
    if arguments.measures(Part::Classifier) {
        let classifier = classifier::measure(&model, arguments.quick, &stop)?;
        if !arguments.json {
            output::text_line(&table::text(&classifier))?;
        }
        summary.classifier = Some(classifier);
    }
    if arguments.measures(Part::Realtime) {
        let realtime = realtime::measure(arguments, &model, config.session(), &stop)?;
        if !arguments.json {
            output::text_line(&realtime.to_string())?;
        }
        summary.realtime = Some(realtime);
    }
    if arguments.json {
        output::json(&summary)?;
    }
    Ok(())
}
