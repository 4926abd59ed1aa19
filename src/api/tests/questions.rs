//! Questions that take the database: bounded, given up with their client, in pools that do not wait for
//! each other. Everything is counted, nothing timed.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::super::ApiOptions;
use super::super::order::{ORDER, Order};
use super::super::pass::HUNG_UP;
use super::super::pools::{Pool, Pools};
use super::super::ticket::Ticket;
use super::client::{Answer, connect, fetch, get};
use super::{House, eventually};

/// Something that a pool's thread works on until it is told to stop, whoever gives it up.
pub(super) struct Obstacle {
    stop: Sender<()>,
    ticket: Arc<Ticket>,
    orders: Receiver<Order>,
}

impl Obstacle {
    /// In the way once this returns.
    pub(super) fn put(pools: &Pools, pool: Pool) -> Self {
        let (obstacle, begun) = Self::queue(pools, pool);
        soon(&begun);
        obstacle
    }

    fn queue(pools: &Pools, pool: Pool) -> (Self, Receiver<()>) {
        let (stop, stopped) = channel();
        let (begin, begun) = channel();
        let (order, orders) = channel();
        let ticket = Arc::new(Ticket::default());
        let work = move |_: &mut _, _: &_| -> Box<dyn FnOnce(Order) + Send> {
            begin.send(()).unwrap();
            let _ = stopped.recv(); // also where the test has failed
            Box::new(move |told| order.send(told).unwrap_or(()))
        };
        pools.queue(pool, &ticket, work).unwrap();
        let obstacle = Self {
            stop,
            ticket,
            orders,
        };
        (obstacle, begun)
    }

    fn remove(self) -> Order {
        self.stop.send(()).unwrap();
        soon(&self.orders)
    }
}

fn soon<T>(what: &Receiver<T>) -> T {
    what.recv_timeout(Duration::from_secs(30)).unwrap()
}

fn pools(house: &House) -> &Pools {
    &house.server.pools
}

/// A request whose client is gone before it can be answered.
fn abandon(house: &House, path: &str, more: &str) {
    let mut stream = connect(house.socket());
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n{more}");
    stream.write_all(request.as_bytes()).unwrap();
}

fn order(answer: &Answer) -> (u64, u64) {
    let head = &answer.head;
    let line = head.lines().find(|line| line.starts_with(ORDER)).unwrap();
    let number = |name: &str| {
        let (_, rest) = line.split_once(name).unwrap();
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };
    (number("queued="), number("done="))
}

pub(super) fn metric(house: &House, name: &str) -> u64 {
    let page = get(house.socket(), "/v1/metrics").body;
    let line = page.lines().find(|line| line.starts_with(name)).unwrap();
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[test]
fn abandoned_explanations_are_not_made_and_silence_nobody() {
    const CLIENTS: u64 = 400;
    let house = House::new();
    house.furnish();
    let obstacle = Obstacle::put(pools(&house), Pool::Explain);
    let more_of = ["", "GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n", "GE"];
    for (client, more) in (0..CLIENTS).zip(more_of.into_iter().cycle()) {
        // some send more behind their request, which must not hide that they are gone
        let path = format!("/v1/beats/{}/saliency?method=shap", 2 + client % 8);
        abandon(&house, &path, more);
        if client % 100 == 0 {
            // answered while the only thread that explains does not move
            assert_eq!(get(house.socket(), "/v1/status").status, 200);
            assert_eq!(get(house.socket(), "/v1/beats?limit=3").status, 200);
            assert_eq!(get(house.socket(), "/v1/saliency/summary").status, 200);
        }
    }
    eventually("their connections are closed", || {
        fetch(house.socket(), "/v1/status")["connections"]["open"] == 1
    });
    house.event(4_004); // notes are stored with the next row that is
    eventually("that they left is noted", || {
        house.writer.flush().unwrap();
        let noted = fetch(house.socket(), "/v1/audit");
        let mut rows = noted["audit"].as_array().into_iter().flatten();
        rows.any(|row| row["what"] == "saliency" && row["outcome"] == HUNG_UP)
    });
    let counts = pools(&house).counts(Pool::Explain);
    assert_eq!((counts.waiting, counts.running), (0, 1), "{counts:?}");
    obstacle.remove();
    // whatever was left would be worked on before this
    assert_eq!(get(house.socket(), "/v1/beats/9/saliency").status, 409);
    let counts = pools(&house).counts(Pool::Explain);
    assert_eq!(
        counts.finished, 2,
        "the obstacle and the last one: {counts:?}"
    );
    assert_eq!(
        metric(&house, "ecg_gateway_explanations_total{outcome=\"failed\"}"),
        1
    );
    assert_eq!(
        metric(&house, "ecg_gateway_explanations_total{outcome=\"made\"}"),
        0
    );
}

#[test]
fn the_status_is_done_before_whatever_was_queued_after_it() {
    let house = House::new();
    house.furnish();
    let pools = pools(&house);
    // while a reading for the status goes on, nothing asked for later begins
    let reading = Obstacle::put(pools, Pool::Status);
    let (later, begun) = Obstacle::queue(pools, Pool::Quick);
    let (last, last_begun) = Obstacle::queue(pools, Pool::Explain);
    let quiet = Duration::from_millis(100);
    assert!(begun.recv_timeout(quiet).is_err() && last_begun.try_recv().is_err());
    let status = reading.remove();
    soon(&begun);
    soon(&last_begun);
    let (later, last) = (later.remove(), last.remove());
    assert!(status.queued < later.queued && later.queued < last.queued);
    assert!(status.done < later.done && status.done < last.done);
    // but a reading that is given up holds nobody up
    let reading = Obstacle::put(pools, Pool::Status);
    let (later, begun) = Obstacle::queue(pools, Pool::Wide);
    pools.give_up(Pool::Status, &reading.ticket, true);
    soon(&begun);
    later.remove();
    // not even where others wait for the status behind it, for it took too long
    let (status, status_begun) = Obstacle::queue(pools, Pool::Status);
    let (later, begun) = Obstacle::queue(pools, Pool::Quick);
    soon(&begun);
    later.remove();
    assert!(status_begun.try_recv().is_err());
    reading.remove();
    soon(&status_begun);
    status.remove();
    assert_eq!(pools.counts(Pool::Status).overdue, 1);
    // one whose client has left is about to end: who waits for the status behind it is not overtaken
    let reading = Obstacle::put(pools, Pool::Status);
    let (status, status_begun) = Obstacle::queue(pools, Pool::Status);
    let (later, begun) = Obstacle::queue(pools, Pool::Quick);
    pools.give_up(Pool::Status, &reading.ticket, false);
    assert!(begun.recv_timeout(quiet).is_err());
    reading.remove();
    soon(&status_begun);
    let status = status.remove();
    soon(&begun);
    assert!(status.done < later.remove().done);

    // the same over the socket, whatever else is asked for at the same time
    let mut orders = Vec::new();
    std::thread::scope(|scope| {
        let askers: Vec<_> = (0..8)
            .map(|asker| {
                let house = &house;
                scope.spawn(move || {
                    let paths = ["/v1/status", "/v1/beats?limit=5", "/v1/gaps?limit=5000"];
                    let ask = |k: usize| {
                        let path = paths[(asker + k) % 3];
                        (path, order(&get(house.socket(), path)))
                    };
                    (0..30).map(ask).collect::<Vec<_>>()
                })
            })
            .collect();
        for asker in askers {
            orders.extend(asker.join().unwrap());
        }
    });
    let status = orders.iter().filter(|(path, _)| *path == "/v1/status");
    let status: Vec<_> = status.map(|(_, order)| *order).collect();
    assert_eq!(status.len(), 80);
    for (path, (queued, done)) in orders.iter().filter(|(path, _)| *path != "/v1/status") {
        let overtaken = status.iter().find(|of| of.0 < *queued && of.1 > *done);
        assert_eq!(overtaken, None, "by {path}, queued {queued}, done {done}");
    }
}

#[test]
fn a_full_line_is_said_at_once_and_counted() {
    let house = House::new();
    house.furnish();
    let obstacle = Obstacle::put(pools(&house), Pool::Wide);
    let places = Pool::Wide.plan().places;
    let waiting: Vec<_> = (0..places)
        .map(|_| Obstacle::queue(pools(&house), Pool::Wide))
        .collect();
    for path in [
        "/v1/beats?limit=5000",
        "/v1/saliency/summary",
        "/v1/beats/1?before_ms=9000",
    ] {
        let answer = get(house.socket(), path);
        assert_eq!(answer.status, 503, "{path}");
        assert!(
            answer.head.contains("retry-after: 1\r\n"),
            "{}",
            answer.head
        );
        assert_eq!(answer.json()["type"], "urn:problem-type:ecg-gateway:busy");
    }
    assert_eq!(get(house.socket(), "/v1/beats").status, 200);
    let label = "{pool=\"wide\"}";
    let page_says = |name: &str| metric(&house, &format!("ecg_gateway_questions_{name}{label}"));
    assert_eq!(page_says("refused_total"), 3);
    assert_eq!(page_says("waiting"), places as u64);
    assert_eq!((page_says("running"), page_says("finished_total")), (1, 0));
    obstacle.remove();
    for (obstacle, begun) in waiting {
        soon(&begun);
        obstacle.remove();
    }
    assert_eq!(get(house.socket(), "/v1/beats?limit=5000").status, 200);
}

#[test]
fn who_asks_for_the_same_shares_one_explanation_and_failures_are_remembered() {
    let house = House::new();
    house.furnish();
    let path = "/v1/beats/3/saliency";
    let outcome = |name: &str| {
        let name = format!("ecg_gateway_explanations_total{{outcome=\"{name}\"}}");
        metric(&house, &name)
    };
    let obstacle = Obstacle::put(pools(&house), Pool::Explain);
    std::thread::scope(|scope| {
        let askers: Vec<_> = (0..5)
            .map(|_| scope.spawn(|| get(house.socket(), path).status))
            .collect();
        eventually("all wait", || outcome("shared") == 4);
        // one of them that gives up takes nothing from the others
        abandon(&house, path, "");
        assert_eq!(pools(&house).counts(Pool::Explain).waiting, 1);
        obstacle.remove();
        for asker in askers {
            assert_eq!(asker.join().unwrap(), 409);
        }
    });
    assert_eq!(outcome("failed"), 1);
    for _ in 0..3 {
        let problem = get(house.socket(), path).json();
        assert!(
            problem["type"]
                .as_str()
                .unwrap()
                .ends_with("not-reproduced")
        );
    }
    assert_eq!((outcome("failed"), outcome("remembered")), (1, 3));
    // of another method nothing is known
    assert_eq!(
        get(house.socket(), &format!("{path}?method=shap")).status,
        409
    );
    assert_eq!((outcome("failed"), outcome("remembered")), (2, 3));
}

#[test]
fn work_that_does_not_end_holds_up_no_shutdown() {
    let house = House::new();
    let path = house.socket().to_owned();
    // the status last: nothing would begin behind it
    let mut pools_of_all = Pool::ALL;
    pools_of_all.reverse();
    let obstacles = pools_of_all.map(|pool| Obstacle::put(pools(&house), pool));
    let mut left = connect(&path);
    left.write_all(b"GET /v1/beats?limit=5000 HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    let begun = Instant::now();
    let House { server, .. } = house;
    server.shutdown();
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    assert!(!path.exists());
    for obstacle in &obstacles {
        assert!(obstacle.ticket.is_given_up());
    }
    let mut rest = String::new();
    let _ = left.read_to_string(&mut rest); // ends, whatever is in it
}

#[test]
fn a_client_that_has_only_stopped_sending_is_answered() {
    let house = House::new();
    house.furnish();
    for path in ["/v1/status", "/v1/beats?limit=5000", "/v1/beats/2/saliency"] {
        let obstacle = Obstacle::put(pools(&house), Pool::Explain);
        let mut stream = connect(house.socket());
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        if path.ends_with("saliency") {
            eventually("it waits", || {
                pools(&house).counts(Pool::Explain).waiting == 1
            });
        }
        obstacle.remove();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap(); // the server closes behind its answer
        assert!(answer.starts_with("HTTP/1.1 "), "{path}: {answer}");
        assert!(answer.ends_with('}'), "{path}: {answer}");
    }
}

#[test]
fn requests_sent_together_are_answered_one_after_the_other() {
    let house = House::new();
    house.furnish();
    let mut stream = connect(house.socket());
    let ask = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n");
    let together = [
        ask("/v1/beats?limit=1", ""),
        "\r\n".to_owned(),
        ask("/v1/gaps", ""),
        ask("/v1/status", ""),
        ask("/nowhere", "connection: close\r\n"),
    ];
    stream.write_all(together.concat().as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    let found: Vec<_> = ["{\"beats\":", "{\"gaps\":", "{\"version\":", "unknown-path"]
        .iter()
        .map(|text| answers.find(text))
        .collect();
    assert!(
        found.is_sorted() && found[0].is_some(),
        "{found:?} {answers}"
    );
}

#[test]
fn empty_lines_before_a_request_buy_no_time() {
    let short = |options: &mut ApiOptions| options.request_timeout = Duration::from_millis(300);
    for drip in [&b"\r\n"[..], b"\n", b"\r\n\r\n"] {
        let house = House::with(short);
        let mut slow = connect(house.socket());
        slow.set_write_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while slow.write_all(drip).is_ok() {
            assert!(Instant::now() < deadline, "never cut off: {drip:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut answer = String::new();
        let _ = slow.read_to_string(&mut answer); // the line may be reset after the answer
        assert!(answer.starts_with("HTTP/1.1 408"), "{drip:?}: {answer}");
        let connections = fetch(house.socket(), "/v1/status")["connections"].clone();
        assert_eq!(connections["dropped_slow_request"], 1);
    }
    // sent at once they do no harm
    let house = House::with(short);
    let mut stream = connect(house.socket());
    stream
        .write_all(b"\r\n\r\nGET /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
