//! What all connections of one simulator share.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::{Chance, Context, SeededChance, Timestamp};
use smpplink::Handle;
use sms::ReceiptState;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::courier::{self, About, Parcel};
use crate::fate::{Fate, Rate, ReceiptFate, draw};
use crate::later::{Due, Later, ReceiptDue};
use crate::phones::Phones;
use crate::{Behaviour, Bind, Counters, Error, Options, TextState};
use crate::{arrival::Arrival, ledger::Ledger};

/// Texts of handsets that wait while no application is bound.
const UNCLAIMED: usize = 1_000;
/// Addresses whose owner is remembered.
const OWNERS: usize = 10_000;

pub(crate) struct Hub {
    pub(crate) ctx: Context,
    pub(crate) ledger: Option<Ledger>,
    pub(crate) later: Later,
    pub(crate) shutdown: CancellationToken,
    /// Counts changes that a watcher may want to see.
    pub(crate) changed: watch::Sender<u64>,
    /// Counts binds that came or went.
    pub(crate) binds_changed: watch::Sender<u64>,
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) phones: Phones,
    pub(crate) counters: Counters,
    pub(crate) behaviour: Arc<Behaviour>,
    /// Grows with each change of the behaviour.
    pub(crate) behaviour_version: u64,
    dice: Option<SeededChance>,
    rate: Rate,
    cuts_left: Option<u32>,
    next_id: u64,
    binds: Vec<Bound>,
    next_bind: u64,
    couriers: HashMap<String, mpsc::UnboundedSender<Parcel>>,
    /// Which account uses an address, for the answers that handsets write to it.
    owners: HashMap<String, String>,
    unclaimed: VecDeque<Parcel>,
}

struct Bound {
    number: u64,
    handle: Handle,
    account: String,
    tls: bool,
    since: Timestamp,
}

impl Hub {
    pub(crate) fn new(options: &Options, ctx: Context, shutdown: CancellationToken) -> Result<Arc<Self>, Error> {
        options.scenario.behaviour.validate()?;
        let ledger = options.ledger.as_deref().map(|path| Ledger::open(path, options.sync_ledger)).transpose()?;
        let now = ctx.now();
        let mut phones = Phones::new(options.handsets);
        for phone in &options.scenario.handsets {
            let number = crate::arrival::handset_number(&phone.number)
                .ok_or_else(|| Error::behaviour("handsets.number", "an international number such as +447700900117"))?;
            phones.add(&number, phone.name.clone());
            phones.set_receipts_twice(&number, phone.receipts_twice);
            phones.set_reach(&number, phone.in_reach, now);
        }
        let mut state = State {
            phones,
            counters: Counters { since: now, ..Counters::default() },
            behaviour: Arc::default(),
            behaviour_version: 0,
            dice: None,
            rate: Rate::default(),
            cuts_left: None,
            // Microseconds go faster than any carrier here, so ids of a later run never repeat earlier ones.
            next_id: u64::try_from(now.as_micros()).unwrap_or(1),
            binds: Vec::new(),
            next_bind: 0,
            couriers: HashMap::new(),
            owners: HashMap::new(),
            unclaimed: VecDeque::new(),
        };
        state.behave(options.scenario.behaviour.clone());
        Ok(Arc::new(Self {
            ctx,
            ledger,
            later: Later::default(),
            shutdown,
            changed: watch::Sender::new(0),
            binds_changed: watch::Sender::new(0),
            state: Mutex::new(state),
        }))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells watchers that something changed.
    pub(crate) fn bump(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    pub(crate) fn counters(&self) -> Counters {
        let state = self.state();
        let binds = state.binds.iter().map(|bound| Bind {
            system_id: bound.account.clone(),
            mode: bound.handle.mode().name().to_owned(),
            tls: bound.tls,
            since: bound.since,
        });
        Counters { binds: binds.collect(), ..state.counters.clone() }
    }

    pub(crate) fn set_behaviour(&self, behaviour: Behaviour) -> Result<(), Error> {
        behaviour.validate()?;
        self.state().behave(behaviour);
        self.bump();
        Ok(())
    }

    /// A connection is bound; what waited for an application goes to it.
    pub(crate) fn bound(self: &Arc<Self>, handle: &Handle, account: &str, tls: bool) -> u64 {
        let number = {
            let mut state = self.state();
            let number = state.next_bind;
            state.next_bind += 1;
            let bound =
                Bound { number, handle: handle.clone(), account: account.to_owned(), tls, since: self.ctx.now() };
            state.binds.push(bound);
            if handle.mode().receives() {
                for mut parcel in std::mem::take(&mut state.unclaimed) {
                    account.clone_into(&mut parcel.account);
                    state.hand_over(self, parcel);
                }
            }
            number
        };
        self.binds_changed.send_modify(|version| *version += 1);
        self.bump();
        number
    }

    pub(crate) fn unbound(&self, number: u64) {
        self.state().binds.retain(|bound| bound.number != number);
        self.binds_changed.send_modify(|version| *version += 1);
        self.bump();
    }

    pub(crate) fn binds(&self) -> Vec<Handle> {
        self.state().binds.iter().map(|bound| bound.handle.clone()).collect()
    }

    /// The connections of `account` that receive.
    pub(crate) fn receivers(&self, account: &str) -> Vec<Handle> {
        let state = self.state();
        let receiving = state.binds.iter().filter(|bound| bound.account == account && bound.handle.mode().receives());
        receiving.filter(|bound| !bound.handle.is_closed()).map(|bound| bound.handle.clone()).collect()
    }

    /// Gives a parcel to the courier of its account.
    pub(crate) fn hand_over(self: &Arc<Self>, parcel: Parcel) {
        self.state().hand_over(self, parcel);
    }

    /// A text of a handset: to the account that uses the address it is sent to.
    pub(crate) fn hand_over_text(self: &Arc<Self>, address: &str, mut parcel: Parcel) {
        let mut state = self.state();
        let account = state.owners.get(address).cloned().or_else(|| {
            let receiver = state.binds.iter().find(|bound| bound.handle.mode().receives());
            receiver.map(|bound| bound.account.clone())
        });
        if let Some(account) = account {
            parcel.account = account;
            state.hand_over(self, parcel);
            return;
        }
        if state.unclaimed.len() >= UNCLAIMED {
            state.unclaimed.pop_front();
        }
        state.unclaimed.push_back(parcel);
    }

    /// A parcel went out.
    pub(crate) fn sent(&self, parcel: &Parcel) {
        if let About::Receipt { number, id, state: receipt, submitted } = &parcel.about {
            let after = self.ctx.now().since(*submitted);
            let mut state = self.state();
            state.counters.receipts_sent += 1;
            state.phones.receipt_sent(number, *id, receipt, u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
            drop(state);
            self.bump();
        }
    }

    /// An application took a parcel.
    pub(crate) fn taken(&self, parcel: &Parcel) {
        let mut state = self.state();
        match &parcel.about {
            About::Receipt { number, id, .. } => {
                state.counters.receipts_acknowledged += 1;
                state.counters.receipts_waiting = state.counters.receipts_waiting.saturating_sub(1);
                state.phones.receipt_acknowledged(number, *id);
            }
            About::Text { number, text, .. } if parcel.about.completes() => {
                state.counters.handset_texts_taken += 1;
                state.phones.settle(number, *text, TextState::Taken);
            }
            About::Text { .. } => {}
        }
        drop(state);
        self.bump();
    }

    /// No application takes a parcel, and the carrier tries no more.
    pub(crate) fn given_up(&self, parcel: &Parcel, why: &str) {
        let mut state = self.state();
        match &parcel.about {
            About::Receipt { .. } => {
                state.counters.receipts_waiting = state.counters.receipts_waiting.saturating_sub(1);
            }
            About::Text { number, text, .. } => {
                state.phones.settle(number, *text, TextState::Refused { status: why.to_owned() });
            }
        }
        drop(state);
        self.bump();
    }

    /// Plans the receipt of a part, if one is wanted.
    pub(crate) fn plan_receipt(&self, state: &mut State, arrival: &Arrival, end: ReceiptState, fate: ReceiptFate) {
        if !arrival.registered.wants(end == ReceiptState::Delivered) {
            return;
        }
        let words = arrival.text().chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).take(20).collect();
        let twice = fate.twice || state.phones.receipts_twice(&arrival.number);
        let due = ReceiptDue {
            id: arrival.id,
            account: arrival.system_id.clone(),
            number: arrival.number.clone(),
            source: arrival.source.clone(),
            destination: arrival.destination.clone(),
            submitted: arrival.submitted,
            state: end,
            words,
            twice,
        };
        if self.later.push(fate.after, Due::Receipt(Box::new(due))) {
            state.counters.receipts_waiting += 1 + u64::from(twice);
        }
    }

    /// Takes a handset out of reach, or back; what waited arrives, and its receipts follow.
    pub(crate) fn set_reach(&self, number: &str, in_reach: bool) {
        let mut state = self.state();
        let arrived = state.phones.set_reach(number, in_reach, self.ctx.now());
        let after = Duration::from_millis(state.behaviour.receipt_delay_ms);
        for arrival in arrived {
            self.plan_receipt(&mut state, &arrival, ReceiptState::Delivered, ReceiptFate { after, twice: false });
        }
        drop(state);
        self.bump();
    }

    /// Does what is due, until the simulator stops.
    pub(crate) async fn run_later(self: Arc<Self>) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = self.later.next(&mut batch) => {}
            }
            for due in batch.drain(..) {
                self.do_now(due);
            }
        }
    }

    fn do_now(self: &Arc<Self>, due: Due) {
        match due {
            Due::Answer(responder, status, id) => crate::session::answer(responder, status, id),
            Due::Receipt(due) => {
                let (ids, tlvs) = {
                    let state = self.state();
                    (state.behaviour.message_ids, state.behaviour.receipt_tlvs)
                };
                let twice = due.twice;
                let parcel = courier::receipt(*due, ids, tlvs, self.ctx.now());
                if twice {
                    self.hand_over(parcel.clone());
                }
                self.hand_over(parcel);
            }
            Due::Retry(parcel) => self.hand_over(*parcel),
            Due::Expire { number, id } => {
                let mut state = self.state();
                if let Some(arrival) = state.phones.expire(&number, id) {
                    let at_once = ReceiptFate { after: Duration::ZERO, twice: false };
                    self.plan_receipt(&mut state, &arrival, ReceiptState::Expired, at_once);
                    drop(state);
                    self.bump();
                }
            }
        }
    }
}

impl State {
    fn behave(&mut self, behaviour: Behaviour) {
        self.dice = behaviour.seed.map(SeededChance::new);
        self.cuts_left = behaviour.cut.map(|cut| cut.times.unwrap_or(u32::MAX));
        self.rate = Rate::default();
        self.behaviour = Arc::new(behaviour);
        self.behaviour_version += 1;
    }

    /// Draws what becomes of the next submit, and its id.
    pub(crate) fn draw(&mut self, ctx: &Context) -> (Fate, u64) {
        let over_rate = match self.behaviour.throttle_above {
            Some(limit) => self.rate.exceeds(limit, ctx.monotonic()),
            None => false,
        };
        let chance: &dyn Chance = match &self.dice {
            Some(dice) => dice,
            None => ctx.chance(),
        };
        let fate = draw(&self.behaviour, chance, over_rate);
        let id = self.next_id;
        self.next_id += 1;
        (fate, id)
    }

    /// Whether connections are still to be cut.
    pub(crate) fn cuts(&self) -> bool {
        self.behaviour.cut.is_some() && self.cuts_left.is_some_and(|left| left > 0)
    }

    pub(crate) fn cut_done(&mut self) {
        self.counters.cuts += 1;
        if let Some(left) = &mut self.cuts_left
            && *left != u32::MAX
        {
            *left = left.saturating_sub(1);
        }
    }

    /// Remembers that `account` uses `address`.
    pub(crate) fn owns(&mut self, account: &str, address: String) {
        if self.owners.get(&address).is_none_or(|owner| owner != account)
            && (self.owners.len() < OWNERS || self.owners.contains_key(&address))
        {
            self.owners.insert(address, account.to_owned());
        }
    }

    fn hand_over(&mut self, hub: &Arc<Hub>, parcel: Parcel) {
        let account = parcel.account.clone();
        let door = self.couriers.entry(account.clone()).or_insert_with(|| courier::start(hub, account));
        // The courier ends only with the simulator.
        let _ = door.send(parcel);
    }
}
