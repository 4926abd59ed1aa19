//! Hostile clients, users, files and clocks against the built daemon on a simulated chip: no sample is
//! lost, nobody is shut out of the status, memory stays below the unit's limit.
//!
//! Every attack is a row of a table with its own expectation; the test fails with all rows that do not
//! hold. `scripts/attack-test` runs it. Variables: `ECG_ATTACK_SECONDS` (10 where it is not set) is how
//! long the siege and the clock's steps take, `ECG_ATTACK_ROWS` names the rows to be run (by comma, all
//! where it is not set), `ECG_ATTACK_ALONE=1` says that nothing else runs on the machine: then one
//! daemon is attacked after the other, and status must come within 100 ms; `ECG_GATEWAY` is another
//! program than the one just built; `ECG_ATTACK_SOCKET` is the socket of a daemon that runs already and
//! whose database has more than 5,000 beats: only clients attack it.

mod account;
mod clock;
mod files;
mod order;
mod row;
mod siege;
mod users;

use std::any::Any;
use std::path::Path;
use std::time::Duration;

use super::common;
use super::common::daemon::length;
use row::Row;
use siege::Siege;

/// A part of the suite that has its own daemons.
type Part<'a> = (&'static str, Box<dyn Fn(&Path) -> Vec<Row> + Sync + 'a>);

/// Rows of the siege.
const SIEGE: [&str; 4] = ["malformed", "abandoned", "unread", "drip"];

#[test]
fn hostile_clients_lose_no_sample() {
    let length = Duration::from_secs(length("ECG_ATTACK_SECONDS", 10));
    let alone = std::env::var_os("ECG_ATTACK_ALONE").is_some_and(|value| value == "1");
    let names = std::env::var("ECG_ATTACK_ROWS").unwrap_or_default();
    let wanted = |name: &str| names.is_empty() || names.split(',').any(|row| row.trim() == name);
    let in_siege = |name: &str| wanted("siege") || wanted(name);
    let siege = Siege { length, alone };
    if let Some(socket) = std::env::var_os("ECG_ATTACK_SOCKET") {
        return judge(&siege::attack(Path::new(&socket), siege, in_siege));
    }
    let parts: [Part<'_>; 6] = [
        (
            "siege",
            Box::new(|folder| siege::run(folder, siege, in_siege)),
        ),
        ("users", Box::new(|folder| vec![users::permitted(folder)])),
        (
            "namespace",
            Box::new(|folder| vec![users::namespace(folder)]),
        ),
        ("crowd", Box::new(|folder| vec![users::crowd(folder)])),
        (
            "files",
            Box::new(|folder| {
                let mut rows = files::replaced(folder);
                let folder = folder.join("s");
                std::fs::create_dir(&folder).expect("a folder");
                rows.push(files::socket(&folder));
                rows
            }),
        ),
        (
            "clock",
            Box::new(|folder| vec![clock::steps(folder, length)]),
        ),
    ];
    let parts: Vec<&Part<'_>> = parts
        .iter()
        .filter(|(name, _)| {
            wanted(name) || (*name == "siege" && SIEGE.iter().any(|row| wanted(row)))
        })
        .collect();
    let rows: Vec<Row> = if alone {
        parts.into_iter().flat_map(run_part).collect()
    } else {
        std::thread::scope(|scope| {
            let running: Vec<_> = parts
                .into_iter()
                .map(|part| scope.spawn(move || run_part(part)))
                .collect();
            running
                .into_iter()
                .flat_map(|part| part.join().expect("panics are rows"))
                .collect()
        })
    };
    assert!(!rows.is_empty(), "ECG_ATTACK_ROWS={names}: no such row");
    judge(&rows);
}

/// Makes the database named by `ECG_ATTACK_DATABASE`, for a daemon that this suite does not start.
#[test]
#[ignore = "a part of scripts/attack-test vm"]
fn fill_a_database() {
    let database = std::env::var_os("ECG_ATTACK_DATABASE").expect("ECG_ATTACK_DATABASE");
    siege::fill(Path::new(&database));
}

/// Prints the table; fails with every row that does not hold.
fn judge(rows: &[Row]) {
    let table: Vec<String> = rows.iter().map(Row::text).collect();
    // libtest has begun a line with the name of the test
    println!("\n{}", table.join("\n"));
    let failed: Vec<String> = rows
        .iter()
        .filter(|row| !row.problems.is_empty())
        .map(Row::text)
        .collect();
    common::report(&failed);
}

/// A part in a folder of its own; a panic in it is a row that does not hold.
fn run_part((name, part): &Part<'_>) -> Vec<Row> {
    let folder = common::scratch();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| part(folder.path())));
    caught.unwrap_or_else(|panic| {
        let mut row = Row::new(name);
        row.problems.push(words(&*panic));
        vec![row]
    })
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic").to_owned()
}
