//! A new password by a link in a letter, and invitations by letter, over a mail server that we did not write.

use std::sync::Arc;
use std::time::Duration;

use access::{Grants, cap};
use base::{ManualClock, SecretString};
use identity::Error;
use mail::Mail;
use serde_json::Value;
use store::{Db, Worker};
use testkit::{MailMode, MailServer};

use crate::house::{self, House, PASSWORD, from, log_in, open, open_with_mail, operator, secret, text};

const NEW: &str = "seven grey lanterns over water";

const WITH_BO: &str = "users:
  - {name: Ada Sample, login: ada@example.com, roles: [{role: administrator}]}
  - {name: Bo Sample, login: bo@example.com}
";

/// Looks at what was asked, and sends what there is to send.
async fn work(house: &House, mail: &Mail) {
    let worker = house.identity.work(mail.work(Worker::new(house.db.clone())));
    worker.drain().await.unwrap();
}

/// The secret of the link in a letter.
fn link(letter: &Value, page: &str) -> SecretString {
    let text = letter["text"].as_str().unwrap().replace("=\r\n", "").replace("=\n", "").replace("=3D", "=");
    let begin = format!("https://pager.example.com/{page}#");
    let at = text.find(&begin).unwrap_or_else(|| panic!("no link in the letter"));
    secret(text[at + begin.len()..].split_whitespace().next().unwrap())
}

async fn start(house: &House, login: &str) -> Result<(), Error> {
    let (identity, user) = (house.identity.clone(), house.user(login).await);
    let write = house.db.write(move |tx| {
        let permit = Grants::of_operator(operator()).permit_organisation::<cap::PeopleWrite>()?;
        identity.start_reset(tx, &permit, user)
    });
    write.await
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &mail::MIGRATIONS, &identity::MIGRATIONS, &house::TABLES];

    async fn x_13_a_forgotten_password_is_set_anew_by_a_letter(db: Db) {
        let server = MailServer::start(MailMode::Implicit, None);
        let (house, mail) = open_with_mail(&db, &server).await;
        let before = house.set_up().await;
        house.identity.ask_reset("  ADA@example.com ", &from("192.0.2.7")).await.unwrap();
        work(&house, &mail).await;
        let letter = server.until(1).remove(0);
        assert_eq!(letter["to"][0], "ada@example.com");
        let code = link(&letter, "reset");
        assert_eq!(text(&code).len(), "loudhailer_reset_".len() + 43, "32 bytes");
        // A password that breaks a rule leaves the link usable.
        let weak = house.identity.reset_password(code.clone(), secret("short"), &from("192.0.2.7")).await;
        assert!(matches!(weak, Err(Error::Password(_))));
        let sessions = house.count("sessions").await;
        house.identity.reset_password(code.clone(), secret(NEW), &from("192.0.2.7")).await.unwrap();
        assert!(sessions > 0 && house.count("sessions").await == 0, "every session ends and none begins: a second factor is asked for");
        assert!(!house.is_in(&before.token).await);
        let again = house.identity.reset_password(code, secret(PASSWORD), &from("192.0.2.7")).await;
        assert!(matches!(again, Err(Error::BadLink)), "once");
        assert!(house.identity.login(log_in("ada@example.com", PASSWORD), &from("192.0.2.1")).await.is_err());
        assert!(house.identity.login(log_in("ada@example.com", NEW), &from("192.0.2.1")).await.is_ok());
        // The person hears of it.
        work(&house, &mail).await;
        assert!(server.until(2)[1]["text"].as_str().unwrap().contains("was changed"));
        let told = house.texts("SELECT action || ' ' || outcome FROM audit_entries WHERE action LIKE 'password.%' ORDER BY counter").await;
        assert_eq!(told, ["password.reset.ask success", "password.reset.use success"]);
        let kept = house.texts("SELECT COALESCE(changes, '') FROM audit_entries").await.join(" ");
        assert!(!kept.contains("loudhailer_reset_"));
    }

    /// whoever asks learns nothing, and what they asked is not readable in the queue.
    async fn x_13_unknown_and_known_names_get_one_answer(db: Db) {
        let server = MailServer::start(MailMode::Implicit, None);
        let (house, mail) = open_with_mail(&db, &server).await;
        house.set_up().await;
        house.apply(WITH_BO).await.unwrap();
        for login in ["nobody-here@example.com", "bo@example.com", "", "a\0b", &"x".repeat(5_000)] {
            house.identity.ask_reset(login, &from("192.0.2.7")).await.unwrap();
        }
        let queued = house.texts("SELECT payload FROM jobs WHERE kind = 'identity.reset'").await;
        assert_eq!(queued.len(), 5);
        assert!(!queued.concat().contains("example.com"));
        work(&house, &mail).await;
        assert!(server.letters().is_empty());
        let reasons = house.texts("SELECT reason FROM audit_entries WHERE action = 'password.reset.ask' ORDER BY counter").await;
        assert_eq!(reasons, ["unknown name", "no password yet", "unknown name", "unknown name", "unknown name"]);
    }

    async fn a_link_works_for_a_quarter_of_an_hour_and_letters_are_not_many(db: Db, clock: Arc<ManualClock>) {
        let server = MailServer::start(MailMode::Implicit, None);
        let (house, mail) = open_with_mail(&db, &server).await;
        house.set_up().await;
        for _ in 0..3 {
            house.identity.ask_reset("ada@example.com", &from("192.0.2.7")).await.unwrap();
            work(&house, &mail).await;
        }
        assert_eq!(server.until(1).len(), 1, "one letter in five minutes");
        clock.advance(Duration::from_mins(6));
        house.identity.ask_reset("ada@example.com", &from("192.0.2.7")).await.unwrap();
        work(&house, &mail).await;
        let letters = server.until(2);
        let first = house.identity.reset_password(link(&letters[0], "reset"), secret(NEW), &from("192.0.2.7")).await;
        assert!(matches!(first, Err(Error::BadLink)), "the newer link took its place");
        clock.advance(Duration::from_mins(15));
        let late = house.identity.reset_password(link(&letters[1], "reset"), secret(NEW), &from("192.0.2.7")).await;
        assert!(matches!(late, Err(Error::BadLink)));
        assert!(house.identity.login(log_in("ada@example.com", PASSWORD), &from("192.0.2.1")).await.is_ok());
    }

    /// an administrator starts it and never learns the password or the link.
    async fn x_13_an_administrator_starts_a_reset(db: Db) {
        let server = MailServer::start(MailMode::Implicit, None);
        let (house, mail) = open_with_mail(&db, &server).await;
        house.set_up().await;
        house.apply(WITH_BO).await.unwrap();
        assert!(matches!(start(&house, "bo@example.com").await, Err(Error::NoPassword)));
        start(&house, "ada@example.com").await.unwrap();
        work(&house, &mail).await;
        let code = link(&server.until(1)[0], "reset");
        house.identity.reset_password(code, secret(NEW), &from("192.0.2.7")).await.unwrap();
        assert!(house.identity.login(log_in("ada@example.com", NEW), &from("192.0.2.1")).await.is_ok());
    }

    async fn an_invitation_goes_by_letter(db: Db) {
        let server = MailServer::start(MailMode::Implicit, None);
        let (house, mail) = open_with_mail(&db, &server).await;
        house.set_up().await;
        house.apply(WITH_BO).await.unwrap();
        let (identity, user) = (house.identity.clone(), house.user("bo@example.com").await);
        db.write(move |tx| {
            let permit = Grants::of_operator(operator()).permit_organisation::<cap::PeopleWrite>()?;
            identity.invite_by_mail(tx, &permit, user)
        }).await.unwrap();
        work(&house, &mail).await;
        let code = link(&server.until(1)[0], "invite");
        house.identity.accept_invite(code, secret(NEW), &from("192.0.2.7")).await.unwrap();
        assert!(house.identity.login(log_in("bo@example.com", NEW), &from("192.0.2.1")).await.is_ok());
    }

    async fn without_a_mail_server_nothing_is_asked_for(db: Db) {
        let house = open(&db).await;
        house.set_up().await;
        for login in ["ada@example.com", "nobody@example.com"] {
            let refused = house.identity.ask_reset(login, &from("192.0.2.7")).await;
            assert!(matches!(refused, Err(Error::Mail(mail::Error::Off))));
        }
        assert!(matches!(start(&house, "ada@example.com").await, Err(Error::Mail(_))));
        assert_eq!(house.count("jobs").await, 0);
    }

    /// A letter that waits is not sent to somebody who is gone.
    async fn who_is_gone_gets_no_letter(db: Db) {
        let server = MailServer::start(MailMode::Implicit, None);
        let (house, mail) = open_with_mail(&db, &server).await;
        house.set_up().await;
        house.apply(WITH_BO).await.unwrap();
        let (identity, user) = (house.identity.clone(), house.user("bo@example.com").await);
        db.write(move |tx| {
            let permit = Grants::of_operator(operator()).permit_organisation::<cap::PeopleWrite>()?;
            identity.invite_by_mail(tx, &permit, user)
        }).await.unwrap();
        house.delete("bo@example.com").await;
        work(&house, &mail).await;
        assert!(server.letters().is_empty());
        assert_eq!(house.texts("SELECT state FROM mails").await, ["withdrawn"]);
    }
}
