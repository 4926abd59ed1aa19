//! What a thread that answers questions has before it: its own connection to the database, and what
//! explains beats.

use std::collections::HashMap;
use std::path::PathBuf;

use super::pools::Ticket;
use super::problem::{Kind, Problem};
use crate::explain::Method;
use crate::model::BeatClass;
use crate::revisit::{RevisitError, Revisitor};
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
    revisitors: HashMap<String, Revisitor>,
}

impl Desk {
    pub(super) fn new(database: PathBuf, writer: Option<WriterMonitor>) -> Self {
        Self {
            database,
            writer,
            exchanged: 0,
            reader: None,
            revisitors: HashMap::new(),
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
    ) -> Result<(StoredSaliency, f32), RevisitError> {
        let reader = self.take_reader(ticket)?;
        let known = self.revisitors.remove(&*beat.model);
        let mut revisitor = match known.map_or_else(|| Revisitor::of(beat), Ok) {
            Ok(revisitor) => revisitor,
            Err(error) => {
                self.reader = Some(reader);
                return Err(error);
            }
        };
        let given_up = || ticket.is_given_up();
        let explained = revisitor.explain_unless(&reader, beat, method, class, &given_up);
        if self.revisitors.len() >= MOST_MODELS {
            self.revisitors.clear();
        }
        self.revisitors.insert(beat.model.to_string(), revisitor);
        if ticket.is_given_up() || !matches!(explained, Err(RevisitError::Store(_))) {
            self.reader = Some(reader);
        }
        explained.map(|(saliency, seen)| (saliency, seen.difference))
    }

    fn take_reader(&mut self, ticket: &Ticket) -> Result<StoreReader, crate::store::StoreError> {
        let exchanged = self.writer.as_ref().map_or(0, WriterMonitor::set_aside);
        if self.exchanged != exchanged {
            self.exchanged = exchanged;
            self.reader = None;
            self.revisitors.clear();
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
