//! `ecg-gateway evaluate`: networks and chain over a WFDB database, against its annotations.

mod arguments;
mod disclosure;
mod explained_text;
mod markdown;
mod picture;
mod plan;
mod record;
mod report;
mod text;
mod work;

use std::time::Instant;

pub(super) use self::arguments::Arguments;
use self::arguments::Format;
pub(super) use self::picture::escaped;
use self::plan::Plan;
use self::report::Report;
use super::failure::{Cause, Failure, other};
use super::output;
use super::wait::stop_on_signals;

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let stop = stop_on_signals()?;
    let plan = Plan::new(arguments, stop)?;
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder).map_err(|error| other(folder.display(), error))?;
    }
    let began = Instant::now();
    let mut worked = work::all_records(&plan);
    if let Some(ended) = worked.interrupted_after {
        // Figures over some of the records would pass for those of all.
        return Err(Failure::new(
            Cause::Interrupted,
            format!(
                "{}: interrupted by a signal after {ended} of {} records, no figures",
                arguments.data.display(),
                plan.records.len()
            ),
        ));
    }
    let report = Report::new(&plan, &mut worked, began.elapsed());
    let warnings = report.models.iter().filter_map(|of| of.warning.as_ref());
    warnings.for_each(|warning| output::warn(warning));
    if let Some(path) = &arguments.confusion_picture
        && !report.is_empty()
    {
        let picture = picture::confusion(&report);
        ecg_files::write_whole(path, picture).map_err(|error| other(path.display(), error))?;
    }
    match arguments.format() {
        Format::Json => match report.models.as_slice() {
            [only] => output::json(only)?,
            _ => output::json(&report)?,
        },
        Format::Text => {
            output::text_line(&text::text(&report))?;
            output::text_line(explained_text::text(report.explanations()).trim_end())?;
        }
        Format::Markdown => {
            let (page, explained) = (
                markdown::page(&report),
                explained_text::markdown(report.explanations()),
            );
            output::text_line(format!("{page}\n{explained}").trim_end())?;
        }
    }
    // What could be evaluated has been printed; that something could not is told by the exit code.
    Failure::first_of_batch(worked.failed)
}
