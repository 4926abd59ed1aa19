use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::{ApiDeps, ApiOptions, ApiServer, SocketError, StreamHub};
use super::client::{connect, fetch, get, request};
use super::{House, eventually};

fn server_at(path: &Path) -> Result<ApiServer, SocketError> {
    let deps = ApiDeps {
        database: path.with_extension("db"),
        hub: StreamHub::default(),
        live: super::SharedLiveStatus::default(),
        writer: None,
        reload: None,
    };
    ApiServer::bind(&ApiOptions::at(path), deps)
}

#[test]
fn the_socket_has_its_mode_and_nothing_else_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ecg.sock");
    let server = server_at(&path).unwrap();
    let metadata = fs::symlink_metadata(&path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o660);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    server.shutdown();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_dead_socket_is_replaced_a_living_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ecg.sock");
    drop(UnixListener::bind(&path).unwrap()); // leaves its file, as a killed server does
    assert!(path.exists());
    let first = server_at(&path).unwrap();
    let second = server_at(&path);
    assert!(
        matches!(second, Err(SocketError::InUse { .. })),
        "{second:?}"
    );
    assert_eq!(get(&path, "/v1/status").status, 200);
    first.shutdown();
    drop(server_at(&path).unwrap());
}

#[test]
fn what_is_not_a_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious");
    fs::write(&path, "data").unwrap();
    let outcome = server_at(&path);
    assert!(
        matches!(outcome, Err(SocketError::NotASocket { .. })),
        "{outcome:?}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"data");
    // not even through a link
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(
        server_at(&link),
        Err(SocketError::NotASocket { .. })
    ));
}

#[test]
fn impossible_paths_are_named() {
    let long = format!("/tmp/{}", "x".repeat(200));
    let folder = tempfile::tempdir().unwrap();
    let too_long = folder.path().join("y".repeat(150));
    fs::create_dir(&too_long).unwrap();
    for path in [
        "/nowhere/at/all.sock",
        &*long,
        too_long.join("s").to_str().unwrap(),
    ] {
        match server_at(Path::new(path)) {
            Err(error @ SocketError::Io { .. }) => assert!(error.to_string().contains(path)),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn a_socket_that_was_taken_over_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ecg.sock");
    let first = server_at(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let _second = UnixListener::bind(&path).unwrap();
    first.shutdown();
    assert!(path.exists());
}

/// Sends a request over a connection that stays open; the first line of the answer.
fn answered(stream: &mut UnixStream, path: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    String::from_utf8_lossy(&start).into_owned()
}

#[test]
fn a_removed_socket_is_made_again_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ecg.sock");
    let server = server_at(&path).unwrap();
    let mut before = connect(&path); // stays what it is
    for times in 1..=2 {
        fs::remove_file(&path).unwrap();
        eventually("the socket is made again", || path.exists());
        let connections = fetch(&path, "/v1/status")["connections"].clone();
        assert_eq!(connections["socket_lost"], times);
        assert_eq!(connections["socket_in_place"], true);
        let metadata = fs::symlink_metadata(&path).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o660);
    }
    write!(
        before,
        "GET /v1/metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    before.read_to_string(&mut answer).unwrap();
    assert!(
        answer.contains("\necg_gateway_socket_lost_total 2\n"),
        "{answer}"
    );
    assert!(
        answer.contains("\necg_gateway_socket_in_place 1\n"),
        "{answer}"
    );
    server.shutdown();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Who had connected to the old socket and was not accepted yet is served all the same.
#[test]
fn clients_that_wait_at_the_removed_socket_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ecg.sock");
    let server = server_at(&path).unwrap();
    let other_name = folder.path().join("other");
    fs::hard_link(&path, &other_name).unwrap();
    fs::remove_file(&path).unwrap();
    // until the new one is there the old one is answered, by its other name
    assert_eq!(get(&other_name, "/v1/metrics").status, 200);
    eventually("the socket is made again", || path.exists());
    assert_eq!(get(&path, "/v1/metrics").status, 200);
    server.shutdown();
}

#[test]
fn what_took_the_place_of_the_socket_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ecg.sock");
    let server = server_at(&path).unwrap();
    let other_name = folder.path().join("other");
    fs::hard_link(&path, &other_name).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "notes").unwrap();
    let away = || fetch(&other_name, "/v1/status")["connections"]["socket_in_place"] == false;
    eventually("it is noticed", away);
    std::thread::sleep(Duration::from_millis(1_500)); // one more look
    assert_eq!(fs::read(&path).unwrap(), b"notes");
    fs::remove_file(&path).unwrap();
    eventually("the socket is made again", || path.exists());
    assert_eq!(fetch(&path, "/v1/status")["connections"]["socket_lost"], 1);
    server.shutdown();
}

/// The service manager's socket is the service manager's to mend.
#[test]
fn a_socket_of_the_service_manager_is_only_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ecg.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let deps = ApiDeps {
        database: path.with_extension("db"),
        hub: StreamHub::default(),
        live: super::SharedLiveStatus::default(),
        writer: None,
        reload: None,
    };
    // configured elsewhere: what counts is where it listens
    let options = ApiOptions::at(folder.path().join("elsewhere"));
    let server = ApiServer::adopt(listener, &options, deps).unwrap();
    let other_name = folder.path().join("other");
    fs::hard_link(&path, &other_name).unwrap();
    let connections = || fetch(&other_name, "/v1/status")["connections"].clone();
    assert_eq!(connections()["socket_in_place"], true);
    fs::rename(&path, folder.path().join("moved")).unwrap();
    eventually("it is noticed", || {
        connections()["socket_in_place"] == false
    });
    std::thread::sleep(Duration::from_millis(1_500)); // one more look
    assert!(!path.exists());
    fs::rename(folder.path().join("moved"), &path).unwrap();
    eventually("it is back", || connections()["socket_in_place"] == true);
    assert_eq!(connections()["socket_lost"], 1);
    server.shutdown();
    assert!(path.exists());
}

#[test]
fn connections_above_the_limit_are_told_and_counted_and_the_status_is_still_answered() {
    let house = House::with(|options| options.max_connections = 2);
    let mut kept = connect(house.socket());
    assert_eq!(answered(&mut kept, "/v1/status"), "HTTP/1.1 200");
    let mut second = connect(house.socket());
    assert_eq!(answered(&mut second, "/v1/status"), "HTTP/1.1 200");
    let problem = |answer: super::client::Answer, words: &str| {
        assert_eq!(answer.status, 503);
        let problem = answer.json();
        assert_eq!(
            problem["type"],
            "urn:problem-type:ecg-gateway:too-many-connections"
        );
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{detail}");
    };
    // one more is for the status alone, and ends with its answer
    problem(get(house.socket(), "/v1/beats"), "answers /v1/status alone");
    let status = fetch(house.socket(), "/v1/status");
    assert_eq!(status["connections"]["refused_status_only"], 1);
    let mut third = connect(house.socket());
    assert_eq!(answered(&mut third, "/v1/status"), "HTTP/1.1 200");
    let mut rest = String::new();
    third.read_to_string(&mut rest).unwrap(); // returns because the server closes
    // one user has one of them; who says nothing loses it at once
    let silent = connect(house.socket());
    problem(
        get(house.socket(), "/v1/status"),
        "those for /v1/status alone, too",
    );
    let began = std::time::Instant::now();
    eventually("the silent one has lost its place", || {
        get(house.socket(), "/v1/status").status == 200
    });
    assert!(began.elapsed() < Duration::from_secs(10));
    drop(silent);
    drop(kept);
    let mut status = None;
    eventually("a place is free again", || {
        let answer = get(house.socket(), "/v1/metrics");
        status = (answer.status == 200).then(|| fetch(house.socket(), "/v1/status"));
        status.is_some()
    });
    assert!(status.unwrap()["connections"]["refused"].as_u64().unwrap() >= 1);
}

#[test]
fn silent_connections_are_closed_and_counted() {
    let house = House::with(|options| options.idle_timeout = Duration::from_millis(500));
    let mut silent = connect(house.socket());
    let mut rest = Vec::new();
    silent.read_to_end(&mut rest).unwrap(); // returns because the server closes
    assert_eq!(rest, b"");
    // one that was answered and then falls silent, too
    let mut served = connect(house.socket());
    served
        .write_all(b"GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    served.read_to_end(&mut rest).unwrap();
    assert!(rest.starts_with(b"HTTP/1.1 200"));
    eventually("both are counted", || {
        let connections = fetch(house.socket(), "/v1/status")["connections"].clone();
        connections["dropped_idle"].as_u64() >= Some(2)
    });
}

#[test]
fn rubbish_does_not_disturb_the_server() {
    let house = House::new();
    for rubbish in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET /v1/status HTTP/9.9\r\n\r\n",
        b"GET /v1/beats?%zz=%ff HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET /v1/stream HTTP/1.1\r\nlast-event-id: \xff\xfe\r\nconnection: close\r\nhost: x\r\n\r\n",
        &[b'A'; 100_000],
    ] {
        let mut stream = connect(house.socket());
        let _ = stream.write_all(rubbish); // the server may have hung up already
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{:?}",
            String::from_utf8_lossy(&answer)
        );
    }
    fetch(house.socket(), "/v1/status");
}

#[test]
fn a_request_that_drips_in_is_cut_off_told_and_counted() {
    let house = House::with(|options| options.request_timeout = Duration::from_millis(300));
    let mut slow = connect(house.socket());
    let mut sent = 0;
    for byte in
        b"GET /v1/status HTTP/1.1\r\nhost: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    {
        if slow.write_all(&[*byte]).is_err() {
            break;
        }
        sent += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(sent > 5, "{sent}");
    let mut answer = String::new();
    let _ = slow.read_to_string(&mut answer); // the line may be reset after the answer
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    // one that takes its time between two requests is not meant
    let mut kept = connect(house.socket());
    for _ in 0..3 {
        kept.write_all(b"GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n")
            .unwrap();
        let mut start = [0; 12];
        kept.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        std::thread::sleep(Duration::from_millis(400));
        let mut rest = [0; 65_536];
        let _ = kept.read(&mut rest).unwrap();
    }
    let connections = fetch(house.socket(), "/v1/status")["connections"].clone();
    assert_eq!(connections["dropped_slow_request"], 1);
}

#[test]
fn long_requests_and_bodies_are_refused_and_counted() {
    let house = House::new();
    let answer_to = |request: &[u8]| {
        let mut stream = connect(house.socket());
        let _ = stream.write_all(request); // the server may have hung up already
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let mut long = b"GET /v1/status HTTP/1.1\r\nhost: x\r\n".to_vec();
    for k in 0..800 {
        long.extend_from_slice(format!("x-{k}: aaaaaaaaaaaaaaaa\r\n").as_bytes());
    }
    long.extend_from_slice(b"\r\n");
    let answer = answer_to(&long);
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    for body in [
        &b"POST /v1/reload HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n"[..],
        b"GET /v1/status HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let answer = answer_to(body);
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.contains("body-not-taken"), "{answer}");
    }
    let connections = fetch(house.socket(), "/v1/status")["connections"].clone();
    assert_eq!(connections["dropped_large_request"], 1);
    assert!(!house.reload.load(Ordering::Relaxed));
}

#[test]
fn the_owner_may_control() {
    let house = House::new();
    let answer = get(house.socket(), "/v1/reload");
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains("allow: post"), "{}", answer.head);
    assert!(!house.reload.load(Ordering::Relaxed));
    // the other one: the writer takes it
    assert_eq!(get(house.socket(), "/v1/retention/confirm").status, 405);
    let answer = request(house.socket(), "POST", "/v1/retention/confirm");
    assert_eq!(
        (answer.status, &*answer.body),
        (200, r#"{"accepted":true}"#)
    );
    let answer = request(house.socket(), "POST", "/v1/reload");
    assert_eq!(
        (answer.status, answer.json()["accepted"].as_bool()),
        (200, Some(true))
    );
    assert!(house.reload.load(Ordering::Relaxed));
    let answer = request(house.socket(), "POST", "/v1/status");
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains("allow: get, head"), "{}", answer.head);
}
