//! The paths that are answered.

/// Every route; `docs/api.md` has a section for each.
pub(super) const ROUTES: [&str; 11] = [
    "/v1/status",
    "/v1/sessions",
    "/v1/beats",
    "/v1/beats/{id}",
    "/v1/stream",
    "/v1/events",
    "/v1/gaps",
    "/v1/metrics",
    "/v1/beats/{id}/saliency",
    "/v1/saliency/summary",
    "/v1/audit",
];

/// Paths that change something.
pub(super) const RELOAD: &str = "/v1/reload";
pub(super) const CONFIRM_RETENTION: &str = "/v1/retention/confirm";
