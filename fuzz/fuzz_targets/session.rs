//! A session that a stranger drives with any frames from either side: the table never lets a session go on that is over, no message comes
//! before a bind or over a bind of the wrong direction, what may not come has an answer that can be sent, and the window's memory stays
//! within its size, whatever is answered twice, late, or never.
#![no_main]

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use smpp::{Command, CommandId, Framer, LIMIT_BOUND, LIMIT_UNBOUND, Pdu, Side, State, Status, Window, allowed};

const CAPACITY: usize = 8;
const PATIENCE: Duration = Duration::from_secs(10);

/// Both ends' view of one connection, as the links keep it.
struct Session {
    state: State,
    window: Window<CommandId>,
    now: Duration,
}

impl Session {
    /// A frame of `sender`: what is answered at once, if anything. As `smpplink` does it.
    fn take(&mut self, sender: Side, frame: Bytes) -> Option<Command> {
        let command = match Command::decode(frame) {
            Ok(command) => command,
            Err(error) => {
                assert!(!error.status.is_ok(), "what cannot be read is never said to be well");
                return error.answer();
            }
        };
        let id = command.pdu.id();
        if let Pdu::Unknown(..) = command.pdu {
            return Some(Command::response(command.sequence, Status::RINVCMDID, smpp::GenericNack {}));
        }
        if !allowed(sender, self.state, id) {
            // An answer is not answered.
            let empty = (!id.is_response()).then(|| Pdu::empty_response(CommandId(id.0 | 0x8000_0000)));
            return empty.flatten().map(|pdu| Command { status: Status::RINVBNDSTS, sequence: command.sequence, pdu });
        }
        self.check(sender, id);
        let before = self.state;
        self.state = self.state.after(id, command.status.is_ok());
        assert!(before != State::Closed, "{id} went on after the end");
        if id.is_response() {
            self.window.resolve(command.sequence);
        } else {
            // A full window is no reason to keep more.
            let _ = self.window.insert(self.now, id);
        }
        None
    }

    /// What must hold of anything that is let through.
    fn check(&self, sender: Side, id: CommandId) {
        use CommandId as C;
        let mode = self.state.mode();
        match id {
            C::SUBMIT_SM | C::SUBMIT_MULTI | C::QUERY_SM | C::CANCEL_SM | C::REPLACE_SM => {
                assert!(sender == Side::Esme && mode.is_some_and(smpp::BindMode::transmits), "{id} in {:?}", self.state);
                assert!(matches!(self.state, State::Bound(_)), "{id} while it ends");
            }
            C::DELIVER_SM | C::ALERT_NOTIFICATION => {
                assert!(sender == Side::Smsc && mode.is_some_and(smpp::BindMode::receives), "{id} in {:?}", self.state);
            }
            C::DATA_SM => assert!(mode.is_some(), "{id} in {:?}", self.state),
            C::BIND_RECEIVER | C::BIND_TRANSMITTER | C::BIND_TRANSCEIVER => {
                assert!(sender == Side::Esme && mode.is_none(), "a second bind in {:?}", self.state);
            }
            _ => {}
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let mut session = Session { state: State::Open, window: Window::new(CAPACITY, PATIENCE), now: Duration::ZERO };
    let mut rest = input;
    // An octet says who sends and how much later; a second one how long the frame's body is; then command, status, sequence, body.
    while let [who, length, more @ ..] = rest {
        let body = more.len().min(12 + usize::from(*length));
        let (body, after) = more.split_at(body);
        rest = after;
        session.now += Duration::from_secs(u64::from(who >> 1) % 16);
        let mut stream = BytesMut::new();
        stream.extend_from_slice(&u32::try_from(body.len() + 4).unwrap_or(u32::MAX).to_be_bytes());
        stream.extend_from_slice(body);
        let limit = if session.state.mode().is_some() { LIMIT_BOUND } else { LIMIT_UNBOUND };
        let Ok(Some(frame)) = Framer::new(limit).next(&mut stream) else { break };
        let sender = if who & 1 == 0 { Side::Esme } else { Side::Smsc };
        if let Some(answer) = session.take(sender, frame) {
            let mut out = BytesMut::new();
            answer.encode(&mut out).expect("an answer of ours can be written");
            assert!(out.len() < 64, "an answer to what may not be is short");
        }
        while session.window.expire(session.now).is_some() {}
        assert!(session.window.len() <= CAPACITY);
    }
    let waiting = session.window.len();
    assert_eq!(session.window.drain().count(), waiting);
});
