//! `/v1/stream`: beats, gaps and events as server-sent events, live and resumable.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::counters::{Present, count};
use super::hub::{Frame, advance, frame};
use super::pools::Pool;
use super::problem::Problem;
use super::query::PAGE_ROWS;
use super::shared::Shared;
use crate::store::{
    CommittedRow, Epoch, RowFilter, StoreMark, StoreReader, StoredBeat, StoredEvent, StoredGap,
};

/// Events handed to a connection before it has taken them.
const HANDED_OVER: usize = 32;
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const RECONNECT_AFTER: Duration = Duration::from_secs(2);

/// The row as an event after which the stream stands at `position`.
fn to_sse(frame: &Frame, position: &StoreMark) -> SseEvent {
    SseEvent::default()
        .data(&frame.data)
        .event(frame.row.name())
        .id(event_id(position))
}

/// The `id:` after which a stream goes on behind this place.
fn event_id(at: &StoreMark) -> String {
    format!("{}.{}.{}.{}", at.epoch, at.beat, at.gap, at.event)
}

/// The id of an event that a client has seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// A beat of this database, whichever that is. Gaps and events recorded while it was the newest
    /// come again.
    Beat(i64),
    /// A place in one database.
    Mark(StoreMark),
}

impl Seen {
    /// `epoch.beat.gap.event`, or a whole number from 0.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.parse().ok().filter(|id: &i64| *id >= 0);
        let digits = |text: &str| {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| number(text)).flatten()
        };
        let Some((epoch, ids)) = text.split_once('.') else {
            return number(text).map(Self::Beat);
        };
        let mut ids = ids.split('.').map(digits);
        let mark = StoreMark {
            epoch: Epoch::parse(epoch)?,
            beat: ids.next()??,
            gap: ids.next()??,
            event: ids.next()??,
        };
        ids.next().is_none().then_some(Self::Mark(mark))
    }

    /// Where in the database to go on, and why not behind what was seen where that cannot be.
    fn find(self, reader: &StoreReader) -> Result<(StoreMark, Option<Lost<'static>>), Problem> {
        let newest = reader.mark()?;
        Ok(match self {
            Self::Beat(beat) if beat <= newest.beat => {
                let (gap, event) = reader.newest_rows_before(beat)?;
                let position = StoreMark {
                    beat,
                    gap,
                    event,
                    ..newest
                };
                (position, None)
            }
            Self::Mark(mark) if mark.epoch != newest.epoch => (newest, Some(OTHER_DATABASE)),
            Self::Mark(mark)
                if mark.beat <= newest.beat
                    && mark.gap <= newest.gap
                    && mark.event <= newest.event =>
            {
                (mark, None)
            }
            Self::Beat(_) | Self::Mark(_) => (newest, Some(UNKNOWN_ID)),
        })
    }
}

/// Why a stream does not go on behind what its client has seen, or ends: reason and sentence.
#[derive(Debug, Clone, Copy)]
struct Lost<'a>(&'a str, &'a str);

const SLOW_READER: Lost<'_> = Lost(
    "slow_reader",
    "beats came faster than they were read; resume with Last-Event-ID",
);
const UNKNOWN_ID: Lost<'_> = Lost(
    "unknown_event_id",
    "the named row is not in this database; the stream starts with what comes next",
);
const OTHER_DATABASE: Lost<'_> = Lost(
    "other_database",
    "the named row is of another database (one that was quarantined, or from before a backup was restored); \
     the stream starts with what comes next",
);
const DATABASE_REPLACED: Lost<'_> = Lost(
    "database_replaced",
    "a fresh database has been begun; the stream goes on with what it holds from here on",
);

impl Lost<'_> {
    /// The event that says so; the stream goes on behind `position`.
    fn to_sse(self, position: &StoreMark) -> SseEvent {
        notice("reset", self, Some(position))
    }
}

/// What reading on behind a position comes to.
enum Page {
    /// Rows in the order they were recorded, and whether these were all.
    Rows(Vec<Frame>, bool),
    /// The database is another one by now, and stands here.
    Replaced(StoreMark),
}

/// The next rows behind `position` from the store.
fn read_on(position: &StoreMark, reader: &StoreReader) -> Result<Page, Problem> {
    let newest = reader.mark()?;
    if newest.epoch != position.epoch {
        return Ok(Page::Replaced(newest));
    }
    let filter = |after_id| RowFilter {
        after_id,
        limit: PAGE_ROWS,
        ..RowFilter::default()
    };
    let beats = reader.beats(&filter(position.beat))?;
    let gaps = reader.gaps(&filter(position.gap))?;
    let events = reader.events(&filter(position.event))?;
    // In the order they were recorded: gaps and events came behind their beat.
    let of_beat = |row: StoredBeat| (row.id, CommittedRow::Beat(row));
    let of_gap = |row: StoredGap| (row.after_beat, CommittedRow::Gap(row));
    let of_event = |row: StoredEvent| (row.after_beat, CommittedRow::Event(row));
    let recorded = [
        beats.into_iter().map(of_beat).collect::<Vec<_>>(),
        gaps.into_iter().map(of_gap).collect(),
        events.into_iter().map(of_event).collect(),
    ];
    // Beyond the last row of a full page order is not known yet.
    let full = usize::try_from(PAGE_ROWS).unwrap_or(usize::MAX);
    let pages = recorded.iter().filter(|rows| rows.len() >= full);
    let horizon = pages.filter_map(|rows| rows.last()).map(|row| row.0).min();
    let mut rows = recorded.into_iter().flatten().collect::<Vec<_>>();
    rows.retain(|(after_beat, _)| horizon.is_none_or(|horizon| *after_beat <= horizon));
    rows.sort_by_key(|(after_beat, _)| *after_beat); // stable: kinds and ids stay in order
    let frames = rows.iter().map(|(_, row)| frame(row)).collect();
    Ok(Page::Rows(frames, horizon.is_none()))
}

#[derive(Serialize)]
struct Notice<'a> {
    reason: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
}

/// An event that is no row; with a `position`, the stream goes on behind it.
fn notice(name: &str, lost: Lost<'_>, position: Option<&StoreMark>) -> SseEvent {
    let Lost(reason, detail) = lost;
    let epoch = position.map(|position| position.epoch.to_string());
    let notice = Notice {
        reason,
        detail,
        epoch,
    };
    let mut event = SseEvent::default().event(name);
    if let Some(position) = position {
        event = event.id(event_id(position));
    }
    event.data(serde_json::to_string(&notice).unwrap_or_default()) // texts serialise
}

/// The response: live from now on, or everything behind what the client has seen first.
pub(super) fn open(
    shared: Arc<Shared>,
    seen: Option<Seen>,
) -> Sse<impl tokio_stream::Stream<Item = Result<SseEvent, Infallible>>> {
    let (sender, receiver) = mpsc::channel(HANDED_OVER);
    tokio::spawn(async move {
        let _present = Present::new(Arc::clone(&shared.counters), |counters| &counters.streams);
        let mut closing = shared.closing.clone();
        let stream = Stream {
            shared: &shared,
            sender: &sender,
            position: None,
            left: Vec::new(),
        };
        tokio::select! {
            _ = stream.feed(seen) => {}
            () = sender.closed() => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
    });
    Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// The stream has ended.
struct Ended;

/// One client's stream.
struct Stream<'a> {
    shared: &'a Arc<Shared>,
    sender: &'a mpsc::Sender<Result<SseEvent, Infallible>>,
    /// What has been sent, so that catching up and going live neither skip nor repeat; `None` while
    /// no commit has told which database this is.
    position: Option<StoreMark>,
    /// Databases this stream has left: commits to them may still come.
    left: Vec<Epoch>,
}

impl Stream<'_> {
    /// Sends until the client or the hub is gone, or the client is too slow.
    async fn feed(mut self, seen: Option<Seen>) -> Result<Infallible, Ended> {
        // before reading: no row falls between
        let (mut commits, latest) = self.shared.deps.hub.subscribe();
        let mut behind = false;
        self.position = latest;
        if let Some(seen) = seen {
            let (position, lost) = self
                .read(Pool::Quick, move |reader| {
                    reader.at_once(|reader| seen.find(reader))
                })
                .await?;
            self.left.extend(
                latest
                    .map(|latest| latest.epoch)
                    .filter(|epoch| *epoch != position.epoch),
            );
            self.position = Some(position);
            match lost {
                None => behind = true,
                Some(lost) => self.send(lost.to_sse(&position)).await?,
            }
        }
        let mut greeted = false;
        loop {
            let just_caught_up = behind;
            while let (true, Some(position)) = (behind, self.position) {
                let page = self
                    .read(Pool::Wide, move |reader| {
                        reader.at_once(|reader| read_on(&position, reader))
                    })
                    .await?;
                match page {
                    Page::Rows(frames, all) => {
                        behind = !all;
                        self.pass_on(&frames).await?;
                    }
                    Page::Replaced(mark) => {
                        behind = false;
                        self.change_to(mark).await?;
                    }
                }
            }
            if !greeted {
                greeted = true;
                self.greet().await?;
            }
            match commits.recv().await {
                Ok(commit) => {
                    let epoch = commit.before.epoch;
                    if self.left.contains(&epoch) {
                        continue;
                    }
                    if self.position.is_none_or(|position| position.epoch != epoch) {
                        self.change_to(commit.before).await?;
                    }
                    self.pass_on(&commit.frames).await?;
                }
                // commits went by while the backlog was read, not because the client is slow
                Err(RecvError::Lagged(_)) if just_caught_up => behind = true,
                Err(RecvError::Lagged(_)) => {
                    count(&self.shared.counters.dropped_lagging);
                    return self.close(SLOW_READER).await;
                }
                Err(RecvError::Closed) => return Err(Ended),
            }
        }
    }

    /// Says where the backlog ends; its id lets a client that has seen no row resume from here.
    async fn greet(&self) -> Result<(), Ended> {
        let mut hello = SseEvent::default()
            .comment("live after this")
            .retry(RECONNECT_AFTER);
        if let Some(position) = &self.position {
            hello = hello.id(event_id(position));
        }
        self.send(hello).await
    }

    /// Sends the rows that have not been sent before.
    async fn pass_on(&mut self, frames: &[Frame]) -> Result<(), Ended> {
        for frame in frames {
            if let Some(position) = &mut self.position
                && advance(position, frame.row)
            {
                let event = to_sse(frame, position);
                self.send(event).await?;
            }
        }
        Ok(())
    }

    /// Goes on in another database, and says so where it was in one before.
    async fn change_to(&mut self, mark: StoreMark) -> Result<(), Ended> {
        if let Some(before) = self.position.replace(mark) {
            self.left.push(before.epoch);
            self.send(DATABASE_REPLACED.to_sse(&mark)).await?;
        }
        Ok(())
    }

    async fn send(&self, event: SseEvent) -> Result<(), Ended> {
        self.sender.send(Ok(event)).await.map_err(|_| Ended)
    }

    /// Asks the store; where it does not answer, the client is told why and the stream ends.
    async fn read<T: Send + 'static>(
        &self,
        pool: Pool,
        ask: impl FnOnce(&StoreReader) -> Result<T, Problem> + Clone + Send + 'static,
    ) -> Result<T, Ended> {
        match self.shared.read_in_turn(pool, ask).await {
            Ok(answer) => Ok(answer),
            Err(problem) => self.close(Lost(problem.kind.name(), &problem.detail)).await,
        }
    }

    /// Ends the stream and says why.
    async fn close<T>(&self, why: Lost<'_>) -> Result<T, Ended> {
        self.send(notice("closed", why, None)).await?;
        Err(Ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_is_read_as_it_is_shown() {
        let shown = "00f3a2b4c5d6e7f8091a2b3c4d5e6f70.12.3.45";
        let Some(Seen::Mark(mark)) = Seen::parse(shown) else {
            panic!("{:?}", Seen::parse(shown));
        };
        assert_eq!((mark.beat, mark.gap, mark.event), (12, 3, 45));
        assert_eq!(event_id(&mark), shown);
        assert_eq!(Seen::parse("0"), Some(Seen::Beat(0)));
        assert_eq!(Seen::parse("17"), Some(Seen::Beat(17)));
        let epoch = "00f3a2b4c5d6e7f8091a2b3c4d5e6f70";
        for wrong in [
            "".to_owned(),
            "-1".to_owned(),
            "x".to_owned(),
            "1.2".to_owned(),
            ".1.2.3".to_owned(),
            epoch.to_owned(),
            format!("{epoch}."),
            format!("{epoch}.1"),
            format!("{epoch}.1.2"),
            format!("{epoch}.1.2.3.4"),
            format!("{epoch}.1.2."),
            format!("{epoch}.1..3"),
            format!("{epoch}.1.-2.3"),
            format!("{epoch}.1.+2.3"),
            format!("{epoch}.1.2.99999999999999999999"),
            format!("{}.1.2.3", epoch.to_uppercase()),
            format!("{epoch} .1.2.3"),
        ] {
            assert_eq!(Seen::parse(&wrong), None, "{wrong}");
        }
    }
}
