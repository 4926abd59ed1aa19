//! A small HTTP client over a Unix socket, for the tests here and those in `tests/`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

pub(crate) fn connect(socket: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

/// One request on a fresh connection; the whole answer.
pub(crate) fn exchange(socket: &Path, method: &str, target: &str) -> io::Result<String> {
    let mut stream = connect(socket)?;
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Status, head and body of an answer.
pub(crate) fn split(answer: &str) -> (u16, &str, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.expect("a status line"), head, body)
}

/// An event of `/v1/stream`; a comment is one of the name `comment`.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct Message {
    pub(crate) event: String,
    pub(crate) id: Option<String>,
    pub(crate) data: String,
}

impl Message {
    /// The ids of the newest beat, gap and event up to this one.
    pub(crate) fn place(&self) -> (i64, i64, i64) {
        let id = self.id.as_deref().unwrap_or_else(|| panic!("{self:?}"));
        let (epoch, ids) = id.split_once('.').unwrap();
        assert_eq!(epoch.len(), 32, "{id}");
        let ids: Vec<i64> = ids.split('.').map(|id| id.parse().unwrap()).collect();
        let [beat, gap, event] = ids[..] else {
            panic!("{id}");
        };
        (beat, gap, event)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A client of `/v1/stream`.
#[derive(Debug)]
pub(crate) struct EventStream(BufReader<UnixStream>);

impl EventStream {
    /// `header` is empty or a line with its end. An error where nobody answers with a stream.
    pub(crate) fn open(socket: &Path, target: &str, header: &str) -> io::Result<Self> {
        let mut stream = connect(socket)?;
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nhost: localhost\r\n{header}\r\n"
        )?;
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if lines.read_line(&mut head)? == 0 {
                return Err(io::Error::other(head));
            }
        }
        if !head.starts_with("HTTP/1.1 200") || !head.contains("text/event-stream") {
            return Err(io::Error::other(head));
        }
        Ok(Self(lines))
    }

    /// The next event or comment; `None` at the end of the stream, and once the line is dead.
    pub(crate) fn next(&mut self) -> Option<Message> {
        let mut message = Message::default();
        loop {
            let line = self.line()?;
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

    /// The next line of an event, with its end.
    pub(crate) fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            match self.0.read_line(&mut line) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    panic!("the stream says nothing: {error}")
                }
                Ok(0) | Err(_) => return None,
                // chunk sizes and the line breaks after chunks end in CRLF, lines of events in LF
                Ok(_) if line == "0\r\n" => return None,
                Ok(_) if line.ends_with("\r\n") => {}
                Ok(_) => return line.ends_with('\n').then_some(line),
            }
        }
    }
}
