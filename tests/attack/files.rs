//! Files of the running daemon replaced, removed and overwritten by somebody else.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::account::{Key, account, databases};
use super::common::daemon::{Home, ask};
use super::common::integrity;
use super::common::process::Daemon;
use super::row::{Row, last_words};

/// Signal per wall time.
const SPEED: f64 = 10.0;
const RATE_HZ: f64 = 500.0;
/// Rows are committed this often, and what is replaced is seen at the next commit.
const BATCH: Duration = Duration::from_millis(50);

/// What is done to the files; the copy was made by SQLite some time before.
type Deed = fn(&Home, copy: &Path);

/// Each deed and its name.
const DEEDS: [(&str, Deed); 6] = [
    ("cp copy ecg.db", |home, copy| {
        fs::copy(copy, &home.database).expect("a copy in place");
    }),
    ("mv copy ecg.db", |home, copy| {
        fs::rename(copy, &home.database).expect("a rename");
    }),
    ("rm ecg.db", |home, _| remove(&home.database)),
    ("rm ecg.db-wal", |home, _| remove(&beside(home, "-wal"))),
    ("rm ecg.db-shm", |home, _| remove(&beside(home, "-shm"))),
    ("rm ecg.db*", |home, _| {
        for ending in ["", "-wal", "-shm"] {
            remove(&beside(home, ending));
        }
    }),
];

fn beside(home: &Home, ending: &str) -> std::path::PathBuf {
    let mut name = home.database.clone().into_os_string();
    name.push(ending);
    name.into()
}

fn remove(path: &Path) {
    fs::remove_file(path).expect("a file of the daemon");
}

/// A beat as the stream told it: the database it is in (`None` where streams do not say), its id,
/// sample and time.
struct Told {
    epoch: Option<String>,
    id: i64,
    sample: i64,
    time_us: i64,
}

/// The beats of the stream, from the first in the database on, until the line is dead.
fn listen(home: &Home) -> mpsc::Receiver<Told> {
    let (tell, told) = mpsc::channel();
    let mut stream = UnixStream::connect(&home.socket).expect("the socket answers");
    let request = "GET /v1/stream HTTP/1.1\r\nhost: x\r\nlast-event-id: 0\r\n\r\n";
    stream
        .write_all(request.as_bytes())
        .expect("it takes a request");
    std::thread::spawn(move || {
        let mut epoch = None;
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if let Some(id) = line.strip_prefix("id: ") {
                // `epoch.beat.gap.event`, or a bare number
                epoch = id.split_once('.').map(|(epoch, _)| epoch.to_owned());
            }
            let data = line.strip_prefix("data: ").map(serde_json::from_str);
            let Some(Ok(data)) = data else {
                continue;
            };
            let data: serde_json::Value = data;
            let number = |field: &str| data[field].as_i64();
            let (Some(id), Some(sample), Some(time_us)) =
                (number("id"), number("r_sample"), number("r_time_us"))
            else {
                continue; // no beat
            };
            let beat = Told {
                epoch: epoch.clone(),
                id,
                sample,
                time_us,
            };
            if tell.send(beat).is_err() {
                return;
            }
        }
    });
    told
}

/// Each deed to a daemon of its own: nothing recorded after it is lost, no id is given twice, and it is
/// told.
pub(crate) fn replaced(folder: &Path) -> Vec<Row> {
    std::thread::scope(|scope| {
        let tried: Vec<_> = DEEDS
            .into_iter()
            .enumerate()
            .map(|(number, (name, deed))| {
                let folder = folder.join(number.to_string());
                fs::create_dir(&folder).expect("a folder");
                scope.spawn(move || one(&folder, name, deed))
            })
            .collect();
        let rows = tried.into_iter().map(std::thread::ScopedJoinHandle::join);
        rows.zip(DEEDS)
            .map(|(row, (name, _))| {
                row.unwrap_or_else(|panic| {
                    let mut row = Row::new(name);
                    row.problems.push(super::words(&*panic));
                    row
                })
            })
            .collect()
    })
}

fn one(folder: &Path, name: &'static str, deed: Deed) -> Row {
    let mut row = Row::new(name);
    let keys = format!("batch_ms = {}\necg_block_seconds = 1", BATCH.as_millis());
    let home = Home::new(folder, &keys, "");
    let daemon = home.start_bare(&["--speed", &SPEED.to_string()]);
    stored(&home, 20);
    let told = listen(&home);
    let copies = folder.join("copies");
    fs::create_dir(&copies).expect("a folder");
    let copy = copies.join("copy");
    Connection::open(&home.database)
        .and_then(|connection| {
            connection.execute("VACUUM INTO ?1", [copy.to_str().expect("UTF-8")])
        })
        .expect("a copy by SQLite");
    let before = stored(&home, 40);
    deed(&home, &copy);
    // Whatever is sampled from now on is committed later than that.
    let struck = home.status()["samples_received"].as_i64().unwrap_or(0);
    stored(&home, before + 40);
    let told: Vec<Told> = told.try_iter().collect();
    // Not an orderly end, which would put a lost log's pages into the file once more.
    daemon.kill();
    let log = home.log();
    let daemon = home.start_bare(&["--speed", &SPEED.to_string()]);
    stored(&home, 2);
    after(&mut row, &home, daemon, &told, struck);
    let noticed = ["replaced", "removed", "set aside", "quarantine"]
        .iter()
        .any(|word| log.contains(word));
    row.expect(noticed, || "the log says nothing of it".to_owned());
    row
}

/// Waits until so many beats are committed; how many are then.
fn stored(home: &Home, beats: u64) -> u64 {
    let mut found = 0;
    home.until(&format!("{beats} beats are stored"), |status| {
        status["store"]["beats_committed"].as_u64() >= Some(beats)
    });
    if let Some(count) = home.status()["store"]["beats_committed"].as_u64() {
        found = count;
    }
    found
}

/// Ends the daemon and looks at everything that it told and stored.
fn after(row: &mut Row, home: &Home, daemon: Daemon, told: &[Told], struck: i64) {
    let code = daemon.terminate().0;
    row.expect(code == Some(0), || {
        format!("exit code {code:?}: {}", last_words(&home.log()))
    });
    let mut given: HashMap<(Option<String>, i64), i64> = HashMap::new();
    let mut twice = 0;
    for beat in told {
        let before = given.insert((beat.epoch.clone(), beat.id), beat.time_us);
        twice += u64::from(before.is_some_and(|time_us| time_us != beat.time_us));
    }
    row.expect(twice == 0, || {
        format!("{twice} ids were given to two beats")
    });
    let _ = fs::remove_dir_all(home.folder.join("copies"));
    let files = databases(&home.folder);
    let sound = integrity(&home.database);
    row.expect(sound.is_ok(), || format!("{sound:?}"));
    let stored: HashSet<(i64, i64)> = files.iter().flat_map(|file| beats(file)).collect();
    let is_lost = |beat: &&Told| !stored.contains(&(beat.time_us, beat.sample));
    let late: Vec<_> = told.iter().filter(|beat| beat.sample > struck).collect();
    let lost = late.iter().copied().filter(is_lost).count();
    let earlier = told
        .iter()
        .filter(|beat| beat.sample <= struck)
        .filter(is_lost)
        .count();
    row.saw(format!(
        "{} beats told after it, {lost} of them lost; {earlier} told before it went with the files",
        late.len()
    ));
    row.expect(!late.is_empty() && lost == 0, || {
        format!(
            "{lost} of {} beats told after it are in no file",
            late.len()
        )
    });
    let total = account(&files, 0);
    row.saw(total.text());
    // What went with the files ends where they were taken: no hole reaches up to what came later.
    // two blocks of a second each, and what is sampled while four commits are waited for
    #[expect(clippy::cast_possible_truncation, reason = "a few seconds of samples")]
    let slack = (RATE_HZ * (2.0 + SPEED * 4.0 * BATCH.as_secs_f64())) as i64;
    let holes: Vec<_> = total
        .holes
        .iter()
        .filter(|(_, _, to)| *to > struck + slack)
        .collect();
    row.expect(holes.is_empty(), || {
        format!("neither stored nor in a gap: {holes:?}, struck at {struck}")
    });
    let doubled = total.beats.iter().filter(|(_, times)| **times > 1);
    let doubled: Vec<&Key> = doubled.map(|(key, _)| key).collect();
    row.saw(format!("{} beats stored twice", doubled.len()));
}

/// Wall time and sample of the beats that can be read of a database.
fn beats(file: &Path) -> Vec<(i64, i64)> {
    let read = || {
        let connection = Connection::open(file)?;
        let mut statement = connection.prepare("SELECT r_wall_us, r_sample FROM beats")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok::<_, rusqlite::Error>(rows.map_while(Result::ok).collect())
    };
    read().unwrap_or_default()
}

/// The socket's file removed and replaced: it is there again, and answers; what somebody put in its place
/// is theirs, and stays until they take it away.
pub(crate) fn socket(folder: &Path) -> Row {
    let mut row = Row::new("rm api.sock");
    let home = Home::new(folder, "batch_ms = 200", "");
    let daemon = home.start_bare(&[]);
    stored(&home, 2);
    for name in ["removed", "replaced by a file", "replaced by a socket"] {
        fs::remove_file(&home.socket).expect("the daemon's socket");
        match name {
            "replaced by a file" => fs::write(&home.socket, "mine").expect("a file"),
            "replaced by a socket" => {
                // bound and closed again: a socket nobody answers on
                drop(std::os::unix::net::UnixListener::bind(&home.socket).expect("a socket"));
            }
            _ => {}
        }
        if name == "replaced by a file" {
            std::thread::sleep(Duration::from_millis(2_500)); // two looks
            row.expect(
                fs::read(&home.socket).is_ok_and(|text| text == b"mine"),
                || format!("{name}: the file is gone"),
            );
            fs::remove_file(&home.socket).expect("the file");
        }
        let struck = Instant::now();
        let answered = loop {
            if ask(&home.socket, "/v1/status").is_ok_and(|(answer, _)| answer.contains(" 200 ")) {
                break true;
            }
            if struck.elapsed() > Duration::from_secs(8) {
                break false;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        row.saw(format!(
            "{name}: answers again after {:.1} s",
            struck.elapsed().as_secs_f64()
        ));
        row.expect(answered, || format!("{name}: no answer within 8 s"));
        if !answered {
            break;
        }
    }
    let code = daemon.terminate().0;
    row.expect(code == Some(0), || {
        format!("exit code {code:?}: {}", last_words(&home.log()))
    });
    row
}
