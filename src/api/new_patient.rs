//! `POST /v1/patient`: another patient over the same source.

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::json;

use super::endpoint::{Call, Reply};
use super::problem::{Kind, Problem};
use crate::store::{PATIENT_LABEL_EXPECTED, WriterMonitor, is_patient_label};

/// Ends the running session and begins one of another patient.
pub(super) async fn post(call: Call) -> Reply {
    let label = call.body.value("label", PATIENT_LABEL_EXPECTED, |value| {
        let label = value.as_str().filter(|label| is_patient_label(label))?;
        Some(label.to_owned())
    })?;
    let deps = &call.shared.deps;
    let writer = deps.writer.as_ref().map(WriterMonitor::status);
    if let Some(trouble) = writer.and_then(|writer| writer.failure.or(writer.trouble)) {
        // the end of the one before could not be stored
        let detail = format!("the session goes on until it can be ended in the store: {trouble}");
        return Err(Problem::new(Kind::StoreUnavailable, detail));
    }
    if !deps.live.patient().ask(label) {
        let detail = "no session runs whose source goes on after it";
        return Err(Problem::new(Kind::NoOpenSession, detail));
    }
    // without the label: it is personal data
    tracing::info!(client = %call.peer.who(), "a client asks for another patient");
    let accepted = Json(json!({ "accepted": true }));
    Ok((StatusCode::ACCEPTED, accepted).into_response())
}
