//! Pausing: a person stops sending by a carrier, and starts it again. Its connections stay bound, so that receipts and replies go
//! on coming in; what was to be sent goes by another carrier or waits.

use access::{Actor, Authority, Capability, Denied, Scope, cap};
use base::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Changed, Tx, params};

use crate::carriers::Carriers;
use crate::{Error, TOPIC};

/// Characters of a reason at most.
const REASON: usize = 200;

/// Why nothing is sent by a carrier that could.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Who did it, as a name.
    pub by: String,
    /// Why, as they said; may be empty.
    pub reason: String,
}

impl Pause {
    /// The pause as the end of a sentence that starts with the carrier.
    pub fn words(&self) -> String {
        match self.reason.as_str() {
            "" => format!("sending was paused by {}", self.by),
            reason => format!("sending was paused by {}: {reason}", self.by),
        }
    }
}

impl Carriers {
    /// Stops sending by a carrier, on every node, also after a restart. Audited.
    pub fn pause(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::CarriersWrite>,
        name: &str,
        reason: &str,
    ) -> Result<(), Error> {
        let id = known(tx, permit, name)?;
        let (actor, now) = (permit.actor(), tx.now());
        let reason: String = reason.trim().chars().filter(|letter| !letter.is_control()).take(REASON).collect();
        tx.execute(
            "INSERT INTO carrier_pauses (carrier, since, paused_by, reason) VALUES ($1, $2, $3, $4) ON CONFLICT (carrier) DO NOTHING",
            &params![id.as_str(), now, actor.principal.name(), reason.as_str()],
        )?;
        record(tx, actor, "carrier.pause", name, (!reason.is_empty()).then_some(reason.as_str()))?;
        // As it is stored: somebody may have been quicker.
        let pause = tx.query_one(
            "SELECT since, paused_by, reason FROM carrier_pauses WHERE carrier = $1",
            &params![id.as_str()],
            |row| Ok(Pause { since: row.get("since")?, by: row.get("paused_by")?, reason: row.get("reason")? }),
        )?;
        self.changed(tx, id, Some(pause));
        Ok(())
    }

    /// Sends by it again. Audited.
    pub fn resume(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::CarriersWrite>,
        name: &str,
    ) -> Result<(), Error> {
        let id = known(tx, permit, name)?;
        tx.execute("DELETE FROM carrier_pauses WHERE carrier = $1", &params![id.as_str()])?;
        record(tx, permit.actor(), "carrier.resume", name, None)?;
        self.changed(tx, id, None);
        Ok(())
    }

    fn changed(&self, tx: &mut Tx<'_>, id: String, pause: Option<Pause>) {
        tx.touched(Changed { workspace: None, topic: TOPIC, id: id.clone() });
        let this = self.clone();
        tx.after_commit(move || this.set_paused(&id, pause));
    }

    /// Unbinds every connection of a carrier on this node and binds anew, also one that waits for its next try. What is in flight
    /// is waited for. Audited.
    pub async fn reconnect<P>(&self, permit: &P, name: &str) -> Result<(), Error>
    where
        P: Authority<cap::CarriersWrite> + Clone + Send + Sync + 'static,
    {
        let (permit, named) = (permit.clone(), name.to_owned());
        self.db()
            .write(move |tx| {
                known(tx, &permit, &named)?;
                record(tx, permit.actor(), "carrier.reconnect", &named, None)
            })
            .await?;
        self.connect_again(name);
        Ok(())
    }
}

/// The id of that carrier, for somebody who may change carriers of the organisation.
fn known(tx: &mut Tx<'_>, permit: &impl Authority<cap::CarriersWrite>, name: &str) -> Result<String, Error> {
    if permit.scope() != Scope::Organisation {
        return Err(Denied { capability: Capability::CarriersWrite, scope: Scope::Organisation }.into());
    }
    tx.query_opt("SELECT id FROM carriers WHERE name = $1", &params![name], |row| row.get("id"))?
        .ok_or(Error::NoSuchCarrier)
}

fn record(tx: &mut Tx<'_>, actor: &Actor, action: &'static str, name: &str, reason: Option<&str>) -> Result<(), Error> {
    let target = ("carriers", name);
    let (outcome, changes) = (audit::Outcome::Success, None);
    audit::record(tx, audit::Entry { actor, workspace: None, action, target, outcome, reason, changes })?;
    Ok(())
}
