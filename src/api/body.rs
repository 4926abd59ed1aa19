//! Bodies of requests: JSON of a bounded length, for the few endpoints that take one.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use super::endpoint::Call;
use super::problem::{Kind, Problem};

/// Largest body of a request.
pub(super) const MOST_BODY_BYTES: usize = 64 * 1_024;
/// A body must be complete within this.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether the request says that a body follows.
pub(super) fn is_announced(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    length.is_some_and(|length| length.as_bytes() != b"0")
        || headers.contains_key(header::TRANSFER_ENCODING)
}

/// The whole body of a request.
///
/// # Errors
/// [`Kind::NotJson`], [`Kind::BodyTooLarge`], [`Kind::BodyNotTaken`] without a `Content-Length`.
pub(super) async fn whole(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let is_json = headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        let name = value.as_bytes().split(|byte| *byte == b';').next();
        name.is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case(b"application/json"))
    });
    if !is_json {
        let detail = "Content-Type: expected application/json";
        return Err(Problem::new(Kind::NotJson, detail));
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        let detail = "Transfer-Encoding: found one, expected Content-Length";
        return Err(Problem::new(Kind::BodyNotTaken, detail));
    }
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let too_large = |detail: String| Problem::new(Kind::BodyTooLarge, detail);
    let bound = || format!("send at most {MOST_BODY_BYTES} bytes");
    if length.is_some_and(|length| length > MOST_BODY_BYTES) {
        return Err(too_large(bound())); // none of it is handed on
    }
    let read = axum::body::to_bytes(body, MOST_BODY_BYTES);
    match tokio::time::timeout(BODY_TIMEOUT, read).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(too_large(bound())),
        Err(_) => Err(too_large("the body took too long to come in".to_owned())),
    }
}

/// The body of a request as JSON of this type, which refuses fields that it does not know.
///
/// # Errors
/// [`Kind::InvalidParameter`] that names the field.
pub(super) fn json<T: DeserializeOwned>(call: &Call) -> Result<T, Problem> {
    serde_json::from_slice(&call.body)
        .map_err(|error| Problem::new(Kind::InvalidParameter, format!("body: {error}")))
}
