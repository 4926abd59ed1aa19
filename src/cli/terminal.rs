//! What a terminal may see.

use std::borrow::Cow;

/// Text on one line as a terminal may see it: names, comments and paths come from files of strangers
/// and may hold sequences that move the cursor, hide text or change the window's title. Control
/// characters and those that turn or hide text are shown as escapes (`\u{1b}`).
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, commands_a_terminal, |c| c.escape_default().collect())
}

/// As [`printable`], but line feeds stay: for text that this program has put together from lines.
pub(super) fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(
        text,
        |c| c != '\n' && commands_a_terminal(c),
        |c| c.escape_default().collect(),
    )
}

fn escaped(
    text: &str,
    is_escaped: impl Fn(char) -> bool,
    escape: impl Fn(char) -> String,
) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_escaped(c) {
            shown.push_str(&escape(c));
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

/// JSON text in which what a terminal would obey is escaped, too: such characters stand only inside
/// its strings, and all of them are below U+10000.
pub(super) fn json_escaped(text: &str) -> Cow<'_, str> {
    escaped(text, commands_a_terminal, |c| {
        format!("\\u{:04x}", u32::from(c))
    })
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
