//! What an endpoint is, and what its function is told.

use std::pin::Pin;
use std::sync::Arc;

use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::ser::SerializeMap;

use super::body;
use super::json::{Fields, Json, Object, list};
use super::peer::Peer;
use super::pools::Pool;
use super::problem::Problem;
use super::query::{Parameters, cursor_after, parse_id};
use super::shared::Shared;
use crate::store::{Epoch, RowFilter, StoreError, StoreReader};

/// Rows in a page beyond which a question is a wide one.
pub(super) const WIDE_ROWS: u32 = 1_000;

pub(super) type Reply = Result<Response, Problem>;

/// A path and who answers it.
pub(super) struct Endpoint {
    pub(super) path: &'static str,
    /// What it is called in the audit, and a list in its answer.
    pub(super) name: &'static str,
    /// Whether it changes something: then it takes `POST`, else `GET` and `HEAD`.
    pub(super) changes: bool,
    /// Whether what it changes is that something goes: then it takes `DELETE`.
    pub(super) deletes: bool,
    /// What the path takes, this and any other endpoint there.
    pub(super) methods: &'static str,
    /// The fields of the body it takes, with `, ` between them; empty where it takes none.
    pub(super) body: &'static str,
    /// The query parameters it takes, with `, ` between them.
    pub(super) parameters: &'static str,
    /// Of one for those who may control: what others are told that they may not.
    pub(super) kept_from_readers: Option<&'static str>,
    pub(super) size: Size,
    pub(super) answer: fn(Call) -> Pin<Box<dyn Future<Output = Reply> + Send>>,
}

/// What may be large in an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    Small,
    /// As many rows as are asked for.
    Rows,
    /// The ECG of a beat.
    Waveform,
    /// A stretch of ECG.
    Ecg,
    /// Corrections, which may name many beats.
    Corrections,
    /// A row per minute.
    Minutes,
    /// As many RR intervals as are asked for.
    Intervals,
    /// Shapes with examples.
    Clusters,
    Maps,
    /// It goes on.
    Stream,
}

/// One request, as it comes to the function that answers it.
pub(super) struct Call {
    pub(super) shared: Arc<Shared>,
    pub(super) endpoint: &'static Endpoint,
    pub(super) peer: Peer,
    /// In place of `{id}`, unread; empty where the path has none.
    pub(super) id: String,
    pub(super) parameters: Parameters,
    pub(super) body: body::Fields,
    pub(super) parts: Parts,
}

/// A page of a list; the whole answer.
struct Page<R> {
    epoch: Option<Epoch>,
    name: &'static str,
    rows: Vec<R>,
    next_cursor: Option<String>,
}

pub(super) fn to_json(object: &impl Object) -> Response {
    axum::Json(Json(object)).into_response()
}

impl Call {
    pub(super) fn id(&self) -> Result<i64, Problem> {
        parse_id("id", &self.id)
    }

    /// A page of the endpoint's list, made of the rows that `read` finds; `id` is that of a row.
    pub(super) async fn page<R: Object + 'static>(
        &self,
        read: impl FnOnce(&StoreReader, &RowFilter) -> Result<Vec<R>, StoreError> + Send + 'static,
        id: fn(&R) -> i64,
    ) -> Reply {
        let read = |reader: &StoreReader, filter: &RowFilter| {
            // one beyond the page tells whether there is another
            let mut filter = filter.clone();
            let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
            filter.limit += 1;
            let mut rows = read(reader, &filter)?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            Ok((rows, more))
        };
        self.part(read, id).await
    }

    /// As [`Self::page`], where `read` itself says whether there are more rows.
    pub(super) async fn part<R: Object + 'static>(
        &self,
        read: impl FnOnce(&StoreReader, &RowFilter) -> Result<(Vec<R>, bool), StoreError>
        + Send
        + 'static,
        id: fn(&R) -> i64,
    ) -> Reply {
        let name = self.endpoint.name;
        let filter = self.parameters.rows(name)?;
        let is_wide = filter.limit > WIDE_ROWS;
        let pool = if is_wide { Pool::Wide } else { Pool::Quick };
        let answer = self.shared.read(pool, move |reader| {
            let (rows, more) = read(reader, &filter)?;
            let last = rows.last().filter(|_| more);
            let next_cursor = last.map(|row| cursor_after(name, id(row)));
            let of_sessions = name == "sessions";
            let epoch = of_sessions.then(|| reader.epoch()).transpose()?;
            Ok(to_json(&Page {
                epoch,
                name,
                rows,
                next_cursor,
            }))
        });
        answer.await
    }
}

impl<R: Object> Object for Page<R> {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        if let Some(epoch) = &self.epoch {
            to.add("epoch", epoch.to_string());
        }
        to.add(self.name, list(&self.rows));
        to.add("next_cursor", &self.next_cursor);
    }
}
