use std::io::{Read, Write};
use std::time::Duration;

use super::client::{backlog, connect, fetch, follow, short};
use super::http::Message;
use super::{House, eventually};
use crate::store::{Store, StoreOptions};

fn shorts(messages: &[Message]) -> Vec<String> {
    messages.iter().map(short).collect()
}

#[test]
fn rows_come_live_in_order_and_carry_their_place() {
    let house = House::new();
    house.beat(0);
    house.writer.flush().unwrap();
    let mut stream = follow(house.socket(), "/v1/stream", "");
    assert_eq!(backlog(&mut stream), []);
    house.beat(1);
    house.gap(900);
    house.event(903);
    house.beat(2);
    let messages: Vec<_> = (0..4).map(|_| stream.next().unwrap()).collect();
    assert_eq!(shorts(&messages), ["beat 2", "gap 1", "event 1", "beat 3"]);
    let places: Vec<_> = messages.iter().map(Message::place).collect();
    assert_eq!(places, [(2, 0, 0), (2, 1, 0), (2, 1, 1), (3, 1, 1)]);
    let status = fetch(house.socket(), "/v1/status");
    let epoch = status["store"]["epoch"].as_str().unwrap();
    assert_eq!(messages[0].id, Some(format!("{epoch}.2.0.0")));
    assert_eq!(fetch(house.socket(), "/v1/sessions")["epoch"], epoch);
    let listed = fetch(house.socket(), "/v1/beats?limit=3");
    let streamed: serde_json::Value = serde_json::from_str(&messages[3].data).unwrap();
    assert_eq!(streamed, listed["beats"][2]);
}

#[test]
fn a_resumed_stream_makes_up_for_everything_once_and_goes_live() {
    let house = House::new();
    let beats = 1_300; // several pages
    for k in 0..beats {
        house.beat(k);
        if k % 100 == 49 {
            house.gap(400 * k);
            house.event(400 * k);
        }
    }
    house.writer.flush().unwrap();
    for header in [true, false] {
        let mut stream = if header {
            follow(house.socket(), "/v1/stream", "Last-Event-ID: 50\r\n")
        } else {
            follow(house.socket(), "/v1/stream?last_event_id=50", "")
        };
        let backlog = backlog(&mut stream);
        let mut expected = vec!["gap 1".to_owned(), "event 1".to_owned()]; // recorded at beat 50
        for id in 51..=beats {
            expected.push(format!("beat {id}"));
            if id % 100 == 50 {
                expected.push(format!("gap {}", id / 100 + 1));
                expected.push(format!("event {}", id / 100 + 1));
            }
        }
        assert_eq!(shorts(&backlog), expected);
        assert_eq!(
            backlog.last().unwrap().place(),
            (i64::try_from(beats).unwrap(), 13, 13)
        );
    }
    let mut stream = follow(house.socket(), "/v1/stream", "Last-Event-ID: 1299\r\n");
    assert_eq!(shorts(&backlog(&mut stream)), ["beat 1300"]);
    house.beat(beats);
    assert_eq!(short(&stream.next().unwrap()), "beat 1301");
}

/// Catching up and going live meet while rows pour in: nothing is skipped, nothing repeated.
#[test]
fn no_beat_is_lost_between_catching_up_and_live() {
    let house = House::new();
    let beats = 6_000;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for k in 0..beats {
                house.beat(k);
                if k % 10 == 0 {
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        });
        let mut last = 0;
        let mut streams = 0;
        while last < i64::try_from(beats).unwrap() {
            streams += 1;
            let header = format!("Last-Event-ID: {last}\r\n");
            let mut stream = follow(house.socket(), "/v1/stream", &header);
            // break off after a while and resume, as a client on a bad line would
            let until = last + 1_700;
            while let Some(message) = stream.next() {
                match &*message.event {
                    "beat" => {
                        assert_eq!(message.place().0, last + 1);
                        last += 1;
                    }
                    "closed" => break,
                    _ => {}
                }
                if last == until || last == i64::try_from(beats).unwrap() {
                    break;
                }
            }
        }
        assert!(streams > 2, "{streams}");
    });
}

#[test]
fn an_id_of_another_database_is_told() {
    let house = House::new();
    house.furnish();
    let mut stream = follow(house.socket(), "/v1/stream", "Last-Event-ID: 10\r\n");
    assert_eq!(shorts(&backlog(&mut stream)), ["reset unknown_event_id"]);
    house.beat(9);
    assert_eq!(short(&stream.next().unwrap()), "beat 10");
}

/// A row of any kind is a place to go on from, and nothing comes twice.
#[test]
fn a_stream_resumed_at_any_row_repeats_and_skips_nothing() {
    let house = House::new();
    for k in 0..3 {
        house.beat(k);
        house.gap(400 * k + 10);
        house.gap(400 * k + 20);
        house.event(400 * k + 30);
    }
    house.writer.flush().unwrap();
    let mut whole = backlog(&mut follow(
        house.socket(),
        "/v1/stream?last_event_id=0",
        "",
    ));
    assert_eq!(whole.len(), 12);
    while !whole.is_empty() {
        let first = whole.remove(0);
        let header = format!("Last-Event-ID: {}\r\n", first.id.unwrap());
        let rest = backlog(&mut follow(house.socket(), "/v1/stream", &header));
        assert_eq!(rest, whole);
    }
}

/// Rows that were recorded after the newest beat, with no beat behind them yet, are made up for, too.
#[test]
fn what_was_recorded_since_the_newest_beat_is_made_up_for() {
    let house = House::new();
    house.beat(0);
    house.gap(500);
    house.writer.flush().unwrap();
    // as retention leaves it: the newest beat is gone, its id is not given again
    rusqlite::Connection::open(house.at("beats.db"))
        .unwrap()
        .execute("DELETE FROM beats", [])
        .unwrap();
    let mut stream = follow(house.socket(), "/v1/stream?last_event_id=0", "");
    assert_eq!(shorts(&backlog(&mut stream)), ["gap 1"]);
}

/// A client that has seen no row yet knows where it is, all the same.
#[test]
fn the_end_of_the_backlog_is_a_place_to_resume_from() {
    let house = House::new();
    house.beat(0);
    house.writer.flush().unwrap();
    let mut stream = follow(house.socket(), "/v1/stream", "");
    let hello = stream.next().unwrap();
    assert_eq!((&*hello.event, hello.place()), ("comment", (1, 0, 0)));
    drop(stream);
    house.beat(1);
    house.writer.flush().unwrap();
    let header = format!("Last-Event-ID: {}\r\n", hello.id.unwrap());
    let mut stream = follow(house.socket(), "/v1/stream", &header);
    assert_eq!(shorts(&backlog(&mut stream)), ["beat 2"]);
}

#[test]
fn an_id_of_another_epoch_gets_one_reset_and_then_what_comes_next() {
    let house = House::new();
    house.furnish();
    let other = "0123456789abcdef0123456789abcdef";
    for seen in [format!("{other}.2.0.0"), format!("{other}.2000.0.0")] {
        let target = format!("/v1/stream?last_event_id={seen}");
        let mut stream = follow(house.socket(), &target, "");
        let reset = stream.next().unwrap();
        assert_eq!(
            (short(&reset), reset.place()),
            ("reset other_database".to_owned(), (9, 1, 1))
        );
        let epoch = &fetch(house.socket(), "/v1/status")["store"]["epoch"];
        let data: serde_json::Value = serde_json::from_str(&reset.data).unwrap();
        assert_eq!(&data["epoch"], epoch);
        assert_eq!(backlog(&mut stream), []);
        // its id goes on from there
        let header = format!("Last-Event-ID: {}\r\n", reset.id.unwrap());
        let mut stream = follow(house.socket(), "/v1/stream", &header);
        assert_eq!(backlog(&mut stream), []);
    }
    let mut stream = follow(
        house.socket(),
        "/v1/stream",
        &format!("Last-Event-ID: {other}.1.1.1\r\n"),
    );
    backlog(&mut stream);
    house.beat(9);
    assert_eq!(short(&stream.next().unwrap()), "beat 10");
}

/// The daemon quarantines a database while streams run.
#[test]
fn running_streams_are_told_of_a_fresh_database() {
    let house = House::bridging();
    house.furnish();
    let mut streams: Vec<_> = ["", "?last_event_id=0", "?last_event_id=5"]
        .map(|query| follow(house.socket(), &format!("/v1/stream{query}"), ""))
        .into();
    for stream in &mut streams {
        backlog(stream);
    }
    let before = fetch(house.socket(), "/v1/status")["store"]["epoch"].clone();
    // another one is copied over it: rows are lost (what is removed is saved, under the same epoch)
    drop(Store::open(&house.at("other.db"), StoreOptions::default()).unwrap());
    std::fs::copy(house.at("other.db"), house.at("beats.db")).unwrap();
    house.beat(9);
    for stream in &mut streams {
        let reset = stream.next().unwrap();
        assert_eq!(short(&reset), "reset database_replaced");
        let data: serde_json::Value = serde_json::from_str(&reset.data).unwrap();
        assert_ne!(data["epoch"], before);
        assert_eq!(reset.place(), (9, 1, 1)); // ids go on
        let event = stream.next().unwrap();
        assert!(event.data.contains("store_set_aside"), "{event:?}");
        let beat = stream.next().unwrap();
        assert_eq!(short(&beat), "beat 10");
        assert!(
            beat.id
                .unwrap()
                .starts_with(data["epoch"].as_str().unwrap())
        );
    }
    // who comes back from before is told as well
    let header = format!("Last-Event-ID: {}.9.1.1\r\n", before.as_str().unwrap());
    let mut late = follow(house.socket(), "/v1/stream", &header);
    assert_eq!(shorts(&backlog(&mut late)), ["reset other_database"]);
    house.beat(10);
    assert_eq!(short(&late.next().unwrap()), "beat 11");
}

#[test]
fn the_stream_announces_only_committed_rows() {
    let house = House::new();
    let mut stream = follow(house.socket(), "/v1/stream", "");
    backlog(&mut stream);
    for k in 0..50 {
        house.beat(k);
        let (id, _, _) = stream.next().unwrap().place();
        // another connection finds it at once
        assert_eq!(fetch(house.socket(), &format!("/v1/beats/{id}"))["id"], id);
    }
}

#[test]
fn a_client_that_reads_nothing_is_dropped_and_counted_and_others_are_served() {
    let house = House::with(|options| options.stall_timeout = Duration::from_millis(100));
    let mut silent = connect(house.socket());
    write!(silent, "GET /v1/stream HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let connections = || fetch(house.socket(), "/v1/status")["connections"].clone();
    eventually("the stream is open", || connections()["streams"] == 1);
    let mut k = 0;
    eventually("the stalled client is dropped", || {
        for _ in 0..500 {
            house.beat(k);
            k += 1;
        }
        connections()["dropped_stalled"] == 1
    });
    eventually("its stream ends", || connections()["streams"] == 0);
    // what it had been sent is still there, then the line is dead
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest);
    assert!(rest.starts_with(b"HTTP/1.1 200"));
}

#[test]
fn a_client_that_falls_behind_is_told_so_and_counted() {
    let house = House::with(|options| options.stall_timeout = Duration::from_secs(60));
    let mut stream = follow(house.socket(), "/v1/stream", "");
    backlog(&mut stream);
    let behind = u64::try_from(super::super::hub::MOST_COMMITS_BEHIND).unwrap();
    // fill the socket's buffer and the queue in large commits, then pass the limit in small ones
    for k in 0..20_000 {
        house.beat(k);
    }
    for k in 0..behind + 50 {
        house.beat(k);
        house.writer.flush().unwrap();
    }
    let mut last = None;
    while let Some(message) = stream.next() {
        last = Some(message);
    }
    assert_eq!(short(&last.unwrap()), "closed slow_reader");
    let status = fetch(house.socket(), "/v1/status");
    assert_eq!(status["connections"]["dropped_slow_reader"], 1);
}

#[test]
fn shutdown_ends_streams_soon_and_cleanly() {
    let House {
        server,
        writer,
        folder,
        ..
    } = House::new();
    let socket = server.path().to_owned();
    let mut stream = follow(&socket, "/v1/stream", "");
    backlog(&mut stream);
    let start = std::time::Instant::now();
    server.shutdown();
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(stream.next(), None);
    assert!(!socket.exists());
    writer.close().unwrap();
    drop(folder);
}
