//! PDUs about messages that were handed over before, and about handsets.

use crate::Tlvs;
use crate::pdu::pdu;
use crate::values::{Address, Text};

pdu! {
    /// `query_sm` (4.8.1): what became of a message?
    QuerySm {
        /// Which.
        message_id: Text, limit 65;
        /// Who it was from.
        source: Address, limit 21;
    }
}

pdu! {
    /// The answer to `query_sm`.
    QuerySmResp {
        /// Which message.
        message_id: Text, limit 65;
        /// When it reached its last state, empty while it has not.
        final_date: Text, limit 17;
        /// Its state, as [`MessageState`](crate::MessageState) numbers them.
        message_state: u8;
        /// The network's error.
        error_code: u8;
    }
}

pdu! {
    /// `cancel_sm` (4.9.1): do not send it any more.
    CancelSm {
        /// The service of the messages.
        service_type: Text, limit 6;
        /// Which; empty for all between the two addresses.
        message_id: Text, limit 65;
        /// Who they were from.
        source: Address, limit 21;
        /// Who they were for.
        destination: Address, limit 21;
    }
}

pdu! {
    /// The answer to `cancel_sm`.
    CancelSmResp {}
}

pdu! {
    /// `alert_notification` (4.12.1): a handset can be reached again.
    AlertNotification {
        /// The handset.
        source: Address, limit 65;
        /// The application that asked.
        esme: Address, limit 65;
        /// Optional parameters.
        tlvs: Tlvs;
    }
}
