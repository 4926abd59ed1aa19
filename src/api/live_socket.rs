//! `/v1/live`: the waveform, the status, and beats, gaps and events before and after they are stored,
//! over one WebSocket.

use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arrhythmianet::{AamiClass, BeatClass};
use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use ecg_chain::{CHANNEL_COUNT, MonotonicNs, WallUs};
use ecg_signal::SignalQuality;
use serde::ser::SerializeMap;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::browser::SignedIn;
use super::counters::{Present, count};
use super::ecg::Point;
use super::endpoint::{Call, Reply};
use super::heart_rate::heart_rate_bpm;
use super::hub::{Frame, RowId};
use super::json::{Fields, Json, Object, code_range, list};
use super::live::LiveStatus;
use super::live_hub::{LiveMessage, Piece, WatchedSession, samples_per_piece};
use super::problem::{Kind, Problem};
use super::shared::Shared;
use super::status::conditions;
use crate::store::{WriterMonitor, WriterStatus};

/// Points per second and channel where the client does not say.
pub(super) const DEFAULT_RATE: u32 = 500;
/// What a client may ask for.
pub(super) const RATES: RangeInclusive<u32> = 50..=1_000;
/// The status comes this often.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// First byte of a binary message: a piece of the waveform.
const KIND_WAVEFORM: u8 = 1;

/// Answers the handshake; the connection then carries messages until one side ends it.
pub(super) async fn open(mut call: Call) -> Reply {
    let rate = call
        .parameters
        .whole("rate", RATES)?
        .unwrap_or(DEFAULT_RATE);
    let upgrade = WebSocketUpgrade::from_request_parts(&mut call.parts, &())
        .await
        .map_err(|rejection| Problem::new(Kind::UpgradeRequired, rejection.body_text()))?;
    let session = call.parts.extensions.remove::<SignedIn>();
    let shared = call.shared;
    let place = shared.stream_place(&call.peer)?;
    let answer = upgrade
        // Nothing is expected of the client.
        .max_message_size(1_024)
        // Each message goes to the kernel at once: what waits there is little, so an age stays true.
        .write_buffer_size(0)
        .on_upgrade(move |socket| async move {
            let _place = place;
            let counters = || Arc::clone(&shared.counters);
            let _stream = Present::new(counters(), |counters| &counters.streams);
            let _socket = Present::new(counters(), |counters| &counters.live_sockets);
            let mut client = Client {
                shared: &shared,
                socket,
                session,
                rate,
                samples_per_point: 1,
            };
            let (code, reason) = match client.serve().await {
                Ended::Gone => return,
                Ended::Closed(reason, detail) => {
                    let _ = client.text(&Closed(reason, detail)).await;
                    (close_code::AWAY, reason)
                }
                Ended::Talkative => (close_code::POLICY, "nothing is expected of the client"),
            };
            let frame = CloseFrame {
                code,
                reason: reason.into(),
            };
            let _ = client.socket.send(Message::Close(Some(frame))).await; // gone is as good
        });
    Ok(answer)
}

/// Why it ends.
enum Ended {
    /// The client has left.
    Gone,
    /// The server ends it: reason and sentence.
    Closed(&'static str, &'static str),
    /// The client has sent something.
    Talkative,
}

impl From<axum::Error> for Ended {
    fn from(_: axum::Error) -> Self {
        Self::Gone
    }
}

const SLOW_READER: Ended = Ended::Closed(
    "slow_reader",
    "messages came faster than they were read; connect again",
);
const SESSION_REVOKED: Ended = Ended::Closed(
    "session_revoked",
    "this browser is signed out, or its token is revoked; sign in again",
);
const SHUTTING_DOWN: Ended = Ended::Closed("shutting_down", "the gateway ends");

/// Reason and sentence.
struct Closed(&'static str, &'static str);

impl Object for Closed {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let Self(reason, detail) = self;
        to.add("type", "closed");
        to.add("reason", reason);
        to.add("detail", detail);
    }
}

struct Client<'a> {
    shared: &'a Arc<Shared>,
    socket: WebSocket,
    /// That of a browser.
    session: Option<SignedIn>,
    rate: u32,
    /// As the last message `session` said.
    samples_per_point: u16,
}

impl Client<'_> {
    /// Sends until one side has had enough.
    async fn serve(&mut self) -> Ended {
        match self.feed().await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn feed(&mut self) -> Result<Infallible, Ended> {
        let hub = self.shared.deps.live.hub();
        // before the session is told: none that begins meanwhile is missed
        let mut watcher = hub.watch();
        let (mut commits, _) = self.shared.deps.hub.subscribe();
        let mut closing = self.shared.closing.clone();
        let session = self.session.take();
        let signed_out = async {
            match session {
                Some(mut session) => session.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(signed_out);
        let mut turns = tokio::time::interval(STATUS_EVERY);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        self.session(hub.session()).await?;
        loop {
            tokio::select! {
                message = watcher.messages.recv() => match message {
                    Ok(LiveMessage::Piece(piece)) => self.piece(&piece).await?,
                    Ok(LiveMessage::Text(text)) => self.send(Message::Text((&*text).into())).await?,
                    Ok(LiveMessage::Session) => self.session(hub.session()).await?,
                    Err(RecvError::Lagged(dropped)) => return Err(self.too_slow(dropped)),
                    Err(RecvError::Closed) => return Err(SHUTTING_DOWN),
                },
                commit = commits.recv() => match commit {
                    Ok(commit) => {
                        for frame in &commit.frames {
                            self.send(Message::Text(committed(frame).into())).await?;
                        }
                    }
                    Err(RecvError::Lagged(dropped)) => return Err(self.too_slow(dropped)),
                    Err(RecvError::Closed) => return Err(SHUTTING_DOWN),
                },
                _ = turns.tick() => self.status().await?,
                received = self.socket.recv() => match received {
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {} // answered by the library
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Ended::Gone),
                    Some(Ok(_)) => return Err(Ended::Talkative),
                },
                () = ended(&mut closing) => return Err(SHUTTING_DOWN),
                () = &mut signed_out => return Err(SESSION_REVOKED),
            }
        }
    }

    /// So many messages, or commits, had no room any more.
    fn too_slow(&self, dropped: u64) -> Ended {
        let counters = &self.shared.counters;
        count(&counters.dropped_lagging);
        counters.live_dropped.fetch_add(dropped, Ordering::Relaxed);
        SLOW_READER
    }

    async fn send(&mut self, message: Message) -> Result<(), Ended> {
        Ok(self.socket.send(message).await?)
    }

    async fn text(&mut self, message: &impl Object) -> Result<(), Ended> {
        let text = serde_json::to_string(&Json(message)).unwrap_or_default(); // plain values serialise
        self.send(Message::Text(text.into())).await
    }

    async fn session(&mut self, session: Option<WatchedSession>) -> Result<(), Ended> {
        let rate_hz = session.as_ref().map(|session| session.info.sample_rate_hz);
        self.samples_per_point = samples_per_point(rate_hz.unwrap_or(0.0), self.rate);
        let message = SessionMessage {
            session: session.as_ref(),
            samples_per_point: self.samples_per_point,
        };
        self.text(&message).await
    }

    async fn piece(&mut self, piece: &Piece) -> Result<(), Ended> {
        let bytes = encode(piece, self.samples_per_point);
        self.send(Message::Binary(bytes)).await
    }

    async fn status(&mut self) -> Result<(), Ended> {
        let message = StatusMessage::now(self.shared);
        self.text(&message).await
    }
}

/// Waits until the server closes.
async fn ended(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await; // a server that is gone has closed
}

/// The fewest samples in a point with which a client gets no more points than it asked for, and with which
/// pieces are whole points.
fn samples_per_point(sample_rate_hz: f64, rate: u32) -> u16 {
    let piece = samples_per_piece(sample_rate_hz);
    let fits = |samples: &u64| {
        let points_per_second = sample_rate_hz / *samples as f64;
        piece.is_multiple_of(*samples) && points_per_second <= f64::from(rate)
    };
    let samples = (1..=piece).find(fits).unwrap_or(piece);
    u16::try_from(samples).unwrap_or(u16::MAX)
}

/// Kind, channels, samples per point, points, position of the first point, age; then the codes.
fn encode(piece: &Piece, samples_per_point: u16) -> Bytes {
    let per_point = u64::from(samples_per_point);
    // Behind a gap a piece may begin inside of a point.
    let inside = piece.first_sample % per_point;
    let first = usize::try_from(per_point - inside).unwrap_or(1);
    let (first, rest) = piece.codes.split_at(first.min(piece.codes.len()));
    let points = std::iter::once(first).chain(rest.chunks(usize::from(samples_per_point)));
    let count = 1 + rest.len().div_ceil(usize::from(samples_per_point));
    let mut bytes = Vec::with_capacity(24 + count * CHANNEL_COUNT * 8);
    bytes.push(KIND_WAVEFORM);
    bytes.push(u8::try_from(CHANNEL_COUNT).unwrap_or(u8::MAX));
    bytes.extend_from_slice(&samples_per_point.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(&(piece.first_sample - inside).to_le_bytes());
    bytes.extend_from_slice(&piece.age_us().to_le_bytes());
    for samples in points {
        let mut point = Point::default();
        point.add(samples);
        for (min, max) in point.min.iter().zip(&point.max) {
            bytes.extend_from_slice(&min.to_le_bytes());
            if per_point > 1 {
                bytes.extend_from_slice(&max.to_le_bytes());
            }
        }
    }
    bytes.into()
}

/// A row that is stored, as the event stream has it, with what it is.
fn committed(frame: &Frame) -> String {
    let kind = frame.row.name();
    let fields = frame.data.strip_prefix('{').unwrap_or("}");
    // a correction is never told before it is stored
    let committed = match frame.row {
        RowId::Correction => "",
        RowId::Beat(_) | RowId::Gap(_) | RowId::Event(_) => "\"committed\":true,",
    };
    format!("{{\"type\":\"{kind}\",{committed}{fields}")
}

struct SessionMessage<'a> {
    session: Option<&'a WatchedSession>,
    samples_per_point: u16,
}

impl Object for SessionMessage<'_> {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let session = self.session;
        let info = session.map(|session| &session.info);
        let channels = info.map(|info| {
            let names = info.leads.iter().zip(info.uv_per_code);
            let channels = (1..).zip(names);
            channels
                .map(|(number, (lead, uv_per_code))| ChannelOfSession {
                    number,
                    lead,
                    uv_per_code,
                    code_range: code_range(info),
                })
                .collect::<Vec<_>>()
        });
        to.add("type", "session");
        to.add("version", env!("CARGO_PKG_VERSION"));
        to.add("open", session.is_some_and(|session| session.open));
        to.add("id", session.and_then(|session| session.id));
        to.add("source", info.map(|info| &info.source));
        to.add("origin", info.map(|info| &info.origin));
        to.add("chip", info.map(|info| &info.chip));
        to.add("sample_rate_hz", info.map(|info| info.sample_rate_hz));
        to.add("samples_per_point", self.samples_per_point);
        to.add("channels", list(&channels.unwrap_or_default()));
        to.time("start_time", info.map(|info| info.start.wall));
        to.add(
            "patient_label",
            info.and_then(|info| info.patient_label.as_ref()),
        );
        to.conversion(info);
    }
}

struct ChannelOfSession<'a> {
    number: u8,
    lead: &'a String,
    uv_per_code: f64,
    /// Beyond it the converter clips; `None` where it is not known.
    code_range: Option<[i32; 2]>,
}

impl Object for ChannelOfSession<'_> {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        (self.number, self.lead).fields(to);
        to.add("uv_per_code", self.uv_per_code);
        to.add("code_range", self.code_range);
    }
}

/// What is true now, without asking the database.
struct StatusMessage {
    live: LiveStatus,
    writer: Option<WriterStatus>,
    now: Instant,
}

impl StatusMessage {
    fn now(shared: &Shared) -> Self {
        Self {
            live: shared.deps.live.snapshot(),
            writer: shared.deps.writer.as_ref().map(WriterMonitor::status),
            now: Instant::now(),
        }
    }

    /// Milliseconds since then: the signal since, and the time since its newest sample was received.
    fn age_ms(&self, time: MonotonicNs) -> Option<f64> {
        let behind_ns = self.live.newest_sample?.since(time);
        let received = self.live.newest_received?;
        let since_received = self.now.saturating_duration_since(received);
        Some(behind_ns as f64 / 1e6 + since_received.as_secs_f64() * 1e3)
    }

    /// R peak of the newest beat of an AAMI class.
    fn newest_us(&self, class: AamiClass) -> Option<i64> {
        let times = self.live.session.as_ref()?.newest_of_class;
        let of_class = BeatClass::ALL.into_iter().zip(times);
        let of_class = of_class.filter(|(beat_class, _)| beat_class.aami() == class);
        of_class
            .filter_map(|(_, wall)| wall)
            .map(|wall| wall.0)
            .max()
    }
}

impl Object for StatusMessage {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let live = &self.live;
        let rate = heart_rate_bpm(live, self.now);
        let session = live.session.as_ref();
        let newest_beat = session.and_then(|session| session.newest_beats.front());
        let quality = live.signal_quality;
        let conditions = conditions(live, self.writer.as_ref());
        to.add("type", "status");
        to.time("time", Some(WallUs::now()));
        to.add("state", live.state.name());
        to.add("state_detail", &live.detail);
        to.add("model", &live.model);
        to.add("engine", &live.engine);
        to.add("heart_rate_bpm", rate.ok());
        to.add("heart_rate_reason", rate.err());
        to.add("newest_rr_ms", newest_beat.and_then(|beat| beat.rr_ms));
        to.add("lead_off", live.lead_off);
        let names = quality.map(|of| of.map(SignalQuality::name));
        to.add("signal_quality", names);
        to.add("conditions", list(&conditions));
        if let Some(session) = session {
            to.counts(&session.counts);
        }
        to.add("last_v_time_us", self.newest_us(AamiClass::V));
        to.add("last_s_time_us", self.newest_us(AamiClass::S));
        let newest_sample = live.newest_sample;
        to.add(
            "newest_sample_age_ms",
            newest_sample.and_then(|time| self.age_ms(time)),
        );
        let newest_peak = newest_beat.map(|beat| beat.r_time);
        to.add(
            "newest_label_age_ms",
            newest_peak.and_then(|time| self.age_ms(time)),
        );
        to.add("store", Json(&StoreMessage(self.writer.as_ref())));
    }
}

struct StoreMessage<'a>(Option<&'a WriterStatus>);

impl Object for StoreMessage<'_> {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let writer = self.0;
        let failure = writer.and_then(|writer| writer.failure.as_ref());
        let trouble = writer.and_then(|writer| writer.trouble.as_ref());
        let state = match (writer, failure, trouble) {
            (None, ..) => "read_only",
            (_, Some(_), _) => "failed",
            (_, _, Some(_)) => "retrying",
            _ => "ok",
        };
        to.add("state", state);
        to.add("detail", failure.or(trouble));
        to.add("free_bytes", writer.and_then(|of| of.free_bytes));
        to.add(
            "free_bytes_wanted",
            writer.and_then(|of| of.free_bytes_wanted),
        );
        to.add("rows_waiting", writer.map(|of| of.rows_waiting));
    }
}
