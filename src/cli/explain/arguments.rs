//! What is to be explained.

use std::path::PathBuf;

use arrhythmianet::explain::Method;
use arrhythmianet::{BeatClass, DEFAULT_MODEL};
use clap::Args;
use ecg_signal::Mains;

/// Explain why beats were called what they were: Grad-CAM or SHAP maps of single beats, and their mean
/// and spread a class, as tables, JSON and pictures.
///
/// Beats come from SPI traces, the shipped traces, WFDB records (through the own detector and labels),
/// or a database. Maps are of what speaks for the class a beat was called unless --class names
/// another.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["traces", "demo", "record", "db"]))]
pub(in crate::cli) struct Arguments {
    /// SPI traces made by `record` or `simulate`.
    #[arg(value_name = "TRACE")]
    pub(super) traces: Vec<PathBuf>,
    /// The shipped traces.
    #[arg(long)]
    pub(super) demo: bool,
    /// WFDB records, each by the path of its header without .hea, or directories of such records.
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    pub(super) record: Vec<PathBuf>,
    /// A database written by this program.
    #[arg(long, value_name = "FILE")]
    pub(super) db: Option<PathBuf>,
    /// Only this beat of the database.
    #[arg(long, value_name = "ID", requires = "db", value_parser = clap::value_parser!(i64).range(1..))]
    pub(super) beat: Option<i64>,
    /// Only this session of the database.
    #[arg(long, value_name = "ID", requires = "db", conflicts_with = "beat", value_parser = clap::value_parser!(i64).range(1..))]
    pub(super) session: Option<i64>,
    /// Newest beats of the database that are looked at.
    #[arg(long, value_name = "N", requires = "db", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) limit: u32,
    /// How beats are explained.
    #[arg(long, value_name = "METHOD", value_enum, default_value = "gradcam")]
    pub(super) method: Method,
    /// Class the maps speak for [default: the one each beat was called].
    #[arg(long, value_name = "CLASS", value_enum)]
    pub(super) class: Option<BeatClass>,
    /// Network that labels the beats of traces and records; a database's beats have theirs.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_MODEL, conflicts_with = "db")]
    pub(super) model: String,
    /// Mains frequency to take out of traces and records [default: 50 for traces as in `replay`, 60 for
    /// the shipped ones as in `demo` and for records as in `evaluate`].
    #[arg(long, value_name = "HZ", value_enum, conflicts_with = "db")]
    pub(super) mains: Option<Mains>,
    /// Draw pictures (SVG) into this directory: the beat with the map over it, one of each class; and
    /// each class's mean map with its spread.
    #[arg(long, value_name = "DIR")]
    pub(super) pictures: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}
