//! `ecg-gateway explain`: why beats were called what they were, one by one and a class together.

mod collect;
mod picture;
mod source;
mod text;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use self::collect::Collected;
use super::arguments::{MainsArgument, MethodArgument};
use super::failure::{Cause, Failure, other};
use super::output;
use crate::files;
use crate::model::{BeatClass, DEFAULT_MODEL};
use crate::service::stop_on_signals;

/// Explain why beats were called what they were: Grad-CAM or SHAP maps of single beats, and their mean
/// and spread a class, as tables, JSON and pictures.
///
/// Beats come from SPI traces, the shipped traces, WFDB records (through the own detector and labels),
/// or a database. Maps are of what speaks for the class a beat was called unless --class names
/// another.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["traces", "demo", "record", "db"]))]
pub(super) struct Arguments {
    /// SPI traces made by `record` or `simulate`.
    #[arg(value_name = "TRACE")]
    traces: Vec<PathBuf>,
    /// The shipped traces.
    #[arg(long)]
    demo: bool,
    /// WFDB records, each by the path of its header without .hea, or directories of such records.
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    record: Vec<PathBuf>,
    /// A database written by this program.
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    /// Only this beat of the database.
    #[arg(long, value_name = "ID", requires = "db", value_parser = clap::value_parser!(i64).range(1..))]
    beat: Option<i64>,
    /// Only this session of the database.
    #[arg(long, value_name = "ID", requires = "db", conflicts_with = "beat", value_parser = clap::value_parser!(i64).range(1..))]
    session: Option<i64>,
    /// Newest beats of the database that are looked at.
    #[arg(long, value_name = "N", requires = "db", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// How beats are explained.
    #[arg(long, value_name = "METHOD", value_enum, default_value = "gradcam")]
    method: MethodArgument,
    /// Class the maps speak for [default: the one each beat was called].
    #[arg(long, value_name = "CLASS", value_enum)]
    class: Option<ClassArgument>,
    /// Network that labels the beats of traces and records; a database's beats have theirs.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_MODEL, conflicts_with = "db")]
    model: String,
    /// Mains frequency to take out of traces and records [default: 50 for traces as in `replay`, 60 for
    /// the shipped ones as in `demo` and for records as in `evaluate`].
    #[arg(long, value_name = "HZ", value_enum, conflicts_with = "db")]
    mains: Option<MainsArgument>,
    /// Draw pictures (SVG) into this directory: the beat with the map over it, one of each class; and
    /// each class's mean map with its spread.
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// A class on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "verbatim")]
enum ClassArgument {
    /// Normal.
    N,
    /// Left bundle branch block.
    L,
    /// Right bundle branch block.
    R,
    /// Atrial premature.
    A,
    /// Ventricular premature.
    V,
}

impl ClassArgument {
    fn class(self) -> BeatClass {
        BeatClass::ALL[self as usize]
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    // Told here: beside another source of the group clap does not ask for what an option requires.
    if arguments.db.is_none() && (arguments.beat.is_some() || arguments.session.is_some()) {
        return Err(Failure::new(
            Cause::Usage,
            "--beat, --session: expected --db, whose ids they are",
        ));
    }
    let mut collected = Collected::new(
        arguments.method.method(),
        arguments.class.map(ClassArgument::class),
    );
    let stop = stop_on_signals().map_err(|error| other("signal handlers", error))?;
    source::collect(arguments, &stop, &mut collected)?;
    if let Some(folder) = &arguments.pictures {
        std::fs::create_dir_all(folder).map_err(|error| other(folder.display(), error))?;
        for (name, svg) in picture::all(&collected) {
            let path = folder.join(name);
            files::write_whole(&path, svg).map_err(|error| other(path.display(), error))?;
        }
    }
    if arguments.json {
        output::json(&text::Json::new(&collected))?;
    } else {
        text::print(&collected)?;
    }
    // What could be explained has been printed; that something could not is told by the exit code.
    Failure::of_batch(collected.sources_failed)
}
