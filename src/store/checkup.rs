//! A check of the whole file in the background, table by table, so that damage in pages nobody reads is
//! found. It only tells: what becomes of a damaged file is the writer's, when it meets the damage itself.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ecg_chain::WallUs;

use super::error::{Context, StoreError};
use super::monitor::WriterMonitor;
use super::options::Checkup;
use super::query::{faults, quoted, tables};
use super::reader::StoreReader;

/// Longest sleep between two looks at whether it is to stop.
const NAP: Duration = Duration::from_millis(50);
/// Steps of SQLite (a page, or some columns of a row) between two looks at the clock.
const STEPS_PER_LOOK: i32 = 64;
/// It works this long and then rests: a fifth of the time, and of what the medium reads.
const BURST: Duration = Duration::from_millis(5);
const REST: Duration = Duration::from_millis(20);
/// A table that takes longer is left out: the log cannot begin anew meanwhile.
const LONGEST_TABLE: Duration = Duration::from_secs(3_600);
/// Findings that are told.
const MOST_FINDINGS: usize = 5;

/// The thread that checks; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Checker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Checker {
    pub(super) fn start(
        path: &Path,
        checkup: Checkup,
        monitor: WriterMonitor,
    ) -> Result<Self, StoreError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (path, told) = (path.to_owned(), Arc::clone(&stop));
        let error_path = path.clone();
        let thread = std::thread::Builder::new()
            .name("store-checkup".to_owned())
            .spawn(move || run(&path, checkup, &monitor, &told))
            .map_err(|source| StoreError::Io {
                path: error_path,
                source,
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // a panic there has already been reported by the panic hook
            let _ = thread.join();
        }
    }
}

fn run(path: &Path, checkup: Checkup, monitor: &WriterMonitor, stop: &Arc<AtomicBool>) {
    give_way();
    let mut due = Instant::now() + checkup.first;
    while !stop.load(Ordering::Relaxed) {
        // a store in trouble has better things to do
        if Instant::now() < due || monitor.status().trouble.is_some() {
            std::thread::sleep(NAP.min(checkup.every).min(checkup.first.max(REST)));
            continue;
        }
        match check(path, monitor, stop, LONGEST_TABLE) {
            Ok(Some(checked)) => note(monitor, &checked.findings, &checked.left_out),
            Ok(None) => {}
            Err(error) if error.is_damage() => note(monitor, &[error.to_string()], &[]),
            Err(error) => tracing::debug!(%error, "no check of the database this time"),
        }
        due = Instant::now() + checkup.every;
    }
}

/// Everything else comes first; where that is refused the check only takes the rests it takes anyway.
fn give_way() {
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19);
}

fn note(monitor: &WriterMonitor, findings: &[String], left_out: &[String]) {
    if !left_out.is_empty() {
        let tables = left_out.join(", ");
        tracing::warn!(
            tables,
            "the check of the database left out what took too long"
        );
    }
    let mut status = monitor.lock();
    let checkup = &mut status.checkup;
    checkup.finished += 1;
    checkup.last = Some(WallUs::now());
    checkup.damage = (!findings.is_empty()).then(|| findings.join("; "));
    match &checkup.damage {
        None if left_out.is_empty() => tracing::info!("the database was checked: no damage"),
        None => tracing::info!("the rest of the database was checked: no damage"),
        Some(damage) => {
            checkup.damaged += 1;
            tracing::error!(
                damage,
                "the database is damaged: save a copy, and see the page on operations"
            );
        }
    }
}

/// What a check has come to.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) findings: Vec<String>,
    /// Tables that took too long.
    pub(super) left_out: Vec<String>,
}

/// Checks table by table; those that take longer than `longest` are left out. `None` where it was stopped
/// before it found anything.
pub(super) fn check(
    path: &Path,
    monitor: &WriterMonitor,
    stop: &Arc<AtomicBool>,
    longest: Duration,
) -> Result<Option<Checked>, StoreError> {
    let mut reader = StoreReader::open(path)?;
    let context = Context::new(path, Duration::ZERO);
    let explain = |error| context.explain("checking", error);
    let connection = &mut reader.file.connection;
    let mut checked = Checked::default();
    for table in tables(connection).map_err(explain)? {
        let began = Instant::now();
        let (told, watched) = (Arc::clone(stop), monitor.clone());
        let mut burst = began;
        connection
            .progress_handler(
                STEPS_PER_LOOK,
                Some(move || {
                    if burst.elapsed() < BURST {
                        return false;
                    }
                    std::thread::sleep(REST);
                    burst = Instant::now();
                    told.load(Ordering::Relaxed)
                        || began.elapsed() > longest
                        || watched.status().trouble.is_some()
                }),
            )
            .map_err(explain)?;
        match faults(connection, &format!("quick_check({})", quoted(&table))) {
            Ok(lines) => {
                let lines = lines.into_iter().map(|line| format!("{table}: {line}"));
                checked.findings.extend(lines);
            }
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) =>
            {
                if stop.load(Ordering::Relaxed) || began.elapsed() <= longest {
                    return Ok((!checked.findings.is_empty()).then_some(checked));
                }
                checked.left_out.push(table);
            }
            Err(error) => return Err(explain(error)),
        }
        checked.findings.truncate(MOST_FINDINGS);
    }
    Ok(Some(checked))
}
