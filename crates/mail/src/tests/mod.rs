//! Letters on their way to a server that we did not write, over TLS that is looked at.

use std::sync::Arc;
use std::time::Duration;

use base::{ManualClock, UserId};
use store::{Db, Worker};
use testkit::{MAIL_ACCOUNT, MailMode, MailServer};
use vault::{KeyFile, Vault};
use zeroize::Zeroizing;

use crate::{Account, Letter, Mail, Security, Settings, State, Status};

const LINK: &str = "https://pager.example.com/invite#loudhailer_setup_TESTONLYSECRET";

fn user() -> UserId {
    UserId::from(uuid::Uuid::from_u128(9))
}

async fn vault(db: &Db) -> Vault {
    let keys = KeyFile::parse("1 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=").unwrap();
    Vault::unlock(db.clone(), keys).await.unwrap()
}

fn to(server: &MailServer, security: Security) -> Settings {
    let account = Account { user: MAIL_ACCOUNT.0.into(), password: MAIL_ACCOUNT.1.to_owned().into() };
    Settings {
        server: "localhost".into(),
        port: server.port,
        security,
        authority: Some(server.authority.clone()),
        account: Some(account).filter(|_| security != Security::ClearOnLoopback),
        from: "Loudhailer <pager@example.com>".into(),
        hello: "pager.example.com".into(),
    }
}

async fn post(db: &Db, mail: &Mail, address: &'static str) {
    let mail = mail.clone();
    db.write(move |tx| {
        let expires_at = tx.now().plus(Duration::from_hours(24));
        let letter = Letter {
            user: user(),
            name: "Ada Sämple".into(),
            address: address.into(),
            purpose: "invite",
            subject: "Your invitation".into(),
            text: Zeroizing::new(format!("Hello Ada,\n\n{LINK}\n")),
            expires_at,
        };
        mail.queue(tx, &letter).map(drop)
    })
    .await
    .unwrap();
}

async fn status(db: &Db, mail: &Mail) -> Vec<Status> {
    let mail = mail.clone();
    db.read(move |tx| mail.of(tx, user())).await.unwrap()
}

async fn drain(db: &Db, mail: &Mail) {
    mail.work(Worker::new(db.clone())).drain().await.unwrap();
}

async fn column(db: &Db, sql: &'static str) -> Vec<Option<String>> {
    db.read(move |tx| tx.query(sql, &[], |row| row.get::<Option<String>>(0_usize))).await.unwrap()
}

testdb::both_databases! {
    migrations = [&vault::MIGRATIONS, &access::MIGRATIONS, &audit::MIGRATIONS, &crate::MIGRATIONS];

    async fn a_letter_goes_out_over_tls_both_ways(db: Db) {
        for (mode, security) in [(MailMode::Implicit, Security::Implicit), (MailMode::StartTls, Security::StartTls)] {
            let server = MailServer::start(mode, None);
            let mail = Mail::new(db.clone(), vault(&db).await, Some(to(&server, security))).unwrap();
            post(&db, &mail, "ada@example.com").await;
            // Before it has left, its words are sealed.
            let sealed = column(&db, "SELECT letter FROM mails WHERE state = 'queued'").await;
            assert!(sealed[0].as_ref().is_some_and(|text| text.starts_with("v1.") && !text.contains("TESTONLY")));
            drain(&db, &mail).await;
            let letters = server.until(1);
            let letter = &letters[0];
            assert_eq!(letter["tls"], true, "{security:?}");
            assert_eq!(letter["to"][0], "ada@example.com");
            assert_eq!(letter["hello"], "pager.example.com");
            assert_eq!(letter["user"], MAIL_ACCOUNT.0);
            let text = letter["text"].as_str().unwrap().replace("=\r\n", "").replace("=\n", "");
            assert!(text.contains("MIME-Version: 1.0") && text.contains("TESTONLYSECRET"), "{text}");
            let status = status(&db, &mail).await;
            assert_eq!((status[0].state, status[0].tries), (State::Sent, 1));
        }
        // Once they have left, the words are gone.
        assert!(column(&db, "SELECT letter FROM mails").await.iter().all(Option::is_none));
        let audited = column(&db, "SELECT outcome FROM audit_entries WHERE action = 'mail.send'").await;
        assert_eq!(audited, [Some("success".to_owned()), Some("success".to_owned())]);
    }

    /// E-01, ASVS 12.3.2: a server for which another authority vouches, and one of another name, get nothing.
    async fn e_01_a_wrong_certificate_is_refused(db: Db) {
        for (mode, security) in [(MailMode::Implicit, Security::Implicit), (MailMode::StartTls, Security::StartTls)] {
            let (server, other) = (MailServer::start(mode, None), MailServer::start(mode, None));
            let strange = Settings { authority: Some(other.authority.clone()), ..to(&server, security) };
            let by_address = Settings { server: "127.0.0.1".into(), ..to(&server, security) };
            for (settings, words) in [(strange, "UnknownIssuer"), (by_address, "NotValidForName")] {
                let mail = Mail::new(db.clone(), vault(&db).await, Some(settings)).unwrap();
                post(&db, &mail, "ada@example.com").await;
                drain(&db, &mail).await;
                let status = status(&db, &mail).await;
                let reason = status[0].reason.clone().unwrap();
                assert_eq!(status[0].state, State::Queued);
                assert!(reason.contains("no TLS with the mail server"), "{reason}");
                assert!(reason.contains(words) || reason.contains("certificate"), "{reason}");
            }
            assert!(server.letters().is_empty() && other.letters().is_empty());
        }
    }

    /// E-02: a server that offers no TLS gets no letter; one on this machine does, where it was said so.
    async fn e_02_nothing_goes_in_clear_text_unless_it_was_said(db: Db) {
        let server = MailServer::start(MailMode::Clear, None);
        let mail = Mail::new(db.clone(), vault(&db).await, Some(to(&server, Security::StartTls))).unwrap();
        post(&db, &mail, "ada@example.com").await;
        drain(&db, &mail).await;
        let reason = status(&db, &mail).await.remove(0).reason.unwrap();
        assert!(reason.contains("offers no STARTTLS"), "{reason}");
        assert!(server.letters().is_empty());
        let mail = Mail::new(db.clone(), vault(&db).await, Some(to(&server, Security::ClearOnLoopback))).unwrap();
        post(&db, &mail, "ada@example.com").await;
        drain(&db, &mail).await;
        assert_eq!(server.until(1)[0]["tls"], false);
    }

    async fn refused_for_good_and_for_now_are_told_apart(db: Db) {
        let server = MailServer::start(MailMode::Implicit, None);
        let mail = Mail::new(db.clone(), vault(&db).await, Some(to(&server, Security::Implicit))).unwrap();
        post(&db, &mail, "nobody@example.com").await;
        drain(&db, &mail).await;
        let status_now = status(&db, &mail).await.remove(0);
        assert_eq!(status_now.state, State::Failed);
        let reason = status_now.reason.unwrap();
        assert!(reason.contains("550") && reason.contains("no such user here") && !reason.contains('@'), "{reason}");
        post(&db, &mail, "later@example.com").await;
        drain(&db, &mail).await;
        let status = status(&db, &mail).await.remove(0);
        assert_eq!((status.state, status.tries), (State::Queued, 1));
        assert!(status.reason.unwrap().contains("451"));
        // A wrong password of ours is ours to mend: the letter waits.
        let account = Account { user: MAIL_ACCOUNT.0.into(), password: "wrong".to_owned().into() };
        let settings = Settings { account: Some(account), ..to(&server, Security::Implicit) };
        let mail = Mail::new(db.clone(), vault(&db).await, Some(settings)).unwrap();
        post(&db, &mail, "ada@example.com").await;
        drain(&db, &mail).await;
        let status = super::tests::status(&db, &mail).await.remove(0);
        assert_eq!(status.state, State::Queued);
        assert!(status.reason.unwrap().contains("refused the account"));
        assert!(server.letters().is_empty());
    }

    async fn a_server_that_is_away_is_tried_again_until_the_letter_makes_no_sense(db: Db, clock: Arc<ManualClock>) {
        let port = testkit::free_port();
        let server = MailServer::start(MailMode::Implicit, None);
        let settings = Settings { port, ..to(&server, Security::Implicit) };
        let mail = Mail::new(db.clone(), vault(&db).await, Some(settings)).unwrap();
        post(&db, &mail, "ada@example.com").await;
        drain(&db, &mail).await;
        assert!(status(&db, &mail).await[0].reason.as_ref().unwrap().contains("could not be reached"));
        // Not at once, and again after a while.
        drain(&db, &mail).await;
        assert_eq!(status(&db, &mail).await[0].tries, 1);
        clock.advance(Duration::from_secs(30));
        drain(&db, &mail).await;
        assert_eq!(status(&db, &mail).await[0].tries, 2);
        clock.advance(Duration::from_hours(24));
        drain(&db, &mail).await;
        let status = status(&db, &mail).await.remove(0);
        assert_eq!(status.state, State::Failed);
        assert!(status.reason.unwrap().contains("its time ran out"));
    }

    /// A letter that nobody can open any more waits until its end, and then it ends too.
    async fn a_letter_that_cannot_be_read_ends_with_its_time(db: Db, clock: Arc<ManualClock>) {
        let server = MailServer::start(MailMode::Implicit, None);
        let mail = Mail::new(db.clone(), vault(&db).await, Some(to(&server, Security::Implicit))).unwrap();
        post(&db, &mail, "ada@example.com").await;
        db.write(|tx| tx.execute("UPDATE mails SET letter = 'v1.1.spoilt'", &[])).await.unwrap();
        drain(&db, &mail).await;
        assert_eq!(status(&db, &mail).await[0].state, State::Queued);
        clock.advance(Duration::from_hours(25));
        drain(&db, &mail).await;
        let status = status(&db, &mail).await.remove(0);
        assert_eq!(status.state, State::Failed);
        assert!(status.reason.unwrap().contains("its time ran out"));
        assert!(server.letters().is_empty());
    }

    async fn a_newer_letter_takes_the_place_of_one_that_waits(db: Db) {
        let server = MailServer::start(MailMode::Implicit, None);
        let mail = Mail::new(db.clone(), vault(&db).await, Some(to(&server, Security::Implicit))).unwrap();
        post(&db, &mail, "ada@example.com").await;
        post(&db, &mail, "ada@example.com").await;
        drain(&db, &mail).await;
        let states: Vec<_> = status(&db, &mail).await.into_iter().map(|one| one.state).collect();
        assert_eq!(states, [State::Sent, State::Withdrawn]);
        assert_eq!(server.until(1).len(), 1);
    }

    async fn without_a_server_nothing_is_queued(db: Db) {
        let mail = Mail::new(db.clone(), vault(&db).await, None).unwrap();
        let refused = {
            let mail = mail.clone();
            db.write(move |tx| {
                let letter = Letter {
                    user: user(), name: String::new(), address: "ada@example.com".into(), purpose: "invite",
                    subject: String::new(), text: Zeroizing::default(), expires_at: tx.now(),
                };
                mail.queue(tx, &letter).map(drop)
            }).await
        };
        assert!(matches!(refused, Err(crate::Error::Off)));
        assert!(status(&db, &mail).await.is_empty());
    }
}
