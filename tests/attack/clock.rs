//! A wall clock that steps while the daemon records: nothing is ordered by it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::account::{account, databases};
use super::common::daemon::{Home, library};
use super::common::process::Daemon;
use super::common::{gateway, get, integers};
use super::row::{Row, last_words};
use arrhythmianet::SplitMix64;

const SECOND_NS: i64 = 1_000_000_000;
const DAY_NS: i64 = 86_400 * SECOND_NS;
/// How often beats are asked for by time.
const QUERIES: u64 = 160;

/// Steps of the wall clock against the right time, in turn.
const STEPS: [(&str, i64); 5] = [
    ("-30 s", -30 * SECOND_NS),
    ("+400 days", 400 * DAY_NS),
    ("1970", -56 * 365 * DAY_NS),
    ("-30 s again", -30 * SECOND_NS),
    ("right", 0),
];

struct Clock<'a> {
    home: &'a Home,
    library: std::path::PathBuf,
}

impl Clock<'_> {
    fn set(&self, offset_ns: i64) {
        let control = self.home.folder.join("clock");
        let next = self.home.folder.join("clock.next");
        // at once, so that nobody reads half a number
        fs::write(&next, offset_ns.to_string()).expect("the control file");
        fs::rename(next, control).expect("the control file");
    }

    fn start(&self) -> Daemon {
        let mut command = self.home.command(&[], gateway());
        command
            .env("LD_PRELOAD", &self.library)
            .env("ECG_CLOCK", self.home.folder.join("clock"));
        Daemon(command.spawn().expect("the binary starts"))
    }
}

/// Steps in both directions, a crash between them, and questions by time.
pub(crate) fn steps(folder: &Path, length: Duration) -> Row {
    let mut row = Row::new("clock steps");
    let home = Home::new(folder, "batch_ms = 100\necg_block_seconds = 10", "");
    let Some(library) = library(folder, "tests/attack/clock.c") else {
        return row.skipped("no C compiler for the clock's shim");
    };
    let clock = Clock {
        home: &home,
        library,
    };
    clock.set(0);
    let daemon = clock.start();
    home.until("beats are stored", |status| {
        status["store"]["beats_committed"].as_u64() > Some(3)
    });
    let pause = (length / 6).max(Duration::from_secs(2));
    std::thread::sleep(pause);
    for (_, offset_ns) in STEPS {
        clock.set(offset_ns);
        std::thread::sleep(pause);
    }
    let status = home.status();
    row.expect(status["session"]["gaps"] == 0, || {
        format!("{} gaps of a clock that stepped", status["session"]["gaps"])
    });
    ask_by_time(&mut row, &home);
    // A crash with the clock behind: what was acquired beyond the last block is a gap.
    clock.set(-30 * SECOND_NS);
    // Killed while a stored beat lies behind the newest block and the next block is far.
    const BEHIND: &str = "SELECT (SELECT max(r_sample) FROM beats) - \
        (SELECT max(first_sample + samples) FROM ecg_blocks)";
    let give_up = Instant::now() + Duration::from_secs(60);
    while !(500..3_000).contains(&integers(&home.database, BEHIND)[0]) {
        assert!(Instant::now() < give_up, "no beat behind the newest block");
        std::thread::sleep(Duration::from_millis(50));
    }
    daemon.kill();
    let daemon = clock.start();
    home.until("the next life stores", |status| {
        status["store"]["beats_committed"].as_u64() > Some(1)
    });
    ask_by_time(&mut row, &home);
    let code = daemon.terminate().0;
    row.expect(code == Some(0), || {
        format!("exit code {code:?}: {}", last_words(&home.log()))
    });
    let steps = integers(
        &home.database,
        "SELECT count(*) FROM clock_relations WHERE step_us <> 0",
    );
    row.saw(format!("{} steps stored", steps.iter().sum::<i64>()));
    row.expect(steps.iter().sum::<i64>() >= 5, || {
        "not every step is stored: the shim has no effect, or the watch does not see it".to_owned()
    });
    let ids = integers(
        &home.database,
        "SELECT id FROM beats ORDER BY session, r_sample",
    );
    row.expect(ids.is_sorted(), || {
        "ids are not in the order of recording".to_owned()
    });
    let gaps = integers(
        &home.database,
        "SELECT count(*) FILTER (WHERE cause = 'interrupted') * 1000 + count(*) FROM gaps",
    );
    row.expect(gaps == [1_001], || {
        format!("{gaps:?}: not the gap of the crash and no other (1001)")
    });
    let total = account(&databases(folder), 0);
    row.saw(total.text());
    row.expect(total.holes.is_empty(), || {
        format!("neither stored nor in a gap: {:?}", total.holes)
    });
    row
}

/// Beats by `from` and `to` against all beats there are.
fn ask_by_time(row: &mut Row, home: &Home) {
    let all = beats(home, "/v1/beats?limit=5000");
    let times: Vec<i64> = all.iter().map(|(_, time_us)| *time_us).collect();
    let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else {
        row.problems.push("no beats".to_owned());
        return;
    };
    let mut dice = SplitMix64::new(7);
    let mut wrong = 0;
    for _ in 0..QUERIES {
        let mut pick = || {
            // near a beat, since most of the time between the clock's steps has none
            let place = usize::try_from(dice.below(times.len() as u64)).expect("small");
            times[place] + i64::try_from(dice.below(4_000_000)).expect("small") - 2_000_000
        };
        let (a, b) = (pick(), pick());
        let (from, to) = (a.min(b), a.max(b) + 1);
        let expected: BTreeSet<i64> = all
            .iter()
            .filter(|(_, time_us)| (from..to).contains(time_us))
            .map(|(id, _)| *id)
            .collect();
        let newest = all.last().map_or(0, |(id, _)| *id);
        let found = beats(home, &format!("/v1/beats?limit=5000&from={from}&to={to}"));
        let found: BTreeSet<i64> = found
            .into_iter()
            .map(|(id, _)| id)
            .filter(|id| *id <= newest)
            .collect();
        wrong += u64::from(found != expected);
    }
    let span = (last - first) / 1_000_000;
    row.saw(format!(
        "{wrong} of {QUERIES} questions by time wrong (over {span} s of wall time)"
    ));
    row.expect(wrong == 0, || {
        format!("{wrong} of {QUERIES} answers by time are wrong")
    });
}

/// Ids and times of the beats in an answer.
fn beats(home: &Home, path: &str) -> Vec<(i64, i64)> {
    let (_, answer) = get(&home.socket, path);
    let beats = answer["beats"].as_array();
    let number = |beat: &Value, field: &str| beat[field].as_i64().expect("a number");
    beats
        .into_iter()
        .flatten()
        .map(|beat| (number(beat, "id"), number(beat, "r_time_us")))
        .collect()
}
