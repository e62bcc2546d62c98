//! `Idempotency-Key`: a request that may be sent again without being done again (security.md: 255 characters, 48 hours, another
//! body 422, in flight 409).
//!
//! There are two ways, and each route says which it goes:
//!
//! - **inside** ([`Routes::atomic`](crate::Routes::atomic)): the handler runs its effect by [`Attempt::write`], and the
//!   answer commits in the same transaction. A crash leaves both or neither.
//! - **around** (all others): the key is reserved in a transaction of its own, the handler runs, and its answer is kept
//!   afterwards. A crash between leaves a reservation without an answer, and whoever asks again is told that nobody knows,
//!   in place of a guess.
//!
//! A key belongs to one caller in one workspace. It is looked at after the guard, so that an answer is only given again to who
//! could still ask for it. Failures are not kept: what had no effect may be tried again.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use access::Scope;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base::{Problem, ProblemKind, WorkspaceId, hex};
use crypto::Sha256;
use store::{Asked, Db, Earlier, Tx};
use vault::{Aad, Purpose, Vault};

use crate::body;
use crate::caller::Caller;
use crate::refusal::{Answer, Refusal};
use crate::reply::{Kept, Reply, finish, own};
use crate::routes::RouteInfo;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Characters of a key (security.md).
const KEY_LIMIT: usize = 255;
/// Bytes of an answer that is kept whole.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// How a route keeps its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// It reads only, or belongs to a door without such keys.
    Never,
    /// In the transaction of its effect.
    Inside,
    /// Reserved before and kept after.
    Around,
}

/// Keeps answers, sealed. Cheap to clone.
#[derive(Clone)]
pub struct Replays(Arc<Inner>);

struct Inner {
    db: Db,
    vault: Vault,
    /// What this process works on right now.
    busy: Mutex<HashSet<[u8; 32]>>,
}

impl Replays {
    /// Keeps answers in `db`, sealed by `vault`.
    pub fn new(db: Db, vault: Vault) -> Self {
        Self(Arc::new(Inner { db, vault, busy: Mutex::default() }))
    }

    /// Removes what is older than 48 hours; how many answers.
    pub async fn sweep(&self) -> Result<u64, store::Error> {
        self.0.db.sweep_answers().await
    }

    /// Reads key and body of a request at a route that keeps answers. What is asked is hashed here, because the handler takes the
    /// body away.
    pub(crate) async fn begin(
        &self,
        request: Request,
        route: &RouteInfo,
        busy: std::time::Duration,
    ) -> Result<Request, Refusal> {
        let Some(key) = key(request.headers())? else { return Ok(request) };
        let (mut parts, body) = request.into_parts();
        let bytes = body::read(body).await?;
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        let fingerprint = hash(&[parts.method.as_str().as_bytes(), target.as_bytes(), &bytes]);
        parts.extensions.insert(Attempt(Some(Arc::new(Trying {
            replays: self.clone(),
            keeping: route.keeping,
            secret: route.shows_secret,
            key,
            fingerprint,
            busy,
            state: Mutex::new(None),
        }))));
        Ok(Request::from_parts(parts, Body::from(bytes)))
    }

    fn seal(&self, tx: &mut Tx<'_>, place: Place, kept: &Kept) -> Result<String, vault::Error> {
        let key = self.0.vault.data_key(tx, place.workspace, Purpose::Answers, tx.now())?;
        let text = serde_json::to_vec(kept).unwrap_or_default();
        Ok(key.seal(tx.context().chance(), &aad(&place.row()), &text))
    }

    fn open(&self, tx: &mut Tx<'_>, place: Place, sealed: &str) -> Result<Kept, Refusal> {
        let opened = self.0.vault.open(tx, place.workspace, &aad(&place.row()), sealed)?;
        serde_json::from_slice(&opened).map_err(|error| Refusal::new(Problem::internal()).because(error))
    }
}

const fn aad(row: &str) -> Aad<'_> {
    Aad { table: "kept_answers", column: "answer", row }
}

/// A request's place among the kept answers.
#[derive(Clone, Copy)]
struct Place {
    asked: Asked,
    workspace: Option<WorkspaceId>,
}

impl Place {
    fn row(&self) -> String {
        hex(&self.asked.digest)
    }
}

/// One try of a request, which may have a key. Handlers of [atomic](crate::Routes::atomic) routes take it as an argument.
#[derive(Clone)]
pub struct Attempt(Option<Arc<Trying>>);

struct Trying {
    replays: Replays,
    keeping: Keeping,
    secret: bool,
    key: String,
    fingerprint: [u8; 32],
    busy: std::time::Duration,
    state: Mutex<Option<Place>>,
}

impl Drop for Trying {
    /// A caller who went away: nobody waits for the answer any more.
    fn drop(&mut self) {
        self.release();
    }
}

impl Trying {
    /// This process does not work on it any more. Not left to [`Drop`], because a transaction may keep its copy of this a
    /// moment longer than the caller waits.
    fn release(&self) {
        let place = self.state.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(place) = place {
            self.replays.0.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&place.asked.digest);
        }
    }

    fn place(&self) -> Option<Place> {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the guard does once the right is proven: a second request ends here.
    async fn admit(&self, caller: &Caller, scope: Scope) -> Result<(), Refusal> {
        let workspace = match scope {
            Scope::Workspace(id) => Some(id),
            Scope::Organisation => None,
        };
        let principal = &caller.actor().principal;
        let place = workspace.map(|id| id.to_string()).unwrap_or_default();
        let digest =
            hash(&[principal.kind().as_bytes(), principal.id().as_bytes(), place.as_bytes(), self.key.as_bytes()]);
        let place = Place { asked: Asked { digest, fingerprint: self.fingerprint }, workspace };
        if !self.replays.0.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(digest) {
            return Err(under_way());
        }
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        let (keeping, busy, replays) = (self.keeping, self.busy, self.replays.clone());
        let earlier = if keeping == Keeping::Around {
            self.replays.0.db.write(move |tx| replays.look(tx, place, |tx| tx.begin_answer(&place.asked, busy))).await
        } else {
            self.replays.0.db.read(move |tx| replays.look(tx, place, |tx| tx.earlier(&place.asked))).await
        };
        earlier.map_err(|Told(refusal)| refusal)
    }
}

/// A refusal as the error of a transaction.
struct Told(Refusal);

impl From<store::Error> for Told {
    fn from(error: store::Error) -> Self {
        Self(error.into())
    }
}

impl Replays {
    /// Looks, and turns anything but "new" into the answer to give.
    fn look(
        &self,
        tx: &mut Tx<'_>,
        place: Place,
        look: impl FnOnce(&mut Tx<'_>) -> Result<Earlier, store::Error>,
    ) -> Result<(), Told> {
        match look(tx)? {
            Earlier::None => Ok(()),
            Earlier::Answered(sealed) => Err(Told(again(self.open(tx, place, &sealed).map_err(Told)?))),
            Earlier::Other => Err(Told(refuse(
                ProblemKind::Unprocessable,
                "idempotency-key-reused",
                "This Idempotency-Key came with another request before. Take a new key for a new request.",
            ))),
            Earlier::UnderWay => Err(Told(under_way())),
            Earlier::Unknown => Err(Told(refuse(
                ProblemKind::Conflict,
                "idempotency-outcome-unknown",
                "The server ended while it worked on this request, and nobody knows whether it was done. Look, and if it \
                 was not, send it again with a new Idempotency-Key.",
            ))),
        }
    }
}

/// Why a transaction with an effect did not commit.
enum Undone<E> {
    Effect(E),
    Told(Refusal),
}

impl<E> From<store::Error> for Undone<E> {
    fn from(error: store::Error) -> Self {
        Self::Told(error.into())
    }
}

impl Attempt {
    /// Whether the request has a key.
    pub const fn has_key(&self) -> bool {
        self.0.is_some()
    }

    /// Runs `effect` in one transaction that writes, with the answer it gives where the request has a key. When another
    /// request with the key was quicker, nothing is done and its answer is given. `explain` turns a failure into a
    /// refusal; nothing of it is kept.
    pub async fn write<E>(
        &self,
        db: &Db,
        explain: impl FnOnce(E) -> Refusal + Send,
        mut effect: impl FnMut(&mut Tx<'_>) -> Result<Reply, E> + Send + 'static,
    ) -> Answer<Response>
    where
        E: From<store::Error> + Send + 'static,
    {
        let trying = self.0.as_ref().and_then(|trying| Some((trying.place()?, Arc::clone(trying))));
        let Some((place, trying)) = trying else {
            return db.write(effect).await.map(Reply::into_response).map_err(explain);
        };
        let done = db
            .write(move |tx| {
                let replays = &trying.replays;
                replays
                    .look(tx, place, |tx| tx.begin_answer(&place.asked, trying.busy))
                    .map_err(|Told(refusal)| Undone::Told(refusal))?;
                let reply = effect(tx).map_err(Undone::Effect)?;
                let kept = if trying.secret { shown_once() } else { reply.kept().map_err(Undone::Told)? };
                let sealed = replays.seal(tx, place, &kept).map_err(|error| Undone::Told(error.into()))?;
                tx.keep_answer(&place.asked, &sealed)?;
                Ok(reply)
            })
            .await;
        match done {
            Ok(reply) => Ok(reply.into_response()),
            Err(Undone::Effect(error)) => Err(explain(error)),
            Err(Undone::Told(refusal)) => Err(refusal),
        }
    }

    /// What the gate does with the answer of a handler, before the caller has it.
    pub(crate) async fn conclude(&self, response: Response) -> Response {
        let response = self.settle(response).await;
        if let Some(trying) = &self.0 {
            trying.release();
        }
        response
    }

    /// Keeps the answer of a handler that kept nothing itself.
    async fn settle(&self, response: Response) -> Response {
        let Some(trying) = &self.0 else { return response };
        let Some(place) = trying.place().filter(|_| trying.keeping == Keeping::Around) else { return response };
        let status = response.status();
        let (db, replays) = (&trying.replays.0.db, trying.replays.clone());
        if response.extensions().get::<Replayed>().is_some() || status.is_server_error() {
            return response;
        }
        if !status.is_success() {
            // Nothing was done, so it may be tried again.
            if response.extensions().get::<Refusal>().is_some_and(|refusal| !is_own(refusal))
                && let Err(error) = db.write(move |tx| tx.forget_answer(&place.asked)).await
            {
                tracing::warn!(%error, "a reserved idempotency key could not be given back");
            }
            return response;
        }
        let (parts, body) = response.into_parts();
        let bytes = match axum::body::to_bytes(body, ANSWER_LIMIT).await {
            Ok(bytes) => bytes,
            Err(error) => return Refusal::new(Problem::internal()).because(error).into_response(),
        };
        let kept = if trying.secret {
            shown_once()
        } else {
            let headers = own(parts.headers.iter());
            Kept { status: status.as_u16(), headers, body: String::from_utf8_lossy(&bytes).into_owned() }
        };
        let kept = Arc::new(kept);
        let settled = db.write(move |tx| {
            let sealed = replays.seal(tx, place, &kept).map_err(|error| Told(error.into()))?;
            tx.keep_answer(&place.asked, &sealed)?;
            Ok::<_, Told>(())
        });
        if settled.await.is_err() {
            // It was done and is answered; who sends it again is told that nobody knows.
            tracing::warn!("an answer could not be kept for its idempotency key");
        }
        Response::from_parts(parts, Body::from(bytes))
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("has_key", &self.0.is_some()).finish()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Attempt {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or(Self(None)))
    }
}

/// Called by every guard once the right is proven.
pub(crate) async fn admit(parts: &Parts, caller: &Caller, scope: Scope) -> Result<(), Refusal> {
    match parts.extensions.get::<Attempt>() {
        Some(Attempt(Some(trying))) => trying.admit(caller, scope).await,
        _ => Ok(()),
    }
}

/// The key of a request, if it has one.
fn key(headers: &axum::http::HeaderMap) -> Result<Option<String>, Refusal> {
    let mut keys = headers.get_all(&KEY).iter();
    let Some(first) = keys.next() else { return Ok(None) };
    let key = first.to_str().unwrap_or_default();
    let visible = key.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if keys.next().is_none() && !key.is_empty() && key.len() <= KEY_LIMIT && visible {
        return Ok(Some(key.to_owned()));
    }
    let detail = "The Idempotency-Key is not usable. Send it once, with 1 to 255 visible ASCII characters.";
    Err(Refusal::new(Problem::new(ProblemKind::Invalid, "invalid-idempotency-key", detail).at("Idempotency-Key")))
}

/// SHA-256 over pieces, each with its length, so that no two lists of pieces are the same bytes.
fn hash(pieces: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for piece in pieces {
        hash.update(&(piece.len() as u64).to_be_bytes());
        hash.update(piece);
    }
    hash.finish()
}

/// Marks an answer that was given before.
#[derive(Clone, Copy)]
struct Replayed;

fn again(kept: Kept) -> Refusal {
    // Said in the words of the door, about this very request.
    if kept.body == SHOWN_ONCE {
        let detail = "This was done. Its answer held a secret that is shown once and kept nowhere: rotate it, or delete it and \
                      make another one.";
        let replayed = HeaderValue::from_static("true");
        return Refusal::new(Problem::new(ProblemKind::Conflict, SHOWN_ONCE, detail)).header(REPLAYED, replayed);
    }
    let mut response = Response::new(Body::from(kept.body));
    *response.status_mut() = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let headers = kept.headers.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
    finish(&mut response, headers.collect());
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response.extensions_mut().insert(Replayed);
    Refusal::instead(response)
}

/// Stands in place of an answer that holds a secret: it is shown once and kept nowhere.
const SHOWN_ONCE: &str = "secret-shown-once";

fn shown_once() -> Kept {
    Kept { status: 409, headers: Vec::new(), body: SHOWN_ONCE.to_owned() }
}

fn under_way() -> Refusal {
    refuse(
        ProblemKind::Conflict,
        "idempotency-in-flight",
        "A request with this Idempotency-Key is still under way. Wait for its answer, or ask again in a moment.",
    )
}

fn refuse(kind: ProblemKind, code: &'static str, detail: &'static str) -> Refusal {
    Refusal::new(Problem::new(kind, code, detail).at("Idempotency-Key"))
}

/// Whether a refusal is of this file: then the reservation belongs to another request.
fn is_own(refusal: &Refusal) -> bool {
    let code = &refusal.problem().code;
    code.starts_with("idempotency-") || code == SHOWN_ONCE
}
