//! `ecg-gateway evaluate`: networks and chain over a WFDB database, against its annotations.

mod arguments;
pub(super) mod database;
mod disclosure;
mod explained;
mod explained_text;
mod markdown;
mod picture;
mod plan;
mod record;
mod report;
mod split;
mod text;
mod waves;
mod work;

use std::time::Instant;

pub(super) use self::arguments::Arguments;
use self::arguments::Format;
use self::plan::Plan;
use self::report::Report;
use super::failure::{Cause, Failure, other};
use super::output;

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let plan = Plan::new(arguments)?;
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder).map_err(|error| other(folder.display(), error))?;
    }
    let began = Instant::now();
    let worked = work::all_records(&plan);
    let report = Report::new(&plan, worked.by_model, worked.skipped, began.elapsed());
    if !report.is_empty() {
        if let Some(path) = &arguments.confusion_picture {
            let picture = picture::confusion(&report);
            std::fs::write(path, picture).map_err(|error| other(path.display(), error))?;
        }
        match arguments.format() {
            Format::Json => output::json(&report)?,
            Format::Text => {
                text::print(&report)?;
                output::text_line(explained_text::text(&report).trim_end())?;
            }
            Format::Markdown => {
                let (page, explained) =
                    (markdown::page(&report), explained_text::markdown(&report));
                output::text_line(format!("{page}\n{explained}").trim_end())?;
            }
        }
    }
    // What could be evaluated has been printed; the first record that could not ends the command.
    let count = worked.failures.len();
    worked.failures.into_iter().next().map_or(Ok(()), |first| {
        let others = if count > 1 {
            format!(" (and {} more records)", count - 1)
        } else {
            String::new()
        };
        Err(Failure::new(
            first.cause,
            format!("{}{others}", first.message),
        ))
    })
}

impl From<crate::pipeline::RecordError> for Failure {
    fn from(error: crate::pipeline::RecordError) -> Self {
        Self::new(Cause::Wfdb, error)
    }
}

impl From<crate::evaluate::DegradeError> for Failure {
    fn from(error: crate::evaluate::DegradeError) -> Self {
        use crate::evaluate::DegradeError;
        let cause = match &error {
            DegradeError::Wfdb(_) | DegradeError::NoNoise { .. } | DegradeError::NoBeats { .. } => {
                Cause::Wfdb
            }
            DegradeError::Share { .. } => Cause::Usage,
        };
        Self::new(cause, error)
    }
}
