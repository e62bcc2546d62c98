//! What people may see of messages: lists, one message with its history, its content, what handsets sent, charts.

mod handset;
mod list;
mod minutes;
mod one;

use std::collections::BTreeMap;

use base::{BatchId, Timestamp, mask_phone};
use routing::Class;
use store::{Row, Tx};
use uuid::Uuid;

use crate::engine::Engine;
use crate::inbound::open;
use crate::model::{BatchRef, OriginRef, ReceiptDetails, Summary};
use crate::octets::encoding;
use crate::{Error, State};

pub(crate) use handset::{inbound, inbound_after, inbound_list, inbound_one};
pub(crate) use list::{about, ceiling, list, outbound_after};
pub(crate) use minutes::last_hour;
pub(crate) use one::{by_number, client_ip, content, get};

const COLUMNS: &str = "id, umid, workspace, state, class, carrier, sender, destination, parts, encoding, created_at, due_at, \
     expires_at, submitted_at, receipt_at, receipt_time, done_at, reason, routed, error, attempts, throttled, unknown_outcomes, origin_kind, \
     origin_id, client_ref, submitter, carrier_ref, receipt, batch";

/// What stands in place of a number that was erased.
pub const ERASED: &str = "erased";

/// The country of a number in digits.
fn country(digits: &str) -> Option<String> {
    sms::Country::of_digits(digits.trim_start_matches('+')).map(|country| country.as_str().to_owned())
}

/// A row with what only this file shows.
struct Read {
    row: i64,
    summary: Summary,
    destination: String,
    routed: Option<String>,
    carrier_ref: Option<String>,
    receipt: Option<ReceiptDetails>,
    batch: Option<i64>,
}

fn read(row: &Row<'_>) -> Result<Read, store::Error> {
    let origin = row.get::<Option<String>>("origin_kind")?.zip(row.get::<Option<Uuid>>("origin_id")?);
    let error: Option<String> = row.get("error")?;
    let state = State::from_code(row.get("state")?)
        .ok_or_else(|| store::Error::Decode { column: "state".to_owned(), expected: "a state" })?;
    Ok(Read {
        row: row.get("id")?,
        destination: row.get("destination")?,
        routed: row.get("routed")?,
        carrier_ref: row.get("carrier_ref")?,
        receipt: receipt(row, error.clone())?,
        batch: row.get("batch")?,
        summary: Summary {
            id: row.get("umid")?,
            workspace: row.get("workspace")?,
            state,
            class: Class::from_code(row.get("class")?),
            carrier: row.get("carrier")?,
            sender: row.get("sender")?,
            to: String::new(),
            country: None,
            parts: row.get("parts")?,
            encoding: encoding(row.get("encoding")?),
            created_at: row.get("created_at")?,
            due_at: row.get("due_at")?,
            expires_at: row.get("expires_at")?,
            submitted_at: row.get("submitted_at")?,
            done_at: row.get("done_at")?,
            reason: row.get("reason")?,
            error,
            attempts: row.get("attempts")?,
            throttled: row.get("throttled")?,
            unknown_outcomes: row.get("unknown_outcomes")?,
            origin: origin.map(|(kind, id)| OriginRef { kind, id }),
            client_ref: row.get("client_ref")?,
            submitter: row.get("submitter")?,
            batch: None,
        },
    })
}

/// The receipt in a row of a message or a part.
fn receipt(row: &Row<'_>, error: Option<String>) -> Result<Option<ReceiptDetails>, store::Error> {
    let (stat, at) = (row.get::<Option<String>>("receipt")?, row.get::<Option<Timestamp>>("receipt_at")?);
    let carrier_time = row.get("receipt_time")?;
    Ok(stat.zip(at).map(|(stat, at)| ReceiptDetails { stat, error, at, carrier_time }))
}

impl Read {
    /// With the name of its batch.
    fn named(mut self, names: &BTreeMap<i64, (BatchId, Option<String>)>) -> Self {
        self.summary.batch = self
            .batch
            .and_then(|number| names.get(&number))
            .map(|(id, client_ref)| BatchRef { id: *id, client_ref: client_ref.clone() });
        self
    }

    /// Fills in the masked number. A number whose key is gone shows as gone; the rest of the row stays readable.
    fn masked(mut self, tx: &mut Tx<'_>, engine: &Engine) -> Result<Self, Error> {
        if self.destination.is_empty() {
            ERASED.clone_into(&mut self.summary.to);
            return Ok(self);
        }
        let id = self.summary.id.to_string();
        self.summary.to =
            match open(tx, engine, Some(self.summary.workspace), "messages", "destination", &id, &self.destination) {
                Ok(number) => {
                    let number = String::from_utf8_lossy(&number);
                    self.summary.country = country(&number);
                    mask_phone(&number)
                }
                Err(Error::Vault(vault::Error::Store(cause))) => return Err(cause.into()),
                Err(_) => "gone".to_owned(),
            };
        Ok(self)
    }
}
