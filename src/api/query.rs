//! Query strings: every key known, every value checked, every refusal explained.

use arrhythmianet::BeatClass;
use arrhythmianet::explain::Method;
use axum::extract::Query;
use axum::http::Uri;
use ecg_chain::WallUs;

use super::json::{CLASSIFIED, UNCLASSIFIABLE};
use super::problem::{Kind, Problem};

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
    pub(super) fn parse(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Problem::new(Kind::InvalidParameter, error.to_string()))?;
        match pairs.iter().find(|(key, _)| !known.contains(&&**key)) {
            None => Ok(Self { pairs }),
            Some((key, _)) => Err(Problem::new(
                Kind::UnknownParameter,
                if known.is_empty() {
                    format!("\"{key}\": this path takes no parameters")
                } else {
                    format!("\"{key}\": this path takes {}", known.join(", "))
                },
            )),
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

    pub(super) fn id(&self, name: &str) -> Result<Option<i64>, Problem> {
        self.one(name)?.map(|text| parse_id(name, text)).transpose()
    }

    pub(super) fn limit(&self) -> Result<u32, Problem> {
        let Some(text) = self.one("limit")? else {
            return Ok(DEFAULT_LIMIT);
        };
        text.parse()
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .ok_or_else(|| {
                Problem::invalid("limit", text, &format!("a whole number 1 to {MAX_LIMIT}"))
            })
    }

    pub(super) fn milliseconds(&self, name: &str, default: f64, most: f64) -> Result<f64, Problem> {
        let Some(text) = self.one(name)? else {
            return Ok(default);
        };
        text.parse()
            .ok()
            .filter(|value: &f64| (0.0..=most).contains(value))
            .ok_or_else(|| Problem::invalid(name, text, &format!("milliseconds, 0 to {most}")))
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<WallUs>, Problem> {
        let Some(text) = self.one(name)? else {
            return Ok(None);
        };
        if let Ok(us) = text.parse() {
            return Ok(Some(WallUs(us)));
        }
        // a `+` that was not percent-encoded arrives as a space
        text.replace(' ', "+")
            .parse::<jiff::Timestamp>()
            .map(|timestamp| Some(WallUs(timestamp.as_microsecond())))
            .map_err(|_| {
                Problem::invalid(
                    name,
                    text,
                    "an RFC 3339 time such as 2026-01-31T12:00:00Z or whole microseconds since \
                     1970-01-01T00:00:00Z",
                )
            })
    }

    pub(super) fn classes(&self) -> Result<Vec<BeatClass>, Problem> {
        self.all("class")
            .flat_map(|list| list.split(','))
            .map(|text| {
                let mut letters = text.chars();
                match (
                    letters.next().and_then(BeatClass::from_symbol),
                    letters.next(),
                ) {
                    (Some(class), None) => Ok(class),
                    _ => Err(Problem::invalid(
                        "class",
                        text,
                        "N, L, R, A or V, several separated by commas",
                    )),
                }
            })
            .collect()
    }

    /// The method of a map, Grad-CAM where the client does not say.
    pub(super) fn method(&self) -> Result<Method, Problem> {
        let Some(text) = self.one("method")? else {
            return Ok(Method::GradCam);
        };
        Method::from_name(text).ok_or_else(|| {
            Problem::invalid("method", text, &Method::ALL.map(Method::name).join(", "))
        })
    }

    /// One class, or none given.
    pub(super) fn class(&self) -> Result<Option<BeatClass>, Problem> {
        match *self.classes()? {
            [] => Ok(None),
            [class] => Ok(Some(class)),
            _ => Err(Problem::invalid(
                "class",
                "several classes",
                "one of N, L, R, A or V",
            )),
        }
    }

    /// Whether only unclassifiable beats, or only the others, are asked for.
    pub(super) fn unclassifiable(&self) -> Result<Option<bool>, Problem> {
        match self.one("outcome")? {
            None => Ok(None),
            Some(UNCLASSIFIABLE) => Ok(Some(true)),
            Some(CLASSIFIED) => Ok(Some(false)),
            Some(other) => {
                let expected = format!("{CLASSIFIED} or {UNCLASSIFIABLE}");
                Err(Problem::invalid("outcome", other, &expected))
            }
        }
    }

    pub(super) fn cursor(&self, list: List) -> Result<i64, Problem> {
        let Some(text) = self.one("cursor")? else {
            return Ok(0);
        };
        text.strip_prefix(list.mark())
            .and_then(|digits| i64::from_str_radix(digits, 16).ok())
            .filter(|after_id| *after_id > 0)
            .ok_or_else(|| {
                Problem::invalid("cursor", text, "the next_cursor of an earlier answer here")
            })
    }
}

/// Reads `text` as the query string of every parameter there is; for `fuzz/`.
#[cfg(fuzzing)]
pub fn fuzz_query(text: &str) {
    let Ok(uri) = format!("/v1/x?{text}").parse::<Uri>() else {
        return;
    };
    let known = [
        "from",
        "to",
        "class",
        "outcome",
        "session",
        "limit",
        "cursor",
        "before_ms",
    ];
    let Ok(parameters) = Parameters::parse(&uri, &known) else {
        return;
    };
    let _ = parameters
        .time("from")
        .map(|time| time.map(WallUs::to_rfc3339));
    let _ = parameters.time("to");
    let _ = parameters.classes();
    let _ = parameters.unclassifiable();
    let _ = parameters.id("session");
    let _ = parameters.limit();
    let _ = parameters.milliseconds("before_ms", 1.0, 10.0);
    for list in [
        List::Sessions,
        List::Beats,
        List::Gaps,
        List::Events,
        List::Audit,
    ] {
        if let Ok(after) = parameters.cursor(list) {
            let again = list.cursor_after(after);
            assert!(after == 0 || again.len() > 1);
        }
    }
}

pub(super) fn parse_id(name: &str, text: &str) -> Result<i64, Problem> {
    text.parse()
        .ok()
        .filter(|id| *id > 0)
        .ok_or_else(|| Problem::invalid(name, text, "a whole number from 1"))
}

/// The lists that are paged; a cursor of one is refused by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Sessions,
    Beats,
    Gaps,
    Events,
    Audit,
}

impl List {
    const fn mark(self) -> char {
        match self {
            Self::Sessions => 's',
            Self::Beats => 'b',
            Self::Gaps => 'g',
            Self::Events => 'e',
            Self::Audit => 'a',
        }
    }

    /// The cursor that continues after a row.
    pub(super) fn cursor_after(self, id: i64) -> String {
        format!("{}{id:x}", self.mark())
    }
}
