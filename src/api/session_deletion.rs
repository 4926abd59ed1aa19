//! `DELETE /v1/sessions/{id}`: a session goes, and says who wanted that.

use serde::ser::SerializeMap;
use tokio::sync::oneshot;

use super::endpoint::{Call, Reply, to_json};
use super::json::{Fields, Object};
use super::problem::{Kind, Problem};
use crate::store::SessionDeletion;

/// A session and what was deleted of it.
struct Deleted(i64, SessionDeletion);

impl Object for Deleted {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let Self(session, deletion) = self;
        to.add("session", session);
        to.add("deleted", deletion.rows);
        to.time("deleted_time", Some(deletion.at));
        to.add("deleted_by", &deletion.by);
    }
}

/// Waits until the rows are gone. A client that leaves before does not stop it.
pub(super) async fn delete(call: Call) -> Reply {
    let session = call.id()?;
    let unavailable = |detail| Problem::new(Kind::StoreUnavailable, detail);
    let writer = call.shared.deps.writer.as_ref();
    let (reply, answer) = oneshot::channel();
    let by = call.peer.author();
    let taken = writer.is_some_and(|writer| {
        writer.delete_session(session, by, |outcome| {
            let _ = reply.send(outcome); // the client may have left
        })
    });
    if !taken {
        let detail = "the store's writer does not take it now: ask again later";
        return Err(unavailable(detail));
    }
    tracing::info!(client = %call.peer.who(), session, "a client has a session deleted");
    match answer.await {
        Ok(outcome) => Ok(to_json(&Deleted(session, outcome?))),
        Err(_) => {
            let detail = "the gateway is closing: what was begun is completed by its next start";
            Err(unavailable(detail))
        }
    }
}
