//! The live waveform and messages over a WebSocket.

use std::os::unix::net::UnixStream;

use ecg_chain::{ClockRelation, Event, EventKind, LeadOff, PipelineEvent, RawSample, WallUs};
use serde_json::Value;
use tungstenite::{Message, WebSocket};

use super::client::{connect, fetch, get};
use super::questions::metric;
use super::{House, eventually};
use crate::store::MISSING_CODE;

pub(super) struct Page {
    socket: WebSocket<UnixStream>,
}

/// A piece of the waveform as a client reads it.
#[derive(Debug, PartialEq)]
struct Piece {
    samples_per_point: u16,
    first_sample: u64,
    codes: Vec<i32>,
}

impl Page {
    pub(super) fn open(house: &House, target: &str) -> Self {
        let stream = connect(house.socket());
        let (socket, answer) =
            tungstenite::client(format!("ws://localhost{target}"), stream).unwrap();
        assert_eq!(answer.status(), 101);
        Self { socket }
    }

    /// The next message of this type; others are left out.
    pub(super) fn text(&mut self, kind: &str) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().unwrap() {
                let message: Value = serde_json::from_str(&text).unwrap();
                if message["type"] == kind {
                    return message;
                }
            }
        }
    }

    fn piece(&mut self) -> Piece {
        loop {
            if let Message::Binary(bytes) = self.socket.read().unwrap() {
                assert_eq!(bytes[..2], [1, 2]);
                let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
                assert!(number(16) < 10_000_000, "{} us old", number(16));
                let points = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
                let codes = bytes[24..].chunks(4);
                let codes: Vec<_> = codes
                    .map(|four| i32::from_le_bytes(four.try_into().unwrap()))
                    .collect();
                let samples_per_point = u16::from_le_bytes(bytes[2..4].try_into().unwrap());
                let values = if samples_per_point > 1 { 4 } else { 2 };
                assert_eq!(codes.len(), usize::try_from(points).unwrap() * values);
                return Piece {
                    samples_per_point,
                    first_sample: number(8),
                    codes,
                };
            }
        }
    }
}

fn sample(house: &House, index: u64) -> RawSample {
    let code = i32::try_from(index).unwrap();
    RawSample {
        index,
        time: house.time(index),
        codes: [code, -code],
        lead_off: LeadOff::default(),
    }
}

#[test]
fn samples_come_in_pieces_of_a_tenth_of_a_second() {
    let house = House::new();
    let mut page = Page::open(&house, "/v1/live");
    let session = page.text("session");
    assert_eq!(session["open"], true);
    assert_eq!(session["id"], 1);
    assert_eq!(session["sample_rate_hz"], 500.0);
    assert_eq!(session["samples_per_point"], 1);
    assert_eq!(session["channels"][1]["lead"], "II");
    assert_eq!(session["channels"][1]["uv_per_code"], 0.5);
    let mut tap = house.live.waveform_tap(500.0, false);
    for index in 0..120 {
        tap.sample(&sample(&house, index));
    }
    tap.gap(house.time(120));
    for index in 130..180 {
        tap.sample(&sample(&house, index));
    }
    tap.gap(house.time(180));
    let codes = |range: std::ops::Range<i32>| range.flat_map(|k| [k, -k]).collect();
    for (first_sample, codes) in [
        (0, codes(0..50)),
        (50, codes(50..100)),
        (100, codes(100..120)), // up to the gap
        (130, codes(130..150)), // up to a multiple of 50
        (150, codes(150..180)),
    ] {
        let expected = Piece {
            samples_per_point: 1,
            first_sample,
            codes,
        };
        assert_eq!(page.piece(), expected);
    }
}

#[test]
fn faster_chips_come_as_minima_and_maxima() {
    let house = House::new();
    let mut info = house.info.clone();
    info.sample_rate_hz = 8_000.0;
    house.live.begin_session(&info, None);
    let mut page = Page::open(&house, "/v1/live?rate=1000");
    let session = page.text("session");
    assert_eq!(session["samples_per_point"], 8);
    assert_eq!(session["id"], Value::Null);
    let mut tap = house.live.waveform_tap(8_000.0, false);
    for index in 0..800 {
        tap.sample(&sample(&house, index));
    }
    let piece = page.piece();
    assert_eq!(piece.samples_per_point, 8);
    let expected: Vec<i32> = (0..100)
        .flat_map(|k| [8 * k, 8 * k + 7, -(8 * k + 7), -8 * k])
        .collect();
    assert_eq!(piece.codes, expected);
    assert!(!piece.codes.contains(&MISSING_CODE));
}

#[test]
fn a_tap_that_nobody_watches_keeps_nothing() {
    let house = House::new();
    let mut tap = house.live.waveform_tap(500.0, false);
    for index in 0..1_000 {
        tap.sample(&sample(&house, index));
    }
    let mut page = Page::open(&house, "/v1/live");
    page.text("status");
    for index in 1_000..1_050 {
        tap.sample(&sample(&house, index));
    }
    assert_eq!(page.piece().first_sample, 1_000);
    drop(page);
    eventually("nobody watches", || !house.live.hub().is_watched());
}

#[test]
fn a_beat_comes_before_and_after_it_is_stored() {
    let house = House::new();
    let mut page = Page::open(&house, "/v1/live");
    let status = page.text("status");
    assert_eq!(status["heart_rate_bpm"], Value::Null);
    assert_eq!(status["heart_rate_reason"], "no_beat_yet");
    assert_eq!(status["store"]["state"], "ok");
    house.beat(3);
    let first = page.text("beat");
    assert_eq!(
        (&first["committed"], &first["class"]),
        (&false.into(), &"A".into())
    );
    assert_eq!(first["aami_class"], "S");
    assert_eq!(first["channel_number"], 1);
    assert_eq!(first["id"], Value::Null);
    let second = page.text("beat");
    assert_eq!(
        (&second["committed"], &second["id"]),
        (&true.into(), &1.into())
    );
    assert_eq!(second["r_sample"], first["r_sample"]);
    assert_eq!(second["r_time_us"], first["r_time_us"]);
    house.gap(9_000);
    let first = page.text("gap");
    let second = page.text("gap");
    assert_eq!(
        (&first["committed"], &second["committed"]),
        (&false.into(), &true.into())
    );
    assert_eq!(first["cause"], "bad_frame");
    assert_eq!(first["time_us"], second["time_us"]);
    house.event(9_003);
    let first = page.text("event");
    assert_eq!(first["kind"], "lead_off");
    assert_eq!(page.text("event")["committed"], true);
    let status = page.text("status");
    assert_eq!((&status["beats"], &status["gaps"]), (&1.into(), &1.into()));
    assert_eq!(
        status["last_s_time_us"],
        second["time_us"].as_i64().map_or(Value::Null, |_| {
            (super::START_WALL_US + 1_600 * 2_000).into()
        })
    );
    assert_eq!(status["last_v_time_us"], Value::Null);
}

#[test]
fn pages_and_what_they_were_too_slow_for_are_counted() {
    let house = House::new();
    let page = Page::open(&house, "/v1/live");
    eventually("it is counted", || {
        metric(&house, "ecg_gateway_live_sockets") == 1
    });
    drop(page);
    eventually("it is gone", || {
        metric(&house, "ecg_gateway_live_sockets") == 0
    });
    let dropped = "ecg_gateway_live_messages_dropped_total";
    assert_eq!(metric(&house, dropped), 0);
    let mut page = Page::open(&house, "/v1/live");
    for sample in 0..10_000 {
        house.event(sample);
    }
    // It has read nothing meanwhile.
    assert_eq!(page.text("closed")["reason"], "slow_reader");
    assert!(metric(&house, dropped) > 0);
    let status = fetch(house.socket(), "/v1/status");
    assert_eq!(status["connections"]["dropped_slow_reader"], 1);
}

#[test]
fn every_message_is_documented() {
    let house = House::new();
    house.furnish();
    let mut page = Page::open(&house, "/v1/live");
    let session = page.text("session");
    let status = page.text("status");
    house.beat(20);
    let beat = page.text("beat");
    house.gap(50_000);
    let gap = page.text("gap");
    house.record(PipelineEvent::Event(Event::momentary(
        1,
        house.time(1),
        EventKind::LeadOff,
        String::new(),
    )));
    let event = page.text("event");
    house.record(PipelineEvent::Clock {
        relation: ClockRelation {
            monotonic: house.time(1),
            wall: WallUs(super::START_WALL_US - 1_500_000),
        },
        step_us: -1_500_000,
    });
    let clock = page.text("clock");
    assert_eq!(
        (&clock["step_ms"], &clock["time_us"]),
        (
            &(-1_500.0).into(),
            &(super::START_WALL_US - 1_500_000).into()
        )
    );
    let with = |fields: &[&str]| {
        fields
            .iter()
            .map(|field| (*field).to_owned())
            .collect::<Vec<_>>()
    };
    for (section, message, more) in [
        ("SessionMessage", session, with(&[])),
        ("StatusMessage", status, with(&[])),
        ("ClockMessage", clock, with(&[])),
        ("LiveBeat", beat, with(&["type", "committed"])),
        ("LiveGap", gap, with(&["type", "committed"])),
        ("LiveEvent", event, with(&["type", "committed"])),
    ] {
        super::documented::assert_documented(section, &message, &more);
    }
}

#[test]
fn a_client_that_talks_is_closed() {
    let house = House::new();
    let mut page = Page::open(&house, "/v1/live");
    page.socket.send(Message::text("hello")).unwrap();
    let code = loop {
        match page.socket.read() {
            Ok(Message::Close(frame)) => break frame.map(|frame| u16::from(frame.code)),
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(code, Some(1_008));
    eventually("the place is free", || {
        fetch(house.socket(), "/v1/status")["connections"]["streams"] == 0
    });
}

#[test]
fn the_end_of_the_server_is_told() {
    let house = House::new();
    let mut page = Page::open(&house, "/v1/live");
    page.text("status");
    drop(house.server);
    assert_eq!(page.text("closed")["reason"], "shutting_down");
}

#[test]
fn only_a_handshake_is_answered() {
    let house = House::new();
    let answer = get(house.socket(), "/v1/live");
    assert_eq!(answer.status, 426, "{}", answer.body);
    let answer = get(house.socket(), "/v1/live?rate=5");
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.body.contains("50 to 1000"), "{}", answer.body);
}
