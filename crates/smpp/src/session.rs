//! Which command may come in which state of a session (SMPP 3.4, table 2-1), as one function.

use crate::{BindMode, CommandId};

/// Which of the two ends of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The application.
    Esme,
    /// The carrier.
    Smsc,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Connected, not bound.
    Open,
    /// The carrier has asked the application to bind.
    Outbound,
    /// A bind waits for its answer.
    Binding(BindMode),
    /// Bound.
    Bound(BindMode),
    /// An `unbind` was sent; what was in flight may still be answered.
    Unbinding(BindMode),
    /// Over.
    Closed,
}

impl State {
    /// The state after `sender`'s `command` was let through; `ok` says whether an answer accepted.
    /// A command that changes nothing leaves the state.
    #[must_use]
    pub const fn after(self, command: CommandId, ok: bool) -> Self {
        match (self, command, BindMode::of(command)) {
            (Self::Open | Self::Outbound, id, Some(mode)) if !id.is_response() => Self::Binding(mode),
            (Self::Binding(mode), id, Some(_)) if id.is_response() => {
                if ok {
                    Self::Bound(mode)
                } else {
                    Self::Open
                }
            }
            (Self::Open, CommandId::OUTBIND, _) => Self::Outbound,
            (Self::Bound(mode), CommandId::UNBIND, _) => Self::Unbinding(mode),
            (Self::Bound(_) | Self::Unbinding(_), CommandId::UNBIND_RESP, _) => Self::Closed,
            (state, _, _) => state,
        }
    }

    /// How the session is bound, also while it ends.
    pub const fn mode(self) -> Option<BindMode> {
        match self {
            Self::Bound(mode) | Self::Unbinding(mode) => Some(mode),
            _ => None,
        }
    }
}

/// Whether `sender` may send `command` in `state`. What may not come is answered with
/// [`Status::RINVBNDSTS`](crate::Status::RINVBNDSTS); a command that SMPP does not have is not this
/// function's business and is answered with a `generic_nack`.
#[expect(clippy::match_same_arms, reason = "a row for each row of the specification's table")]
pub const fn allowed(sender: Side, state: State, command: CommandId) -> bool {
    use CommandId as C;
    use Side::{Esme, Smsc};
    match (command, sender, state) {
        (_, _, State::Closed) => false,
        // Anybody may ask whether the other end is there, and say that it did not understand.
        (C::ENQUIRE_LINK | C::ENQUIRE_LINK_RESP | C::GENERIC_NACK, _, _) => true,
        (C::OUTBIND, Smsc, State::Open) => true,
        (C::BIND_RECEIVER | C::BIND_TRANSMITTER | C::BIND_TRANSCEIVER, Esme, State::Open) => true,
        (C::BIND_RECEIVER, Esme, State::Outbound) => true,
        (C::BIND_RECEIVER_RESP | C::BIND_TRANSMITTER_RESP | C::BIND_TRANSCEIVER_RESP, Smsc, State::Binding(mode)) => {
            mode.response().0 == command.0
        }
        (C::UNBIND, _, State::Bound(_)) => true,
        // Both ends may unbind at the same moment.
        (C::UNBIND | C::UNBIND_RESP, _, State::Unbinding(_)) => true,
        (C::SUBMIT_SM | C::SUBMIT_MULTI | C::QUERY_SM | C::CANCEL_SM | C::REPLACE_SM, Esme, State::Bound(mode)) => {
            mode.transmits()
        }
        (
            C::SUBMIT_SM_RESP | C::SUBMIT_MULTI_RESP | C::QUERY_SM_RESP | C::CANCEL_SM_RESP | C::REPLACE_SM_RESP,
            Smsc,
            State::Bound(mode) | State::Unbinding(mode),
        ) => mode.transmits(),
        (C::DELIVER_SM | C::ALERT_NOTIFICATION, Smsc, State::Bound(mode)) => mode.receives(),
        (C::DELIVER_SM_RESP, Esme, State::Bound(mode) | State::Unbinding(mode)) => mode.receives(),
        // data_sm goes both ways: the application's over a transmitting bind, the carrier's over a receiving one.
        (C::DATA_SM, Esme, State::Bound(mode)) => mode.transmits(),
        (C::DATA_SM, Smsc, State::Bound(mode)) => mode.receives(),
        (C::DATA_SM_RESP, Esme, State::Bound(mode) | State::Unbinding(mode)) => mode.receives(),
        (C::DATA_SM_RESP, Smsc, State::Bound(mode) | State::Unbinding(mode)) => mode.transmits(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BindMode::{Receiver, Transceiver, Transmitter};

    #[test]
    fn the_table_of_the_specification() {
        use CommandId as C;
        let bound = State::Bound;
        let cases = [
            (C::BIND_TRANSCEIVER, Side::Esme, State::Open, true),
            (C::BIND_TRANSCEIVER, Side::Esme, bound(Transceiver), false),
            (C::BIND_TRANSCEIVER, Side::Smsc, State::Open, false),
            (C::BIND_TRANSCEIVER_RESP, Side::Smsc, State::Binding(Transceiver), true),
            (C::BIND_RECEIVER_RESP, Side::Smsc, State::Binding(Transceiver), false),
            (C::SUBMIT_SM, Side::Esme, State::Open, false),
            (C::SUBMIT_SM, Side::Esme, bound(Transmitter), true),
            (C::SUBMIT_SM, Side::Esme, bound(Transceiver), true),
            (C::SUBMIT_SM, Side::Esme, bound(Receiver), false),
            (C::SUBMIT_SM, Side::Smsc, bound(Transceiver), false),
            (C::SUBMIT_SM, Side::Esme, State::Unbinding(Transceiver), false),
            (C::SUBMIT_SM_RESP, Side::Smsc, State::Unbinding(Transceiver), true),
            (C::DELIVER_SM, Side::Smsc, bound(Transmitter), false),
            (C::DELIVER_SM, Side::Smsc, bound(Receiver), true),
            (C::DELIVER_SM_RESP, Side::Esme, bound(Receiver), true),
            (C::DATA_SM, Side::Esme, bound(Receiver), false),
            (C::DATA_SM, Side::Smsc, bound(Receiver), true),
            (C::OUTBIND, Side::Smsc, State::Open, true),
            (C::BIND_RECEIVER, Side::Esme, State::Outbound, true),
            (C::BIND_TRANSMITTER, Side::Esme, State::Outbound, false),
            (C::ENQUIRE_LINK, Side::Smsc, State::Open, true),
            (C::UNBIND, Side::Smsc, bound(Receiver), true),
            (C::UNBIND, Side::Esme, State::Open, false),
            (C::ENQUIRE_LINK, Side::Esme, State::Closed, false),
        ];
        for (command, sender, state, expected) in cases {
            assert_eq!(allowed(sender, state, command), expected, "{command} from {sender:?} in {state:?}");
        }
    }

    #[test]
    fn a_session_from_bind_to_close() {
        use CommandId as C;
        let mut state = State::Open;
        let steps = [
            (C::BIND_TRANSCEIVER, true, State::Binding(Transceiver)),
            (C::BIND_TRANSCEIVER_RESP, false, State::Open),
            (C::BIND_TRANSCEIVER, true, State::Binding(Transceiver)),
            (C::BIND_TRANSCEIVER_RESP, true, State::Bound(Transceiver)),
            (C::SUBMIT_SM, true, State::Bound(Transceiver)),
            (C::UNBIND, true, State::Unbinding(Transceiver)),
            (C::SUBMIT_SM_RESP, true, State::Unbinding(Transceiver)),
            (C::UNBIND_RESP, true, State::Closed),
        ];
        for (command, ok, expected) in steps {
            state = state.after(command, ok);
            assert_eq!(state, expected, "after {command}");
        }
        assert_eq!(State::Bound(Receiver).mode(), Some(Receiver));
        assert_eq!(State::Open.after(C::OUTBIND, true), State::Outbound);
    }
}
