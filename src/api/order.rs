//! Who was answered before whom.

use std::cell::Cell;

use axum::http::HeaderValue;
use axum::response::Response;

/// When a question was queued and when it was done, counted over all pools: who was answered before whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) queued: u64,
    pub(super) done: u64,
}

/// Says of an answer that took the database when its question was queued and when it was done, counted
/// over all such questions since the start.
pub(super) const ORDER: &str = "ecg-gateway-order";

tokio::task_local! {
    /// Of the request that is being answered.
    static IN_ORDER: Cell<Option<Order>>;
}

/// Keeps what is to be told of the request that is being answered: of several questions the first one's
/// queueing and the last one's end.
pub(super) fn note_order(order: Order) {
    // a stream's questions are nobody's to be told of
    let _ = IN_ORDER.try_with(|of| {
        let queued = of.get().map_or(order.queued, |first| first.queued);
        of.set(Some(Order { queued, ..order }));
    });
}

/// The response, with a header that tells the order.
pub(super) async fn telling_order(answer: impl Future<Output = Response>) -> Response {
    let answer = async { (answer.await, IN_ORDER.with(Cell::get)) };
    let (mut response, order) = IN_ORDER.scope(Cell::new(None), answer).await;
    let header = order.map(|Order { queued, done }| format!("queued={queued}, done={done}"));
    if let Some(Ok(value)) = header.map(HeaderValue::try_from) {
        response.headers_mut().insert(ORDER, value);
    }
    response
}
