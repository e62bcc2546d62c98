//! What the doors count.

use std::time::Duration;

use axum::http::StatusCode;
use meter::{Counter, CounterFamily, Gauge, HistogramFamily, Meter};

use crate::routes::Door;

static REQUESTS: CounterFamily = CounterFamily::new(
    "loudhailer_http_requests_total",
    "Requests that were answered, by door and class of status.",
    &["door", "status"],
);
static DURATION: HistogramFamily = HistogramFamily::of_times(
    "loudhailer_http_request_duration_seconds",
    "Time from a request's head to the head of its answer, by door.",
    &["door"],
);
pub(crate) static CONNECTIONS: Gauge =
    Gauge::new("loudhailer_http_connections", "Connections that are open now, handshakes included.");
pub(crate) static ACCEPTED: Counter =
    Counter::new("loudhailer_http_connections_accepted_total", "Connections that were let in.");
pub(crate) static TURNED_AWAY: CounterFamily = CounterFamily::new(
    "loudhailer_http_connections_refused_total",
    "Connections that were closed at once, because there were too many in all (total) or from one address (address).",
    &["reason"],
);
pub(crate) static CUT: CounterFamily = CounterFamily::new(
    "loudhailer_http_connections_cut_total",
    "Connections that were ended because the client was too slow or too restless, by what it did.",
    &["reason"],
);
pub(crate) static HANDSHAKES_FAILED: Counter = Counter::new(
    "loudhailer_http_handshakes_failed_total",
    "Connections that never got as far as a request: TLS failed, took too long, or was not spoken.",
);
pub(crate) static STREAMS: Gauge =
    Gauge::new("loudhailer_http_event_streams", "Pages that are open for live updates now.");

/// What this room counts.
pub const METERS: &[&dyn Meter] =
    &[&REQUESTS, &DURATION, &CONNECTIONS, &ACCEPTED, &TURNED_AWAY, &CUT, &HANDSHAKES_FAILED, &STREAMS];

/// Notes one answer.
pub(crate) fn answered(door: Door, status: StatusCode, took: Duration) {
    let class = match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    REQUESTS.add(&[name(door), class], 1);
    DURATION.took(&[name(door)], took);
}

/// The door's word in labels and logs.
pub(crate) const fn name(door: Door) -> &'static str {
    match door {
        Door::Console => "console",
        Door::Api => "api",
        Door::Compatible => "compatible",
        Door::Scim => "scim",
        Door::Signal => "signal",
        Door::Public => "public",
        Door::Probe => "probe",
    }
}
