//! What a thread that answers questions has before it: its own connection to the database, and what
//! explains beats.

use std::collections::HashMap;
use std::path::PathBuf;

use arrhythmianet::BeatClass;
use arrhythmianet::explain::Method;

use super::problem::{Kind, Problem};
use super::ticket::Ticket;
use crate::reprocess::{BeatExplainError, BeatExplainer};
use crate::store::{StoreReader, StoredBeat, StoredSaliency, WriterMonitor};

/// Models kept ready; a database rarely has more than one.
const MOST_MODELS: usize = 4;

/// One thread's.
#[derive(Debug)]
pub(super) struct Desk {
    database: PathBuf,
    writer: Option<WriterMonitor>,
    /// Databases quarantined before the reader was opened: an open reader goes on reading the old one.
    exchanged: u64,
    reader: Option<StoreReader>,
    /// By the name of the model. What they know of sessions is of this database, too.
    explainers: HashMap<String, BeatExplainer>,
}

impl Desk {
    pub(super) fn new(database: PathBuf, writer: Option<WriterMonitor>) -> Self {
        Self {
            database,
            writer,
            exchanged: 0,
            reader: None,
            explainers: HashMap::new(),
        }
    }

    /// How often the database had been exchanged when the reader was opened.
    pub(super) fn exchanged(&self) -> u64 {
        self.exchanged
    }

    /// Asks the database on a reader that ends with the ticket.
    pub(super) fn read<T>(
        &mut self,
        ticket: &Ticket,
        ask: impl FnOnce(&StoreReader) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let reader = self.take_reader(ticket)?;
        let answer = ask(&reader);
        // after a failure of the database a fresh connection may do better
        let failed = |problem: &Problem| {
            let of_the_store = [Kind::StoreUnavailable, Kind::StoreDamaged];
            of_the_store.contains(&problem.kind) && !ticket.is_given_up()
        };
        if !answer.as_ref().is_err_and(failed) {
            self.reader = Some(reader);
        }
        answer
    }

    /// Why the beat was called what it was, made now, and how far the probabilities found are from the
    /// stored ones.
    pub(super) fn explain(
        &mut self,
        ticket: &Ticket,
        beat: &StoredBeat,
        method: Method,
        class: BeatClass,
    ) -> Result<(StoredSaliency, f32), BeatExplainError> {
        let reader = self.take_reader(ticket)?;
        let known = self.explainers.remove(&*beat.model);
        let mut explainer = match known.map_or_else(|| BeatExplainer::for_beat(beat), Ok) {
            Ok(explainer) => explainer,
            Err(error) => {
                self.reader = Some(reader);
                return Err(error);
            }
        };
        let given_up = || ticket.is_given_up();
        let explained = explainer.explain(&reader, beat, method, class, &given_up);
        if self.explainers.len() >= MOST_MODELS {
            self.explainers.clear();
        }
        self.explainers.insert(beat.model.to_string(), explainer);
        if ticket.is_given_up() || !matches!(explained, Err(BeatExplainError::Store(_))) {
            self.reader = Some(reader);
        }
        explained.map(|(saliency, seen)| (saliency, seen.difference))
    }

    fn take_reader(&mut self, ticket: &Ticket) -> Result<StoreReader, crate::store::StoreError> {
        let exchanged = self.writer.as_ref().map_or(0, WriterMonitor::quarantined);
        if self.exchanged != exchanged {
            self.exchanged = exchanged;
            self.reader = None;
            self.explainers.clear();
        }
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => StoreReader::open(&self.database)?,
        };
        reader.resume();
        ticket.reads(reader.interrupter());
        Ok(reader)
    }
}
