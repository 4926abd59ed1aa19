//! The page of the running program: how a person gets an address, and a browser in with it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::common;
use super::common::daemon::Home;
use super::common::process::Daemon;
use super::common::{gateway, run};

/// `HOST:PORT` and the token of a printed address.
fn parts(address: &str) -> (String, String) {
    let rest = address.trim().strip_prefix("http://").expect(address);
    let (host, token) = rest.split_once("/#token=").expect(address);
    assert_eq!(token.len(), 64, "{address}");
    (host.to_owned(), token.to_owned())
}

/// Status, head and body of a request to the page.
fn ask(host: &str, method: &str, path: &str, cookie: &str, body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(host).expect("somebody listens");
    let patience = Some(Duration::from_secs(30));
    stream.set_read_timeout(patience).expect("our own socket");
    let length = match body {
        "" => String::new(),
        body => format!(
            "content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        ),
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\n\
         sec-fetch-site: same-origin\r\nconnection: close\r\n{length}{cookie}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.expect("a status"), head.to_owned(), body.to_owned())
}

/// The cookie header of a browser that shows the token.
fn sign_in(host: &str, token: &str) -> Result<String, u16> {
    let body = format!("{{\"token\":\"{token}\"}}");
    let (status, head, _) = ask(host, "POST", "/session", "", &body);
    let cookie = head
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    match cookie {
        Some(cookie) if status == 204 => {
            Ok(format!("cookie: {}\r\n", cookie.split(';').next().unwrap()))
        }
        _ => Err(status),
    }
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < give_up, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_simulated_daemon_has_a_page_that_a_token_opens() {
    let folder = common::scratch();
    let home = Home::new(folder.path(), "", "");
    let config = folder.path().join("c.toml");
    let config = config.to_str().unwrap();
    let token = |arguments: &[&str]| {
        let fixed = ["web", "token"].into_iter();
        run(fixed
            .chain(arguments.iter().copied())
            .chain(["--config", config]))
    };
    let daemon = home.start(&[]);
    let address = eventually("the log says where the page is", || {
        let log = home.log();
        let line = log
            .lines()
            .find(|line| line.contains("browsers may open the page"))?;
        let (_, address) = line.split_once("address=")?;
        Some(
            address
                .split([' ', '"'])
                .find(|word| !word.is_empty())?
                .to_owned(),
        )
    });
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    assert_eq!(ask(&address, "GET", "/", "", "").0, 200);
    assert_eq!(ask(&address, "GET", "/v1/status", "", "").0, 401);

    let made = token(&["new", "ward", "--read"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.stdout.contains("web token address ward"), "{made:?}");
    let printed = token(&["address", "ward", "--at", &address]);
    let (host, secret) = parts(&printed.stdout);
    assert_eq!(host, address);
    let cookie = sign_in(&host, &secret).unwrap();
    assert_eq!(sign_in(&host, &secret), Err(403));
    let (status, _, body) = ask(&host, "GET", "/v1/status", &cookie, "");
    assert_eq!(status, 200, "{body}");
    assert_eq!(ask(&host, "POST", "/v1/reload", &cookie, "").0, 403);
    let listed = token(&["list", "--json"]).json();
    assert_eq!(listed["tokens"][0]["name"], "ward");
    assert_eq!(listed["tokens"][0]["permission"], "read");
    assert_eq!(listed["tokens"][0]["sessions"], 1);
    assert!(
        token(&["list"]).stdout.starts_with("ward  read  made 2"),
        "{listed}"
    );

    // who it was stands in the log, with the name of the token
    eventually("the audit has the name", || {
        let log = home.log();
        log.lines()
            .any(|line| line.contains("token=\"ward\"") && line.contains("what=\"status\""))
            .then_some(())
    });
    let revoked = token(&["revoke", "ward"]);
    assert_eq!(revoked.code, Some(0), "{revoked:?}");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(ask(&host, "GET", "/v1/status", &cookie, "").0, 401);
    assert_eq!(daemon.terminate().0, Some(0));
}

#[test]
fn what_cannot_be_done_with_tokens_is_said() {
    let folder = common::scratch();
    let tokens = folder.path().join("t");
    let tokens = tokens.to_str().unwrap();
    let config = folder.path().join("none.toml");
    let config = config.to_str().unwrap();
    let mut failures = Vec::new();
    assert_eq!(
        run(["web", "token", "new", "a", "--read", "--tokens", tokens]).code,
        Some(0)
    );
    for (arguments, code, words) in [
        (
            vec!["new", "a", "--read", "--tokens", tokens],
            2,
            "there is a token a already",
        ),
        (vec!["new", "b", "--tokens", tokens], 2, "--read"),
        (
            vec!["new", "b", "--read", "--control", "--tokens", tokens],
            2,
            "--control",
        ),
        (
            vec!["new", "B b", "--read", "--tokens", tokens],
            2,
            "1 to 64 of a to z, 0 to 9 and hyphen",
        ),
        (
            vec!["revoke", "b", "--tokens", tokens],
            2,
            "there is no token b",
        ),
        (
            vec!["address", "b", "--tokens", tokens],
            2,
            "there is no token b",
        ),
        (
            vec![
                "address",
                "a",
                "--tokens",
                tokens,
                "--at",
                "ecg.example.org",
            ],
            2,
            "https://",
        ),
        (vec!["list", "--config", config], 10, "cannot be read"),
    ] {
        let outcome = run(["web", "token"].iter().chain(&arguments));
        if outcome.code != Some(code) || !outcome.stderr.contains(words) {
            failures.push(format!("{arguments:?}: {outcome:?}"));
        }
    }
    let empty = run(["web", "token", "list", "--tokens", config]);
    if !empty.stdout.starts_with("no tokens") {
        failures.push(format!("{empty:?}"));
    }
    for arguments in [
        &["web"][..],
        &["web", "token"],
        &["web", "token", "address"],
    ] {
        let help = run(arguments.iter().chain(&["--help"]));
        if help.code != Some(0) {
            failures.push(format!("{help:?}"));
        }
    }
    common::report(&failures);
}

#[test]
fn the_demo_ends_with_an_address_and_stays_for_it() {
    let folder = common::scratch();
    let mut command: Command = gateway();
    command
        .args(["demo", "--serve", "--engine", "cpu", "--db"])
        .arg(folder.path().join("d.db"))
        .arg("--socket")
        .arg(folder.path().join("s"))
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped());
    let mut demo = Daemon(command.spawn().expect("the binary starts"));
    let mut lines = BufReader::new(demo.0.stdout.take().unwrap()).lines();
    let mut address = None;
    let how_to_end = lines.find_map(|line| {
        let line = line.unwrap();
        if let Some(open) = line.strip_prefix("Open it:  ") {
            address = Some(open.to_owned());
        }
        line.contains("Ctrl-C").then_some(line)
    });
    assert!(how_to_end.is_some());
    let (host, token) = parts(&address.unwrap());
    let cookie = sign_in(&host, &token).unwrap();
    let (status, _, about) = ask(&host, "GET", "/session", &cookie, "");
    assert_eq!(status, 200);
    assert!(
        about.contains("\"name\":\"demo\",\"control\":true"),
        "{about}"
    );
    let (_, _, beats) = ask(&host, "GET", "/v1/beats?class=V&limit=3", &cookie, "");
    assert!(beats.contains("\"class\":\"V\""), "{beats}");
    let (code, took) = demo.terminate();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(2), "{took:?}");
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_str().unwrap().starts_with("ecg-gateway-demo-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
