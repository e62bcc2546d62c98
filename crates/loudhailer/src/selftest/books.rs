//! Reading the books: the carrier's ledger, and the product's own lists by its API.

use std::collections::BTreeMap;
use std::path::Path;

use base::Timestamp;
use outbound::HttpMethod;
use serde_json::Value as Json;

use crate::commands::accepted;
use crate::error::{Error, Result};
use crate::selftest::load::name_in;
use crate::selftest::site::Site;
use crate::selftest::verdict::Shown;

/// What the carrier took of one name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) times: u64,
    /// The first time.
    pub(super) first: Timestamp,
}

/// What the carrier took, by name. Only the first part of a longer text is counted.
pub(super) fn at_carrier(ledger: &Path) -> Result<BTreeMap<String, Taken>> {
    let mut taken: BTreeMap<String, Taken> = BTreeMap::new();
    if !ledger.exists() {
        return Ok(taken);
    }
    for entry in simulator::ledger::read(ledger)? {
        let Some(name) = name_in(&entry.text).filter(|_| entry.outcome.is_taken()) else { continue };
        let one = taken.entry(name.to_owned()).or_insert(Taken { times: 0, first: entry.time });
        one.times += 1;
    }
    Ok(taken)
}

/// Every item of a list.
async fn all(site: &Site, what: &str) -> Result<Vec<Json>> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let after = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
        let url = format!("{}/api/v1/workspaces/work/{what}?limit=200{after}", site.base);
        let mut answer = accepted(site.api.send(HttpMethod::GET, &url, None).await?)?;
        match answer["items"].take() {
            Json::Array(page) => items.extend(page),
            _ => return Err(Error::told(format!("the list of {what} has no items"))),
        }
        match answer["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return Ok(items),
        }
    }
}

/// The product's messages.
pub(super) async fn messages(site: &Site) -> Result<Vec<Shown>> {
    let read = |message: &Json| Shown {
        name: message["clientMessageId"].as_str().map(str::to_owned),
        state: message["state"].as_str().unwrap_or_default().to_owned(),
        unknown_outcome: message["unknownOutcomes"].as_u64().unwrap_or(0) > 0,
    };
    Ok(all(site, "messages").await?.iter().map(read).collect())
}

/// The names in the titles of the product's alerts.
pub(super) async fn alerts(site: &Site) -> Result<Vec<String>> {
    let name = |alert: &Json| alert["title"].as_str().and_then(name_in).map(str::to_owned);
    Ok(all(site, "alerts").await?.iter().filter_map(name).collect())
}
