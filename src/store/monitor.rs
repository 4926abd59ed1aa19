//! What others ask of the writer thread, and what it shows them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ecg_chain::{ClockRelation, PipelineEvent, SessionInfo};

use super::audit::AuditRow;
use super::correction::{CorrectionError, NewCorrection, StoredCorrection};
use super::error::StoreError;
use super::rows::{Commit, SessionDeletion};
use super::saliency::StoredSaliency;
use super::status::WriterStatus;
use crate::liveness::Liveness;

pub(super) type CommitHook = Box<dyn FnMut(&Commit) + Send>;

pub(super) enum Command {
    Begin(SessionInfo, SyncSender<Result<Option<i64>, StoreError>>),
    Record(PipelineEvent),
    /// A map of a stored beat, made later, and how often the database had been exchanged then.
    Keep(Box<StoredSaliency>, u64),
    /// Who asked for what: stored with the next commit, makes none due.
    Audit(AuditRow),
    End {
        at: ClockRelation,
        reason: String,
        reply: SyncSender<Result<(), StoreError>>,
    },
    Flush(SyncSender<Result<(), StoreError>>),
    /// Somebody confirms what retention waits with.
    ConfirmRetention,
    Correct(Box<AskedCorrection>),
    /// Somebody has a session deleted.
    Delete {
        session: i64,
        by: String,
        reply: DeletionReply,
    },
}

/// A correction that somebody waits for.
pub(super) struct AskedCorrection {
    pub(super) correction: NewCorrection,
    pub(super) claim: Claim,
    pub(super) reply: Box<dyn FnOnce(Result<StoredCorrection, CorrectionError>) + Send>,
}

/// What only one of two may do: the writer begins, or whoever asked gives up. So nothing is stored that its author
/// was told is not.
#[derive(Debug, Clone, Default)]
pub struct Claim(Arc<AtomicBool>);

impl Claim {
    /// Whether this is the first.
    #[must_use]
    pub fn is_first(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }
}

/// Gets what was deleted, once it is gone.
pub(super) type DeletionReply = Box<dyn FnOnce(Result<SessionDeletion, StoreError>) + Send>;

/// Shows the writer's status to others; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct WriterMonitor {
    status: Arc<Mutex<WriterStatus>>,
    liveness: Liveness,
    /// The writer's queue as long as the writer lives.
    queue: Weak<SyncSender<Command>>,
}

impl WriterMonitor {
    pub(super) fn new(queue: &Arc<SyncSender<Command>>) -> Self {
        Self {
            queue: Arc::downgrade(queue),
            ..Self::default()
        }
    }

    /// The status now.
    #[must_use]
    pub fn status(&self) -> WriterStatus {
        self.lock().clone()
    }

    /// Beats with every turn of the writer thread, once per second at least while it is idle.
    #[must_use]
    pub fn liveness(&self) -> &Liveness {
        &self.liveness
    }

    /// The writer goes on after all.
    pub(super) fn clear_failure(&self) {
        let mut status = self.lock();
        status.failure = None;
        status.failed_locked = false;
    }

    /// Damaged or replaced databases quarantined since the start, as [`WriterStatus::quarantined`].
    #[must_use]
    pub fn quarantined(&self) -> u64 {
        self.lock().quarantined
    }

    /// Hands a map of a stored beat to the writer to be kept, unless its queue is full or it is gone:
    /// then the map is made anew when it is next asked for. `quarantined` is what
    /// [`WriterMonitor::quarantined`] said before the beat was read: in another database its number is
    /// another beat's. The map is stored with the next commit that is due anyway, after
    /// [`super::StoreOptions::maps_commit_after`] at the latest.
    pub fn keep(&self, map: StoredSaliency, quarantined: u64) -> bool {
        let kept = self.offer(Command::Keep(Box::new(map), quarantined));
        self.lock().maps_dropped += u64::from(!kept);
        kept
    }

    /// Hands over who asked for what, to be stored with the next commit; false if the writer's queue
    /// is full or it is gone.
    pub fn audit(&self, row: AuditRow) -> bool {
        self.offer(Command::Audit(row))
    }

    /// Tells the writer that somebody confirms what retention waits with; false where its queue is full
    /// or it is gone.
    #[must_use]
    pub fn confirm_retention(&self) -> bool {
        self.offer(Command::ConfirmRetention)
    }

    /// Hands a correction to the writer, which calls `reply` once it is committed or refused. Whoever takes the
    /// claim before the writer has asked in vain.
    ///
    /// # Errors
    /// [`CorrectionError::OutOfReach`] where the writer's queue is full or it is gone; `reply` is not called then.
    pub fn correct(
        &self,
        correction: NewCorrection,
        reply: impl FnOnce(Result<StoredCorrection, CorrectionError>) + Send + 'static,
    ) -> Result<Claim, CorrectionError> {
        let claim = Claim::default();
        let asked = AskedCorrection {
            correction,
            claim: claim.clone(),
            reply: Box::new(reply),
        };
        if self.offer(Command::Correct(Box::new(asked))) {
            Ok(claim)
        } else {
            let detail = "the store's writer does not take it now: ask again later";
            Err(CorrectionError::OutOfReach(detail.to_owned()))
        }
    }

    /// Asks the writer to delete a session that has ended: its ECG, beats with their maps, gaps, events and
    /// its label. `by` goes into its tombstone; `reply` runs on the writer's thread once everything is gone,
    /// so it must neither block nor panic. A session that is deleted already answers with what was deleted
    /// then. False where the writer's queue is full or it is gone; `reply` is dropped then.
    #[must_use]
    pub fn delete_session(
        &self,
        session: i64,
        by: String,
        reply: impl FnOnce(Result<SessionDeletion, StoreError>) + Send + 'static,
    ) -> bool {
        let reply = Box::new(reply);
        self.offer(Command::Delete { session, by, reply })
    }

    fn offer(&self, command: Command) -> bool {
        let queue = self.queue.upgrade();
        queue.is_some_and(|queue| queue.try_send(command).is_ok())
    }

    /// Keeps the first error that stops the writer.
    pub(super) fn note_failure(&self, error: &StoreError) {
        let mut status = self.lock();
        if status.failure.is_none() {
            status.failure = Some(error.to_string());
            status.failed_locked = matches!(error, StoreError::Locked { .. });
        }
    }

    /// The status, to change it. A panic elsewhere cannot leave it half-written in a way that
    /// matters.
    pub(super) fn lock(&self) -> MutexGuard<'_, WriterStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
