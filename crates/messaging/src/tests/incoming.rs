//! Messages from handsets.

use std::sync::Arc;
use std::time::Duration;

use access::{Engine, OrganisationPermit, Permit, cap};
use base::{ManualClock, PageRequest};
use sms::{Concat, ShortMessage};
use store::{Db, params};

use super::house::{Fake, House, number, workspace_id};
use crate::*;

pub fn text(from: &str, text: &str) -> Inbound {
    let octets = sms::encode(sms::Encoding::Gsm7, text).unwrap();
    Inbound {
        carrier: "sim".into(),
        from: from.into(),
        to: "85432".into(),
        message: ShortMessage::parse(0, false, &octets),
    }
}

fn part(from: &str, text: &str, total: u8, sequence: u8) -> Inbound {
    let concat = Concat { reference: 7, wide: false, total, sequence };
    let octets = [concat.to_header(), sms::encode(sms::Encoding::Ucs2, text).unwrap()].concat();
    Inbound {
        carrier: "sim".into(),
        from: from.into(),
        to: "85432".into(),
        message: ShortMessage::parse(8, true, &octets),
    }
}

/// Everything that came in, the oldest first: workspace, text, missing parts.
async fn all(house: &House) -> Vec<(Option<u128>, String, u32)> {
    let messaging = house.messaging.clone();
    house
        .db
        .read(move |tx| {
            let ids = tx.query("SELECT uid FROM inbound_messages ORDER BY id", &params![], |row| row.get(0))?;
            let permit = OrganisationPermit::<cap::MessageContentRead>::engine(Engine("tests"));
            let mut found = Vec::new();
            for id in ids {
                let message = messaging.inbound(tx, &permit, id)?.unwrap();
                let workspace = message.summary.workspace.map(|id| id.uuid().as_u128());
                found.push((workspace, message.text, message.summary.missing_parts));
            }
            Ok::<_, Error>(found)
        })
        .await
        .unwrap()
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &audit::MIGRATIONS, &vault::MIGRATIONS, &MIGRATIONS];

    /// A reply belongs to the workspace whose message went last to that handset from that address by that carrier.
    async fn a_reply_finds_its_workspace_from_memory_and_from_the_table(db: Db) {
        let mut house = House::new(&db, &["sim"]).await;
        house.attach(Fake::new("sim"));
        let first = house.send(17, "from one").await;
        house.until(first, State::Sent).await;
        house.messaging.on_inbound(text("+447700900117", "1")).await.unwrap();
        house.workspace = workspace_id(2);
        let second = house.send(17, "from two").await;
        house.until(second, State::Sent).await;
        house.messaging.on_inbound(text("447700900117", "2")).await.unwrap();
        house.messaging.on_inbound(text("447700900199", "who are you?")).await.unwrap();
        house.messaging.on_inbound(Inbound { to: "99999".into(), ..text("447700900117", "elsewhere") }).await.unwrap();
        house.messaging.stop().await;
        house.messaging = Messaging::start(db.clone(), house.vault.clone(), &RoutesKind::new()).await.unwrap();
        house.messaging.on_inbound(text("447700900117", "after a restart")).await.unwrap();
        house.messaging.on_inbound(Inbound { carrier: "other".into(), ..text("447700900117", "by another way") }).await.unwrap();
        let expected = [(Some(1), "1"), (Some(2), "2"), (None, "who are you?"), (None, "elsewhere"), (Some(2), "after a restart"), (None, "by another way")];
        let found = all(&house).await;
        assert_eq!(found.iter().map(|(workspace, text, _)| (*workspace, text.as_str())).collect::<Vec<_>>(), expected);

        // E-17: a workspace sees its own, the organisation what is nobody's.
        let messaging = house.messaging.clone();
        db.read(move |tx| {
            let page = PageRequest::default();
            let own = messaging.inbound_list(tx, &Permit::<cap::MessagesRead>::engine(Engine("tests"), workspace_id(2)), &page)?;
            assert_eq!(own.items.len(), 2);
            assert_eq!(own.items[0].from, "+44 77•• ••• 117");
            let nobodys = messaging.inbound_list(tx, &OrganisationPermit::<cap::MessagesRead>::engine(Engine("tests")), &page)?;
            assert_eq!(nobodys.items.len(), 3);
            let stranger = Permit::<cap::MessageContentRead>::engine(Engine("tests"), workspace_id(1));
            assert!(messaging.inbound(tx, &stranger, own.items[0].id)?.is_none());
            Ok::<_, Error>(())
        }).await.unwrap();
        house.messaging.stop().await;
    }

    /// Nothing went to the handset yet: the address decides, where it is one workspace's alone.
    async fn what_a_stranger_writes_goes_to_whom_the_address_belongs(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        let route = |name: u128, workspace, sender: &str| routing::Route {
            id: uuid::Uuid::from_u128(name).into(),
            workspace: Some(workspace_id(workspace)),
            name: name.to_string(),
            sender: sender.parse().ok(),
            ..house.messaging.engine().routes.load()[0].clone()
        };
        let routes = [route(1, 1, "70001"), route(2, 2, "70002"), route(3, 1, "70003"), route(4, 2, "70003")];
        // In the table too: it is read again while this runs.
        let known = db.write(move |tx| {
            routes.iter().try_for_each(|route| routes::insert(tx, route))?;
            routes::load(tx)
        });
        house.messaging.engine().routes.store(Arc::new(known.await.unwrap()));
        house.messaging.address_owners(|_, to| Ok(if to == "70004" || to == "70002" { vec![workspace_id(2)] } else { Vec::new() }));
        for to in ["70001", "70002", "70003", "70004", "70005"] {
            house.messaging.on_inbound(Inbound { to: to.into(), ..text("447700900117", to) }).await.unwrap();
        }
        let other = Inbound { to: "70001".into(), carrier: "other".into(), ..text("447700900117", "by another way") };
        house.messaging.on_inbound(other).await.unwrap();
        let expected = [
            (Some(1), "70001"), (Some(2), "70002"), (None, "70003"), (Some(2), "70004"), (None, "70005"), (None, "by another way"),
        ];
        let found = all(&house).await;
        assert_eq!(found.iter().map(|(workspace, text, _)| (*workspace, text.as_str())).collect::<Vec<_>>(), expected);
        house.messaging.stop().await;
    }

    /// The coding is what the carrier said, whatever the text would have needed; of a long one that of its parts.
    async fn the_coding_is_kept_as_it_came(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        for data_coding in [0, 3, 4, 8] {
            let coding = sms::Coding::from_data_coding(data_coding);
            let octets = if coding == sms::Coding::Ucs2 { vec![0, b'h', 0, b'i'] } else { b"hi".to_vec() };
            let message = ShortMessage::parse(data_coding, false, &octets);
            house.messaging.on_inbound(Inbound { message, ..text("447700900117", "") }).await.unwrap();
        }
        for sequence in [1, 2] {
            house.messaging.on_inbound(part("447700900117", "long", 2, sequence)).await.unwrap();
        }
        db.write(|tx| tx.execute("UPDATE inbound_messages SET coding = NULL WHERE id = 1", &params![])).await.unwrap();
        let messaging = house.messaging.clone();
        let listed = db.read(move |tx| {
            let nobodys = OrganisationPermit::<cap::MessagesRead>::engine(Engine("tests"));
            messaging.inbound_list(tx, &nobodys, &PageRequest::default())
        }).await.unwrap();
        let codings: Vec<_> = listed.items.iter().map(|one| one.coding.map(sms::Coding::label)).collect();
        assert_eq!(codings, [Some("UCS2"), Some("UCS2"), Some("GSM8"), Some("GSM8"), None], "newest first");
        house.messaging.stop().await;
    }

    async fn what_comes_in_is_told_and_sealed(db: Db) {
        db.listen(INBOUND, "test.inbound");
        let house = House::new(&db, &["sim"]).await;
        house.messaging.on_inbound(text("447700900117", "Dina here")).await.unwrap();
        let (source, body) = db.read(|tx| tx.query_one("SELECT source, body FROM inbound_messages", &params![], |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?)))).await.unwrap();
        assert!(source.starts_with("v1.") && body.starts_with("v1."));
        assert_eq!(house.count("SELECT COUNT(*) FROM jobs WHERE kind = 'test.inbound'").await, 1);
        house.messaging.stop().await;
    }

    async fn a_long_message_is_joined_in_any_order(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        for (sequence, piece) in [(3, " three"), (1, "one "), (1, "one "), (2, "two 😀")] {
            house.messaging.on_inbound(part("447700900117", piece, 3, sequence)).await.unwrap();
        }
        // Another handset with the same reference, and the same handset once more.
        house.messaging.on_inbound(part("447700900118", "other", 2, 1)).await.unwrap();
        for (sequence, piece) in [(1, "again "), (2, "and again")] {
            house.messaging.on_inbound(part("447700900117", piece, 2, sequence)).await.unwrap();
        }
        assert_eq!(all(&house).await, [(None, "one two 😀 three".to_owned(), 0), (None, "again and again".to_owned(), 0)]);
        assert_eq!(house.count("SELECT COUNT(*) FROM inbound_parts").await, 1);
        house.messaging.stop().await;
    }

    /// Any order, with any part any number of times, of several handsets and references at once: each message is joined once.
    async fn long_messages_are_joined_in_any_order(db: Db) {
        use proptest::prelude::*;
        use proptest::strategy::ValueTree as _;
        let house = House::new(&db, &["sim"]).await;
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let messages = proptest::collection::vec((2_u8..=10, any::<u16>(), any::<bool>()), 6..9);
        let known = messages.prop_flat_map(|messages| {
            let parts: Vec<(usize, u8)> =
                messages.iter().enumerate().flat_map(|(at, (total, ..))| (1..=*total).map(move |part| (at, part))).collect();
            let again = proptest::sample::subsequence(parts.clone(), 0..parts.len());
            (Just(messages), Just(parts), again)
        });
        let orders = known.prop_flat_map(|(messages, parts, again)| {
            (Just(messages), Just([parts, again].concat()).prop_shuffle())
        });
        for round in 0..3 {
            let (messages, order) = orders.new_tree(&mut runner).unwrap().current();
            let before = all(&house).await.len();
            let text = |at: usize, part: u8| format!("{round}.{at}.{part} ğ ");
            for (at, sequence) in order {
                let (total, reference, wide) = messages[at];
                let reference = if wide { reference } else { reference & 0xFF };
                let concat = Concat { reference, wide, total, sequence };
                let octets = [concat.to_header(), sms::encode(sms::Encoding::Ucs2, &text(at, sequence)).unwrap()].concat();
                let message = ShortMessage::parse(8, true, &octets);
                let from = format!("44770090{round}{at:03}");
                house.messaging.on_inbound(Inbound { carrier: "sim".into(), from, to: "85432".into(), message }).await.unwrap();
            }
            // A repeat of what is joined already begins anew and is swept later: nothing is joined twice.
            let mut found: Vec<String> = all(&house).await[before..].iter().map(|(_, text, missing)| { assert_eq!(*missing, 0); text.clone() }).collect();
            let mut expected: Vec<String> = messages.iter().enumerate().map(|(at, (total, ..))| (1..=*total).map(|part| text(at, part)).collect()).collect();
            found.sort();
            found.dedup();
            expected.sort();
            assert_eq!(found, expected);
        }
        house.messaging.stop().await;
    }

    /// Beyond ten parts nothing is waited for: each part stands alone, and nothing is lost.
    async fn f_20_a_message_of_too_many_parts_is_not_waited_for(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        for sequence in [1, 200, 255] {
            house.messaging.on_inbound(part("447700900117", &format!("part {sequence}"), 255, sequence)).await.unwrap();
        }
        assert_eq!(house.count("SELECT COUNT(*) FROM inbound_parts").await, 0);
        let found: Vec<String> = all(&house).await.into_iter().map(|(_, text, _)| text).collect();
        assert_eq!(found, ["part 1", "part 200", "part 255"]);
        house.messaging.stop().await;
    }

    async fn a_part_that_never_comes_does_not_keep_the_others(db: Db, clock: Arc<ManualClock>) {
        let house = House::new(&db, &["sim"]).await;
        house.messaging.on_inbound(part("447700900117", "one ", 3, 1)).await.unwrap();
        house.messaging.on_inbound(part("447700900117", "three", 3, 3)).await.unwrap();
        house.messaging.on_inbound(part("447700900118", "never", 2, 2)).await.unwrap();
        clock.advance(Duration::from_secs(599));
        house.messaging.sweep().await.unwrap();
        assert!(all(&house).await.is_empty());
        clock.advance(Duration::from_secs(2));
        house.messaging.sweep().await.unwrap();
        let mut found = all(&house).await;
        found.sort();
        assert_eq!(found, [(None, "[…]never".to_owned(), 1), (None, "one […]three".to_owned(), 1)]);
        assert_eq!(house.count("SELECT COUNT(*) FROM inbound_parts").await, 0);
    }

    /// F-20: a long message that never ends, from many handsets, stays bounded and loses nothing.
    async fn f_20_beginnings_without_end_are_bounded(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        db.write(|tx| {
            let rows: Vec<_> = (0..1_000_i64).map(|n| Vec::from(params![n.to_be_bytes()])).collect();
            tx.execute_many(
                "INSERT INTO inbound_parts (thread, sequence, total, coding, carrier, destination, received_at, uid, source, payload)
                 VALUES ($1, 1, 2, 0, 'sim', '85432', 9000000000000000, 'x', '', '')",
                &rows,
            )
        }).await.unwrap();
        house.messaging.on_inbound(part("447700900117", "one", 2, 1)).await.unwrap();
        house.messaging.on_inbound(part("447700900117", "two", 2, 2)).await.unwrap();
        assert_eq!(house.count("SELECT COUNT(*) FROM inbound_parts").await, 1_002, "they wait alone and are swept");
        house.messaging.stop().await;
    }

    async fn a_reply_to_a_message_by_number_finds_it(db: Db) {
        let house = House::new(&db, &["sim"]).await;
        house.attach(Fake::new("sim"));
        let new = New { sender: Some("+447700900100".parse().unwrap()), ..New::text(number(17), "call me") };
        let id = house.submit(new).await.unwrap().id;
        house.until(id, State::Sent).await;
        house.messaging.on_inbound(Inbound { to: "+447700900100".into(), ..text("447700900117", "yes") }).await.unwrap();
        assert_eq!(all(&house).await, [(Some(1), "yes".to_owned(), 0)]);
        house.messaging.stop().await;
    }
}
