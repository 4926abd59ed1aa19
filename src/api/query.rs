//! Query strings: every key known, every value checked, every refusal explained.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use arrhythmianet::BeatClass;
use arrhythmianet::explain::Method;
use axum::extract::Query;
use axum::http::Uri;
use ecg_chain::{EventKind, WallUs};

use super::json::{CLASSIFIED, UNCLASSIFIABLE};
use super::problem::{Kind, Problem};
use crate::store::{CORRECTED_CLASSES, RowFilter};

/// Rows of each kind read at once while a resumed stream catches up. Each stream whose client does not
/// read holds so many in memory.
pub(super) const PAGE_ROWS: u32 = 64;
/// Rows in a page where the client does not say.
pub(super) const DEFAULT_LIMIT: u32 = 100;
/// Most rows in a page.
pub(super) const MAX_LIMIT: u32 = 5_000;

/// A parsed query string whose keys are all known.
#[derive(Debug)]
pub(super) struct Parameters {
    pairs: Vec<(String, String)>,
}

impl Parameters {
    /// Reads the query string of a path that takes `known`, names with `, ` between them.
    pub(super) fn parse(uri: &Uri, known: &str) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Problem::new(Kind::InvalidParameter, error.to_string()))?;
        let is_known = |key: &str| known.split(", ").any(|name| name == key && !key.is_empty());
        match pairs.iter().find(|(key, _)| !is_known(key)) {
            None => Ok(Self { pairs }),
            Some((key, _)) => {
                let known = if known.is_empty() {
                    "no parameters"
                } else {
                    known
                };
                let detail = format!("\"{key}\": this path takes {known}");
                Err(Problem::new(Kind::UnknownParameter, detail))
            }
        }
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| &**value)
    }

    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.all(name);
        let first = values.next();
        match values.next() {
            None => Ok(first),
            Some(second) => Err(Problem::invalid(name, second, "the parameter only once")),
        }
    }

    /// The value of a parameter, if it is given and `read` makes something of it.
    fn value<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let text = self.one(name)?;
        text.map(|text| read(text).ok_or_else(|| Problem::invalid(name, text, expected)))
            .transpose()
    }

    pub(super) fn id(&self, name: &str) -> Result<Option<i64>, Problem> {
        self.one(name)?.map(|text| parse_id(name, text)).transpose()
    }

    /// A whole number in a range.
    pub(super) fn whole<T: FromStr + PartialOrd + Display>(
        &self,
        name: &str,
        range: RangeInclusive<T>,
    ) -> Result<Option<T>, Problem> {
        let expected = format!("a whole number {} to {}", range.start(), range.end());
        self.value(name, &expected, |text| parse_within(text, range))
    }

    pub(super) fn milliseconds(&self, name: &str, default: f64, most: f64) -> Result<f64, Problem> {
        let expected = format!("milliseconds, 0 to {most}");
        let read = |text: &str| parse_within(text, 0.0..=most);
        Ok(self.value(name, &expected, read)?.unwrap_or(default))
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<WallUs>, Problem> {
        let expected = "an RFC 3339 time such as 2026-01-31T12:00:00Z or whole microseconds since \
             1970-01-01T00:00:00Z";
        self.value(name, expected, |text| {
            // a `+` that was not percent-encoded arrives as a space
            let rfc3339 = || text.replace(' ', "+").parse::<jiff::Timestamp>().ok();
            let us = text.parse().ok();
            us.or_else(|| rfc3339().map(jiff::Timestamp::as_microsecond))
                .map(WallUs)
        })
    }

    pub(super) fn classes(&self) -> Result<Vec<BeatClass>, Problem> {
        let expected = "N, L, R, A, S or V, several separated by commas";
        self.letters(expected, BeatClass::from_symbol)
    }

    /// Classes that a person may name.
    fn corrected_classes(&self) -> Result<Vec<char>, Problem> {
        let expected = "N, L, R, A, S, V, F or Q, several separated by commas";
        let is_one = |letter| CORRECTED_CLASSES.contains(&letter);
        self.letters(expected, |letter| is_one(letter).then_some(letter))
    }

    fn letters<T>(
        &self,
        expected: &str,
        class: impl Fn(char) -> Option<T>,
    ) -> Result<Vec<T>, Problem> {
        self.all("class")
            .flat_map(|list| list.split(','))
            .map(|text| {
                let upper = text.to_ascii_uppercase();
                let mut letters = upper.chars();
                // S is the AAMI class of A alone
                let letter = letters
                    .next()
                    .map(|letter| if letter == 'S' { 'A' } else { letter });
                let class = letter.and_then(&class).filter(|_| letters.next().is_none());
                class.ok_or_else(|| Problem::invalid("class", text, expected))
            })
            .collect()
    }

    /// Whether labels count as somebody corrected them.
    pub(super) fn corrected(&self) -> Result<bool, Problem> {
        let corrected = self.value("labels", "machine or corrected", |text| match text {
            "machine" => Some(false),
            "corrected" => Some(true),
            _ => None,
        })?;
        Ok(corrected.unwrap_or(false))
    }

    /// Kinds of events.
    fn kinds(&self) -> Result<Vec<EventKind>, Problem> {
        self.all("kind")
            .flat_map(|list| list.split(','))
            .map(|text| {
                EventKind::from_name(text).ok_or_else(|| {
                    let names = EventKind::ALL.iter().map(|kind| kind.name());
                    let names = names.collect::<Vec<_>>().join(", ");
                    let expected = format!("{names}, several separated by commas");
                    Problem::invalid("kind", text, &expected)
                })
            })
            .collect()
    }

    /// The method of a map, Grad-CAM where the client does not say.
    pub(super) fn method(&self) -> Result<Method, Problem> {
        let expected = Method::ALL.map(Method::name).join(", ");
        let method = self.value("method", &expected, Method::from_name)?;
        Ok(method.unwrap_or(Method::GradCam))
    }

    /// One class, or none given.
    pub(super) fn class(&self) -> Result<Option<BeatClass>, Problem> {
        match *self.classes()? {
            [] => Ok(None),
            [class] => Ok(Some(class)),
            _ => {
                let expected = "one of N, L, R, A or V";
                Err(Problem::invalid("class", "several classes", expected))
            }
        }
    }

    /// Whether only unclassifiable beats, or only the others, are asked for.
    pub(super) fn unclassifiable(&self) -> Result<Option<bool>, Problem> {
        let expected = format!("{CLASSIFIED} or {UNCLASSIFIABLE}");
        self.value("outcome", &expected, |text| match text {
            UNCLASSIFIABLE => Some(true),
            CLASSIFIED => Some(false),
            _ => None,
        })
    }

    /// The row after which a list of this name goes on. A cursor of one list is refused by another.
    pub(super) fn cursor(&self, list: &str) -> Result<i64, Problem> {
        let expected = "the next_cursor of an earlier answer here";
        let after_id = self.value("cursor", expected, |text| {
            let digits = text.strip_prefix(mark(list))?;
            let id = i64::from_str_radix(digits, 16).ok();
            id.filter(|id| *id > 0)
        })?;
        Ok(after_id.unwrap_or(0))
    }

    /// Whether the newest rows are asked for first.
    fn newest_first(&self) -> Result<bool, Problem> {
        let order = self.value("order", "asc or desc", |text| match text {
            "asc" => Some(false),
            "desc" => Some(true),
            _ => None,
        })?;
        Ok(order.unwrap_or(false))
    }

    /// Which rows of the list of this name are asked for.
    pub(super) fn rows(&self, list: &str) -> Result<RowFilter, Problem> {
        self.rows_at_most(list, DEFAULT_LIMIT, MAX_LIMIT)
    }

    /// As [`Parameters::rows`], of a list with other limits of its pages.
    pub(super) fn rows_at_most(
        &self,
        list: &str,
        default: u32,
        most: u32,
    ) -> Result<RowFilter, Problem> {
        let (classes, corrected_classes) = if self.corrected()? {
            (Vec::new(), self.corrected_classes()?)
        } else {
            (self.classes()?, Vec::new())
        };
        Ok(RowFilter {
            limit: self.whole("limit", 1..=most)?.unwrap_or(default),
            session: self.id("session")?,
            classes,
            corrected_classes,
            unclassifiable: self.unclassifiable()?,
            kinds: self.kinds()?,
            from: self.time("from")?,
            until: self.time("to")?,
            after_id: self.cursor(list)?,
            newest_first: self.newest_first()?,
        })
    }
}

/// What the cursors of a list begin with.
fn mark(list: &str) -> &str {
    list.get(..1).unwrap_or_default()
}

/// The cursor that continues the list of this name after a row.
pub(super) fn cursor_after(list: &str, id: i64) -> String {
    format!("{}{id:x}", mark(list))
}

fn parse_within<T: FromStr + PartialOrd>(text: &str, range: RangeInclusive<T>) -> Option<T> {
    text.parse().ok().filter(|value| range.contains(value))
}

pub(super) fn parse_id(name: &str, text: &str) -> Result<i64, Problem> {
    parse_within(text, 1..=i64::MAX)
        .ok_or_else(|| Problem::invalid(name, text, "a whole number from 1"))
}

/// Reads `text` as the query string of every parameter there is; for `fuzz/`.
#[cfg(fuzzing)]
pub fn fuzz_query(text: &str) {
    let Ok(uri) = format!("/v1/x?{text}").parse::<Uri>() else {
        return;
    };
    let known = "from, to, class, labels, outcome, session, kind, limit, cursor, before_ms";
    let Ok(parameters) = Parameters::parse(&uri, known) else {
        return;
    };
    let _ = parameters
        .time("from")
        .map(|time| time.map(WallUs::to_rfc3339));
    let _ = parameters.milliseconds("before_ms", 1.0, 10.0);
    for list in ["sessions", "beats", "gaps", "events", "rr", "audit"] {
        let _ = parameters.rows(list);
        if let Ok(after) = parameters.cursor(list) {
            let again = cursor_after(list, after);
            assert!(after == 0 || again.len() > 1);
        }
    }
}
