//! What the commands print on standard output.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use super::failure::{Failure, other};
use crate::model::{BeatClass, CLASS_COUNT};

/// Beats by class, in the order N L R A V.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ByClass(pub(super) [u64; CLASS_COUNT]);

/// `, 3 unclassifiable`, or nothing where there are none.
pub(super) fn unclassifiable(beats: u64) -> String {
    if beats == 0 {
        String::new()
    } else {
        format!(", {beats} unclassifiable")
    }
}

impl ByClass {
    pub(super) fn add(&mut self, class: BeatClass) {
        self.0[class.index()] += 1;
    }

    pub(super) fn add_all(&mut self, others: Self) {
        for (count, more) in self.0.iter_mut().zip(others.0) {
            *count += more;
        }
    }

    pub(super) fn total(self) -> u64 {
        self.0.iter().sum()
    }

    /// `N 120  L 0  R 0  A 3  V 7`.
    pub(super) fn line(self) -> String {
        let parts: Vec<String> = BeatClass::ALL
            .into_iter()
            .map(|class| format!("{} {}", class.symbol(), self.0[class.index()]))
            .collect();
        parts.join("  ")
    }
}

impl Serialize for ByClass {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let map: BTreeMap<char, u64> = BeatClass::ALL
            .into_iter()
            .map(|class| (class.symbol(), self.0[class.index()]))
            .collect();
        map.serialize(serializer)
    }
}

/// Text on one line as a terminal may see it: names, comments and paths come from files of strangers
/// and may hold sequences that move the cursor, hide text or change the window's title. Control
/// characters and those that turn or hide text are shown as escapes (`\u{1b}`).
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, commands_a_terminal)
}

/// As [`printable`], but line feeds stay: for text that this program has put together from lines.
fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && commands_a_terminal(c))
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_escaped(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Controls (C0, DEL, C1), and characters without a shape that reorder or break a line.
fn commands_a_terminal(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
        )
}

/// Prints one JSON object and a newline. What a terminal would obey is escaped beyond what JSON asks.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| other("JSON", error))?;
    print(&json_escaped(&text))
}

/// Such characters stand only inside the strings of a JSON text, and all of them below U+10000.
fn json_escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(commands_a_terminal) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if commands_a_terminal(c) {
            shown.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Prints lines; a reader that went away (`| head`) ends the output, not the command.
pub(super) fn text_line(text: &str) -> Result<(), Failure> {
    print(&printable_lines(text))
}

fn print(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(other("standard output", error))
        }
        _ => Ok(()),
    }
}

/// Prints a warning on standard error: results are there, and something must be known about them.
pub(super) fn warn(text: &str) {
    // Where standard error is closed, the warning is lost.
    let _ = writeln!(
        std::io::stderr().lock(),
        "ecg-gateway: warning: {}",
        printable(text)
    );
}

/// A fraction as a percentage with two decimals, `-` where it does not exist.
pub(super) fn percent(fraction: Option<f64>) -> String {
    fraction.map_or_else(
        || "-".to_owned(),
        |fraction| format!("{:.2}", fraction * 100.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_a_file_commands_the_terminal() {
        let hostile = "a\u{1b}]0;title\u{7}b\r\nc\u{9b}31m\u{7f}\u{202e}d\u{feff}";
        let shown = "a\\u{1b}]0;title\\u{7}b\\r\\nc\\u{9b}31m\\u{7f}\\u{202e}d\\u{feff}";
        assert_eq!(printable(hostile), shown);
        assert_eq!(printable_lines("a\u{1b}\nb"), "a\\u{1b}\nb");
        for plain in ["", "Müller, 5 µV – 心电图", "a \"quoted\" word"] {
            assert!(matches!(printable(plain), Cow::Borrowed(same) if same == plain));
        }
        let text = serde_json::to_string(hostile).unwrap();
        let sent = json_escaped(&text);
        assert!(!sent.contains(commands_a_terminal), "{sent}");
        assert_eq!(serde_json::from_str::<String>(&sent).unwrap(), hostile);
    }
}
