//! The handle, for whoever tells applications what became of their messages.

use std::collections::HashSet;
use std::sync::Arc;

use access::{OrganisationPermit, Permit, Principal, cap};
use base::{InboundId, Timestamp, WorkspaceId};
use store::Tx;
use tokio::sync::watch;

use crate::deliveries::{Delivery, DeliveryKey};
use crate::inbox::Inbox;
use crate::messaging::Messaging;
use crate::news::{self, News};
use crate::{Error, deliveries};

impl Messaging {
    /// Turns whenever there may be something new to tell an application; what there is, [`Self::waiting`] says.
    pub fn told(&self) -> watch::Receiver<u64> {
        self.0.engine.told.subscribe()
    }

    /// What waits for the holder of the permit: ends of its messages that it wants to hear of, and messages from handsets
    /// for it. The oldest `most` since `before` or longer, without those in `skip` (that are on their way to it).
    pub async fn waiting(
        &self,
        permit: &Permit<cap::MessageContentRead>,
        before: Timestamp,
        skip: HashSet<DeliveryKey>,
        most: usize,
    ) -> Result<Vec<Delivery>, Error> {
        let (engine, permit) = (Arc::clone(&self.0.engine), permit.clone());
        self.0.engine.db.read(move |tx| deliveries::waiting(tx, &engine, &permit, before, &skip, most)).await
    }

    /// Where ends of the permit holder's messages are put from now on, in memory, once they are on disk. It only saves looking: what
    /// is not put here is [`Self::waiting`] all the same.
    pub fn inbox(&self, permit: &Permit<cap::MessageContentRead>) -> Inbox {
        self.0.engine.desks.open(permit.actor().principal.key())
    }

    /// The holder of the permit has these, and is not told them again.
    pub async fn taken(&self, permit: &Permit<cap::MessageContentRead>, keys: Vec<DeliveryKey>) -> Result<(), Error> {
        let permit = permit.clone();
        self.0.engine.db.write_bulk(move |tx| deliveries::taken(tx, &permit, &keys)).await
    }

    /// Takes or keeps the lease on telling the holder of the permit; false while another process has it.
    pub async fn lease_deliveries(&self, permit: &Permit<cap::MessageContentRead>) -> Result<bool, Error> {
        let (engine, permit) = (Arc::clone(&self.0.engine), permit.clone());
        self.0.engine.db.write(move |tx| deliveries::lease(tx, &engine, &permit)).await
    }

    /// Gives that lease back.
    pub async fn release_deliveries(&self, permit: &Permit<cap::MessageContentRead>) -> Result<(), Error> {
        let (engine, permit) = (Arc::clone(&self.0.engine), permit.clone());
        self.0.engine.db.write(move |tx| deliveries::release(tx, &engine, &permit)).await
    }

    /// Gives a message from a handset to an application. Called by the room that knows whose it is, in the transaction in
    /// which it heard of the message.
    pub fn give_inbound(&self, tx: &mut Tx<'_>, recipient: &Principal, id: InboundId) -> Result<(), Error> {
        deliveries::tell_inbound(tx, &recipient.key(), id)?;
        let engine = Arc::clone(&self.0.engine);
        tx.after_commit(move || engine.told.send_modify(|turn| *turn += 1));
        Ok(())
    }

    /// Who listens to what becomes of a workspace's messages: said once, by the composition, before the first message. Asked
    /// for each message that [wants it](Tell::Each), so it answers from memory.
    pub fn listeners(&self, listens: impl Fn(WorkspaceId) -> bool + Send + Sync + 'static) {
        self.0.engine.set_listeners(Box::new(listens));
    }

    /// Whose an address of ours is, as a room above knows: said once, before the first message. Asked for messages from handsets
    /// that nothing was sent to from there.
    pub fn address_owners(
        &self,
        owners: impl Fn(&mut Tx<'_>, &str) -> Result<Vec<WorkspaceId>, store::Error> + Send + Sync + 'static,
    ) {
        self.0.engine.set_address_owners(Box::new(owners));
    }

    /// What became of messages that somebody listens to, and what came in for them: the oldest `most`, opened. It stays until
    /// it is [told](Self::told_news).
    pub fn news(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::MessageContentRead>,
        most: usize,
    ) -> Result<Vec<News>, Error> {
        news::read(tx, &self.0.engine, permit, most)
    }

    /// These are told, or written down where they will be; they are not read again.
    pub fn told_news(
        &self,
        tx: &mut Tx<'_>,
        permit: &OrganisationPermit<cap::MessageContentRead>,
        news: &[News],
    ) -> Result<(), Error> {
        news::told(tx, permit, news)
    }
}
