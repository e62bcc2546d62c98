//! The rooms put together: opened once, then run until shutdown. The one place that knows them all.

use std::path::Path;
use std::sync::Arc;

use base::{Context, SystemClock};
use carriers::Carriers;
use flows::Flows;
use identity::Identity;
use mail::Mail;
use messaging::{Messaging, RoutesKind};
use oncall::OnCall;
use resources::{Kind, Registry, Resources};
use sandbox::{Sandbox, WorkerCommand};
use signals::Signals;
use store::{Db, Migrations, Options, Worker};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vault::{KeyFile, Vault};
use webhooks::Webhooks;

use crate::error::Result;
use crate::{callbacks, keyring};

/// Tables, ground floor first.
pub const MIGRATIONS: &[Migrations] = &[
    vault::MIGRATIONS,
    access::MIGRATIONS,
    audit::MIGRATIONS,
    resources::MIGRATIONS,
    mail::MIGRATIONS,
    identity::MIGRATIONS,
    federation::MIGRATIONS,
    scim::MIGRATIONS,
    messaging::MIGRATIONS,
    carriers::MIGRATIONS,
    oncall::MIGRATIONS,
    channels::MIGRATIONS,
    alerts::MIGRATIONS,
    flows::MIGRATIONS,
    signals::MIGRATIONS,
    smppd::MIGRATIONS,
    webhooks::MIGRATIONS,
];

/// Every room, ready to work.
#[derive(Clone)]
pub struct Product {
    /// The database.
    pub db: Db,
    /// The key ring.
    pub vault: Vault,
    /// What people configure.
    pub resources: Resources,
    /// Letters by e-mail.
    pub mail: Mail,
    /// Who is who.
    pub identity: Identity,
    /// Who issues tokens elsewhere.
    pub issuers: issuers::Issuers,
    /// Signing in with identities elsewhere.
    pub federation: federation::Federation,
    /// People whom directories keep.
    pub scim: scim::Scim,
    /// Who is reached when.
    pub oncall: OnCall,
    /// Texts.
    pub messaging: Messaging,
    /// Southbound connections.
    pub carriers: Carriers,
    /// Applications that bind by SMPP.
    pub smppd: smppd::Smppd,
    /// Callbacks to applications.
    pub webhooks: Webhooks,
    /// Alerts.
    pub alerts: alerts::Alerts,
    /// Customers' templates.
    pub sandbox: Sandbox,
    /// Runs.
    pub flows: Flows,
    /// Inbound requests.
    pub signals: Signals,
    /// Refusals on their way into the audit log.
    pub refusals: audit::Refusals,
    writer: Arc<std::sync::Mutex<Option<audit::RefusalWriter>>>,
}

/// What leads out of this machine, by the operator's configuration.
#[derive(Debug, Default)]
pub struct Ways {
    /// Where callbacks may go besides the open internet.
    pub outbound: outbound::Rules,
    /// The mail server, if there is one.
    pub mail: Option<mail::Settings>,
    /// Where links in letters lead, without a trailing slash.
    pub public_url: String,
}

/// The machine's clock and the operating system's randomness.
pub fn context() -> Context {
    Context::new(Arc::new(SystemClock), Arc::new(crypto::OsChance))
}

/// Opens the database alone, with its tables up to date.
pub async fn database(options: Options, context: Context) -> Result<Db> {
    let db = Db::open(options, context).await?;
    db.migrate(MIGRATIONS).await?;
    Ok(db)
}

impl Product {
    /// Opens database and vault and builds every room over them. Nothing runs yet.
    /// Callbacks go to the open internet alone, and there is no mail server.
    pub async fn open(options: Options, keys: &Path) -> Result<Self> {
        Self::open_with(options, keys, Ways::default()).await
    }

    /// The same, with the ways out that the operator configured.
    pub async fn open_with(options: Options, keys: &Path, ways: Ways) -> Result<Self> {
        // The keys are in this process's memory from here on: nobody else of the same user may look into it.
        sandbox::forbid_inspection()?;
        let keys = KeyFile::load(keys)?;
        let db = database(options, context()).await?;
        let vault = Vault::unlock(db.clone(), keys).await?;
        let oncall = OnCall::new(vault.clone());
        let routes = RoutesKind::new();
        let users = identity::UsersKind::new(Arc::new(oncall.clone()));
        let callbacks = webhooks::Kinds::new(Some(vault.clone()));
        let registry = Registry::new(kinds(
            users,
            carriers::CarriersKind::new(vault.clone()),
            routes.clone(),
            &callbacks,
            Some(vault.clone()),
        ))?;
        let resources = Resources::new(db.clone(), registry, vault.clone());
        let mail = Mail::new(db.clone(), vault.clone(), ways.mail)?;
        let settings =
            identity::Options { mail: Some(mail.clone()), public_url: ways.public_url, ..identity::Options::default() };
        let identity = Identity::new(db.clone(), vault.clone(), resources.clone(), settings)?;
        let messaging = Messaging::start(db.clone(), vault.clone(), &routes).await?;
        let guarded = outbound::Guarded::new(ways.outbound);
        let issuers = issuers::Issuers::new(guarded.clone(), db.context().clone());
        let federation = federation::Federation::new(
            db.clone(),
            vault.clone(),
            resources.clone(),
            identity.clone(),
            issuers.clone(),
        );
        let scim = scim::Scim::new(db.clone(), vault.clone(), resources.clone(), identity.clone());
        identity.ask_issuers(issuers.clone());
        identity.ask_sign_on(federation::signs_on);
        let webhooks = Webhooks::new(db.clone(), vault.clone(), &callbacks, guarded).await?;
        let listeners = webhooks.clone();
        messaging.listeners(move |workspace| listeners.listens(workspace));
        let carriers = Carriers::new(db.clone(), vault.clone(), messaging.clone());
        let sms = channels::Sms::new(messaging.clone(), vault.clone());
        let alerts = alerts::Alerts::new(
            db.clone(),
            vault.clone(),
            oncall.clone(),
            sms,
            messaging.clone(),
            alerts::Settings::default(),
        );
        let sandbox = Sandbox::new(WorkerCommand::own_binary()?);
        let flows = Flows::new(db.clone(), vault.clone(), sandbox.clone(), alerts.clone());
        let signals = Signals::new(db.clone(), vault.clone(), identity.clone(), flows.clone(), sandbox.clone());
        let (refusals, writer) = audit::Refusals::new(db.clone());
        let smppd = smppd::Smppd::new(db.clone(), vault.clone(), messaging.clone(), refusals.clone());
        db.write(|tx| -> std::result::Result<(), access::Error> {
            let context = tx.context().clone();
            access::ensure_organisation(tx, &context, "Loudhailer")?;
            Ok(())
        })
        .await?;
        let writer = Arc::new(std::sync::Mutex::new(Some(writer)));
        Ok(Self {
            db,
            vault,
            resources,
            mail,
            identity,
            issuers,
            federation,
            scim,
            oncall,
            messaging,
            carriers,
            smppd,
            webhooks,
            alerts,
            sandbox,
            flows,
            signals,
            refusals,
            writer,
        })
    }

    /// Answers kept for requests that may be sent again.
    pub fn replays(&self) -> http::Replays {
        http::Replays::new(self.db.clone(), self.vault.clone())
    }

    /// Lets messaging settle what it knows, and closes the database.
    pub async fn close(&self) {
        self.messaging.stop().await;
        self.db.close().await;
    }

    /// Starts everything that works by itself. Ends after `stop`, when the tracker is waited for.
    pub async fn run(&self, tasks: &TaskTracker, stop: &CancellationToken) -> Result<()> {
        // Now, so that the first page waits for no process to start, and a machine that cannot lock one down is noticed at once.
        self.sandbox.warm().await?;
        self.signals.schedule().await?;
        let worker = Worker::new(self.db.clone());
        let worker = self.signals.work(worker);
        let worker = self.flows.work(worker);
        let worker = self.alerts.work(worker);
        let worker = self.smppd.work(worker);
        let worker = self.messaging.work(worker, api::LINES);
        let worker = self.mail.work(worker);
        let worker = self.identity.work(worker);
        let carriers = self.carriers.clone();
        let stopping = stop.clone();
        tasks.spawn(async move { carriers.run(stopping).await });
        let (db, messaging, webhooks) = (self.db.clone(), self.messaging.clone(), self.webhooks.clone());
        tasks.spawn(callbacks::run(db, messaging, webhooks, stop.clone()));
        tasks.spawn(self.webhooks.clone().run(stop.clone()));
        tasks.spawn(audit::Sealer::new(self.db.clone()).run(stop.clone()));
        if let Some(writer) = self.writer.lock().ok().and_then(|mut writer| writer.take()) {
            tasks.spawn(writer.run(stop.clone()));
        }
        let around = keyring::around(self.resources.clone(), access::Actor::engine("keys"));
        tasks.spawn(self.vault.clone().keep(around, stop.clone()));
        let running = worker.spawn(stop.clone());
        tasks.spawn(async move { drop(running.await) });
        let (identity, mail, replays, stopping) =
            (self.identity.clone(), self.mail.clone(), self.replays(), stop.clone());
        let (federation, scim) = (self.federation.clone(), self.scim.clone());
        tasks.spawn(async move {
            while tokio::time::timeout(std::time::Duration::from_mins(10), stopping.cancelled()).await.is_err() {
                if let Err(error) = identity.sweep().await {
                    tracing::warn!(%error, "what ran out could not be removed");
                }
                if let Err(error) = identity.remind_of_ends().await {
                    tracing::warn!(%error, "nobody could be told of credentials that end soon");
                }
                if let Err(error) = mail.sweep().await {
                    tracing::warn!(%error, "what is known of old letters could not be removed");
                }
                if let Err(error) = federation.sweep().await {
                    tracing::warn!(%error, "sign-ons that took too long could not be removed");
                }
                if let Err(error) = scim.sweep().await {
                    tracing::warn!(%error, "what is left of people who are gone could not be removed");
                }
                if let Err(error) = federation.renew().await {
                    tracing::warn!(%error, "metadata of identity providers could not be renewed");
                }
                if let Err(error) = replays.sweep().await {
                    tracing::warn!(%error, "answers that were kept long enough could not be removed");
                }
            }
        });
        Ok(())
    }
}

/// The kinds without anything behind them: for reading a file on a machine that has no database.
pub fn reading_registry() -> Result<Registry> {
    let nobody = Arc::new(identity::NoHooks);
    Ok(Registry::new(kinds(
        identity::UsersKind::new(nobody),
        carriers::CarriersKind::for_reading(),
        RoutesKind::default(),
        &webhooks::Kinds::new(None),
        None,
    ))?)
}

/// The kinds over `vault` alone, for a command that seals their secrets anew and starts nothing.
pub fn registry(vault: &Vault) -> Result<Registry> {
    let users = identity::UsersKind::new(Arc::new(OnCall::new(vault.clone())));
    let carriers = carriers::CarriersKind::new(vault.clone());
    let callbacks = webhooks::Kinds::new(Some(vault.clone()));
    Ok(Registry::new(kinds(users, carriers, RoutesKind::new(), &callbacks, Some(vault.clone())))?)
}

fn kinds(
    users: identity::UsersKind,
    carriers: carriers::CarriersKind,
    routes: RoutesKind,
    callbacks: &webhooks::Kinds,
    vault: Option<Vault>,
) -> Vec<Box<dyn Kind>> {
    let mut kinds: Vec<Box<dyn Kind>> = vec![
        resources::typed(users),
        resources::typed(identity::RolesKind),
        resources::typed(identity::ApiKeysKind),
        resources::typed(identity::OauthClientsKind),
        resources::typed(identity::TokenIssuersKind),
        resources::typed(federation::ProvidersKind::new(vault.clone())),
        resources::typed(federation::SignInKind),
        resources::typed(scim::SourcesKind),
        resources::typed(identity::SignInRulesKind),
        resources::typed(carriers),
        resources::typed(routes),
        resources::typed(oncall::GroupsKind),
        resources::typed(smppd::AccountsKind),
        resources::typed(callbacks.of_workspaces()),
        resources::typed(callbacks.of_account()),
    ];
    kinds.extend(flows::kinds());
    kinds.extend(signals::kinds(vault));
    kinds
}
