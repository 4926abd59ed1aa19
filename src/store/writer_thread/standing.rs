//! What lasts about the store: told as an event when it begins and when it ends, and shown meanwhile.

use std::time::Instant;

use ecg_chain::{Episode, Event, EventKind};

use super::super::error::StoreError;
use super::super::housekeeping::Standing;
use super::super::pending::PendingRow;
use super::super::status::StoreCondition;
use super::thread::{HEAD_EVERY, WriterThread};

/// Whom it happens to, in events and conditions.
const SUBJECT: &str = "store";

impl WriterThread {
    pub(super) fn show(&mut self, standing: Standing) {
        self.no_room = standing.no_room.is_some();
        self.lasts(EventKind::RetentionWarning, standing.warning);
        self.lasts(EventKind::RetentionHeld, standing.age_doubt);
        self.lasts(EventKind::EcgNotStored, standing.no_room);
    }

    pub(super) fn show_damage(&mut self) {
        let (damage, shown) = {
            let status = self.monitor.lock();
            let mut conditions = status.conditions.iter();
            let shown = conditions.any(|condition| condition.kind == EventKind::StoreDamaged);
            (status.checkup.damage.clone(), shown)
        };
        if damage.is_some() || shown {
            self.lasts(EventKind::StoreDamaged, damage);
        }
    }

    /// Something lasts from now on, still, or no longer.
    fn lasts(&mut self, kind: EventKind, detail: Option<String>) {
        let (sample, time) = self.newest;
        let mut status = self.monitor.lock();
        let known = status
            .conditions
            .iter()
            .position(|condition| condition.kind == kind);
        let (detail, episode) = match (known, detail) {
            (None, None) => return,
            (Some(known), Some(detail)) => {
                status.conditions[known].detail = detail;
                return;
            }
            (None, Some(detail)) => {
                status.conditions.push(StoreCondition {
                    kind,
                    detail: detail.clone(),
                    since_sample: sample,
                    since: time,
                });
                (detail, Episode::Begins { subject: SUBJECT })
            }
            (Some(known), None) => {
                let over = status.conditions.remove(known);
                let episode = Episode::Ends {
                    subject: SUBJECT,
                    began_sample: over.since_sample,
                    began: over.since,
                };
                (format!("{kind}: over"), episode)
            }
        };
        drop(status);
        tracing::warn!(kind = kind.name(), "{detail}");
        self.tell(Event::momentary(sample, time, kind, detail).with_episode(episode));
    }

    /// A new session: what lasts begins in it again, at its start.
    pub(super) fn show_again(&mut self) {
        let (sample, time) = self.newest;
        let mut events = Vec::new();
        for condition in &mut self.monitor.lock().conditions {
            (condition.since_sample, condition.since) = (sample, time);
            let detail = condition.detail.clone();
            events.push(
                Event::momentary(sample, time, condition.kind, detail)
                    .with_episode(Episode::Begins { subject: SUBJECT }),
            );
        }
        for event in events {
            self.tell(event);
        }
    }

    fn tell(&mut self, event: Event) {
        if self.session.is_some() {
            self.push_pending(PendingRow::Event(event), self.options.commit_after);
        }
    }

    /// Somebody confirms what retention waits with; where that cannot be stored it waits on.
    pub(super) fn confirm_retention(&mut self) -> Result<(), StoreError> {
        self.commit()?;
        if self.trouble.is_some() {
            tracing::warn!("the store is out of reach: retention waits on, confirm it again later");
            return Ok(());
        }
        let confirmed = self
            .database
            .connection()
            .and_then(|(connection, context)| {
                let confirmed = self.housekeeping.confirm(connection);
                confirmed.map_err(|error| context.explain("confirming retention", error))
            });
        match confirmed {
            Ok(()) => tracing::info!("what retention waited with is confirmed"),
            // where it is the connection the next commit deals with it
            Err(error) => tracing::warn!(%error, "retention waits on: confirm it again"),
        }
        Ok(())
    }

    /// Writes the newest link to the log, where nobody who changes the database changes it too.
    pub(super) fn log_head(&mut self) {
        self.next_head = Instant::now() + HEAD_EVERY;
        let head = self.monitor.lock().chain_head;
        if let Some(head) = head {
            // in the message itself: a journal shows fields only when asked for them
            let database = self.database.path().display();
            tracing::info!(target: "chain", %database, "chain head {head}");
        }
    }
}
