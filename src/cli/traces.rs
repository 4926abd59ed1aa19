//! The recordings the binary carries.

use std::path::Path;

use wfdb_io::{AnnotationFile, parse_annotations};

use super::failure::Failure;
use crate::acquisition::{Replay, ReplayHandle, replay};

/// A trace and its record's annotations, both at 500 SPS.
pub(super) struct DemoTrace {
    /// Record and part of it.
    pub(super) name: &'static str,
    /// File name, for messages.
    pub(super) file: &'static str,
    /// What is to be seen.
    pub(super) about: &'static str,
    bytes: &'static [u8],
    annotations: &'static [u8],
}

macro_rules! demo_trace {
    ($record:literal, $name:literal, $about:literal) => {
        DemoTrace {
            name: $name,
            file: concat!($record, ".ecgtrace.gz"),
            about: $about,
            bytes: include_bytes!(concat!("../../assets/demo/", $record, ".ecgtrace.gz")),
            annotations: include_bytes!(concat!("../../assets/demo/", $record, ".atr")),
        }
    };
}

/// Made by `assets/demo/make`; DS2 records, all five classes among them. The built-in networks have
/// seen all four in training.
pub(super) const DEMO_TRACES: &[DemoTrace] = &[
    demo_trace!(
        "200",
        "200, 24:30 to 26:30",
        "normal beats with ventricular bigeminy"
    ),
    demo_trace!(
        "214",
        "214, 0:00 to 2:00",
        "left bundle branch block with ventricular beats"
    ),
    demo_trace!(
        "231",
        "231, 0:00 to 2:00",
        "right bundle branch block, second-degree AV block"
    ),
    demo_trace!(
        "232",
        "232, 0:00 to 2:00",
        "atrial premature beats, right bundle branch block"
    ),
];

impl DemoTrace {
    /// The record it was made from.
    pub(super) fn record(&self) -> &'static str {
        self.name
            .split_once(',')
            .map_or(self.name, |(record, _)| record)
    }

    /// The trace, ready to be replayed.
    pub(super) fn open(&self) -> Result<(Replay, ReplayHandle), Failure> {
        Ok(replay(self.bytes, Path::new(self.file))?)
    }

    /// What cardiologists said about its beats.
    pub(super) fn annotations(&self) -> AnnotationFile {
        parse_annotations(self.annotations)
    }
}
