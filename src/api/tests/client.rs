//! A small HTTP client over a Unix socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use super::http;

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

#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Message {
    pub(super) event: String,
    pub(super) id: Option<String>,
    pub(super) data: String,
}

impl Message {
    /// The ids of the newest beat, gap and event up to this one.
    pub(super) fn place(&self) -> (i64, i64, i64) {
        let id = self.id.as_deref().unwrap_or_else(|| panic!("{self:?}"));
        let (epoch, ids) = id.split_once('.').unwrap();
        assert_eq!(epoch.len(), 32, "{id}");
        let ids: Vec<i64> = ids.split('.').map(|id| id.parse().unwrap()).collect();
        let [beat, gap, event] = ids[..] else {
            panic!("{id}");
        };
        (beat, gap, event)
    }

    /// `beat 7`, `gap 2`, ... or the notice's reason.
    pub(super) fn short(&self) -> String {
        let data: Value = serde_json::from_str(&self.data).unwrap();
        match data.get("id") {
            Some(id) => format!("{} {id}", self.event),
            None => format!("{} {}", self.event, data["reason"].as_str().unwrap()),
        }
    }
}

pub(super) struct EventStream {
    lines: BufReader<UnixStream>,
}

impl EventStream {
    pub(super) fn open(socket: &Path, target: &str, header: &str) -> Self {
        let mut stream = connect(socket);
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nhost: localhost\r\n{header}\r\n"
        )
        .unwrap();
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(lines.read_line(&mut head).unwrap(), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("text/event-stream"), "{head}");
        Self { lines }
    }

    /// The next event; comments come as events named `comment`. `None` at the end of the stream.
    pub(super) fn next(&mut self) -> Option<Message> {
        let mut message = Message::default();
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // chunk sizes and the line breaks after chunks end in CRLF, lines of events in LF
            if line.ends_with("\r\n") {
                if line == "0\r\n" {
                    return None;
                }
                continue;
            }
            let line = line.trim_end_matches('\n');
            match line.split_once(':').map(|(name, text)| (name, text.trim())) {
                Some(("", comment)) => {
                    message.event = "comment".to_owned();
                    message.data = comment.to_owned();
                }
                Some(("event", name)) => message.event = name.to_owned(),
                Some(("id", id)) => message.id = Some(id.to_owned()),
                Some(("data", data)) => message.data = data.to_owned(),
                Some(("retry", _)) => {}
                _ if line.is_empty() => return Some(message),
                _ => panic!("{line}"),
            }
        }
    }

    /// Events up to the comment that ends the backlog.
    pub(super) fn backlog(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.next())
            .take_while(|message| message.event != "comment")
            .collect()
    }
}
