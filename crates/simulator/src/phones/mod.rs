//! The handsets of the simulated network. Plain data; time and ids come in, nothing waits here.

mod screen;

use std::collections::{HashMap, VecDeque};

use base::Timestamp;
use sms::Coding;

use crate::arrival::Arrival;
use crate::{Handset, PartReceipt, ReceiptNote, Text, TextState};
use screen::Screen;

/// Parts that may wait for one handset.
const WAITING: usize = 1_000;

/// All handsets.
#[derive(Debug)]
pub(crate) struct Phones {
    by_number: HashMap<String, Phone>,
    /// Numbers that are here only because a text was sent to them, oldest first.
    chance_comers: VecDeque<String>,
    limit: usize,
    /// Grows with every change; each phone and removal keeps the version that it was changed at.
    version: u64,
    removed: VecDeque<(u64, String)>,
    next_text: u64,
}

#[derive(Debug)]
struct Phone {
    name: Option<String>,
    out_of_reach_since: Option<Timestamp>,
    receipts_twice: bool,
    last_receipt: Option<ReceiptNote>,
    screen: Screen,
    waiting: VecDeque<(Arrival, String)>,
    version: u64,
    /// Somebody put it here or set something about it, so it stays.
    kept: bool,
}

/// Where a part came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Landing {
    /// On the handset.
    Shown,
    /// At the carrier, until the handset is in reach.
    Waits,
    /// Nowhere: too much waits already.
    Full,
}

impl Phones {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            by_number: HashMap::new(),
            chance_comers: VecDeque::new(),
            limit: limit.max(1),
            version: 0,
            removed: VecDeque::new(),
            next_text: 1,
        }
    }

    /// A part for a handset; `message_id` is how its id was written in the answer.
    pub(crate) fn arrive(&mut self, arrival: Arrival, message_id: String, now: Timestamp) -> Landing {
        let id = self.text_id();
        let phone = self.touch(&arrival.number.clone(), false);
        if phone.out_of_reach_since.is_some() {
            if phone.waiting.len() >= WAITING {
                return Landing::Full;
            }
            phone.waiting.push_back((arrival, message_id));
            return Landing::Waits;
        }
        phone.screen.receive(&arrival, id, message_id, now);
        Landing::Shown
    }

    /// Takes a handset out of reach, or back. What waited for it is shown and given back, for its receipts.
    pub(crate) fn set_reach(&mut self, number: &str, in_reach: bool, now: Timestamp) -> Vec<Arrival> {
        let phone = self.touch(number, true);
        if !in_reach {
            phone.out_of_reach_since.get_or_insert(now);
            return Vec::new();
        }
        phone.out_of_reach_since = None;
        let waiting = std::mem::take(&mut phone.waiting);
        let mut shown = Vec::with_capacity(waiting.len());
        for (arrival, message_id) in waiting {
            let id = self.text_id();
            if let Some(phone) = self.by_number.get_mut(number) {
                phone.screen.receive(&arrival, id, message_id, now);
            }
            shown.push(arrival);
        }
        shown
    }

    /// Takes a part that waits for too long off the queue; `None` when it has arrived meanwhile.
    pub(crate) fn expire(&mut self, number: &str, id: u64) -> Option<Arrival> {
        let phone = self.by_number.get_mut(number)?;
        let place = phone.waiting.iter().position(|(arrival, _)| arrival.id == id)?;
        let (arrival, _) = phone.waiting.remove(place)?;
        self.touch(number, false);
        Some(arrival)
    }

    /// The handset writes a text; `None` when it has no network.
    pub(crate) fn write(
        &mut self,
        number: &str,
        to: &str,
        text: &str,
        coding: Coding,
        total: u8,
        now: Timestamp,
    ) -> Option<Text> {
        let id = self.text_id();
        let phone = self.touch(number, true);
        if phone.out_of_reach_since.is_some() {
            return None;
        }
        Some(phone.screen.write(id, to.to_owned(), text.to_owned(), coding, total, now))
    }

    pub(crate) fn settle(&mut self, number: &str, text: u64, state: TextState) {
        if self.by_number.contains_key(number) {
            self.touch(number, false).screen.settle(text, state);
        }
    }

    /// A receipt about a part was sent.
    pub(crate) fn receipt_sent(&mut self, number: &str, id: u64, state: &str, after_ms: u64) {
        let Some(phone) = self.changed(number) else { return };
        let mut times = 1;
        phone.screen.receipt(id, |receipt| {
            let known = receipt.get_or_insert_with(|| PartReceipt {
                state: state.to_owned(),
                after_ms,
                times: 0,
                acknowledged: false,
            });
            known.times += 1;
            times = known.times;
        });
        phone.last_receipt = Some(ReceiptNote { after_ms, times });
    }

    /// A receipt about a part was acknowledged.
    pub(crate) fn receipt_acknowledged(&mut self, number: &str, id: u64) {
        if let Some(phone) = self.changed(number) {
            phone.screen.receipt(id, |receipt| {
                if let Some(receipt) = receipt {
                    receipt.acknowledged = true;
                }
            });
        }
    }

    pub(crate) fn receipts_twice(&self, number: &str) -> bool {
        self.by_number.get(number).is_some_and(|phone| phone.receipts_twice)
    }

    pub(crate) fn set_receipts_twice(&mut self, number: &str, twice: bool) {
        self.touch(number, true).receipts_twice = twice;
    }

    /// Puts a handset on the network; a name replaces the one it had.
    pub(crate) fn add(&mut self, number: &str, name: Option<String>) {
        let phone = self.touch(number, true);
        if name.is_some() {
            phone.name = name;
        }
    }

    /// Takes a handset off the network, and what waits for it. False when there was none.
    pub(crate) fn remove(&mut self, number: &str) -> bool {
        if self.by_number.remove(number).is_none() {
            return false;
        }
        self.version += 1;
        self.removed.push_back((self.version, number.to_owned()));
        if self.removed.len() > 256 {
            self.removed.pop_front();
        }
        true
    }

    pub(crate) fn get(&self, number: &str) -> Option<Handset> {
        self.by_number.get(number).map(|phone| phone.handset(number))
    }

    /// Every handset, by number.
    pub(crate) fn all(&self) -> Vec<Handset> {
        let mut all: Vec<_> = self.by_number.iter().map(|(number, phone)| phone.handset(number)).collect();
        all.sort_by(|one, other| one.number.cmp(&other.number));
        all
    }

    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// Handsets that changed, and numbers that were removed, after `version`.
    pub(crate) fn changed_after(&self, version: u64) -> (Vec<Handset>, Vec<String>) {
        let changed = self
            .by_number
            .iter()
            .filter(|(_, phone)| phone.version > version)
            .map(|(number, phone)| phone.handset(number))
            .collect();
        let removed = self
            .removed
            .iter()
            .filter(|(at, number)| *at > version && !self.by_number.contains_key(number))
            .map(|(_, number)| number.clone())
            .collect();
        (changed, removed)
    }

    fn text_id(&mut self) -> u64 {
        let id = self.next_text;
        self.next_text += 1;
        id
    }

    fn changed(&mut self, number: &str) -> Option<&mut Phone> {
        let phone = self.by_number.get_mut(number)?;
        self.version += 1;
        phone.version = self.version;
        Some(phone)
    }

    /// The phone with `number`, made if there is none.
    fn touch(&mut self, number: &str, keep: bool) -> &mut Phone {
        self.version += 1;
        let version = self.version;
        if !self.by_number.contains_key(number) && !keep {
            self.chance_comers.push_back(number.to_owned());
            while self.chance_comers.len() > self.limit {
                if let Some(oldest) = self.chance_comers.pop_front()
                    && self.by_number.get(&oldest).is_some_and(|phone| !phone.kept)
                {
                    self.remove(&oldest);
                }
            }
        }
        let phone = self.by_number.entry(number.to_owned()).or_insert_with(Phone::new);
        phone.version = version;
        phone.kept |= keep;
        phone
    }
}

impl Phone {
    fn new() -> Self {
        Self {
            name: None,
            out_of_reach_since: None,
            receipts_twice: false,
            last_receipt: None,
            screen: Screen::default(),
            waiting: VecDeque::new(),
            version: 0,
            kept: false,
        }
    }

    fn handset(&self, number: &str) -> Handset {
        Handset {
            number: number.to_owned(),
            name: self.name.clone(),
            in_reach: self.out_of_reach_since.is_none(),
            out_of_reach_since: self.out_of_reach_since,
            receipts_twice: self.receipts_twice,
            waiting: u32::try_from(self.waiting.len()).unwrap_or(u32::MAX),
            last_receipt: self.last_receipt,
            texts: self.screen.texts().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests;
