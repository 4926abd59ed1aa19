//! Errors as `application/problem+json` (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::store::{CorrectionError, StoreError};

const CONTENT_TYPE: &str = "application/problem+json";

/// The kinds of problem, each with a type URI that scripts may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    UnknownPath,
    MethodNotAllowed,
    UpgradeRequired,
    BodyNotTaken,
    NotPermitted,
    NotSupported,
    UnknownParameter,
    InvalidParameter,
    NoSuchBeat,
    NoSuchSession,
    NoSuchCorrection,
    NotInForce,
    NoOpenSession,
    EcgNotStored,
    NotReproduced,
    NotExplainable,
    ModelUnavailable,
    StoreUnavailable,
    StoreDamaged,
    Busy,
    Overdue,
    TooManyConnections,
    TooManyOfUser,
    TooManyStreams,
    MemoryUsedUp,
    UserNotMapped,
    RequestTooSlow,
    RequestTooLarge,
    Http2,
    WrongHost,
    OtherOrigin,
    NotSignedIn,
    TokenNotValid,
    TooManyTries,
    NotJson,
    BodyTooLarge,
    SessionOpen,
}

impl Kind {
    #[cfg(test)]
    pub(super) const ALL: [Self; 37] = [
        Self::UnknownPath,
        Self::MethodNotAllowed,
        Self::UpgradeRequired,
        Self::BodyNotTaken,
        Self::NotPermitted,
        Self::NotSupported,
        Self::UnknownParameter,
        Self::InvalidParameter,
        Self::NoSuchBeat,
        Self::NoSuchSession,
        Self::NoSuchCorrection,
        Self::NotInForce,
        Self::NoOpenSession,
        Self::EcgNotStored,
        Self::NotReproduced,
        Self::NotExplainable,
        Self::ModelUnavailable,
        Self::StoreUnavailable,
        Self::StoreDamaged,
        Self::Busy,
        Self::Overdue,
        Self::TooManyConnections,
        Self::TooManyOfUser,
        Self::TooManyStreams,
        Self::MemoryUsedUp,
        Self::UserNotMapped,
        Self::RequestTooSlow,
        Self::RequestTooLarge,
        Self::Http2,
        Self::WrongHost,
        Self::OtherOrigin,
        Self::NotSignedIn,
        Self::TokenNotValid,
        Self::TooManyTries,
        Self::NotJson,
        Self::BodyTooLarge,
        Self::SessionOpen,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::UnknownPath => "unknown-path",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::UpgradeRequired => "upgrade-required",
            Self::BodyNotTaken => "body-not-taken",
            Self::NotPermitted => "not-permitted",
            Self::NotSupported => "not-supported",
            Self::UnknownParameter => "unknown-parameter",
            Self::InvalidParameter => "invalid-parameter",
            Self::NoSuchBeat => "no-such-beat",
            Self::NoSuchSession => "no-such-session",
            Self::NoSuchCorrection => "no-such-correction",
            Self::NotInForce => "not-in-force",
            Self::NoOpenSession => "no-open-session",
            Self::EcgNotStored => "ecg-not-stored",
            Self::NotReproduced => "not-reproduced",
            Self::NotExplainable => "not-explainable",
            Self::ModelUnavailable => "model-unavailable",
            Self::StoreUnavailable => "store-unavailable",
            Self::StoreDamaged => "store-damaged",
            Self::Busy => "busy",
            Self::Overdue => "took-too-long",
            Self::TooManyConnections => "too-many-connections",
            Self::TooManyOfUser => "too-many-connections-of-user",
            Self::TooManyStreams => "too-many-streams",
            Self::MemoryUsedUp => "memory-used-up",
            Self::UserNotMapped => "user-not-mapped",
            Self::RequestTooSlow => "request-too-slow",
            Self::RequestTooLarge => "request-too-large",
            Self::Http2 => "http-2",
            Self::WrongHost => "wrong-host",
            Self::OtherOrigin => "other-origin",
            Self::NotSignedIn => "not-signed-in",
            Self::TokenNotValid => "token-not-valid",
            Self::TooManyTries => "too-many-tries",
            Self::NotJson => "not-json",
            Self::BodyTooLarge => "body-too-large",
            Self::SessionOpen => "session-open",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::UnknownPath => "There is nothing at this path",
            Self::MethodNotAllowed => "This path does not take this method",
            Self::UpgradeRequired => "This path speaks WebSocket alone",
            Self::BodyNotTaken => "Requests have no body here",
            Self::NotPermitted => "This client may not do that",
            Self::NotSupported => "There is nothing to control here",
            Self::UnknownParameter => "Unknown query parameter",
            Self::InvalidParameter => "Invalid parameter value",
            Self::NoSuchBeat => "There is no beat with this id",
            Self::NoSuchSession => "There is no such session",
            Self::NoSuchCorrection => "There is no such correction",
            Self::NotInForce => "This correction is not in force",
            Self::NoOpenSession => "No session is being recorded",
            Self::EcgNotStored => "The ECG of this beat is not stored",
            Self::NotReproduced => "The stored ECG does not give this beat again",
            Self::NotExplainable => "This model cannot be explained so",
            Self::ModelUnavailable => "The model that labelled this beat cannot be loaded",
            Self::StoreUnavailable => "The store cannot be read at the moment",
            Self::StoreDamaged => "The stored data is damaged",
            Self::Busy => "Too many questions of this kind wait for their answer",
            Self::Overdue => "The answer would take too long",
            Self::TooManyConnections => "All connections are taken",
            Self::TooManyOfUser => "This user has its share of the connections",
            Self::TooManyStreams => "All event streams are taken",
            Self::MemoryUsedUp => "Answers take all the memory they may",
            Self::UserNotMapped => "This client cannot be told from others",
            Self::RequestTooSlow => "The request took too long to come in",
            Self::RequestTooLarge => "The request is too long",
            Self::Http2 => "This server speaks HTTP/1.1 alone",
            Self::WrongHost => "This server is not reached under this name",
            Self::OtherOrigin => "Another page asks for this",
            Self::NotSignedIn => "This takes a session",
            Self::TokenNotValid => "This token is not valid",
            Self::TooManyTries => "Too many tokens were not valid",
            Self::NotJson => "The body is no JSON",
            Self::BodyTooLarge => "The body is too large",
            Self::SessionOpen => "This session is being recorded",
        }
    }

    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::UnknownPath | Self::NoSuchBeat | Self::NoSuchSession | Self::NoSuchCorrection => {
                StatusCode::NOT_FOUND
            }
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::BodyNotTaken | Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotPermitted | Self::UserNotMapped | Self::OtherOrigin | Self::TokenNotValid => {
                StatusCode::FORBIDDEN
            }
            Self::WrongHost => StatusCode::MISDIRECTED_REQUEST,
            Self::NotSignedIn => StatusCode::UNAUTHORIZED,
            Self::TooManyTries => StatusCode::TOO_MANY_REQUESTS,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotSupported => StatusCode::NOT_IMPLEMENTED,
            Self::UnknownParameter | Self::InvalidParameter => StatusCode::BAD_REQUEST,
            Self::EcgNotStored => StatusCode::GONE,
            Self::NotReproduced
            | Self::NotExplainable
            | Self::ModelUnavailable
            | Self::NotInForce
            | Self::NoOpenSession
            | Self::SessionOpen => StatusCode::CONFLICT,
            Self::StoreUnavailable
            | Self::Busy
            | Self::Overdue
            | Self::TooManyConnections
            | Self::TooManyOfUser
            | Self::TooManyStreams
            | Self::MemoryUsedUp => StatusCode::SERVICE_UNAVAILABLE,
            Self::StoreDamaged => StatusCode::INTERNAL_SERVER_ERROR,
            Self::RequestTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::RequestTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Http2 => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }

    /// Seconds after which asking again may do better (`Retry-After`).
    const fn retry_after(self) -> Option<&'static str> {
        match self {
            Self::Busy => Some("1"),
            Self::Overdue | Self::TooManyTries => Some("10"),
            _ => None,
        }
    }
}

/// One problem, ready to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) kind: Kind,
    pub(super) detail: String,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    /// Path and query; of a request that was not read `None`.
    instance: Option<&'a str>,
}

impl<'a> Body<'a> {
    fn new(kind: Kind, detail: &'a str, instance: Option<&'a str>) -> Self {
        Self {
            r#type: format!("urn:problem-type:ecg-gateway:{}", kind.name()),
            title: kind.title(),
            status: kind.status().as_u16(),
            detail,
            instance,
        }
    }
}

/// The whole response to a request that is not read, after which the connection is closed.
pub(super) fn response_without_reading((kind, detail): (Kind, &str)) -> String {
    let body = serde_json::to_string(&Body::new(kind, detail, None)).unwrap_or_default(); // texts serialise
    format!(
        "HTTP/1.1 {}\r\ncontent-type: {CONTENT_TYPE}\r\ncontent-length: {}\r\nconnection: \
         close\r\n\r\n{body}",
        kind.status(),
        body.len()
    )
}

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    pub(super) fn no_such_beat(id: i64) -> Self {
        Self::new(
            Kind::NoSuchBeat,
            format!("beat {id} is not in this database"),
        )
    }

    pub(super) fn invalid(name: &str, found: &str, expected: &str) -> Self {
        Self::new(
            Kind::InvalidParameter,
            format!("{name}: found \"{found}\", expected {expected}"),
        )
    }

    /// Whether the client was not let at something, rather than it failed.
    pub(super) const fn is_refusal(kind: Kind) -> bool {
        matches!(
            kind,
            Kind::NotPermitted
                | Kind::NotSupported
                | Kind::BodyNotTaken
                | Kind::TooManyConnections
                | Kind::TooManyOfUser
                | Kind::TooManyStreams
                | Kind::MemoryUsedUp
        )
    }

    /// The response to a request for `instance` (path and query).
    pub(super) fn respond(&self, instance: &str) -> Response {
        let body = Body::new(self.kind, &self.detail, Some(instance));
        let mut response = (self.kind.status(), axum::Json(body)).into_response();
        let content_type = HeaderValue::from_static(CONTENT_TYPE);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type);
        if let Some(seconds) = self.kind.retry_after() {
            let seconds = HeaderValue::from_static(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response.extensions_mut().insert(self.kind); // for the audit
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let kind = match error {
            StoreError::Corrupt { .. } | StoreError::Block { .. } | StoreError::Value { .. } => {
                Kind::StoreDamaged
            }
            StoreError::NoSuchSession { .. } => Kind::NoSuchSession,
            StoreError::SessionOpen { .. } => Kind::SessionOpen,
            _ => Kind::StoreUnavailable,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<CorrectionError> for Problem {
    fn from(error: CorrectionError) -> Self {
        let kind = match error {
            CorrectionError::Store(error) => return error.into(),
            CorrectionError::NoSuchBeat(_) => Kind::NoSuchBeat,
            CorrectionError::OtherSession { .. } => Kind::InvalidParameter,
            CorrectionError::NoSuchSession(_) => Kind::NoSuchSession,
            CorrectionError::NoSuchCorrection(_) => Kind::NoSuchCorrection,
            CorrectionError::NotInForce { .. } => Kind::NotInForce,
            CorrectionError::NoOpenSession => Kind::NoOpenSession,
            CorrectionError::OutOfReach(_) => Kind::StoreUnavailable,
        };
        Self::new(kind, error.to_string())
    }
}
