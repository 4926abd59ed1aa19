//! Corrections: each in a transaction of its own, because somebody waits for it.

use super::super::correction::{Change, CorrectionError, NewCorrection, StoredCorrection};
use super::super::identity::StoreMark;
use super::super::monitor::AskedCorrection;
use super::super::rows::{Commit, CommittedRow};
use super::super::statements::Statements;
use super::thread::WriterThread;

impl WriterThread {
    /// Stores a correction, or says why not, unless whoever asked has given up.
    pub(super) fn correct(&mut self, asked: AskedCorrection) {
        if asked.claim.is_first() {
            (asked.reply)(self.try_correct(&asked.correction));
        }
    }

    /// While writing fails it is refused: nobody waits for the end of an outage.
    fn try_correct(&mut self, asked: &NewCorrection) -> Result<StoredCorrection, CorrectionError> {
        if self.trouble.is_some() {
            let trouble = self.monitor.lock().trouble.clone();
            return Err(CorrectionError::OutOfReach(trouble.unwrap_or_default()));
        }
        let open_session = self.session_row();
        let of_open_session = matches!(asked.change, Change::Correct { session: None, .. });
        if of_open_session && self.session.is_some() && open_session.is_none() {
            let detail = "the session that is recorded is not stored yet";
            return Err(CorrectionError::OutOfReach(detail.to_owned()));
        }
        let chained = self.options.chained;
        let (connection, context) = self.database.connection()?;
        let outcome = Statements::transact(connection, &context, |statements| {
            let before = StoreMark::read(statements.connection);
            let before =
                before.map_err(|error| context.explain_row("reading the newest ids", error))?;
            Ok((before, statements.correct(asked, open_session, chained)?))
        });
        let (before, (row, head)) = match outcome {
            Ok(done) => done,
            Err(error) => {
                // what is wrong with the database the next commit finds, and mends
                if let CorrectionError::Store(error) = &error {
                    self.forget_unless_it_serves(error);
                }
                return Err(error);
            }
        };
        self.database.note_commit();
        self.housekeeping.note_commit();
        self.note_commit(0);
        let mut status = self.monitor.lock();
        status.corrections += 1;
        status.chain_head = head;
        drop(status);
        (self.on_commit)(&Commit {
            before,
            rows: vec![CommittedRow::Correction(row.clone())],
        });
        Ok(row)
    }
}
