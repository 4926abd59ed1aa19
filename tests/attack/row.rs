//! One row of the suite's table: an attack, what was seen, and what was wrong with it.

use std::fmt::Write as _;
use std::time::Duration;

/// An attack and its outcome.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    seen: String,
    pub(crate) problems: Vec<String>,
}

impl Row {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            seen: String::new(),
            problems: Vec::new(),
        }
    }

    /// Adds to what was seen.
    pub(crate) fn saw(&mut self, text: impl AsRef<str>) {
        if !self.seen.is_empty() {
            self.seen.push_str("; ");
        }
        self.seen.push_str(text.as_ref());
    }

    /// Notes a problem unless `holds`.
    pub(crate) fn expect(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(problem());
        }
    }

    /// Notes that the row could not be tried here.
    pub(crate) fn skipped(mut self, why: &str) -> Self {
        self.saw(format!("skipped: {why}"));
        // Elsewhere a machine may lack what a row needs; where changes are judged it must not.
        self.expect(std::env::var("CI").as_deref() != Ok("true"), || {
            format!("skipped in CI: {why}")
        });
        self
    }

    /// As a line or more of the table.
    pub(crate) fn text(&self) -> String {
        let verdict = if self.problems.is_empty() {
            "holds"
        } else {
            "FAILS"
        };
        let mut text = format!("{verdict} {:<20} {}", self.name, self.seen);
        for problem in &self.problems {
            let _ = write!(text, "\n      - {problem}");
        }
        text
    }
}

/// The time within which this share of `times` (sorted) lies, milliseconds.
pub(crate) fn within_ms(times: &[Duration], percent: usize) -> f64 {
    let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times
        .get(place)
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

/// The last of what a log says beside how things go as usual.
pub(crate) fn last_words(log: &str) -> String {
    let unusual = log.lines().filter(|line| !line.contains(" INFO "));
    let lines: Vec<&str> = unusual.collect();
    lines[lines.len().saturating_sub(4)..].join("\n        ")
}
