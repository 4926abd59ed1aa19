//! `ecg-gateway new-patient`: tells the running gateway that somebody else wears the electrodes.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::failure::{Failure, other};
use super::output;
use super::run::patient_label;

/// The gateway answers sooner, or not at all.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Longer than any answer to this.
const MOST_ANSWER_BYTES: u64 = 65_536;

/// Tell the running gateway that somebody else wears the electrodes: the session ends, and another one
/// begins with nothing learned of the patient before.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Name of the patient, kept with the session [default: none].
    #[arg(long, value_name = "LABEL", value_parser = patient_label)]
    label: Option<String>,
    /// Socket of the gateway.
    #[arg(long, value_name = "PATH", default_value = "/run/ecg-gateway/api.sock")]
    socket: PathBuf,
}

#[derive(Deserialize)]
struct Problem {
    title: String,
    detail: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let at = arguments.socket.display();
    let body = json!({ "label": arguments.label }).to_string();
    let answer =
        post(&arguments.socket, "/v1/patient", &body).map_err(|error| other(&at, error))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("202") => output::text_line("a session of another patient begins"),
        status => Err(match serde_json::from_str(body) {
            Ok(Problem { title, detail }) => other(at, format!("{title}: {detail}")),
            Err(_) => other(at, format!("answered with status {status:?}, expected 202")),
        }),
    }
}

/// One request over a connection of its own; the whole answer.
fn post(socket: &Path, path: &str, body: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.take(MOST_ANSWER_BYTES).read_to_string(&mut answer)?;
    Ok(answer)
}
