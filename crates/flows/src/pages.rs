//! What runs need of alerts: a seam, so that this room's tests can make it fail at any moment.

use access::{Permit, cap};
use alerts::{Alerts, NewAlert, Opened, ResolveKey};
use base::AlertId;
use store::Tx;

/// Opens and resolves alerts in the caller's transaction. [`Alerts`] is the one that the product uses.
pub trait Pages: Send + Sync + 'static {
    /// See [`Alerts::open`].
    fn open(&self, tx: &mut Tx<'_>, permit: &Permit<cap::AlertsOpen>, alert: NewAlert)
    -> Result<Opened, alerts::Error>;

    /// See [`Alerts::resolve_key`].
    fn resolve_key(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::AlertsOpen>,
        wish: ResolveKey,
    ) -> Result<Vec<AlertId>, alerts::Error>;

    /// See [`Alerts::live`].
    fn live(&self, tx: &mut Tx<'_>, ids: &[AlertId]) -> Result<Vec<AlertId>, alerts::Error>;
}

impl Pages for Alerts {
    fn open(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::AlertsOpen>,
        alert: NewAlert,
    ) -> Result<Opened, alerts::Error> {
        self.open(tx, permit, alert)
    }

    fn resolve_key(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::AlertsOpen>,
        wish: ResolveKey,
    ) -> Result<Vec<AlertId>, alerts::Error> {
        self.resolve_key(tx, permit, wish)
    }

    fn live(&self, tx: &mut Tx<'_>, ids: &[AlertId]) -> Result<Vec<AlertId>, alerts::Error> {
        self.live(tx, ids)
    }
}
