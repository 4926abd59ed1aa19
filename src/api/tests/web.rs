//! The listener for browsers, by raw bytes over real connections.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::http::{HeaderValue, header};
use serde_json::Value;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

use super::super::routes::ENDPOINTS;
use super::super::{ApiOptions, ProxyUsers, Site, TokenName, WebOptions, WebTokens};
use super::questions::metric;
use super::{House, client, eventually};

const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A house that browsers can get to, with the tokens `reader` and `writer`.
pub(super) struct Open {
    house: House,
    tokens: WebTokens,
    address: SocketAddr,
}

fn name(text: &str) -> TokenName {
    TokenName::new(text).unwrap()
}

fn web(options: &ApiOptions) -> WebOptions {
    WebOptions {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        optional: false,
        socket: None,
        sites: Vec::new(),
        tokens: WebTokens::beside(&options.path),
        proxy: None,
        timezone: None,
    }
}

impl Open {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut ApiOptions)) -> Self {
        let house = House::with(|options| {
            options.web = Some(web(options));
            change(options);
        });
        house.furnish();
        let tokens = WebTokens::beside(&house.at("any"));
        tokens.create(name("reader"), false).unwrap();
        tokens.create(name("writer"), true).unwrap();
        let address = house.server.web_address().unwrap();
        Self {
            house,
            tokens,
            address,
        }
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Headers of what a page from here changes something with.
    pub(super) fn same_origin(&self) -> String {
        format!(
            "origin: {}\r\nsec-fetch-site: same-origin\r\nsec-fetch-mode: cors\r\n\
             content-type: application/json\r\n",
            self.origin()
        )
    }

    /// Sends bytes and reads until the connection ends.
    fn raw(&self, text: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // a server that refuses a body it has not read may reset the connection behind its answer
        let _ = stream.read_to_end(&mut answer);
        Answer::parse(&answer)
    }

    /// A request to the right host.
    pub(super) fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let length = match body {
            "" => String::new(),
            body => format!("content-length: {}\r\n", body.len()),
        };
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{length}{headers}\r\n{body}",
            self.address
        ))
    }

    fn show(&self, token: &str) -> Answer {
        let body = format!("{{\"token\":\"{token}\"}}");
        self.ask("POST", "/session", &self.same_origin(), &body)
    }

    /// The cookie header of a new session.
    pub(super) fn sign_in(&self, token: &str) -> String {
        let secret = self.tokens.single_use(name(token)).unwrap();
        let answer = self.show(&secret);
        assert_eq!(answer.status, 204, "{}", answer.body);
        let cookie = answer.header("set-cookie").unwrap();
        format!("cookie: {}\r\n", cookie.split(';').next().unwrap())
    }
}

pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{text:?}"));
        Self {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    }

    /// The problem's name, `-` where the answer is none.
    pub(super) fn problem(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let name = body["type"].as_str().and_then(|uri| uri.rsplit(':').next());
        name.unwrap_or("-").to_owned()
    }
}

/// The address of one of the page's own files.
fn asset() -> String {
    let page = include_str!("../../../web/dist/index.html");
    let (_, rest) = page.split_once("\"/assets/").unwrap();
    format!("/assets/{}", rest.split('"').next().unwrap())
}

/// What every answer says, whatever it is.
fn is_guarded(answer: &Answer) -> bool {
    let policy = answer.header("content-security-policy").unwrap_or_default();
    policy.starts_with("default-src 'none'; script-src 'self';")
        && policy.contains("frame-ancestors 'none'")
        && !policy.contains("unsafe")
        && answer.header("referrer-policy") == Some("no-referrer")
        && answer.header("x-content-type-options") == Some("nosniff")
        && answer.header("cross-origin-resource-policy") == Some("same-origin")
        && answer.header("cross-origin-opener-policy") == Some("same-origin")
        && answer.header("cache-control").is_some()
        && answer.header("access-control-allow-origin").is_none()
}

#[test]
fn without_a_session_there_is_the_sign_in_page_and_nothing_else() {
    let open = Open::new();
    let mut failures = Vec::new();
    let mut expect = |what: &str, answer: &Answer, status: u16, problem: &str| {
        if (answer.status, &*answer.problem()) != (status, problem) || !is_guarded(answer) {
            failures.push(format!("{what}: {}\n{}", answer.head, answer.body));
        }
    };
    let page = open.ask("GET", "/", "", "");
    expect("/", &page, 200, "-");
    assert!(page.body.contains("/sign-in.js") && !page.body.contains("/assets/"));
    for (path, kind) in [
        ("/sign-in.js", "text/javascript"),
        ("/sign-in.css", "text/css"),
    ] {
        let file = open.ask("GET", path, "", "");
        expect(path, &file, 200, "-");
        assert!(file.header("content-type").unwrap().starts_with(kind));
        let packed = open.ask("HEAD", path, "accept-encoding: br, gzip\r\n", "");
        expect(path, &packed, 200, "-");
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
    }
    let asset = asset();
    let routes = ENDPOINTS
        .each_ref()
        .map(|endpoint| endpoint.path.replace("{id}", "1"));
    let others = [
        "/index.html",
        "/sign-in.html",
        &asset,
        "/session",
        "/favicon.ico",
        "/v1/",
        "/v1",
        "/%2e%2e/etc/passwd",
        "//",
        "/files.rs",
    ];
    let wrong = format!(
        "cookie: ecg-gateway-{}={}\r\n",
        open.address.port(),
        "0".repeat(64)
    );
    for path in routes.iter().map(String::as_str).chain(others) {
        for cookie in ["", &wrong] {
            expect(
                path,
                &open.ask("GET", path, cookie, ""),
                401,
                "not-signed-in",
            );
        }
    }
    for (method, path) in [
        ("POST", "/v1/reload"),
        ("POST", "/v1/retention/confirm"),
        ("DELETE", "/session"),
        ("POST", "/"),
        ("PUT", "/session"),
    ] {
        let answer = open.ask(method, path, &open.same_origin(), "");
        expect(path, &answer, 401, "not-signed-in");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(!open.house.reload.load(std::sync::atomic::Ordering::Relaxed));
}

#[test]
fn a_token_lets_one_browser_in_once() {
    let open = Open::new();
    let secret = open.tokens.single_use(name("writer")).unwrap();
    let first = open.show(&secret);
    assert_eq!((first.status, &*first.body), (204, ""));
    let cookie = first.header("set-cookie").unwrap();
    let port = open.address.port();
    let (pair, rest) = cookie.split_once("; ").unwrap();
    assert!(
        pair.starts_with(&format!("ecg-gateway-{port}=")),
        "{cookie}"
    );
    assert_eq!(rest, "Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict");
    assert!(is_guarded(&first));
    let cookie = format!("cookie: {pair}\r\n");

    let again = Instant::now();
    let second = open.show(&secret);
    assert_eq!(
        (second.status, &*second.problem()),
        (403, "token-not-valid")
    );
    assert!(
        again.elapsed() >= Duration::from_secs(1),
        "wrong tokens are slowed down"
    );
    let counters = client::fetch(open.house.socket(), "/v1/status");
    assert_eq!(counters["connections"]["wrong_tokens"], 1);
    let metric = |name: &str| metric(&open.house, &format!("ecg_gateway_{name} "));
    assert_eq!(metric("browser_wrong_tokens_total"), 1);
    let refused = counters["connections"]["refused_browser"].as_u64();
    assert_eq!(Some(metric("browser_requests_refused_total")), refused);
    eventually("one browser is signed in", || {
        metric("browser_sessions") == 1
    });
    eventually("and not connected", || metric("browser_connections") == 0);
    let connected = TcpStream::connect(open.address).unwrap();
    eventually("one is connected", || metric("browser_connections") == 1);
    drop(connected);

    let about = open.ask("GET", "/session", &cookie, "");
    assert_eq!(
        serde_json::from_str::<Value>(&about.body).unwrap(),
        serde_json::json!({
            "name": "writer",
            "control": true,
            "disclaimer": "Not a medical device: not for diagnosis or patient monitoring.",
            "site": {"timezone": null},
        })
    );
    let page = open.ask("GET", "/", &cookie, "");
    assert!(page.body.contains("/assets/"), "{}", page.body);
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let asset = open.ask("GET", &asset(), &cookie, "");
    assert_eq!(asset.status, 200);
    assert!(asset.header("cache-control").unwrap().contains("immutable"));
    let beats = open.ask("GET", "/v1/beats?limit=2", &cookie, "");
    assert_eq!(
        (beats.status, beats.header("cache-control")),
        (200, Some("no-store"))
    );
    assert!(is_guarded(&beats));
    assert_eq!(
        open.ask("GET", "/nothing", &cookie, "").problem(),
        "unknown-path"
    );
    assert_eq!(
        open.ask("GET", "/v1/nothing", &cookie, "").problem(),
        "unknown-path"
    );

    let out = open.ask("DELETE", "/session", &(open.same_origin() + &cookie), "");
    assert_eq!(out.status, 204);
    let gone = out.header("set-cookie").unwrap();
    assert!(
        gone.starts_with(&format!("ecg-gateway-{port}=; Path=/; Max-Age=0")),
        "{gone}"
    );
    assert_eq!(open.ask("GET", "/session", &cookie, "").status, 401);
}

#[test]
fn of_two_browsers_with_one_address_one_gets_in() {
    let open = Open::new();
    let secret = open.tokens.single_use(name("reader")).unwrap();
    let statuses = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| open.show(&secret).status))
            .collect();
        let mut statuses: Vec<_> = asked.into_iter().map(|it| it.join().unwrap()).collect();
        statuses.sort_unstable();
        statuses
    });
    assert_eq!(statuses, [204, 403, 403]);
}

/// Each row is what some page, program or name somewhere else makes of a request.
#[test]
fn only_the_page_itself_reads_and_changes() {
    let open = Open::new();
    let (reader, writer) = (open.sign_in("reader"), open.sign_in("writer"));
    let port = open.address.port();
    let (here, other) = (
        format!("127.0.0.1:{port}"),
        format!("127.0.0.1:{}", port ^ 1),
    );
    let localhost = format!("localhost:{port}");
    let origin = |host: &str| format!("origin: http://{host}\r\n");
    let site = |site: &str| format!("sec-fetch-site: {site}\r\n");
    let json = "content-type: application/json\r\n";
    let page = origin(&here) + &site("same-origin");
    let navigation = "sec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\n";
    let frame = "sec-fetch-mode: navigate\r\nsec-fetch-dest: iframe\r\n";
    let handshake = "upgrade: websocket\r\n";
    let at_other_port = writer.replace(&port.to_string(), &(port ^ 1).to_string());
    let evil_here = format!("evil.example:{port}");
    let other_number = format!("127.0.0.2:{port}");
    let dotted = format!("localhost.:{port}");
    let two_hosts = format!("{here}\r\nhost: evil.example");
    let ok = (200, "-");
    let host = (421, "wrong-host");
    let foreign = (403, "other-origin");
    let status = "/v1/status";
    let reload = "/v1/reload";
    // what, method, path, host, headers, cookie, expected
    type Row<'a> = (
        &'a str,
        &'a str,
        &'a str,
        &'a str,
        String,
        &'a str,
        (u16, &'a str),
    );
    let rows: Vec<Row<'_>> = vec![
        (
            "the page reads",
            "GET",
            status,
            &here,
            site("same-origin"),
            &reader,
            ok,
        ),
        (
            "a program reads",
            "GET",
            status,
            &here,
            String::new(),
            &reader,
            ok,
        ),
        (
            "typed in",
            "GET",
            status,
            &here,
            site("none") + navigation,
            &reader,
            ok,
        ),
        (
            "the page controls",
            "POST",
            reload,
            &here,
            page.clone(),
            &writer,
            ok,
        ),
        (
            "a reader controls",
            "POST",
            reload,
            &here,
            page.clone(),
            &reader,
            (403, "not-permitted"),
        ),
        (
            "a reader audits",
            "GET",
            "/v1/audit",
            &here,
            String::new(),
            &reader,
            (403, "not-permitted"),
        ),
        (
            "no cookie",
            "POST",
            reload,
            &here,
            page.clone(),
            "",
            (401, "not-signed-in"),
        ),
        (
            "cookie of another port",
            "GET",
            status,
            &here,
            String::new(),
            &at_other_port,
            (401, "not-signed-in"),
        ),
        // names that lead here and are not ours
        (
            "a name rebound to loopback",
            "GET",
            status,
            "evil.example",
            String::new(),
            &reader,
            host,
        ),
        (
            "with our port",
            "GET",
            "/",
            &evil_here,
            String::new(),
            "",
            host,
        ),
        (
            "loopback by another number",
            "GET",
            "/",
            &other_number,
            String::new(),
            "",
            host,
        ),
        ("no port", "GET", "/", "127.0.0.1", String::new(), "", host),
        ("another port", "GET", "/", &other, String::new(), "", host),
        (
            "a trailing dot",
            "GET",
            "/",
            &dotted,
            String::new(),
            "",
            host,
        ),
        ("two hosts", "GET", "/", &two_hosts, String::new(), "", host),
        ("an empty host", "GET", "/", "", String::new(), "", host),
        (
            "another host in the request line",
            "GET",
            "http://evil.example/",
            &here,
            String::new(),
            "",
            host,
        ),
        (
            "rebound, and signs in",
            "POST",
            "/session",
            "evil.example",
            page.clone(),
            "",
            host,
        ),
        // other origins: another port, another name of this machine
        (
            "another port fetches",
            "GET",
            status,
            &here,
            origin(&other) + &site("same-site"),
            &reader,
            foreign,
        ),
        (
            "another port, no cors",
            "GET",
            status,
            &here,
            site("same-site"),
            &reader,
            foreign,
        ),
        (
            "another port posts",
            "POST",
            reload,
            &here,
            origin(&other) + &site("same-site"),
            &writer,
            foreign,
        ),
        (
            "localhost posts to 127.0.0.1",
            "POST",
            reload,
            &here,
            origin(&localhost) + &site("cross-site"),
            &writer,
            foreign,
        ),
        (
            "127.0.0.1 posts to localhost",
            "POST",
            reload,
            &localhost,
            page.clone(),
            &writer,
            foreign,
        ),
        (
            "localhost posts to itself",
            "POST",
            reload,
            &localhost,
            origin(&localhost) + &site("same-origin"),
            &writer,
            ok,
        ),
        (
            "a stranger's page fetches",
            "GET",
            status,
            &here,
            site("cross-site"),
            &reader,
            foreign,
        ),
        (
            "https of the same host",
            "POST",
            reload,
            &here,
            format!("origin: https://{here}\r\n") + &site("same-origin"),
            &writer,
            foreign,
        ),
        (
            "a sandboxed frame",
            "POST",
            reload,
            &here,
            "origin: null\r\n".to_owned() + &site("same-origin"),
            &writer,
            foreign,
        ),
        (
            "an origin with more behind",
            "POST",
            reload,
            &here,
            format!("origin: http://{here}.evil.example\r\n") + &site("same-origin"),
            &writer,
            foreign,
        ),
        (
            "two origins",
            "POST",
            reload,
            &here,
            origin(&here) + &page,
            &writer,
            foreign,
        ),
        (
            "no origin",
            "POST",
            reload,
            &here,
            site("same-origin"),
            &writer,
            foreign,
        ),
        (
            "no Sec-Fetch-Site",
            "POST",
            reload,
            &here,
            origin(&here),
            &writer,
            foreign,
        ),
        (
            "neither",
            "POST",
            reload,
            &here,
            String::new(),
            &writer,
            foreign,
        ),
        (
            "typed in, and posts",
            "POST",
            reload,
            &here,
            origin(&here) + &site("none"),
            &writer,
            foreign,
        ),
        (
            "signs out elsewhere",
            "DELETE",
            "/session",
            &here,
            origin(&other) + &site("same-site"),
            &writer,
            foreign,
        ),
        (
            "a preflight",
            "OPTIONS",
            reload,
            &here,
            origin(&other) + &site("same-site"),
            "",
            foreign,
        ),
        // links and frames
        (
            "a link to the page",
            "GET",
            "/",
            &here,
            site("cross-site") + navigation,
            "",
            ok,
        ),
        (
            "a link to the data",
            "GET",
            status,
            &here,
            site("cross-site") + navigation,
            &reader,
            foreign,
        ),
        (
            "framed by another port",
            "GET",
            "/",
            &here,
            site("same-site") + frame,
            &reader,
            foreign,
        ),
        (
            "framed by itself",
            "GET",
            "/",
            &here,
            site("same-origin") + frame,
            &reader,
            foreign,
        ),
        (
            "an object",
            "GET",
            "/",
            &here,
            "sec-fetch-dest: object\r\n".to_owned(),
            &reader,
            foreign,
        ),
        // handshakes
        (
            "a socket from another port",
            "GET",
            status,
            &here,
            origin(&other) + handshake,
            &reader,
            foreign,
        ),
        (
            "a socket without origin",
            "GET",
            status,
            &here,
            handshake.to_owned(),
            &reader,
            foreign,
        ),
        (
            "a socket of a page elsewhere",
            "GET",
            status,
            &here,
            origin(&here) + &site("cross-site") + handshake,
            &reader,
            foreign,
        ),
        (
            "a socket of the page",
            "GET",
            status,
            &here,
            origin(&here) + handshake,
            &reader,
            ok,
        ),
        // bodies
        (
            "a form",
            "POST",
            "/session",
            &here,
            page.clone() + "content-type: text/plain\r\ncontent-length: 2\r\n",
            "",
            (415, "not-json"),
        ),
        (
            "no type",
            "POST",
            "/session",
            &here,
            page.clone() + "content-length: 2\r\n",
            "",
            (415, "not-json"),
        ),
        (
            "too much announced",
            "POST",
            "/session",
            &here,
            page.clone() + json + "content-length: 65537\r\n",
            "",
            (413, "body-too-large"),
        ),
        (
            "no JSON",
            "POST",
            "/session",
            &here,
            page.clone() + json + "content-length: 2\r\n",
            "",
            (400, "invalid-parameter"),
        ),
        (
            "other methods",
            "PUT",
            "/",
            &here,
            page.clone(),
            &writer,
            (405, "method-not-allowed"),
        ),
    ];
    let mut failures = Vec::new();
    for (what, method, path, host, headers, cookie, expected) in rows {
        let answer = open.raw(&format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}{cookie}\r\n{{]"
        ));
        if (answer.status, &*answer.problem()) != expected || !is_guarded(&answer) {
            failures.push(format!("{what}: {}\n{}", answer.head, answer.body));
        }
    }
    // in pieces, without a length that could be refused before
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000)).repeat(33);
    let answer = open.raw(&format!(
        "POST /session HTTP/1.1\r\nhost: {here}\r\nconnection: close\r\n{page}{json}\
         transfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"
    ));
    if answer.problem() != "body-too-large" {
        failures.push(format!("in pieces: {}\n{}", answer.head, answer.body));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// The head of an answer that goes on, and what follows.
fn stream(open: &Open, cookie: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(open.address).unwrap();
    stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
    let host = open.address;
    write!(
        stream,
        "GET /v1/stream HTTP/1.1\r\nhost: {host}\r\n{cookie}\r\n"
    )
    .unwrap();
    let mut lines = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(lines.read_line(&mut head).unwrap(), 0, "{head}");
    }
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    lines
}

/// Opens the live connection of the page: `headers` beside the cookie stand in place of a browser's own.
/// The status of the answer where it is refused.
fn live(open: &Open, cookie: &str, headers: &str) -> Result<WebSocket<TcpStream>, u16> {
    let stream = TcpStream::connect(open.address).unwrap();
    stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
    let address = format!("ws://{}/v1/live", open.address);
    let mut request = address.into_client_request().unwrap();
    for line in cookie.lines().chain(headers.lines()) {
        let (name, value) = line.split_once(": ").unwrap();
        let name: header::HeaderName = name.parse().unwrap();
        let value = HeaderValue::from_str(value).unwrap();
        request.headers_mut().insert(name, value);
    }
    match tungstenite::client(request, stream) {
        Ok((socket, answer)) => {
            assert_eq!(answer.status(), 101);
            Ok(socket)
        }
        Err(HandshakeError::Failure(Error::Http(answer))) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// Reads on to a message of this type.
fn message(socket: &mut WebSocket<TcpStream>, kind: &str) -> Value {
    loop {
        if let Message::Text(text) = socket.read().unwrap() {
            let message: Value = serde_json::from_str(&text).unwrap();
            if message["type"] == kind {
                return message;
            }
        }
    }
}

/// How long it took until the server said why it ends, and then ended the connection.
fn revoked(mut socket: WebSocket<TcpStream>, since: Instant) -> Duration {
    let closed = message(&mut socket, "closed");
    assert_eq!(closed["reason"], "session_revoked", "{closed}");
    while socket.read().is_ok() {}
    let mut rest = Vec::new();
    let _ = socket.get_mut().read_to_end(&mut rest); // a reset is an end, too
    since.elapsed()
}

#[test]
fn the_live_connection_is_the_pages_own_and_ends_with_its_session() {
    let open = Open::new();
    let (reader, other) = (open.sign_in("reader"), open.sign_in("reader"));
    let writer = open.sign_in("writer");
    let page = format!("origin: {}\nsec-fetch-site: same-origin", open.origin());
    let port = open.address.port();
    let elsewhere = format!("origin: http://127.0.0.1:{}", port ^ 1);
    let localhost = format!("origin: http://localhost:{port}");
    let rebound = format!("{page}\nhost: evil.example:{port}");
    let framed = page.replace("same-origin", "cross-site");
    for (what, cookie, headers, status) in [
        ("without a session", "", &*page, 401),
        ("another port", &*reader, &*elsewhere, 403),
        ("another name of this host", &*reader, &*localhost, 403),
        ("a program without origin", &*reader, "", 403),
        ("a page elsewhere", &*reader, &*framed, 403),
        ("a name that leads here", &*reader, &*rebound, 421),
    ] {
        assert_eq!(live(&open, cookie, headers).err(), Some(status), "{what}");
    }
    let [signed_out, reads, mut stays] =
        [&other, &reader, &writer].map(|cookie| live(&open, cookie, &page).unwrap());
    let session = message(&mut stays, "session");
    assert_eq!(
        (&session["open"], &session["id"]),
        (&true.into(), &1.into())
    );
    let counters = client::fetch(open.house.socket(), "/v1/status");
    assert_eq!(counters["connections"]["streams"], 3);

    let since = Instant::now();
    open.ask("DELETE", "/session", &(open.same_origin() + &other), "");
    let took = revoked(signed_out, since);
    assert!(took < Duration::from_secs(1), "signed out: {took:?}");
    let since = Instant::now();
    open.tokens.revoke(name("reader")).unwrap();
    let took = revoked(reads, since);
    assert!(took < Duration::from_secs(1), "revoked: {took:?}");
    assert_eq!(live(&open, &reader, &page).err(), Some(401));

    open.house.beat(90);
    assert_eq!(message(&mut stays, "beat")["committed"], false);
    eventually("their places are free again", || {
        let counters = client::fetch(open.house.socket(), "/v1/status");
        counters["connections"]["streams"] == 1
    });
    // before the folder of tokens goes, which ends sessions, too
    open.house.server.shutdown();
    assert_eq!(message(&mut stays, "closed")["reason"], "shutting_down");
}

/// How long it took until the other end closed.
fn end_of(mut lines: BufReader<TcpStream>, since: Instant) -> Duration {
    let mut rest = Vec::new();
    let _ = lines.read_to_end(&mut rest); // a reset is an end, too
    since.elapsed()
}

#[test]
fn revoking_and_signing_out_end_what_is_open_within_a_second() {
    let open = Open::new();
    let (reader, other) = (open.sign_in("reader"), open.sign_in("reader"));
    let writer = open.sign_in("writer");
    let (signed_out, revoked) = (stream(&open, &other), stream(&open, &reader));
    let mut stays = stream(&open, &writer);
    let since = Instant::now();
    open.ask("DELETE", "/session", &(open.same_origin() + &other), "");
    let took = end_of(signed_out, since);
    assert!(took < Duration::from_secs(1), "signed out: {took:?}");
    assert_eq!(open.ask("GET", "/session", &reader, "").status, 200);
    let since = Instant::now();
    open.tokens.revoke(name("reader")).unwrap();
    let took = end_of(revoked, since);
    assert!(took < Duration::from_secs(1), "revoked: {took:?}");
    assert_eq!(open.ask("GET", "/session", &reader, "").status, 401);
    assert_eq!(open.ask("GET", "/session", &writer, "").status, 200);
    open.house.beat(90);
    open.house.writer.flush().unwrap();
    let mut line = String::new();
    while !line.starts_with("event: beat") {
        line.clear();
        assert_ne!(stays.read_line(&mut line).unwrap(), 0);
    }
}

#[test]
fn sessions_go_on_with_another_server_on_another_socket() {
    let open = Open::new();
    let cookie = open.sign_in("reader");
    let port = open.address.port();
    let tokens = open.tokens.clone();
    let second = House::with(|options| {
        let socket = options.path.with_extension("web");
        options.web = Some(WebOptions {
            listen: None,
            socket: Some(socket),
            sites: Site::of_port(port),
            tokens,
            ..web(options)
        });
    });
    let path = second.at("ecg.web");
    let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o666);
    for (cookie, status) in [(&*cookie, 200), ("", 401)] {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
        let request = format!(
            "GET /session HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n{cookie}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(Answer::parse(&answer).status, status);
    }
    // a socket that is removed is made again
    std::fs::remove_file(&path).unwrap();
    eventually("the socket is made again", || {
        UnixStream::connect(&path).is_ok()
    });
    drop(second);
    assert!(!path.exists());
}

/// Through a web socket: a request with these headers.
fn ask_socket(path: &Path, port: u16, request: &str, headers: &str) -> Answer {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
    let request = format!(
        "{request} HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    Answer::parse(&answer)
}

fn with_proxy(uids: Vec<u32>, read: bool) -> Open {
    Open::with(|options| {
        let proxy = ProxyUsers {
            header: "x-remote-user".parse().unwrap(),
            uids,
            control: vec![TokenName::of_user("anna@ward").unwrap()],
            read,
        };
        let socket = options.path.with_extension("web");
        let web = options.web.as_mut().unwrap();
        web.socket = Some(socket);
        web.proxy = Some(proxy);
        web.sites = Site::of_port(8292);
        web.timezone = Some("Europe/Berlin".to_owned());
    })
}

#[test]
fn a_proxy_at_the_socket_says_who_asks() {
    let me = rustix::process::getuid().as_raw();
    let open = with_proxy(vec![me], true);
    let socket = open.house.at("ecg.web");
    let ask = |request: &str, headers: &str| ask_socket(&socket, 8_292, request, headers);
    for (user, control) in [("anna@ward", true), ("Ben", false)] {
        let answer = ask("GET /session", &format!("x-remote-user: {user}\r\n"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let about: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(
            (
                &about["name"],
                &about["control"],
                &about["site"]["timezone"]
            ),
            (&user.into(), &control.into(), &"Europe/Berlin".into())
        );
    }
    let page = ask("GET /", "x-remote-user: Ben\r\n");
    assert!(
        !page.body.contains("Sign in"),
        "the page itself: {}",
        page.body
    );
    assert_eq!(ask("GET /v1/beats", "X-Remote-User: Ben\r\n").status, 200);
    // nobody is said: a browser signs in with a token as ever
    for headers in ["", "x-remote-user: \r\n", "x-other-user: Ben\r\n"] {
        assert_eq!(ask("GET /v1/beats", headers).status, 401, "{headers}");
    }
    let cookie = {
        let token = open.tokens.single_use(name("reader")).unwrap();
        let body = format!("{{\"token\":\"{token}\"}}");
        let headers = format!(
            "origin: http://localhost:8292\r\nsec-fetch-site: same-origin\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = ask("POST /session", &headers);
        let cookie = answer.header("set-cookie").unwrap();
        format!("cookie: {}\r\n", cookie.split(';').next().unwrap())
    };
    let about = ask("GET /session", &cookie);
    assert!(about.body.contains("\"reader\""), "{}", about.body);
    // what the proxy says goes before what the browser has
    let about = ask("GET /session", &format!("{cookie}x-remote-user: Ben\r\n"));
    assert!(about.body.contains("\"Ben\""), "{}", about.body);
    for wrong in [
        "x-remote-user: two words\r\n",
        "x-remote-user: {http.auth.user.id}\r\n",
        "x-remote-user: Ben\r\nx-remote-user: anna@ward\r\n",
        "x-remote-user: M\u{fc}ller\r\n",
        &format!("x-remote-user: {}\r\n", "a".repeat(65)),
    ] {
        let answer = ask("GET /v1/beats", wrong);
        assert_eq!(answer.status, 403, "{wrong}: {}", answer.body);
        assert!(answer.body.contains("x-remote-user"), "{}", answer.body);
    }
    // who is signed in by the proxy is held to the same rules against pages of others
    let other =
        "x-remote-user: anna@ward\r\norigin: http://localhost:1\r\nsec-fetch-site: same-site\r\n";
    assert_eq!(ask("DELETE /session", other).status, 403);
    assert_eq!(ask("GET /v1/beats", other).status, 403);
}

#[test]
fn a_users_name_is_taken_from_nobody_but_the_proxy() {
    let me = rustix::process::getuid().as_raw();
    let header = "x-remote-user: anna@ward\r\n";
    // another user of this machine at the socket
    let open = with_proxy(vec![me + 1], true);
    let socket = open.house.at("ecg.web");
    assert_eq!(
        ask_socket(&socket, 8_292, "GET /v1/beats", header).status,
        401
    );
    // through the port
    let open = with_proxy(vec![me], true);
    let through_port = format!(
        "GET /v1/beats HTTP/1.1\r\nhost: localhost:8292\r\nconnection: close\r\n{header}\r\n"
    );
    assert_eq!(open.raw(&through_port).status, 401);
    // only those who may control are let in
    let open = with_proxy(vec![me], false);
    let socket = open.house.at("ecg.web");
    let ask = |headers: &str| ask_socket(&socket, 8_292, "GET /v1/beats", headers);
    assert_eq!(ask(header).status, 200);
    let refused = ask("x-remote-user: Ben\r\n");
    assert_eq!(
        (refused.status, &*refused.problem()),
        (403, "not-permitted")
    );
    assert!(refused.body.contains("proxy_read"), "{}", refused.body);
}

#[test]
fn each_token_has_its_share_of_the_connections() {
    let open = Open::with(|options| options.max_connections = 8);
    open.tokens.create(name("second"), false).unwrap();
    let cookies = ["reader", "reader", "second", "writer"].map(|name| open.sign_in(name));
    let [reader, again, second, writer] = &cookies;
    let held = [stream(&open, reader), stream(&open, again)];
    let refused = open.ask("GET", "/session", reader, "");
    assert_eq!(
        (refused.status, &*refused.problem()),
        (503, "too-many-connections-of-user")
    );
    assert_eq!(open.ask("GET", "/session", second, "").status, 200);
    assert_eq!(open.ask("GET", "/session", writer, "").status, 200);
    drop(held);
    eventually("their places are free again", || {
        open.ask("GET", "/session", reader, "").status == 200
    });
}

#[test]
fn strangers_keep_no_places_and_slow_ones_are_dropped() {
    let open = Open::with(|options| {
        options.request_timeout = Duration::from_millis(300);
        options.idle_timeout = Duration::from_millis(500);
    });
    let cookie = open.sign_in("reader");
    // the sign-in page closes its connection, whatever was asked for
    let page = open.raw(&format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", open.address));
    assert_eq!(page.header("connection"), Some("close"));
    let since = Instant::now();
    for sent in [
        "",
        "GET / HT",
        &format!(
            "GET /session HTTP/1.1\r\nhost: {}\r\n{cookie}\r\n",
            open.address
        ),
    ] {
        let mut stream = TcpStream::connect(open.address).unwrap();
        stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1"), "{sent}");
    }
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "{:?}",
        since.elapsed()
    );
    // more than there may be of them: the others are closed, and then there is room again
    let crowd: Vec<_> = (0..super::super::MOST_STRANGERS + 8)
        .map(|_| TcpStream::connect(open.address).unwrap())
        .collect();
    drop(crowd);
    eventually("strangers get in again", || {
        let mut stream = TcpStream::connect(open.address).unwrap();
        stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
        let request = format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", open.address);
        let mut answer = Vec::new();
        stream.write_all(request.as_bytes()).is_ok()
            && stream.read_to_end(&mut answer).is_ok()
            && answer.starts_with(b"HTTP/1.1 200")
    });
}

#[test]
fn the_server_ends_with_browsers_on_it() {
    let open = Open::new();
    let cookie = open.sign_in("writer");
    let held = stream(&open, &cookie);
    let idle = TcpStream::connect(open.address).unwrap();
    let address = open.address;
    let since = Instant::now();
    drop(open);
    assert!(
        since.elapsed() < Duration::from_secs(3),
        "{:?}",
        since.elapsed()
    );
    assert!(TcpStream::connect(address).is_err());
    drop((held, idle));
}

#[test]
fn what_a_browser_changes_is_noted_with_its_token() {
    let open = Open::new();
    let house = &open.house;
    house.live.patient().allow(true);
    house
        .writer
        .end_session(house.info.start, "stopped")
        .unwrap();
    let [reader, ward] = ["reader", "writer"].map(|token| open.sign_in(token));
    let ask = |cookie: &str, method: &str, path: &str, body: &str| {
        open.ask(method, path, &(open.same_origin() + cookie), body)
    };
    let label = r#"{"label":"Bed 4"}"#;
    for (method, path, body) in [
        ("POST", "/v1/patient", label),
        ("DELETE", "/v1/sessions/1", ""),
    ] {
        let refused = ask(&reader, method, path, body);
        assert_eq!(
            (refused.status, &*refused.problem()),
            (403, "not-permitted")
        );
        // another page makes the browser send it
        let foreign = open.ask(
            method,
            path,
            &(ward.clone() + "content-type: application/json\r\n"),
            body,
        );
        assert_eq!((foreign.status, &*foreign.problem()), (403, "other-origin"));
    }
    assert_eq!(house.live.patient().asked(), None);
    assert_eq!(ask(&ward, "POST", "/v1/patient", label).status, 202);
    assert_eq!(
        house.live.patient().take_request(),
        Some(Some("Bed 4".to_owned()))
    );
    let deleted = ask(&ward, "DELETE", "/v1/sessions/1", "");
    assert_eq!(deleted.status, 200, "{}", deleted.body);
    assert!(
        deleted.body.contains(r#""deleted_by":"writer""#),
        "{}",
        deleted.body
    );
    house.writer.begin_session(&house.info).unwrap();
    house.event(5);
    house.writer.flush().unwrap();
    let noted = client::fetch(house.socket(), "/v1/audit?limit=5000");
    let rows = noted["audit"].as_array().unwrap();
    let of = |token: &str, what: &str, outcome: &str| {
        rows.iter().any(|row| {
            row["token"] == token
                && row["what"] == what
                && row["outcome"] == outcome
                && row["uid"].is_null()
        })
    };
    assert!(of("writer", "delete-session", "done"), "{noted}");
    assert!(of("writer", "new-patient", "done"), "{noted}");
    assert!(of("reader", "delete-session", "not-permitted"), "{noted}");
    assert!(of("writer", "sign-in", "done"), "{noted}");
    let mut others = rows.iter().filter(|row| row["token"].is_null());
    // the Unix socket's clients are users, and who has not signed in is nobody
    assert!(
        others.all(|row| row["uid"].is_u64() || row["what"] == "web"),
        "{noted}"
    );
}
