//! `ecg-gateway explain`: why beats were called what they were, one by one and a class together.

mod arguments;
mod collect;
mod picture;
mod source;
mod text;

pub(super) use self::arguments::Arguments;
use self::collect::Collected;
use super::failure::{Cause, Failure, other};
use super::output;
use super::wait::stop_on_signals;

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    // Told here: beside another source of the group clap does not ask for what an option requires.
    if arguments.db.is_none() && (arguments.beat.is_some() || arguments.session.is_some()) {
        return Err(Failure::new(
            Cause::Usage,
            "--beat, --session: expected --db, whose ids they are",
        ));
    }
    let mut collected = Collected::new(arguments.method, arguments.class);
    let stop = stop_on_signals()?;
    source::collect(arguments, &stop, &mut collected)?;
    if let Some(folder) = &arguments.pictures {
        std::fs::create_dir_all(folder).map_err(|error| other(folder.display(), error))?;
        for (name, svg) in picture::all(&collected) {
            let path = folder.join(name);
            ecg_files::write_whole(&path, svg).map_err(|error| other(path.display(), error))?;
        }
    }
    if arguments.json {
        output::json(&text::Json::new(&collected))?;
    } else {
        output::text_line(&text::text(&collected))?;
    }
    // What could be explained has been printed; that something could not is told by the exit code.
    Failure::first_of_batch(collected.sources_failed)
}
