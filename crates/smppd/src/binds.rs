//! Who is bound now.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base::{SmppAccountId, Timestamp, WorkspaceId};
use serde::Serialize;
use smpp::{BindMode, Status};
use smpplink::Handle;
use tokio::sync::watch;

use crate::account::Account;
use crate::backlog::Backlog;
use crate::meters::SUBMITS;
use crate::receipt::Form;

/// One bind.
pub(crate) struct Bind {
    pub(crate) id: u64,
    pub(crate) account: Arc<Account>,
    pub(crate) handle: Handle,
    pub(crate) source: SocketAddr,
    pub(crate) encrypted: bool,
    pub(crate) version: u8,
    /// Whether it is told 8x8's own parameters.
    pub(crate) vendor: bool,
    pub(crate) since: Timestamp,
    pub(crate) counts: Counts,
    /// What waits of its account, shared by all its binds.
    pub(crate) backlog: Arc<Backlog>,
}

/// What went over a bind.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) submitted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) unanswered: AtomicU64,
    /// Submits and deliveries up to the last look, and in the second before it.
    seen: [AtomicU64; 2],
    rates: [AtomicU64; 2],
}

impl Counts {
    /// Looks at what came since the last look, a second ago.
    pub(crate) fn look(&self) {
        let now = [
            self.submitted.load(Ordering::Relaxed) + self.refused.load(Ordering::Relaxed),
            self.delivered.load(Ordering::Relaxed),
        ];
        for ((now, seen), rate) in now.into_iter().zip(&self.seen).zip(&self.rates) {
            rate.store(now.saturating_sub(seen.swap(now, Ordering::Relaxed)), Ordering::Relaxed);
        }
    }

    /// A submit was answered.
    pub(crate) fn answered(&self, status: Status) {
        let counter = if status.is_ok() { &self.submitted } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        SUBMITS.add(&[status.name().unwrap_or("other")], 1);
    }
}

impl Bind {
    /// How this application is told things.
    pub(crate) fn form(&self) -> Form {
        Form {
            ids: self.account.message_ids,
            with_tlvs: self.knows_tlvs(),
            vendor: self.vendor,
            long: self.account.long_inbound,
        }
    }

    /// Whether an application of this version, whose bind had this sequence number, is told 8x8's own parameters. They are as
    /// good as any where a library keeps to SMPP, which lets it skip what it does not know (section 3.3). smpplib raises an exception
    /// instead unless it is told not to, before it has answered, and the same receipt would break it again after each bind. It
    /// says the version that the others say, but counts its requests from 2, and goes on counting when it binds again.
    pub(crate) fn is_told_vendor(account: &Account, version: u8, sequence: u32) -> bool {
        version >= smpp::Bind::VERSION_34 && account.vendor_tlvs.unwrap_or(sequence == 1)
    }

    /// Whether answers may carry what only SMPP 5.0 knows.
    pub(crate) const fn knows_congestion(&self) -> bool {
        self.version >= smpp::Bind::VERSION_50
    }

    /// Whether optional parameters may be sent: not to SMPP 3.3.
    pub(crate) const fn knows_tlvs(&self) -> bool {
        self.version >= smpp::Bind::VERSION_34
    }

    fn status(&self) -> BindStatus {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        BindStatus {
            id: self.id,
            account: self.account.id,
            workspace: self.account.workspace,
            system_id: self.account.system_id.clone(),
            mode: self.handle.mode().name(),
            source: self.source.ip().to_canonical().to_string(),
            encrypted: self.encrypted,
            version: format!("{}.{}", self.version >> 4, self.version & 0x0F),
            vendor_tlvs: self.vendor,
            since: self.since,
            rate_in: count(&self.counts.rates[0]),
            rate_out: count(&self.counts.rates[1]),
            submitted: count(&self.counts.submitted),
            refused: count(&self.counts.refused),
            delivered: count(&self.counts.delivered),
            window: self.account.window,
            unanswered: count(&self.counts.unanswered),
            delivering: self.handle.in_flight(),
        }
    }
}

/// A bind as lists show it.
#[derive(Clone, Debug, Serialize)]
pub struct BindStatus {
    /// Names it while it lasts.
    pub id: u64,
    /// The account.
    pub account: SmppAccountId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// Its name.
    pub system_id: String,
    /// `transmitter`, `receiver` or `transceiver`.
    pub mode: &'static str,
    /// From which address.
    pub source: String,
    /// Whether it is TLS.
    pub encrypted: bool,
    /// The SMPP version it speaks: 3.3, 3.4 or 5.0.
    pub version: String,
    /// Whether it is told 8x8's own parameters.
    pub vendor_tlvs: bool,
    /// Since when.
    pub since: Timestamp,
    /// Submits in the last second, refused ones included.
    pub rate_in: u64,
    /// Receipts and texts it took in the last second.
    pub rate_out: u64,
    /// Submits that were accepted.
    pub submitted: u64,
    /// Submits that were not.
    pub refused: u64,
    /// Receipts and texts that it took.
    pub delivered: u64,
    /// Unanswered submits it may have.
    pub window: usize,
    /// Unanswered submits it has.
    pub unanswered: u64,
    /// Receipts and texts that are on their way to it.
    pub delivering: usize,
}

/// The binds of this process.
#[derive(Default)]
pub(crate) struct Binds {
    known: Mutex<Known>,
    /// Turns when a bind comes or goes.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Known {
    last: u64,
    binds: HashMap<u64, Arc<Bind>>,
    /// Places taken by binds that are being answered.
    pending: HashMap<SmppAccountId, usize>,
}

/// A place for one bind of an account, while it is being admitted.
pub(crate) struct Pending<'a> {
    binds: &'a Binds,
    account: SmppAccountId,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.binds.lock().pending.get_mut(&self.account) {
            *count = count.saturating_sub(1);
        }
    }
}

impl Binds {
    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a bind of `account`, unless it has as many as it may.
    pub(crate) fn reserve(&self, account: &Account) -> Option<Pending<'_>> {
        let mut known = self.lock();
        let bound = known.binds.values().filter(|bind| bind.account.id == account.id).count();
        let pending = known.pending.entry(account.id).or_default();
        if bound + *pending >= account.max_binds {
            return None;
        }
        *pending += 1;
        Some(Pending { binds: self, account: account.id })
    }

    /// A number for the next bind.
    pub(crate) fn next(&self) -> u64 {
        let mut known = self.lock();
        known.last += 1;
        known.last
    }

    pub(crate) fn add(&self, bind: Arc<Bind>) {
        self.lock().binds.insert(bind.id, bind);
        self.changed.send_modify(|turn| *turn += 1);
    }

    pub(crate) fn remove(&self, id: u64) {
        self.lock().binds.remove(&id);
        self.changed.send_modify(|turn| *turn += 1);
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Every bind.
    pub(crate) fn all(&self) -> Vec<Arc<Bind>> {
        self.lock().binds.values().cloned().collect()
    }

    /// The binds over which an account is told things.
    pub(crate) fn receivers(&self, account: SmppAccountId) -> Vec<Arc<Bind>> {
        let known = self.lock();
        let mut found: Vec<_> = known
            .binds
            .values()
            .filter(|bind| bind.account.id == account && bind.handle.mode().receives() && !bind.handle.is_closed())
            .cloned()
            .collect();
        found.sort_by_key(|bind| bind.id);
        found
    }

    /// The bind `id` of `account`, when it is there.
    pub(crate) fn of(&self, account: SmppAccountId, id: u64) -> Option<Arc<Bind>> {
        self.lock().binds.get(&id).filter(|bind| bind.account.id == account).cloned()
    }

    /// How many there are of each mode.
    pub(crate) fn by_mode(&self) -> [(&'static str, usize); 3] {
        let mut modes = [BindMode::Transmitter, BindMode::Receiver, BindMode::Transceiver].map(|mode| (mode, 0));
        for bind in self.lock().binds.values() {
            for (_, count) in modes.iter_mut().filter(|(mode, _)| *mode == bind.handle.mode()) {
                *count += 1;
            }
        }
        modes.map(|(mode, count)| (mode.name(), count))
    }

    /// How they are doing, the oldest first.
    pub(crate) fn statuses(&self, workspace: WorkspaceId) -> Vec<BindStatus> {
        let mut all: Vec<_> =
            self.all().iter().filter(|bind| bind.account.workspace == workspace).map(|bind| bind.status()).collect();
        all.sort_by_key(|status| status.id);
        all
    }
}
