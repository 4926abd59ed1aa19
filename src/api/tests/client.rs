//! Requests that must be answered.

use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use super::http::{self, EventStream, Message};

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub(super) fn connect(socket: &Path) -> UnixStream {
    http::connect(socket).unwrap()
}

pub(super) fn request(socket: &Path, method: &str, target: &str) -> Answer {
    let answer = http::exchange(socket, method, target).unwrap();
    let (status, head, body) = http::split(&answer);
    Answer {
        status,
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

pub(super) fn get(socket: &Path, target: &str) -> Answer {
    request(socket, "GET", target)
}

/// `GET` that must succeed.
pub(super) fn fetch(socket: &Path, target: &str) -> Value {
    let answer = get(socket, target);
    assert_eq!(answer.status, 200, "{target}: {}", answer.body);
    assert!(answer.head.contains("content-type: application/json"));
    answer.json()
}

/// `beat 7`, `gap 2`, ... or the notice's reason.
pub(super) fn short(message: &Message) -> String {
    let data = message.json();
    match data.get("id") {
        Some(id) => format!("{} {id}", message.event),
        None => format!("{} {}", message.event, data["reason"].as_str().unwrap()),
    }
}

/// Events up to the comment that ends the backlog.
pub(super) fn backlog(stream: &mut EventStream) -> Vec<Message> {
    std::iter::from_fn(|| stream.next())
        .take_while(|message| message.event != "comment")
        .collect()
}

/// A stream that must open.
pub(super) fn follow(socket: &Path, target: &str, header: &str) -> EventStream {
    EventStream::open(socket, target, header).unwrap()
}
