//! Hundreds of clients, half of them slow, silent or sending rubbish: acquisition does not notice,
//! memory is bounded, honest clients are served.
//!
//! Short by default; `ECG_CROWD_CLIENTS=500 ECG_CROWD_SECONDS=60` is the long form, `ECG_GATEWAY` a
//! release build.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::common;
use super::common::daemon::{Home, ask, length, stream_after};

/// Memory 500 clients may cost at most.
const MOST_KIB: u64 = 256 * 1_024;

#[derive(Default)]
struct Served {
    answers: AtomicU64,
    refused: AtomicU64,
    times: Mutex<Vec<Duration>>,
    streams: AtomicU64,
    stream_beats: AtomicU64,
    broken: AtomicU64,
    disturbances: AtomicU64,
}

#[test]
fn honest_clients_are_served_whatever_the_others_do() {
    let clients = length("ECG_CROWD_CLIENTS", 80);
    let seconds = length("ECG_CROWD_SECONDS", 5);
    let folder = common::scratch();
    let limit = format!("max_connections = {}", (clients + clients / 4).min(1_024));
    let home = Home::new(folder.path(), "batch_ms = 200", &limit);
    let daemon = home.start(&[]);
    home.until("beats are stored", |status| {
        status["store"]["beats_committed"].as_u64() > Some(1)
    });
    let before_kib = daemon.memory_kib("VmRSS");
    let (served, over) = (Served::default(), AtomicBool::new(false));
    let mut peak_clients = 0;
    std::thread::scope(|scope| {
        for client in 0..clients {
            let (served, over, socket) = (&served, &over, &*home.socket);
            std::thread::Builder::new()
                .stack_size(128 * 1_024)
                .spawn_scoped(scope, move || match client % 8 {
                    0 | 2 => poll(socket, served, over),
                    4 | 6 => follow(socket, served, over),
                    1 => deaf(socket, served, over),
                    3 => silent(socket, served, over),
                    5 => drip(socket, served, over),
                    _ => rubbish(socket, served, over, client),
                })
                .expect("a thread");
        }
        for _ in 0..seconds {
            std::thread::sleep(Duration::from_secs(1));
            let open = home.status()["connections"]["open"].as_u64().unwrap_or(0);
            peak_clients = peak_clients.max(open);
        }
        over.store(true, Ordering::Relaxed);
    });
    let status = home.status();
    let peak_kib = daemon.memory_kib("VmHWM");
    let (code, stop) = daemon.terminate();
    let mut times = std::mem::take(&mut *served.times.lock().expect("no panic"));
    times.sort_unstable();
    let within = |percent: usize| {
        let place = (times.len() * percent).div_ceil(100);
        let time = times.get(place.saturating_sub(1));
        time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{clients} clients for {seconds} s (at most {peak_clients} connected at a look): {} answers, \
         half of them within {:.1} ms, 99 % within {:.1} ms, all within {:.1} ms, {} refused; {} streams with {} beats, {} broken; {} \
         disturbances\nmemory {before_kib} KiB before, {peak_kib} KiB at its peak; {} samples, {} \
         missing in {} gaps; connections {}",
        read(&served.answers),
        within(50),
        within(99),
        within(100),
        read(&served.refused),
        read(&served.streams),
        read(&served.stream_beats),
        read(&served.broken),
        read(&served.disturbances),
        status["samples_received"],
        status["session"]["missing_samples"],
        status["session"]["gaps"],
        status["connections"],
    );
    assert_eq!(
        (code, stop < Duration::from_secs(2)),
        (Some(0), true),
        "{stop:?}"
    );
    assert_eq!(status["session"]["gaps"], 0, "{status}");
    assert!(peak_kib < MOST_KIB, "{peak_kib} KiB");
    assert!(read(&served.answers) > clients, "{}", read(&served.answers));
    assert_eq!((read(&served.refused), read(&served.broken)), (0, 0));
    assert!(read(&served.stream_beats) >= read(&served.streams));
}

/// Asks again and again, as a display would.
fn poll(socket: &Path, served: &Served, over: &AtomicBool) {
    let paths = [
        "/v1/status",
        "/v1/beats?limit=50",
        "/v1/metrics",
        "/v1/gaps",
    ];
    for path in paths.into_iter().cycle() {
        if over.load(Ordering::Relaxed) {
            return;
        }
        match ask(socket, path) {
            Ok((answer, took)) if answer.starts_with("HTTP/1.1 200") => {
                served.answers.fetch_add(1, Ordering::Relaxed);
                served.times.lock().expect("no panic").push(took);
            }
            Ok(_) => {
                served.refused.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {
                served.broken.fetch_add(1, Ordering::Relaxed);
            }
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Follows the stream: every beat once and in order.
fn follow(socket: &Path, served: &Served, over: &AtomicBool) {
    let Ok(mut stream) = stream_after(socket, 0) else {
        served.broken.fetch_add(1, Ordering::Relaxed);
        return;
    };
    served.streams.fetch_add(1, Ordering::Relaxed);
    let mut last = 0;
    while !over.load(Ordering::Relaxed) {
        match stream.next() {
            Some(message) if message.event == "beat" => {
                let (id, ..) = message.place();
                if id != last + 1 {
                    served.broken.fetch_add(1, Ordering::Relaxed);
                }
                last = id;
                served.stream_beats.fetch_add(1, Ordering::Relaxed);
            }
            Some(_) => {}
            None => {
                served.broken.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }
}

fn wait(over: &AtomicBool, longest: Duration) {
    let mut waited = Duration::ZERO;
    while !over.load(Ordering::Relaxed) && waited < longest {
        std::thread::sleep(Duration::from_millis(50));
        waited += Duration::from_millis(50);
    }
}

/// Opens the stream and reads nothing.
fn deaf(socket: &Path, served: &Served, over: &AtomicBool) {
    let held = stream_after(socket, 0);
    served.disturbances.fetch_add(1, Ordering::Relaxed);
    wait(over, Duration::from_secs(3_600));
    drop(held);
}

/// Connects and says nothing.
fn silent(socket: &Path, served: &Served, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let held = UnixStream::connect(socket);
        served.disturbances.fetch_add(1, Ordering::Relaxed);
        wait(over, Duration::from_secs(5));
        drop(held);
    }
}

/// Sends a request byte by byte and never ends it.
fn drip(socket: &Path, served: &Served, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let Ok(mut stream) = UnixStream::connect(socket) else {
            continue;
        };
        served.disturbances.fetch_add(1, Ordering::Relaxed);
        for byte in b"GET /v1/status HTTP/1.1\r\nx: "
            .iter()
            .chain([b'y'].iter().cycle())
        {
            if over.load(Ordering::Relaxed) || stream.write_all(&[*byte]).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Sends what is no request, and requests for nonsense.
fn rubbish(socket: &Path, served: &Served, over: &AtomicBool, seed: u64) {
    let mut dice = arrhythmianet::SplitMix64::new(seed);
    while !over.load(Ordering::Relaxed) {
        let Ok(mut stream) = UnixStream::connect(socket) else {
            continue;
        };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let bytes: Vec<u8> = match dice.below(4) {
            0 => (0..dice.below(40_000)).map(|k| (k % 251) as u8).collect(),
            1 => {
                b"GET /v1/beats?limit=99999999999999&class=%ff HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()
            }
            2 => b"POST /v1/reload HTTP/1.1\r\ncontent-length: 9999999999\r\n\r\nxxxx".to_vec(),
            _ => b"\r\n\r\n\0\0\0GET".to_vec(),
        };
        let _ = stream.write_all(&bytes); // it may have hung up already
        let mut answer = [0; 512];
        let _ = stream.read(&mut answer);
        served.disturbances.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(dice.below(200)));
    }
}
