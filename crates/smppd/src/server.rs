//! Listening, admitting binds, keeping them honest, and stopping.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use access::{Actor, AuthMethod, Principal};
use audit::{Entry, Outcome, Refusal, Refusals};
use base::{Context, SmppAccountId};
use crypto::tls::ClientCertificate;
use governor::{DefaultDirectRateLimiter, Quota};
use messaging::{InboundArrived, Messaging};
use rustls::ServerConfig;
use smpp::Status;
use smpplink::{AcceptError, Incoming, Limits, Link, Unbound};
use store::{Changed, Db, Job, JobError, Worker};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vault::Vault;

use crate::account::{self, Account, Rights};
use crate::backlog::Backlog;
use crate::binds::{Bind, Binds};
use crate::courier;
use crate::gate::{Gate, Place};
use crate::meters::BINDS;
use crate::session::{DRAIN, Session};
use crate::{Error, TOPIC};

/// Connections at once, bound or not.
const CONNECTIONS: usize = 12_000;
/// Accounts are compared with what is stored this often, for what other nodes changed.
const RECHECK: Duration = Duration::from_secs(1);
/// How long an application whose bind is ended may take to answer.
const GOODBYE: Duration = Duration::from_secs(1);
/// Our name in answers to binds.
const NAME: &str = "loudhailer";
/// The listener to texts that come in.
const INBOUND: &str = "smppd.inbound";

/// How a listener protects what travels over it.
#[derive(Clone)]
pub enum Security {
    /// TLS, with this configuration.
    Tls(Arc<ServerConfig>),
    /// None: for accounts that say `allow_plaintext` only.
    Plaintext,
}

/// An address to be bound to.
pub struct Listener {
    socket: TcpListener,
    security: Security,
}

impl Listener {
    /// Listens on `address`.
    pub async fn bind(address: SocketAddr, security: Security) -> Result<Self, Error> {
        let socket = TcpListener::bind(address)
            .await
            .map_err(|source| Error::Listen { address: address.to_string(), source })?;
        Ok(Self { socket, security })
    }

    /// Where it listens: tells the port when that was 0.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// The SMPP server. Cheap to clone.
#[derive(Clone)]
pub struct Smppd(pub(crate) Arc<Inner>);

/// What all its parts share.
pub(crate) struct Inner {
    pub(crate) db: Db,
    pub(crate) vault: Vault,
    pub(crate) messaging: Messaging,
    pub(crate) ctx: Context,
    pub(crate) binds: Binds,
    pub(crate) stop: CancellationToken,
    refusals: Refusals,
    gate: Gate,
    /// The rate of each account that has one, over all its binds.
    rates: Mutex<HashMap<SmppAccountId, (i64, Arc<DefaultDirectRateLimiter>)>>,
    /// What waits of each account that has bound.
    backlogs: Mutex<HashMap<SmppAccountId, Arc<Backlog>>>,
    /// Accounts that have a courier.
    couriers: Mutex<HashSet<SmppAccountId>>,
    tasks: TaskTracker,
}

impl Inner {
    /// Whether the account's rate leaves room for one more submit.
    pub(crate) fn may_send(&self, account: &Account) -> bool {
        let Some(rate) = account.rate else { return true };
        let limiter = {
            let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
            let known = rates.get(&account.id).filter(|(version, _)| *version == account.version);
            if let Some((_, limiter)) = known {
                Arc::clone(limiter)
            } else {
                let limiter = Arc::new(DefaultDirectRateLimiter::direct(Quota::per_second(rate)));
                rates.insert(account.id, (account.version, Arc::clone(&limiter)));
                limiter
            }
        };
        limiter.check().is_ok()
    }

    /// What waits of `account`.
    fn backlog(&self, account: SmppAccountId) -> Arc<Backlog> {
        let mut backlogs = self.backlogs.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(backlogs.entry(account).or_default())
    }

    fn announce(&self, account: &Account) {
        let changed = Changed { workspace: Some(account.workspace), topic: TOPIC, id: account.id.to_string() };
        self.db.announce(changed);
    }
}

impl Smppd {
    /// A server that listens nowhere yet.
    pub fn new(db: Db, vault: Vault, messaging: Messaging, refusals: Refusals) -> Self {
        messaging.address_owners(account::owners);
        Self(Arc::new(Inner {
            ctx: db.context().clone(),
            db,
            vault,
            messaging,
            binds: Binds::default(),
            stop: CancellationToken::new(),
            refusals,
            gate: Gate::default(),
            rates: Mutex::default(),
            backlogs: Mutex::default(),
            couriers: Mutex::default(),
            tasks: TaskTracker::new(),
        }))
    }

    /// Registers the listener to texts from handsets, which gives them to the account that serves their address.
    #[must_use]
    pub fn work(&self, worker: Worker) -> Worker {
        let inner = Arc::clone(&self.0);
        worker.listen(messaging::INBOUND, INBOUND, move |job| inbound(Arc::clone(&inner), job))
    }

    /// Listens until `stop`; then takes no new bind, lets what was asked be answered, unbinds everyone, and returns.
    pub async fn run(self, listeners: Vec<Listener>, stop: CancellationToken) {
        let inner = &self.0;
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        for listener in listeners {
            let (inner, places) = (Arc::clone(inner), Arc::clone(&places));
            inner.tasks.clone().spawn(listen(inner, listener, places));
        }
        inner.tasks.spawn(recheck(Arc::clone(inner)));
        inner.tasks.spawn(look(Arc::clone(inner)));
        stop.cancelled().await;
        inner.stop.cancel();
        let goodbyes = inner.binds.all().into_iter().map(|bind| async move {
            // The last answers are written before the unbind; a peer that does not answer it is cut off.
            let _ = tokio::time::timeout(DRAIN, bind.handle.unbind()).await;
        });
        futures_util::future::join_all(goodbyes).await;
        inner.tasks.close();
        if tokio::time::timeout(DRAIN, inner.tasks.wait()).await.is_err() {
            tracing::warn!("some binds did not end in time; what they were answered is on disk");
        }
    }
}

impl std::fmt::Debug for Smppd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Smppd")
    }
}

async fn listen(inner: Arc<Inner>, listener: Listener, places: Arc<Semaphore>) {
    loop {
        let (stream, source) = tokio::select! {
            () = inner.stop.cancelled() => return,
            accepted = listener.socket.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, for instance: a pause lets some close.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        // Beyond the limits the connection is simply closed.
        let (Ok(place), Some(stranger)) = (Arc::clone(&places).try_acquire_owned(), inner.gate.enter(source.ip()))
        else {
            continue;
        };
        let (inner, security) = (Arc::clone(&inner), listener.security.clone());
        inner.tasks.clone().spawn(async move {
            if let Err(error) = receive(&inner, stream, source, &security, stranger).await {
                tracing::debug!(%error, "a connection did not become a bind");
            }
            drop(place);
        });
    }
}

async fn receive(
    inner: &Arc<Inner>,
    stream: TcpStream,
    source: SocketAddr,
    security: &Security,
    stranger: Place,
) -> Result<(), AcceptError> {
    stream.set_nodelay(true).map_err(|error| AcceptError::Closed(Some(error)))?;
    let limits = Limits::default();
    // One deadline for TLS and bind together: whoever dawdles over both is a stranger all the same. The futures of strangers are
    // boxed, so that the task of a bind does not keep their size.
    let late = |_| AcceptError::TimedOut;
    match security {
        Security::Tls(config) => {
            let arriving = Box::pin(async {
                let stream = smpplink::accept_tls(stream, Arc::clone(config), limits.unbound).await?;
                let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                let certificate = shown.and_then(|der| ClientCertificate::read(der)).map(Arc::new);
                Ok::<_, AcceptError>((smpplink::accept(stream, limits).await?, certificate))
            });
            let (unbound, certificate) = tokio::time::timeout(limits.unbound, arriving).await.map_err(late)??;
            admit(inner, unbound, Way { source, encrypted: true, certificate }, stranger).await
        }
        Security::Plaintext => {
            let unbound = Box::pin(smpplink::accept(stream, limits)).await?;
            admit(inner, unbound, Way { source, encrypted: false, certificate: None }, stranger).await
        }
    }
}

/// The way over which somebody binds.
struct Way {
    source: SocketAddr,
    encrypted: bool,
    /// What the client showed at the handshake; the TLS library has verified it.
    certificate: Option<Arc<ClientCertificate>>,
}

/// Proves who it is, and serves it until the connection is over.
async fn admit<S>(inner: &Arc<Inner>, unbound: Unbound<S>, way: Way, stranger: Place) -> Result<(), AcceptError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let admitted = Box::pin(introduce(inner, unbound, way)).await?;
    BINDS.add(&[if admitted.is_some() { "bound" } else { "refused" }], 1);
    let Some((bind, rights, incoming)) = admitted else { return Ok(()) };
    // From here on its account's own limit counts.
    drop(stranger);
    Session::new(Arc::clone(inner), Arc::clone(&bind), rights).serve(incoming).await;
    let why = bind.handle.closed().await;
    tracing::info!(account = %bind.account.id, reason = %why, "a bind is over");
    inner.binds.remove(bind.id);
    inner.announce(&bind.account);
    Ok(())
}

/// The bind, when it may be one; otherwise it was refused.
async fn introduce<S>(
    inner: &Arc<Inner>,
    unbound: Unbound<S>,
    way: Way,
) -> Result<Option<(Arc<Bind>, Arc<Rights>, Incoming)>, AcceptError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Way { source, encrypted, certificate } = way;
    let system_id = unbound.bind().system_id.to_str().into_owned();
    let (address, now) = (source.ip(), inner.ctx.monotonic());
    // One status for every cause, so that a stranger learns nothing (security.md, SMPP).
    if inner.stop.is_cancelled() || inner.gate.is_closed(address, &system_id, now) {
        return refuse(unbound).await;
    }
    let (found, certified) = match prove(inner, &unbound, &system_id, certificate).await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "an account could not be looked up");
            return refuse(unbound).await;
        }
    };
    let refusal = match &found {
        None => Some("unknown system_id or wrong password"),
        Some(account) if !certified && !account.admits(address) => {
            Some("neither is the address on the account's list nor the certificate its own")
        }
        Some(account) if !encrypted && !account.allow_plaintext => Some("the account does not allow clear text"),
        Some(_) => None,
    };
    if let Some(reason) = refusal {
        inner.gate.failed(address, &system_id, now);
        refused(inner, found.as_ref(), source, reason);
        return refuse(unbound).await;
    }
    let Some(account) = found.map(Arc::new) else { return refuse(unbound).await };
    let Some(rights) = account.rights(source).map(Arc::new) else { return refuse(unbound).await };
    let Some(place) = inner.binds.reserve(&account) else {
        refused(inner, Some(&account), source, "the account has as many binds as it may");
        return refuse(unbound).await;
    };
    if let Err(error) = bound(inner, &account, &rights).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "a bind could not be written down and is refused");
        return refuse(unbound).await;
    }
    inner.gate.succeeded(address, &system_id);
    let version = unbound.bind().version();
    let limits = Limits { window: account.window, incoming: account.window, ..*unbound.limits() };
    let Link { handle, incoming, .. } = unbound.with_limits(limits).admit(NAME).await?;
    let bind = Arc::new(Bind {
        id: inner.binds.next(),
        account: Arc::clone(&account),
        handle: handle.clone(),
        source,
        encrypted,
        version,
        since: inner.ctx.now(),
        counts: crate::binds::Counts::default(),
        backlog: inner.backlog(account.id),
    });
    inner.binds.add(Arc::clone(&bind));
    drop(place);
    inner.announce(&account);
    if handle.mode().receives() {
        start_courier(inner, account.id, Arc::clone(&rights));
    }
    Ok(Some((bind, rights, incoming)))
}

/// The one answer to a bind that fails, whatever the reason.
async fn refuse<T, S>(unbound: Unbound<S>) -> Result<Option<T>, AcceptError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    unbound.refuse(Status::RBINDFAIL).await?;
    Ok(None)
}

/// Counts what goes over binds second by second, for who looks at them.
async fn look(inner: Arc<Inner>) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = inner.stop.cancelled() => return,
            _ = second.tick() => {}
        }
        for bind in inner.binds.all() {
            bind.counts.look();
        }
    }
}

/// The account whose password was shown, and whether the certificate of the connection is its own.
async fn prove<S>(
    inner: &Arc<Inner>,
    unbound: &Unbound<S>,
    system_id: &str,
    certificate: Option<Arc<ClientCertificate>>,
) -> Result<(Option<Account>, bool), Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let password = String::from_utf8_lossy(unbound.bind().password.expose());
    let (hash, system_id, now) = (inner.vault.token_hash(&password), system_id.to_owned(), inner.ctx.now());
    let shown = certificate.clone();
    let (found, certified) = inner
        .db
        .read(move |tx| {
            let found = account::find(tx, &system_id, &hash, now)?;
            let certified = match (&found, &shown) {
                (Some(account), Some(shown)) => identity::certificate_fits(tx, account.holder(), shown)?,
                _ => false,
            };
            Ok::<_, Error>((found, certified))
        })
        .await?;
    if let (true, Some(account), Some(shown)) = (certified, &found, certificate) {
        let holder = account.holder();
        inner.db.write(move |tx| Ok::<_, Error>(identity::certificate_used(tx, holder, &shown)?)).await?;
    }
    Ok((found, certified))
}

/// A bind that was refused goes into the audit log, with the name of the account only when it proved to be that.
fn refused(inner: &Inner, account: Option<&Account>, source: SocketAddr, reason: &'static str) {
    let (actor, workspace, target) = match account {
        Some(account) => {
            let principal = Principal::SmppAccount { id: account.id, name: account.system_id.clone() };
            let mut actor = Actor::new(principal, AuthMethod::Smpp);
            actor.source = Some(source);
            (actor, Some(account.workspace), account.id.to_string())
        }
        None => (Actor::anonymous(Some(source)), None, String::new()),
    };
    inner.refusals.record(Refusal { actor, workspace, action: "smpp.bind", target: ("smpp_account", target), reason });
}

/// A log-in: on record before it is answered.
async fn bound(inner: &Arc<Inner>, account: &Arc<Account>, rights: &Rights) -> Result<(), Error> {
    let (account, actor, now) = (Arc::clone(account), rights.actor.clone(), inner.ctx.now());
    inner
        .db
        .write(move |tx| {
            account::bound(tx, account.id, now)?;
            let target = account.id.to_string();
            let entry = Entry {
                actor: &actor,
                workspace: Some(account.workspace),
                action: "smpp.bind",
                target: ("smpp_account", &target),
                outcome: Outcome::Success,
                reason: None,
                changes: None,
            };
            audit::record(tx, entry).map_err(Error::from)
        })
        .await?;
    Ok(())
}

/// Starts the courier of an account, unless it runs.
fn start_courier(inner: &Arc<Inner>, account: SmppAccountId, rights: Arc<Rights>) {
    let mut couriers = inner.couriers.lock().unwrap_or_else(PoisonError::into_inner);
    if !couriers.insert(account) {
        return;
    }
    drop(couriers);
    let inner = Arc::clone(inner);
    inner.tasks.clone().spawn(async move {
        loop {
            courier::run(Arc::clone(&inner), account, Arc::clone(&rights)).await;
            // Under the lock: a bind that came while the courier was leaving finds it still registered.
            let mut couriers = inner.couriers.lock().unwrap_or_else(PoisonError::into_inner);
            if inner.stop.is_cancelled() || inner.binds.receivers(account).is_empty() {
                couriers.remove(&account);
                return;
            }
        }
    });
}

/// Ends binds whose account was changed or removed: its application binds again and finds what holds now.
async fn recheck(inner: Arc<Inner>) {
    let mut changes = inner.db.subscribe();
    // Not a sleep in the loop below: other changes, of which there are many, would begin it anew each time.
    let mut due = tokio::time::interval(RECHECK);
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = inner.stop.cancelled() => return,
            _ = due.tick() => {}
            changed = changes.recv() => if !matches!(changed, Ok(Changed { topic: TOPIC, .. })) { continue },
        }
        let binds = inner.binds.all();
        if binds.is_empty() {
            continue;
        }
        let standings: HashMap<_, _> = match inner.db.read(account::standings).await {
            Ok(standings) => standings.into_iter().collect(),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "accounts could not be compared");
                continue;
            }
        };
        let holds = |bind: &Bind| {
            standings.get(&bind.account.id).is_some_and(|standing| standing.holds(bind.account.version, bind.since))
        };
        for bind in binds.into_iter().filter(|bind| !holds(bind)) {
            end(&inner, bind);
        }
    }
}

/// Unbinds; an application that does not answer is cut off.
fn end(inner: &Inner, bind: Arc<Bind>) {
    if bind.handle.is_closed() {
        return;
    }
    inner.tasks.spawn(async move {
        let _ = tokio::time::timeout(GOODBYE, bind.handle.unbind()).await;
        bind.handle.abort();
    });
}

/// A text came in: perhaps for an application.
async fn inbound(inner: Arc<Inner>, job: Job) -> Result<(), JobError> {
    let arrived: InboundArrived = job.parse()?;
    let messaging = inner.messaging.clone();
    inner
        .db
        .write(move |tx| {
            if let Some(workspace) = arrived.workspace
                && let Some(account) = account::of_inbound(tx, workspace, &arrived.to)?
            {
                let principal = Principal::SmppAccount { id: account, name: String::new() };
                messaging.give_inbound(tx, &principal, arrived.inbound)?;
            }
            Ok::<_, Error>(job.finish(tx)?)
        })
        .await?;
    Ok(())
}
