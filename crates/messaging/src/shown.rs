//! What people look at when they ask where messages go: the routes in the order in which they are tried, the decision about one
//! destination, and what waits for a carrier.

use access::{Authority, Permit, cap};
use routing::{Class, Decision, Query, Refused, Route, Sender};
use store::{Tx, params};

use crate::messaging::Messaging;
use crate::{Error, LaneStatus, indexes};

/// Waiting messages that are counted at most: beyond that the exact number helps nobody.
pub const COUNTED: u32 = 10_000;

impl Messaging {
    /// The routes that messages of the permit's workspace can go by, in the order in which they are tried: its own and those of
    /// the organisation.
    pub fn routes(&self, permit: &Permit<cap::CarriersRead>) -> Vec<Route> {
        let routes = self.engine().routes.load();
        routing::in_order(permit.workspace(), routes.iter()).into_iter().cloned().collect()
    }

    /// Where a message of `class` to `to` would go now, with the record of the decision: the one that sending uses.
    pub fn explain(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::CarriersRead>,
        to: &sms::Number,
        class: Class,
        sender: Option<&Sender>,
    ) -> Result<Result<Decision, Refused>, Error> {
        let engine = self.engine();
        let development = engine.is_development(tx, permit.workspace())?;
        let query = Query::first(permit.workspace(), development, to.digits(), class, sender);
        Ok(engine.decide(&Query { explain: true, ..query }))
    }

    /// The same for whoever may send: where a message would go, before it is sent.
    pub fn foresee(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesSend>,
        to: &sms::Number,
        class: Class,
        sender: Option<&Sender>,
    ) -> Result<Result<Decision, Refused>, Error> {
        let engine = self.engine();
        let development = engine.is_development(tx, permit.workspace())?;
        let query = Query::first(permit.workspace(), development, to.digits(), class, sender);
        Ok(engine.decide(&Query { explain: true, ..query }))
    }

    /// How the attached carriers are doing.
    pub fn lanes(&self, permit: &impl Authority<cap::CarriersRead>) -> Vec<LaneStatus> {
        let _ = permit;
        let engine = self.engine();
        let now = engine.ctx.monotonic();
        engine.lanes.load().values().map(|lane| lane.status(now)).collect()
    }

    /// How many messages of all workspaces wait for `carrier`, up to [`COUNTED`].
    pub fn queued(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::CarriersRead>,
        carrier: &str,
    ) -> Result<u32, Error> {
        let _ = permit;
        let sql = format!(
            "SELECT COUNT(*) AS n FROM (SELECT 1 AS one FROM messages WHERE {} AND carrier = $1 LIMIT $2) AS w",
            indexes::queued(tx.dialect())
        );
        Ok(tx.query_one(&sql, &params![carrier, COUNTED], |row| row.get("n"))?)
    }
}
