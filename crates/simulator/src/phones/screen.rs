//! What one handset shows: its latest texts, parts joined as they come.

use std::collections::VecDeque;

use base::Timestamp;
use sms::Coding;

use crate::arrival::{Arrival, encoding_of};
use crate::{Direction, Part, PartReceipt, Text, TextEncoding, TextState};

/// Texts that a handset keeps.
const KEPT: usize = 100;

/// The texts of one handset, oldest first.
#[derive(Debug, Default)]
pub(super) struct Screen {
    texts: VecDeque<Shown>,
}

#[derive(Debug)]
struct Shown {
    text: Text,
    /// The carrier's ids of the parts, beside `text.parts`.
    ids: Vec<u64>,
    /// What is needed to join further parts; gone once all are there.
    joining: Option<Joining>,
}

#[derive(Debug)]
struct Joining {
    reference: u16,
    coding: Coding,
    /// Payloads by place.
    payloads: Vec<Option<Vec<u8>>>,
}

impl Joining {
    /// The words that are there; a gap reads as `…`. Runs are decoded as one, because a careless sender
    /// cuts through pairs.
    fn words(&self) -> String {
        let mut words = String::new();
        let mut run: Vec<u8> = Vec::new();
        let mut gap = false;
        for payload in &self.payloads {
            if let Some(payload) = payload {
                if gap {
                    words.push('…');
                }
                run.extend_from_slice(payload);
                gap = false;
            } else {
                words.push_str(&sms::decode(self.coding, &run));
                run.clear();
                gap = true;
            }
        }
        words.push_str(&sms::decode(self.coding, &run));
        if gap {
            words.push('…');
        }
        words
    }

    fn is_whole(&self) -> bool {
        self.payloads.iter().all(Option::is_some)
    }
}

impl Screen {
    /// A part has arrived.
    pub(super) fn receive(&mut self, arrival: &Arrival, id: u64, message_id: String, now: Timestamp) {
        let number = arrival.part.map_or(1, |part| part.number);
        let part = Part { number, message_id, submitted: arrival.submitted, receipt: None };
        let peer = arrival.peer();
        if let Some(of) = arrival.part {
            let waiting = self.texts.iter_mut().rev().find(|shown| {
                shown.text.peer == peer
                    && shown.joining.as_ref().is_some_and(|joining| {
                        joining.reference == of.reference
                            && joining.coding == arrival.coding
                            && joining.payloads.len() == usize::from(of.total)
                            && joining.payloads[usize::from(of.number) - 1].is_none()
                    })
            });
            if let Some(shown) = waiting {
                shown.join(arrival, part);
                return;
            }
        }
        let mut shown = Shown {
            text: Text {
                id,
                at: now,
                direction: Direction::Received,
                peer,
                text: String::new(),
                encoding: arrival.encoding(),
                parts: Vec::new(),
                total: arrival.part.map_or(1, |part| part.total),
                state: TextState::Complete,
            },
            ids: Vec::new(),
            joining: arrival.part.map(|of| Joining {
                reference: of.reference,
                coding: arrival.coding,
                payloads: vec![None; usize::from(of.total)],
            }),
        };
        shown.join(arrival, part);
        self.push(shown);
    }

    /// The handset writes a text of `total` parts.
    pub(super) fn write(
        &mut self,
        id: u64,
        to: String,
        text: String,
        coding: Coding,
        total: u8,
        now: Timestamp,
    ) -> Text {
        let parts = (1..=total)
            .map(|number| Part { number, message_id: String::new(), submitted: now, receipt: None })
            .collect();
        let text = Text {
            id,
            at: now,
            direction: Direction::Sent,
            peer: to,
            text,
            encoding: encoding_of(coding),
            parts,
            total,
            state: TextState::Waiting,
        };
        self.push(Shown { text: text.clone(), ids: Vec::new(), joining: None });
        text
    }

    /// What became of a text that the handset wrote. A refusal stays.
    pub(super) fn settle(&mut self, id: u64, state: TextState) {
        if let Some(shown) = self.texts.iter_mut().rev().find(|shown| shown.text.id == id)
            && shown.text.state == TextState::Waiting
        {
            shown.text.state = state;
        }
    }

    /// The receipt of a part, by the carrier's id. False when the part is not shown any more.
    pub(super) fn receipt(&mut self, id: u64, change: impl FnOnce(&mut Option<PartReceipt>)) -> bool {
        for shown in self.texts.iter_mut().rev() {
            if let Some(place) = shown.ids.iter().position(|known| *known == id) {
                change(&mut shown.text.parts[place].receipt);
                return true;
            }
        }
        false
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = &Text> {
        self.texts.iter().map(|shown| &shown.text)
    }

    fn push(&mut self, shown: Shown) {
        if self.texts.len() == KEPT {
            self.texts.pop_front();
        }
        self.texts.push_back(shown);
    }
}

impl Shown {
    fn join(&mut self, arrival: &Arrival, part: Part) {
        // Parts are kept in their order, not in that of their coming.
        let place = self.text.parts.partition_point(|known| known.number < part.number);
        self.text.parts.insert(place, part);
        self.ids.insert(place, arrival.id);
        match (&mut self.joining, arrival.part) {
            (Some(joining), Some(of)) => {
                joining.payloads[usize::from(of.number) - 1] = Some(arrival.payload.clone());
                self.text.text = joining.words();
                let whole = joining.is_whole();
                self.text.state = if whole { TextState::Complete } else { TextState::Partial };
                if whole {
                    self.joining = None;
                }
            }
            _ => self.text.text = arrival.text(),
        }
        if self.text.encoding == TextEncoding::Binary {
            self.text.text.truncate(280);
        }
    }
}
