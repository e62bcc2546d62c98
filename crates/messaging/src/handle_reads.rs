//! The handle, for whoever looks: lists, one message, and what only some may read.

use access::{Authority, Permit, cap};
use base::{InboundId, MessageId, Page, PageRequest};
use store::Tx;

use crate::messaging::Messaging;
use crate::model::{Content, Details, Filter, InboundMessage, InboundSummary, Minute, Summary};
use crate::{Error, reads, reveal};

impl Messaging {
    /// One message from a handset, as lists show it.
    pub fn inbound_summary(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesRead>,
        id: InboundId,
    ) -> Result<Option<InboundSummary>, Error> {
        reads::inbound_one(tx, &self.0.engine, permit, id)
    }

    /// Messages of the permit's workspace, newest first, with masked numbers and without texts.
    pub fn list(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesRead>,
        filter: &Filter,
        page: &PageRequest,
    ) -> Result<Page<Summary>, Error> {
        reads::list(tx, &self.0.engine, permit, filter, page)
    }

    /// One message with its parts, receipts, notes and readable history.
    pub fn get(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesRead>,
        id: MessageId,
    ) -> Result<Option<Details>, Error> {
        reads::get(tx, &self.0.engine, permit, id)
    }

    /// The id of a message by its [number](Accepted::number), when it is one of the permit's workspace.
    pub fn by_number(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessagesRead>,
        number: i64,
    ) -> Result<Option<MessageId>, Error> {
        reads::by_number(tx, permit, number)
    }

    /// Number and text of a message, for those who may read content. Audited, so `tx` must be a writing one.
    pub fn content(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessageContentRead>,
        id: MessageId,
    ) -> Result<Option<Content>, Error> {
        reads::content(tx, &self.0.engine, permit, id)
    }

    /// The number alone that a message goes to, for those who may read content. Audited, so `tx` must be a writing one.
    pub fn number(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessageContentRead>,
        id: MessageId,
    ) -> Result<Option<sms::Number>, Error> {
        reveal::number(tx, &self.0.engine, permit, id)
    }

    /// Where the person was for whom a message was sent, for those who may read content; nothing when nobody said, or when it was
    /// erased. Audited, so `tx` must be a writing one.
    pub fn client_ip(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessageContentRead>,
        id: MessageId,
    ) -> Result<Option<std::net::IpAddr>, Error> {
        reveal::client_ip(tx, &self.0.engine, permit, id)
    }

    /// Handset and words of a message that came in, for a person to read. Audited, so `tx` must be a writing one;
    /// [`Self::inbound`] is for the rooms that act on it.
    pub fn inbound_content(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::MessageContentRead>,
        id: InboundId,
    ) -> Result<Option<InboundMessage>, Error> {
        reveal::inbound(tx, &self.0.engine, permit, id)
    }

    /// The last hour minute by minute, the oldest first. Approximate after a crash; about a second behind.
    pub fn last_hour(&self, tx: &mut Tx<'_>, permit: &Permit<cap::MessagesRead>) -> Result<Vec<Minute>, Error> {
        reads::last_hour(tx, permit, self.now())
    }

    /// Messages from handsets, newest first: of the permit's workspace, or, for a permit of the organisation, those that
    /// belong to no workspace.
    pub fn inbound_list(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::MessagesRead>,
        page: &PageRequest,
    ) -> Result<Page<InboundSummary>, Error> {
        reads::inbound_list(tx, &self.0.engine, permit, page)
    }

    /// One message from a handset, opened. A permit of the organisation opens every one, also those of no workspace.
    pub fn inbound(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::MessageContentRead>,
        id: InboundId,
    ) -> Result<Option<InboundMessage>, Error> {
        reads::inbound(tx, &self.0.engine, permit, id)
    }
}
