//! Bodies of requests: JSON objects of a bounded length, every field known, every refusal explained.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use serde_json::{Map, Value};

use super::problem::{Kind, Problem};

/// Longest body of a request: a correction of as many beats as one may have, with long ids, fits in.
pub(super) const MOST_BODY_BYTES: usize = 128 * 1_024;
/// A body must be complete within this.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Of a value or a name that is refused this much is told.
const MOST_TOLD_CHARS: usize = 60;

/// Whether a body comes with the request.
pub(super) fn is_announced(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    length.is_some_and(|length| length.as_bytes() != b"0")
        || headers.contains_key(header::TRANSFER_ENCODING)
}

/// Refuses a body that is no JSON, or announced to be too long.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Problem> {
    if !is_announced(headers) {
        return Ok(());
    }
    let length = only(headers, header::CONTENT_LENGTH);
    if length.is_some_and(|length| length.parse::<usize>().is_ok_and(|it| it > MOST_BODY_BYTES)) {
        return Err(too_large());
    }
    let json = only(headers, header::CONTENT_TYPE).is_some_and(|value| {
        let name = value.split(';').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("application/json")
    });
    if json {
        Ok(())
    } else {
        let detail = "Content-Type: expected application/json";
        Err(Problem::new(Kind::NotJson, detail))
    }
}

pub(super) fn too_large() -> Problem {
    let detail = format!("send at most {MOST_BODY_BYTES} bytes");
    Problem::new(Kind::BodyTooLarge, detail)
}

/// The body, of at most [`MOST_BODY_BYTES`].
pub(super) async fn whole(body: Body) -> Result<Bytes, Problem> {
    if body.size_hint().exact() == Some(0) {
        return Ok(Bytes::new());
    }
    let read = axum::body::to_bytes(body, MOST_BODY_BYTES);
    match tokio::time::timeout(BODY_TIMEOUT, read).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(Problem::new(
            Kind::BodyTooLarge,
            "the body took too long to come in",
        )),
    }
}

/// An object that came as a body.
#[derive(Debug, Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads a body that may have the fields `known`, names with `, ` between them. A field that is `null` counts as
    /// one that is not there.
    pub(super) fn parse(bytes: &[u8], known: &str) -> Result<Self, Problem> {
        let wrong = |detail| Problem::new(Kind::InvalidParameter, detail);
        let mut fields: Map<String, Value> = serde_json::from_slice(bytes)
            .map_err(|error| wrong(format!("body: {error}, expected a JSON object")))?;
        let is_known = |field: &str| known.split(", ").any(|name| name == field);
        if let Some(field) = fields.keys().find(|field| !is_known(field)) {
            let detail = format!("\"{}\": the body takes {known}", told(field));
            return Err(Problem::new(Kind::UnknownParameter, detail));
        }
        fields.retain(|_, value| !value.is_null());
        Ok(Self(fields))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Refuses fields that say nothing here; `expected` is what would.
    pub(super) fn without(&self, names: &[&str], expected: &str) -> Result<(), Problem> {
        match names.iter().find(|name| self.has(name)) {
            Some(name) => Err(self.refuse(name, expected)),
            None => Ok(()),
        }
    }

    /// The value of a field, if it is there and `read` makes something of it.
    pub(super) fn value<'a, T>(
        &'a self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let value = self.0.get(name);
        value
            .map(|value| read(value).ok_or_else(|| self.refuse(name, expected)))
            .transpose()
    }

    /// As [`Self::value`], of a field that must be there.
    pub(super) fn needed<'a, T>(
        &'a self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, Problem> {
        let value = self.value(name, expected, read)?;
        value.ok_or_else(|| self.refuse(name, expected))
    }

    /// The problem that the field is not as `expected`.
    pub(super) fn refuse(&self, name: &str, expected: &str) -> Problem {
        let found = match self.0.get(name) {
            None => "nothing".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        Problem::invalid(name, &told(&found), expected)
    }
}

/// As much of `found` as is told.
fn told(found: &str) -> String {
    let mut told: String = found.chars().take(MOST_TOLD_CHARS).collect();
    if told.len() < found.len() {
        told.push_str("...");
    }
    told
}

/// The id of a row.
pub(super) fn id(value: &Value) -> Option<i64> {
    value.as_i64().filter(|id| *id > 0)
}

/// A header that stands there once, in ASCII.
pub(super) fn only(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(())?;
    value.to_str().ok()
}
