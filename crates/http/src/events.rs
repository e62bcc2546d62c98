//! Live updates by server-sent events: heart-beats, rights re-checked while the stream is open, and an end when the
//! session or the server ends (ASVS 4.4.1 to 4.4.4, 7.4.2).

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use access::{Grants, Scope};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use base::{Problem, ProblemKind};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::caller::{Caller, Credential};
use crate::gate::Gate;
use crate::meters;
use crate::refusal::{Answer, Refusal};
use crate::routes::Rule;

/// A right that was checked longer ago than this is checked again before anything is sent, so that an ended session
/// or a lost right shows nothing new after a second (ASVS 7.4.1).
const FRESH: Duration = Duration::from_secs(1);

/// What a stream is held to for as long as it is open: the same right that opened it. Got from the handler's guard.
#[derive(Clone)]
pub struct Watch {
    gate: Arc<Gate>,
    caller: Caller,
    rule: Rule,
    scope: Option<Scope>,
    same_origin: bool,
}

impl Watch {
    pub(crate) const fn new(gate: Arc<Gate>, caller: Caller, rule: Rule, same_origin: bool) -> Self {
        Self { gate, caller, rule, scope: None, same_origin }
    }

    pub(crate) fn within(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Whether the caller still is who it was and still holds the right. A question that cannot be answered is a no.
    pub(crate) async fn still_holds(&self) -> bool {
        let keeper = self.gate.keeper();
        let source = self.caller.source();
        let grants = match self.caller.credential() {
            Credential::None => return false,
            Credential::Session { token, .. } => keeper.session_still(token, source).await,
            Credential::Key { key } => keeper.api_key(key, source).await,
            Credential::Certificate => keeper.certificate(source).await,
        };
        matches!(grants, Ok(Some(grants)) if self.allows(&grants))
    }

    fn allows(&self, grants: &Grants) -> bool {
        match (self.rule, self.scope) {
            (Rule::Workspace(capability), Some(Scope::Workspace(workspace))) => grants.may(capability, workspace),
            (Rule::Organisation(capability), _) => grants.organisation_capabilities().contains(capability),
            (Rule::SignedIn | Rule::Public(_), _) => true,
            (Rule::Workspace(_), _) => false,
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("rule", &self.rule).finish_non_exhaustive()
    }
}

/// Answers with a live stream. It ends when `source` ends, when the caller's session or right is gone, or when the server
/// stops; browsers connect again by themselves.
///
/// ```
/// # use access::cap;
/// # use futures_util::stream;
/// # use http::{Answer, Event, InWorkspace, Response};
/// async fn live(guard: InWorkspace<cap::AlertsRead>) -> Answer<Response> {
///     let changes = stream::iter([Event::default().event("alert").data("A-1042")]);
///     http::events(guard.watch(), changes)
/// }
/// ```
pub fn events(watch: Watch, source: impl Stream<Item = Event> + Send + 'static) -> Answer<Response> {
    if !watch.same_origin {
        let detail = "Live updates are read by pages of this server only. Open the page here.";
        return Err(Refusal::new(Problem::new(ProblemKind::Forbidden, "cross-site", detail)));
    }
    let Ok(slot) = Arc::clone(&watch.gate.streams).try_acquire_owned() else {
        let detail = "Too many pages are open for live updates. Close some, or reload by hand.";
        return Err(Refusal::new(Problem::new(ProblemKind::Unavailable, "too-many-streams", detail)));
    };
    let limits = watch.gate.settings.limits;
    let slot = Slot { gate: Arc::clone(&watch.gate), permit: Some(slot) };
    slot.show();
    let mut recheck = interval_at(Instant::now() + limits.recheck, limits.recheck);
    recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let live = Live { source: Box::pin(source), watch, recheck, checked: Instant::now(), _slot: slot };
    let body = stream::unfold(live, Live::next).map(Ok::<_, std::convert::Infallible>);
    let mut response = Sse::new(body).keep_alive(KeepAlive::new().interval(limits.heartbeat)).into_response();
    response.extensions_mut().insert(Streaming);
    Ok(response)
}

/// Marks an answer whose body is quiet for long on purpose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streaming;

struct Live {
    source: Pin<Box<dyn Stream<Item = Event> + Send>>,
    watch: Watch,
    recheck: Interval,
    checked: Instant,
    _slot: Slot,
}

/// The place of one open stream.
struct Slot {
    gate: Arc<Gate>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Slot {
    /// Puts the number of open streams into the figures.
    fn show(&self) {
        let open = self.gate.settings.limits.event_streams.saturating_sub(self.gate.streams.available_permits());
        meters::STREAMS.set(u32::try_from(open).unwrap_or(u32::MAX).into());
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.show();
    }
}

impl Live {
    async fn next(mut self) -> Option<(Event, Self)> {
        loop {
            let event = tokio::select! {
                biased;
                () = self.watch.gate.closing.cancelled() => return None,
                _ = self.recheck.tick() => None,
                event = self.source.next() => Some(event?),
            };
            if event.is_none() || self.checked.elapsed() >= FRESH {
                if !self.watch.still_holds().await {
                    return None;
                }
                self.checked = Instant::now();
            }
            if let Some(event) = event {
                return Some((event, self));
            }
        }
    }
}
