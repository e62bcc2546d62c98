//! What an application submits, in the words of `messaging`. Pure.

use base::Timestamp;
use bytes::Bytes;
use messaging::{New, Octets, Tell};
use routing::Sender;
use smpp::{Address, DataCoding, DataSm, EsmClass, RegisteredDelivery, Status, SubmitMulti, SubmitSm, Text, Tlvs, Ton};
use sms::{Coding, Concat, Number};

use crate::account::Account;
use crate::time;

/// What the PDUs that carry a message have in common.
pub(crate) struct Submit<'a> {
    pub(crate) source: &'a Address,
    pub(crate) destination: &'a Address,
    pub(crate) esm_class: EsmClass,
    pub(crate) data_coding: DataCoding,
    pub(crate) registered_delivery: RegisteredDelivery,
    pub(crate) schedule: &'a Text,
    pub(crate) validity: &'a Text,
    pub(crate) octets: Bytes,
    pub(crate) tlvs: &'a Tlvs,
}

impl<'a> Submit<'a> {
    /// A `submit_sm`; what it asks for that we do not do is refused rather than ignored.
    pub(crate) fn of(pdu: &'a SubmitSm) -> Result<Self, Status> {
        if pdu.sm_default_msg_id != 0 {
            return Err(Status::RINVDFTMSGID);
        }
        if pdu.replace_if_present_flag != 0 {
            return Err(Status::RINVSUBREP);
        }
        if pdu.priority_flag > 3 {
            return Err(Status::RINVPRTFLG);
        }
        Ok(Self {
            source: &pdu.source,
            destination: &pdu.destination,
            esm_class: pdu.esm_class,
            data_coding: pdu.data_coding,
            registered_delivery: pdu.registered_delivery,
            schedule: &pdu.schedule_delivery_time,
            validity: &pdu.validity_period,
            octets: pdu.message(),
            tlvs: &pdu.tlvs,
        })
    }

    /// One destination of a `submit_multi`.
    pub(crate) fn of_multi(pdu: &'a SubmitMulti, destination: &'a Address) -> Result<Self, Status> {
        if pdu.sm_default_msg_id != 0 {
            return Err(Status::RINVDFTMSGID);
        }
        if pdu.priority_flag > 3 {
            return Err(Status::RINVPRTFLG);
        }
        let octets = if pdu.short_message.0.is_empty() {
            pdu.tlvs.message_payload().unwrap_or_default()
        } else {
            pdu.short_message.0.clone()
        };
        Ok(Self {
            source: &pdu.source,
            destination,
            esm_class: pdu.esm_class,
            data_coding: pdu.data_coding,
            registered_delivery: pdu.registered_delivery,
            schedule: &pdu.schedule_delivery_time,
            validity: &pdu.validity_period,
            octets,
            tlvs: &pdu.tlvs,
        })
    }

    /// A `data_sm`, whose validity is a TLV in seconds (5.3.2.5).
    pub(crate) fn of_data(pdu: &'a DataSm) -> Self {
        static EMPTY: Text = Text::EMPTY;
        Self {
            source: &pdu.source,
            destination: &pdu.destination,
            esm_class: pdu.esm_class,
            data_coding: pdu.data_coding,
            registered_delivery: pdu.registered_delivery,
            schedule: &EMPTY,
            validity: &EMPTY,
            octets: pdu.tlvs.message_payload().unwrap_or_default(),
            tlvs: &pdu.tlvs,
        }
    }

    /// The message, or the status that says what is wrong with it.
    pub(crate) fn message(&self, account: &Account, now: Timestamp) -> Result<New, Status> {
        let to = destination(self.destination)?;
        let sender = source(self.source)?;
        if sender.as_ref().is_some_and(|sender| !account.may_send_from(sender)) {
            return Err(Status::RINVSRCADR);
        }
        let scheduled = time::parse(self.schedule, now).map_err(|_| Status::RINVSCHED)?;
        let expires_at = time::parse(self.validity, now).map_err(|_| Status::RINVEXPIRY)?;
        let seconds = self.tlvs.number(smpp::Tag::QOS_TIME_TO_LIVE).filter(|_| expires_at.is_none());
        let expires_at =
            expires_at.or_else(|| seconds.map(|seconds| now.plus(std::time::Duration::from_secs(seconds.into()))));
        let coded = Coded { data_coding: self.data_coding, has_header: self.esm_class.has_udh(), sar: self.tlvs.sar() };
        let (text, octets) = coded.read(&self.octets)?;
        Ok(New {
            sender,
            class: account.class,
            octets,
            scheduled,
            expires_at,
            tell: tell(self.registered_delivery),
            passing: passing(self.registered_delivery),
            data_coding: self.data_coding.0,
            ..New::text(to, text)
        })
    }
}

/// How the octets of a message are to be read.
#[derive(Clone, Copy)]
pub(crate) struct Coded {
    pub(crate) data_coding: DataCoding,
    pub(crate) has_header: bool,
    /// Reference, place and number of parts, told by parameters.
    pub(crate) sar: Option<(u16, u8, u8)>,
}

impl Coded {
    /// A text where we may cut it into parts ourselves; octets where the application has done something of its own: a
    /// header, a message class, binary.
    pub(crate) fn read(self, octets: &[u8]) -> Result<(String, Option<Octets>), Status> {
        let DataCoding(coding) = self.data_coding;
        let kind = match coding {
            0..=4 | 8 | 0x10..=0x1B | 0xF0..=0xF7 => Coding::from_data_coding(coding),
            _ => return Err(Status::RINVDCS),
        };
        if octets.is_empty() {
            return Err(Status::RINVMSGLEN);
        }
        if kind == Coding::Ucs2 && !self.has_header && octets.len() % 2 == 1 {
            return Err(Status::RINVMSGLEN);
        }
        let sar = self.sar.map(|(reference, sequence, total)| Concat { reference, wide: true, total, sequence });
        let plain = matches!(coding, 0 | 1 | 3 | 8);
        if plain && !self.has_header && sar.is_none() {
            return Ok((sms::decode(kind, octets), None));
        }
        // Parts told by TLVs become parts told by a header: that is what a handset reads.
        let header = sar.filter(|_| !self.has_header).map(Concat::to_header).unwrap_or_default();
        let has_header = self.has_header || !header.is_empty();
        let octets: Vec<u8> = [&header[..], octets].concat();
        if octets.len() > most(kind, has_header, &octets) {
            return Err(Status::RINVMSGLEN);
        }
        Ok((String::new(), Some(Octets { data_coding: coding, has_header, octets })))
    }
}

/// Octets that one short message holds: 140 in a handset's terms, where septets travel unpacked (TS 23.040 section 9.2.3.24).
fn most(kind: Coding, has_header: bool, octets: &[u8]) -> usize {
    match (kind, has_header) {
        (Coding::Gsm7 | Coding::Latin1, false) => 160,
        (Coding::Gsm7 | Coding::Latin1, true) => {
            let header = usize::from(octets.first().copied().unwrap_or(0)) + 1;
            // What the header takes away, in septets, rounded up.
            header + 160_usize.saturating_sub((header * 8).div_ceil(7))
        }
        (Coding::Ucs2 | Coding::Binary, _) => 140,
    }
}

pub(crate) fn destination(address: &Address) -> Result<Number, Status> {
    if !matches!(address.ton, Ton::UNKNOWN | Ton::INTERNATIONAL) {
        return Err(Status::RINVDSTTON);
    }
    Number::parse(&address.text.to_str(), None).map_err(|_| Status::RINVDSTADR)
}

/// `None` leaves it to the route.
pub(crate) fn source(address: &Address) -> Result<Option<Sender>, Status> {
    if address.text.is_empty() {
        return Ok(None);
    }
    address.text.to_str().parse().map(Some).map_err(|_| Status::RINVSRCADR)
}

/// Bit 4: also when the carrier has it. Bits 2 and 3 ask the handset's application for an acknowledgement of its own, which no
/// phone gives: they are understood and change nothing.
pub(crate) const fn passing(wanted: RegisteredDelivery) -> bool {
    wanted.0 & 0x10 != 0
}

pub(crate) const fn tell(wanted: RegisteredDelivery) -> Tell {
    match wanted.0 & 0x03 {
        0 => Tell::Nothing,
        1 => Tell::End,
        2 => Tell::Failure,
        _ => Tell::Success,
    }
}

/// What the answer says when messaging did not take it.
pub(crate) fn status(error: &messaging::Error) -> Status {
    use messaging::Error;
    match error {
        Error::Text(sms::SegmentError::NotGsm { .. }) => Status::RINVDCS,
        Error::Text(_) | Error::EmptyText | Error::TooLong { .. } => Status::RINVMSGLEN,
        Error::Sender(_) => Status::RINVSRCADR,
        Error::Refused(refused) if refused.wants_sender => Status::RINVSRCADR,
        Error::Refused(_) => Status::RINVDSTADR,
        Error::Expired => Status::RINVEXPIRY,
        Error::Busy => Status::RMSGQFUL,
        Error::NotFound => Status::RINVMSGID,
        _ => Status::RSYSERR,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;
    use smpp::{Message, Npi, Tag};

    use super::*;

    fn account() -> Account {
        Account {
            id: uuid::Uuid::nil().into(),
            workspace: uuid::Uuid::nil().into(),
            system_id: "app".into(),
            allow: Vec::new(),
            allow_plaintext: false,
            max_binds: 4,
            window: 20,
            rate: NonZeroU32::new(10),
            message_ids: crate::MessageIds::Uuid,
            class: routing::Class::Transactional,
            senders: Vec::new(),
            long_inbound: crate::LongInbound::Joined,
            vendor_tlvs: None,
            max_waiting: 10,
            version: 1,
        }
    }

    fn pdu(octets: &[u8]) -> SubmitSm {
        SubmitSm {
            source: Address::alphanumeric("Ward 7"),
            destination: Address::international("447700900117"),
            short_message: Message(Bytes::copy_from_slice(octets)),
            ..SubmitSm::default()
        }
    }

    fn read(pdu: &SubmitSm) -> Result<New, Status> {
        Submit::of(pdu)?.message(&account(), Timestamp::from_micros(0))
    }

    fn refused(change: impl FnOnce(&mut SubmitSm), status: Status) {
        let mut pdu = pdu(b"Disk full");
        change(&mut pdu);
        assert_eq!(read(&pdu).unwrap_err(), status);
    }

    #[test]
    fn a_text_is_read_in_its_alphabet() {
        for (coding, octets, text) in [
            (0, &b"Disk full on db\x111"[..], "Disk full on db_1"),
            (1, b"Disk full", "Disk full"),
            (3, &[0x44, 0xE9], "Dé"),
            (8, &[0x01, 0x1F], "ğ"),
        ] {
            let new = read(&SubmitSm { data_coding: DataCoding(coding), ..pdu(octets) }).unwrap();
            assert_eq!((new.text.as_str(), new.octets.is_none()), (text, true), "{coding}");
            assert_eq!(new.sender.unwrap().as_str(), "Ward 7");
        }
    }

    #[test]
    fn what_an_application_coded_itself_goes_as_it_is() {
        let part = [5, 0, 3, 7, 2, 1, b'h', b'i'];
        let new = read(&SubmitSm { esm_class: EsmClass::UDHI, ..pdu(&part) }).unwrap();
        let octets = new.octets.unwrap();
        assert_eq!((octets.octets.as_slice(), octets.has_header, new.text.as_str()), (&part[..], true, ""));
        for coding in [4, 0x10, 0xF0] {
            let new = read(&SubmitSm { data_coding: DataCoding(coding), ..pdu(b"flash") }).unwrap();
            assert_eq!(new.octets.unwrap().data_coding, coding);
        }
        let tlvs = Tlvs::EMPTY
            .with(Tag::SAR_MSG_REF_NUM, [0, 7])
            .with(Tag::SAR_TOTAL_SEGMENTS, [2])
            .with(Tag::SAR_SEGMENT_SEQNUM, [1]);
        let octets = read(&SubmitSm { tlvs, ..pdu(b"hi") }).unwrap().octets.unwrap();
        assert_eq!(octets.octets, [6, 8, 4, 0, 7, 2, 1, b'h', b'i'], "a 16-bit header in place of the TLVs");
    }

    #[test]
    fn a_long_text_in_the_payload_is_cut_by_us() {
        let long = "x".repeat(500);
        let new = read(&pdu(b"").with_message(long.clone().into_bytes())).unwrap();
        assert_eq!((new.text, new.octets), (long, None));
    }

    #[test]
    fn what_is_wrong_has_its_status() {
        refused(|pdu| pdu.short_message = Message::default(), Status::RINVMSGLEN);
        refused(|pdu| pdu.data_coding = DataCoding(5), Status::RINVDCS);
        refused(|pdu| pdu.data_coding = DataCoding::UCS2, Status::RINVMSGLEN);
        refused(|pdu| pdu.destination.text = Text::from("12"), Status::RINVDSTADR);
        refused(|pdu| pdu.destination.ton = Ton::ALPHANUMERIC, Status::RINVDSTTON);
        refused(|pdu| pdu.source.text = Text::from("much too long a name"), Status::RINVSRCADR);
        refused(|pdu| pdu.validity_period = Text::from("soon"), Status::RINVEXPIRY);
        refused(|pdu| pdu.schedule_delivery_time = Text::from("soon"), Status::RINVSCHED);
        refused(|pdu| pdu.sm_default_msg_id = 1, Status::RINVDFTMSGID);
        refused(|pdu| pdu.replace_if_present_flag = 1, Status::RINVSUBREP);
        refused(|pdu| pdu.priority_flag = 4, Status::RINVPRTFLG);
        refused(
            |pdu| (pdu.data_coding, pdu.short_message) = (DataCoding(0xF0), Message(vec![b'x'; 161].into())),
            Status::RINVMSGLEN,
        );
        refused(
            |pdu| (pdu.data_coding, pdu.short_message) = (DataCoding(4), Message(vec![0; 141].into())),
            Status::RINVMSGLEN,
        );
        let part = [&[5, 0, 3, 7, 2, 1][..], &[b'x'; 154]].concat();
        refused(|pdu| (pdu.esm_class, pdu.short_message) = (EsmClass::UDHI, Message(part.into())), Status::RINVMSGLEN);
    }

    /// A source address must be on the account's list (security.md, SMPP).
    #[test]
    fn only_listed_senders() {
        let account = Account { senders: vec!["+447700900100".parse().unwrap()], ..account() };
        let from = |text: &str| {
            let pdu = SubmitSm {
                source: Address { ton: Ton::UNKNOWN, npi: Npi::UNKNOWN, text: Text::from(text) },
                ..pdu(b"x")
            };
            Submit::of(&pdu)?.message(&account, Timestamp::from_micros(0)).map(|new| new.sender)
        };
        assert_eq!(from("447700900100").unwrap().unwrap().as_str(), "447700900100");
        assert_eq!(from("447700900101").unwrap_err(), Status::RINVSRCADR);
        assert_eq!(from("").unwrap(), None, "the route's own");
    }

    #[test]
    fn times_and_receipts_are_understood() {
        let mut pdu = pdu(b"x");
        pdu.validity_period = smpp::time::relative(std::time::Duration::from_mins(5));
        for (flag, expected) in
            [(0, Tell::Nothing), (1, Tell::End), (2, Tell::Failure), (3, Tell::Success), (0x11, Tell::End)]
        {
            pdu.registered_delivery = RegisteredDelivery(flag);
            let new = read(&pdu).unwrap();
            assert_eq!((new.tell, new.expires_at), (expected, Some(Timestamp::from_micros(300_000_000))));
            assert_eq!(new.passing, flag & 0x10 != 0);
        }
    }

    proptest! {
        /// Whatever an application sends is a message or a status, never a panic.
        #[test]
        fn nothing_panics(coding: u8, esm: u8, octets in proptest::collection::vec(any::<u8>(), 0..260), source in ".{0,20}", destination in "[0-9+]{0,20}", validity in ".{0,17}") {
            let pdu = SubmitSm {
                source: Address { ton: Ton::UNKNOWN, npi: Npi::UNKNOWN, text: Text::from(source) },
                destination: Address { ton: Ton::UNKNOWN, npi: Npi::UNKNOWN, text: Text::from(destination) },
                data_coding: DataCoding(coding),
                esm_class: EsmClass(esm),
                validity_period: Text::from(validity),
                short_message: Message(octets.into()),
                ..SubmitSm::default()
            };
            if let Ok(new) = read(&pdu) {
                prop_assert_eq!(new.text.is_empty(), new.octets.is_some());
            }
        }
    }
}
