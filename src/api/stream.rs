//! `/v1/stream`: beats, gaps and events as server-sent events, live and resumable.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::counters::{Present, count};
use super::json;
use super::problem::Problem;
use super::server::Shared;
use crate::store::{BeatFilter, Commit, CommittedRow, RowFilter, StoreReader};

/// Commits a stream may be behind before it is closed.
pub(super) const MOST_COMMITS_BEHIND: usize = 256;
/// Rows of each kind read at once while a resumed stream catches up.
const PAGE_ROWS: u32 = 500;
/// Events handed to a connection before it has taken them.
const HANDED_OVER: usize = 32;
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const RECONNECT_AFTER: Duration = Duration::from_secs(2);

/// A row as it goes over the stream, serialised once for all clients.
#[derive(Debug, Clone)]
struct Frame {
    row: RowId,
    data: Arc<str>,
}

#[derive(Debug, Clone, Copy)]
enum RowId {
    Beat(i64),
    Gap(i64),
    Event(i64),
}

/// Carries committed rows from the store's commit hook to the streams; cheap to clone.
#[derive(Debug, Clone)]
pub struct StreamHub {
    commits: broadcast::Sender<Arc<[Frame]>>,
}

impl Default for StreamHub {
    fn default() -> Self {
        Self {
            commits: broadcast::Sender::new(MOST_COMMITS_BEHIND),
        }
    }
}

impl StreamHub {
    /// Passes a commit on to every open stream; never blocks, costs next to nothing without one.
    pub fn publish(&self, commit: &Commit) {
        if self.commits.receiver_count() > 0 {
            // no receiver any more is no error
            let _ = self.commits.send(commit.rows.iter().map(frame).collect());
        }
    }
}

fn frame(row: &CommittedRow) -> Frame {
    match row {
        CommittedRow::Beat(row) => Frame::new(RowId::Beat(row.id), &json::Beat::from(row)),
        CommittedRow::Gap(row) => Frame::new(RowId::Gap(row.id), &json::Gap::from(row)),
        CommittedRow::Event(row) => Frame::new(RowId::Event(row.id), &json::Event::from(row)),
    }
}

impl Frame {
    fn new(row: RowId, value: &impl Serialize) -> Self {
        Self {
            row,
            data: serde_json::to_string(value).unwrap_or_default().into(), // plain structs serialise
        }
    }

    fn to_sse(&self) -> SseEvent {
        let event = SseEvent::default().data(&self.data);
        match self.row {
            RowId::Beat(id) => event.event("beat").id(id.to_string()),
            RowId::Gap(_) => event.event("gap"),
            RowId::Event(_) => event.event("event"),
        }
    }
}

/// What a stream has already sent, so that catching up and going live neither skip nor repeat.
#[derive(Debug, Clone, Copy)]
struct Position {
    /// The beat the client named; gaps and events recorded at or after it are sent again.
    resumed_at: i64,
    beat: i64,
    gap: i64,
    event: i64,
}

impl Position {
    const fn after(beat: i64) -> Self {
        Self {
            resumed_at: beat,
            beat,
            gap: 0,
            event: 0,
        }
    }

    /// Moves past the row; false if it has been sent before.
    fn advance(&mut self, row: RowId) -> bool {
        let (sent, id) = match row {
            RowId::Beat(id) => (&mut self.beat, id),
            RowId::Gap(id) => (&mut self.gap, id),
            RowId::Event(id) => (&mut self.event, id),
        };
        let new = id > *sent;
        *sent = id.max(*sent);
        new
    }

    /// The next rows from the store in the order they were recorded, and whether these were all.
    fn catch_up(&mut self, reader: &StoreReader) -> Result<(Vec<Frame>, bool), Problem> {
        let beats = reader.beats(&BeatFilter {
            after_id: self.beat,
            limit: PAGE_ROWS,
            ..BeatFilter::default()
        })?;
        let filter = |after_id| RowFilter {
            after_id,
            after_beat: self.resumed_at,
            limit: PAGE_ROWS,
            ..RowFilter::default()
        };
        let gaps = reader.gaps(&filter(self.gap))?;
        let events = reader.events(&filter(self.event))?;
        let full = |rows: usize| rows >= usize::try_from(PAGE_ROWS).unwrap_or(usize::MAX);
        let all = !full(beats.len()) && !full(gaps.len()) && !full(events.len());
        // Beyond the newest beat here, or the last row of a full page, order is not known yet.
        let mut horizon = beats.last().map_or(self.beat, |row| row.id);
        if full(gaps.len()) {
            horizon = gaps
                .last()
                .map_or(horizon, |row| row.after_beat.min(horizon));
        }
        if full(events.len()) {
            horizon = events
                .last()
                .map_or(horizon, |row| row.after_beat.min(horizon));
        }
        let mut rows: Vec<(i64, u8, CommittedRow)> = Vec::new();
        rows.extend(
            beats
                .into_iter()
                .map(|row| (row.id, 0, CommittedRow::Beat(row))),
        );
        rows.extend(
            gaps.into_iter()
                .map(|row| (row.after_beat, 1, CommittedRow::Gap(row))),
        );
        rows.extend(
            events
                .into_iter()
                .map(|row| (row.after_beat, 2, CommittedRow::Event(row))),
        );
        rows.retain(|(after_beat, _, _)| *after_beat <= horizon);
        rows.sort_by_key(|(after_beat, kind, _)| (*after_beat, *kind)); // stable: ids stay in order
        let frames: Vec<_> = rows.iter().map(|(_, _, row)| frame(row)).collect();
        for frame in &frames {
            self.advance(frame.row);
        }
        Ok((frames, all))
    }
}

#[derive(Serialize)]
struct Notice<'a> {
    reason: &'a str,
    detail: &'a str,
}

fn notice(name: &str, reason: &str, detail: &str) -> SseEvent {
    let text = serde_json::to_string(&Notice { reason, detail }).unwrap_or_default();
    SseEvent::default().event(name).data(text)
}

/// The response: live from now on, or everything after the beat `resume_after` first.
pub(super) fn open(
    shared: Arc<Shared>,
    resume_after: Option<i64>,
) -> Sse<impl tokio_stream::Stream<Item = Result<SseEvent, Infallible>>> {
    let (sender, receiver) = mpsc::channel(HANDED_OVER);
    tokio::spawn(async move {
        let _present = Present::new(Arc::clone(&shared.counters), |counters| &counters.streams);
        let mut closing = shared.closing.clone();
        tokio::select! {
            () = feed(&shared, resume_after, &sender) => {}
            () = sender.closed() => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
    });
    Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// Sends until the client, the hub or patience is gone.
async fn feed(
    shared: &Arc<Shared>,
    resume_after: Option<i64>,
    sender: &mpsc::Sender<Result<SseEvent, Infallible>>,
) {
    let mut commits = shared.hub.commits.subscribe(); // before reading: no row falls between
    let mut hello = Some(
        SseEvent::default()
            .comment("live after this")
            .retry(RECONNECT_AFTER),
    );
    let mut position = None;
    if let Some(beat) = resume_after {
        match shared.newest_beat_id().await {
            Ok(newest) if beat <= newest => position = Some(Position::after(beat)),
            Ok(_) => {
                let event = notice(
                    "reset",
                    "unknown_event_id",
                    "the named beat is not in this database; the stream starts with what comes next",
                );
                if sender.send(Ok(event)).await.is_err() {
                    return;
                }
            }
            Err(problem) => {
                let event = notice("closed", problem.kind.name(), &problem.detail);
                let _ = sender.send(Ok(event)).await;
                return;
            }
        }
    }
    let mut behind = position.is_some();
    loop {
        let just_caught_up = behind;
        while let (true, Some(mut from)) = (behind, position) {
            let read = shared
                .read(move |reader| {
                    let (frames, all) = from.catch_up(reader)?;
                    Ok((from, frames, all))
                })
                .await;
            match read {
                Ok((reached, frames, all)) => {
                    position = Some(reached);
                    behind = !all;
                    for frame in frames {
                        if sender.send(Ok(frame.to_sse())).await.is_err() {
                            return;
                        }
                    }
                }
                Err(problem) => {
                    let event = notice("closed", problem.kind.name(), &problem.detail);
                    let _ = sender.send(Ok(event)).await;
                    return;
                }
            }
        }
        if let Some(hello) = hello.take()
            && sender.send(Ok(hello)).await.is_err()
        {
            return;
        }
        match commits.recv().await {
            Ok(frames) => {
                for frame in frames.iter() {
                    let new = position
                        .as_mut()
                        .is_none_or(|position| position.advance(frame.row));
                    if new && sender.send(Ok(frame.to_sse())).await.is_err() {
                        return;
                    }
                }
            }
            // commits went by while the backlog was read, not because the client is slow
            Err(RecvError::Lagged(_)) if just_caught_up => behind = true,
            Err(RecvError::Lagged(_)) => {
                count(&shared.counters.dropped_lagging);
                let event = notice(
                    "closed",
                    "slow_reader",
                    "beats came faster than they were read; resume with Last-Event-ID",
                );
                let _ = sender.send(Ok(event)).await;
                return;
            }
            Err(RecvError::Closed) => return,
        }
    }
}
