use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use super::super::{ApiDeps, ApiOptions, ApiServer, SocketError, StreamHub};
use super::client::{connect, fetch, get};
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

#[test]
fn connections_above_the_limit_are_told_and_counted() {
    let house = House::with(|options| options.max_connections = 2);
    let mut kept = connect(house.socket());
    let ask = b"GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n";
    let answered = |stream: &mut UnixStream| {
        stream.write_all(ask).unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        start
    };
    assert_eq!(&answered(&mut kept), b"HTTP/1.1 200");
    let mut second = connect(house.socket());
    assert_eq!(&answered(&mut second), b"HTTP/1.1 200");
    let answer = get(house.socket(), "/v1/status");
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.json()["type"],
        "urn:problem-type:ecg-gateway:too-many-connections"
    );
    drop(kept);
    let mut status = None;
    eventually("a place is free again", || {
        let answer = get(house.socket(), "/v1/status");
        status = (answer.status == 200).then(|| answer.json());
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
