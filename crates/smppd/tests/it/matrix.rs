//! Rule 6 of the house at the door of SMPP: every operation that the protocol has, tried over every kind of bind, by an application
//! that is not bound, by one of another workspace and by one whose account is gone. The operations are the codec's own list, so one
//! that is added is tried by itself, and fails until it stands in the table below.

use std::time::Duration;

use smpp::{
    Address, Bind, BindMode, CancelSm, Command, CommandId, Destination, Destinations, EnquireLink, Message, Password,
    Pdu, QuerySm, RegisteredDelivery, ReplaceSm, Status, SubmitMulti, SubmitSm, Text,
};
use store::Db;

use crate::house::{DINA, House, account, id_of, submit};
use crate::limits::Raw;

/// Who tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Player {
    /// Connected, and not bound.
    Unbound,
    /// Bound by the account whose message it is.
    Own(BindMode),
    /// Bound by an account of another workspace.
    Foreign(BindMode),
}

impl Player {
    const fn mode(self) -> Option<BindMode> {
        match self {
            Self::Unbound => None,
            Self::Own(mode) | Self::Foreign(mode) => Some(mode),
        }
    }
}

const MODES: [BindMode; 3] = [BindMode::Transmitter, BindMode::Receiver, BindMode::Transceiver];

/// What is answered: a status of the operation's own answer, a `generic_nack`, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Own(Status),
    Nack(Status),
    Nothing,
}

/// **The table**: who may do what, written down apart from the code that decides it.
fn expected(player: Player, operation: CommandId) -> Answer {
    use CommandId as C;
    let sends = player.mode().is_some_and(BindMode::transmits);
    match operation {
        // An answer that nobody asked for changes nothing, and neither does a nack.
        id if id.is_response() => Answer::Nothing,
        C::ENQUIRE_LINK => Answer::Own(Status::ROK),
        C::BIND_TRANSMITTER | C::BIND_RECEIVER | C::BIND_TRANSCEIVER => Answer::Own(match player {
            Player::Unbound => Status::ROK,
            _ => Status::RINVBNDSTS,
        }),
        C::UNBIND => Answer::Own(if player == Player::Unbound { Status::RINVBNDSTS } else { Status::ROK }),
        C::SUBMIT_SM | C::SUBMIT_MULTI | C::DATA_SM => {
            Answer::Own(if sends { Status::ROK } else { Status::RINVBNDSTS })
        }
        C::QUERY_SM | C::CANCEL_SM | C::REPLACE_SM => Answer::Own(match player {
            _ if !sends => Status::RINVBNDSTS,
            // As if there were no such message.
            Player::Foreign(_) => Status::RINVMSGID,
            _ => Status::ROK,
        }),
        // The carrier's side of the protocol: no application may.
        C::DELIVER_SM => Answer::Own(Status::RINVBNDSTS),
        // These have no answer of their own.
        C::OUTBIND | C::ALERT_NOTIFICATION if player == Player::Unbound => Answer::Nack(Status::RINVCMDID),
        C::OUTBIND | C::ALERT_NOTIFICATION => Answer::Nothing,
        new => panic!("{new} stands in no row: say here who may"),
    }
}

/// The operation, asked as it should be, of the message `id`.
fn asked(operation: CommandId, id: &str) -> Pdu {
    use CommandId as C;
    let (source, id) = (Address::short_code("70007"), Text::from(id.to_owned()));
    let quiet = || SubmitSm { registered_delivery: RegisteredDelivery::NONE, ..submit(b"matrix") };
    match operation {
        C::BIND_TRANSMITTER | C::BIND_RECEIVER | C::BIND_TRANSCEIVER => {
            Pdu::Bind(BindMode::of(operation).unwrap(), bind("ward7"))
        }
        C::SUBMIT_SM => quiet().into(),
        C::DATA_SM => smpp::DataSm {
            source,
            destination: Address::international(DINA),
            tlvs: smpp::Tlvs::EMPTY.with(smpp::Tag::MESSAGE_PAYLOAD, *b"matrix"),
            ..smpp::DataSm::default()
        }
        .into(),
        C::SUBMIT_MULTI => SubmitMulti {
            source,
            destinations: Destinations(vec![Destination::Address(Address::international(DINA))]),
            short_message: Message(bytes::Bytes::from_static(b"matrix")),
            ..SubmitMulti::default()
        }
        .into(),
        C::QUERY_SM => QuerySm { message_id: id, source }.into(),
        C::CANCEL_SM => CancelSm { message_id: id, source, ..CancelSm::default() }.into(),
        C::REPLACE_SM => ReplaceSm {
            message_id: id,
            source,
            short_message: Message(bytes::Bytes::from_static(b"theirs")),
            ..ReplaceSm::default()
        }
        .into(),
        C::DELIVER_SM => smpp::DeliverSm::default().into(),
        C::OUTBIND => smpp::Outbind::default().into(),
        C::ALERT_NOTIFICATION => smpp::AlertNotification::default().into(),
        C::UNBIND => smpp::Unbind {}.into(),
        C::ENQUIRE_LINK => EnquireLink {}.into(),
        C::GENERIC_NACK => smpp::GenericNack {}.into(),
        response => Pdu::empty_response(response).unwrap_or_else(|| panic!("{response}: say how it is asked")),
    }
}

fn bind(system_id: &str) -> Bind {
    Bind::new(system_id.to_owned(), Password::new("pa55word"))
}

/// A connection as this player has it.
async fn connected(house: &House, player: Player) -> Raw {
    let mut raw = Raw::open(house).await;
    let bound = match player {
        Player::Unbound => return raw,
        Player::Own(mode) => raw.ask(Pdu::Bind(mode, bind("ward7"))).await,
        Player::Foreign(mode) => raw.ask(Pdu::Bind(mode, bind("foreign"))).await,
    };
    assert_eq!(bound.status, Status::ROK, "{player:?}");
    raw
}

/// What comes back for it. What has an answer of its own is waited for, since others may come before it; for what has none, nothing
/// comes before the answer to the `enquire_link` behind it.
async fn tried(raw: &mut Raw, pdu: Pdu) -> Answer {
    let own = pdu.id().response();
    raw.tell(7, pdu).await;
    if own.is_none() {
        raw.tell(8, EnquireLink {}).await;
    }
    let mut answer = Answer::Nothing;
    while let Some(Command { status, sequence, pdu }) = raw.read().await {
        match (sequence, pdu.id()) {
            (7, id) if Some(id) == own => return Answer::Own(status),
            (7, CommandId::GENERIC_NACK) => answer = Answer::Nack(status),
            (8, _) => break,
            other => panic!("{other:?} came unasked"),
        }
    }
    answer
}

testdb::both_databases! {
    migrations = [
        &access::MIGRATIONS,
        &audit::MIGRATIONS,
        &vault::MIGRATIONS,
        &resources::MIGRATIONS,
        &identity::MIGRATIONS,
        &messaging::MIGRATIONS,
        &carriers::MIGRATIONS,
        &smppd::MIGRATIONS,
    ];

    /// E-17: each operation is done for who may and refused to everybody else, and what is refused changes nothing.
    async fn e_17_every_operation_refuses_whoever_may_not(db: Db) {
        let house = House::new(db).await;
        let more = ", allow_plaintext: true, max_binds: 1000";
        house.apply(&format!(
            "workspaces:\n  - {{slug: demo, environment: development}}\n  - {{slug: away, environment: development}}\n\
             routes:\n  - {{workspace: demo, carriers: [sim-1], sender: '70007'}}\n  - {{workspace: away, carriers: [sim-1], sender: '70007'}}\n\
             {}  - {{workspace: away, system_id: foreign, password: {{env: PASSWORD}}, allow: [127.0.0.0/8]{more}}}\n",
            account(more)
        )).await.unwrap();
        let owner = house.bind(BindMode::Transmitter, "pa55word").await.unwrap();
        let waits = || SubmitSm {
            schedule_delivery_time: smpp::time::relative(Duration::from_hours(1)),
            registered_delivery: RegisteredDelivery::NONE,
            ..submit(b"mine")
        };
        let players = || {
            let bound = MODES.into_iter().flat_map(|mode| [Player::Own(mode), Player::Foreign(mode)]);
            std::iter::once(Player::Unbound).chain(bound)
        };
        let (mut tries, mut passed) = (0, 0);
        for &operation in CommandId::ALL {
            for player in players() {
                // One that waits, each time: some operations end it.
                let id = id_of(&owner.handle.request(waits()).await.unwrap());
                let before = house.standing(&id).await;
                let mut raw = connected(&house, player).await;
                let answer = tried(&mut raw, asked(operation, &id)).await;
                assert_eq!(answer, expected(player, operation), "{operation} by {player:?}");
                tries += 1;
                if answer == Answer::Own(Status::ROK) {
                    passed += 1;
                    continue;
                }
                // Whatever was refused: nothing came of it, and the connection of a bind still stands.
                assert_eq!(house.standing(&id).await, before, "{operation} by {player:?}");
                if player != Player::Unbound {
                    assert_eq!(raw.ask(EnquireLink {}).await.status, Status::ROK, "{operation} by {player:?}");
                }
            }
        }
        assert!(tries > 150 && passed > 30, "the matrix was real: {passed} of {tries}");
        house.end().await;
    }

    /// E-17: another workspace's application reads, changes and ends nothing, by id or by addresses.
    async fn e_17_a_foreign_workspace_changes_nothing(db: Db) {
        let house = House::new(db).await;
        let foreign = "  - {workspace: away, system_id: foreign, password: {env: PASSWORD}, allow: [127.0.0.0/8], allow_plaintext: true}\n";
        house.apply(&format!("workspaces:\n  - {{slug: demo, environment: development}}\n  - {{slug: away, environment: development}}\n{}{foreign}", account(", allow_plaintext: true"))).await.unwrap();
        let owner = house.bind(BindMode::Transmitter, "pa55word").await.unwrap();
        let waits = SubmitSm { schedule_delivery_time: smpp::time::relative(Duration::from_hours(1)), ..submit(b"mine") };
        let id = id_of(&owner.handle.request(waits).await.unwrap());
        let before = house.standing(&id).await;
        let mut raw = connected(&house, Player::Foreign(BindMode::Transceiver)).await;
        for operation in [CommandId::QUERY_SM, CommandId::REPLACE_SM, CommandId::CANCEL_SM] {
            assert_eq!(tried(&mut raw, asked(operation, &id)).await, Answer::Own(Status::RINVMSGID), "{operation}");
        }
        let between = CancelSm {
            source: Address::short_code("70007"),
            destination: Address::international(DINA),
            ..CancelSm::default()
        };
        assert_eq!(raw.ask(between).await.status, Status::RCANCELFAIL);
        assert_eq!(house.standing(&id).await, before, "it waits as before, with its own text");
        let query = QuerySm { message_id: Text::from(id), source: Address::short_code("70007") };
        assert_eq!(owner.handle.request(query).await.unwrap().status, Status::ROK);
        house.end().await;
    }

    /// E-17, X-22: an account that is gone binds in no mode, and a bind that it had ends.
    async fn e_17_an_account_that_is_gone_may_nothing(db: Db) {
        let house = House::new(db).await;
        house.apply(&account(", allow_plaintext: true")).await.unwrap();
        let mut raw = connected(&house, Player::Own(BindMode::Transceiver)).await;
        assert_eq!(raw.ask(submit(b"still here")).await.status, Status::ROK);
        let taken = house.count("SELECT COUNT(*) FROM messages").await;
        assert_eq!(taken, 1);
        house.remove_account().await;
        // It is asked to unbind. What it hands over after that is taken no more, whatever is answered.
        let ended = tokio::time::timeout(Duration::from_secs(20), async {
            while let Some(command) = raw.read().await {
                match command.pdu {
                    Pdu::Unbind(_) => raw.tell(91, submit(b"too late")).await,
                    Pdu::SubmitSmResp(_) => assert_ne!((command.sequence, command.status), (91, Status::ROK)),
                    _ => {}
                }
            }
        });
        ended.await.expect("the bind ends, and the connection with it");
        for mode in MODES {
            let mut raw = Raw::open(&house).await;
            let answer = raw.ask(Pdu::Bind(mode, bind("ward7"))).await;
            assert!(!answer.status.is_ok(), "{mode:?}: {:?}", answer.status);
            assert_eq!(raw.read().await, None, "{mode:?} is closed");
        }
        assert_eq!(house.count("SELECT COUNT(*) FROM messages").await, taken, "nothing more was taken");
        house.end().await;
    }
}
