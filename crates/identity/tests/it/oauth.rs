//! The token endpoint: each proof, each refusal, what a token is bound to, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use access::{AuthMethod, Capability, Grants, cap};
use base::{ManualClock, SecretString, Timestamp, WorkspaceId};
use crypto::tls::ClientCertificate;
use identity::{Audience, Caller, ClientCredentials, KeyRotation, OauthClientInfo, OauthRefusal, TokenRequest};
use resources::Ground;
use store::Db;

use crate::house::{self, House, from, lines, open};

pub const URL: &str = "https://alerts.example.com";
const CLIENTS: &str = "workspaces: [{slug: demo, environment: development}]\noauth_clients:\n  \
    - {workspace: demo, name: app, scopes: ['messages:send', 'signals:send'], expires_days: 30}\n";
const BY_CERTIFICATE: &str = "workspaces: [{slug: demo, environment: development}]\noauth_clients:\n  \
    - {workspace: demo, name: app, scopes: ['messages:send'], proof: certificate, certificates: ['CN=app issued by CN=CA']}\n";

async fn demo(house: &House) -> WorkspaceId {
    let resources = house.resources.clone();
    house.db.read(move |tx| resources.workspace(tx, "demo")).await.unwrap().unwrap()
}

pub async fn client(house: &House) -> OauthClientInfo {
    let (identity, demo) = (house.identity.clone(), demo(house).await);
    let found = house
        .db
        .read(move |tx| {
            let permit = Grants::of_operator(house::operator()).permit::<cap::WorkspaceRead>(demo)?;
            identity.oauth_clients(tx, &permit, demo)
        })
        .await;
    found.unwrap().remove(0)
}

fn request(client: &OauthClientInfo, secret: &SecretString) -> TokenRequest {
    TokenRequest {
        client: ClientCredentials { id: Some(client.id.to_string()), secret: Some(secret.clone()), assertion: None },
        grant_type: Some("client_credentials".into()),
        ..TokenRequest::default()
    }
}

pub async fn issue(house: &House, request: TokenRequest, caller: &Caller) -> Result<SecretString, OauthRefusal> {
    house.identity.issue_token(request, URL, caller).await.unwrap().map(|issued| issued.token)
}

pub async fn opens(house: &House, token: &SecretString, audience: Audience, caller: &Caller) -> Option<Grants> {
    house.identity.by_bearer(token, audience, caller).await.unwrap()
}

fn holding(name: &str, issuer: &str, not_after: Timestamp) -> Caller {
    let certificate = ClientCertificate {
        fingerprint: crypto::tls::fingerprint(format!("{name} {issuer}").as_bytes()),
        subject: name.parse().unwrap(),
        issuer: issuer.parse().unwrap(),
        not_after,
    };
    Caller { certificate: Some(Arc::new(certificate)), ..from("192.0.2.1") }
}

testdb::both_databases! {
    migrations = [&access::MIGRATIONS, &vault::MIGRATIONS, &audit::MIGRATIONS, &resources::MIGRATIONS, &identity::MIGRATIONS, &house::TABLES];

    /// Issue 5: short-lived, audience-bound, no more than was asked for, kept as a hash.
    async fn a_token_allows_what_was_asked_for_where_it_was_asked_for(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let secret = house.apply(CLIENTS).await.unwrap().drawn.pop().unwrap().secret;
        let (app, demo, here) = (client(&house).await, demo(&house).await, from("192.0.2.1"));
        let mut wanted = request(&app, &secret);
        wanted.scope = Some("messages:send".into());
        wanted.resources = vec![format!("{URL}/api")];
        let token = issue(&house, wanted, &here).await.unwrap();
        let grants = opens(&house, &token, Audience::Api, &here).await.unwrap();
        assert_eq!((grants.actor().principal.kind(), grants.actor().auth), ("oauth_client", AuthMethod::OauthToken));
        assert!(grants.may(Capability::MessagesSend, demo) && !grants.may(Capability::SignalsSend, demo));
        assert!(opens(&house, &token, Audience::Signals, &here).await.is_none(), "it is for the API");

        let all = issue(&house, request(&app, &secret), &here).await.unwrap();
        assert!(opens(&house, &all, Audience::Signals, &here).await.unwrap().may(Capability::SignalsSend, demo));
        clock.advance(Duration::from_mins(15) - Duration::from_secs(1));
        assert!(opens(&house, &all, Audience::Api, &here).await.is_some());
        clock.advance(Duration::from_secs(1));
        assert!(opens(&house, &all, Audience::Api, &here).await.is_none(), "a quarter of an hour");
        let kept = house.texts("SELECT changes FROM audit_entries WHERE action = 'oauth_token.issue'").await;
        assert_eq!(kept.len(), 2);
        house.identity.sweep().await.unwrap();
        assert_eq!(house.count("oauth_tokens").await, 0);
    }

    async fn every_refusal_has_the_words_of_the_rfc(db: Db) {
        let house = open(&db).await;
        let secret = house.apply(CLIENTS).await.unwrap().drawn.pop().unwrap().secret;
        let (app, here) = (client(&house).await, from("192.0.2.1"));
        let other = crypto::token::mint(crypto::token::Kind::Client, db.context().chance());
        let good = || request(&app, &secret);
        let unknown = ClientCredentials { id: Some(uuid::Uuid::from_u128(1).to_string()), secret: Some(secret.clone()), assertion: None };
        let no_secret = ClientCredentials { secret: None, ..good().client };
        for (wrong, expected) in [
            (TokenRequest { client: ClientCredentials::default(), ..good() }, "invalid_request"),
            (TokenRequest { client: unknown, ..good() }, "invalid_client"),
            (TokenRequest { client: no_secret, ..good() }, "invalid_client"),
            (request(&app, &other), "invalid_client"),
            (TokenRequest { grant_type: None, ..good() }, "invalid_request"),
            (TokenRequest { grant_type: Some("password".into()), ..good() }, "unsupported_grant_type"),
            (TokenRequest { scope: Some("messages:send alerts:read".into()), ..good() }, "invalid_scope"),
            (TokenRequest { scope: Some("keys:manage".into()), ..good() }, "invalid_scope"),
            (TokenRequest { resources: vec!["https://elsewhere.example/api".into()], ..good() }, "invalid_target"),
        ] {
            assert_eq!(issue(&house, wanted(&wrong), &here).await.unwrap_err().code(), expected, "{wrong:?}");
        }
        let holder = holding("CN=app", "CN=CA", db.context().now().plus(Duration::from_hours(1)));
        let stealing = TokenRequest { client: ClientCredentials { secret: None, ..good().client }, ..good() };
        assert_eq!(issue(&house, stealing, &holder).await.unwrap_err(), OauthRefusal::InvalidClient, "no other proof");
        let reasons = house.texts("SELECT reason FROM audit_entries WHERE action = 'oauth_token.issue'").await;
        assert_eq!(reasons.iter().filter(|reason| *reason == "wrong proof").count(), 3, "{reasons:?}");
    }

    /// Strangers try 20 times a minute; what is right does not count.
    async fn strangers_are_slowed_down_and_clients_are_not_in_their_way(db: Db, _clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let secret = house.apply(CLIENTS).await.unwrap().drawn.pop().unwrap().secret;
        let app = client(&house).await;
        let other = crypto::token::mint(crypto::token::Kind::Client, db.context().chance());
        for _ in 0..20 {
            assert_eq!(issue(&house, request(&app, &other), &from("192.0.2.9")).await.unwrap_err(), OauthRefusal::InvalidClient);
        }
        assert!(matches!(issue(&house, request(&app, &secret), &from("192.0.2.9")).await, Err(OauthRefusal::SlowDown(_))));
        for _ in 0..60 {
            assert!(issue(&house, request(&app, &secret), &from("192.0.2.1")).await.is_ok());
        }
        assert!(matches!(issue(&house, request(&app, &secret), &from("192.0.2.1")).await, Err(OauthRefusal::SlowDown(_))));
    }

    /// two secrets in rotation; RFC 7009; a deleted client has no tokens.
    async fn x_22_secrets_rotate_with_an_overlap_and_tokens_end_on_demand(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let old = house.apply(CLIENTS).await.unwrap().drawn.pop().unwrap().secret;
        let (app, demo, here) = (client(&house).await, demo(&house).await, from("192.0.2.1"));
        let (identity, resources) = (house.identity.clone(), house.resources.clone());
        let rotated = db
            .write(move |tx| {
                let permit = Grants::of_operator(house::operator()).permit::<cap::ApiKeysManage>(demo)?;
                let clearance = resources.clear(tx, &permit, Some(demo), &Ground::None)?;
                let rotation =
                    KeyRotation { key: "app", overlap: Duration::from_hours(1), reason: None, clearance: &clearance };
                identity.rotate_client_secret(tx, &permit, demo, &rotation)
            })
            .await
            .unwrap();
        let token = issue(&house, request(&app, &old), &here).await.unwrap();
        assert!(issue(&house, request(&app, &rotated.token), &here).await.is_ok());
        assert!(client(&house).await.retiring.unwrap().last_used_at.is_some(), "a program still shows the old one");
        clock.advance(Duration::from_hours(1));
        assert!(issue(&house, request(&app, &old), &here).await.is_err());

        let token2 = issue(&house, request(&app, &rotated.token), &here).await.unwrap();
        assert!(opens(&house, &token2, Audience::Api, &here).await.is_some());
        let credentials = request(&app, &rotated.token).client;
        for gone in [&token, &token2, &SecretString::from("anything")] {
            house.identity.revoke_token(&credentials, gone, URL, &here).await.unwrap().unwrap();
        }
        assert!(opens(&house, &token2, Audience::Api, &here).await.is_none(), "at once");
        let revoked = house.texts("SELECT action FROM audit_entries WHERE action = 'oauth_token.revoke'").await;
        assert_eq!(revoked.len(), 2, "the token that had run out was still there; a text that is none was not");

        let token = issue(&house, request(&app, &rotated.token), &here).await.unwrap();
        house.apply("workspaces: [{slug: demo, environment: development}]\noauth_clients: []\n").await.unwrap();
        clock.advance(Duration::from_secs(1));
        assert!(opens(&house, &token, Audience::Api, &here).await.is_none());
        assert!(issue(&house, request(&app, &rotated.token), &here).await.is_err());
    }

    /// RFC 8705: the token counts over connections with its certificate alone, and no longer than that.
    async fn a_token_got_by_a_certificate_is_bound_to_it(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        assert!(house.apply(BY_CERTIFICATE).await.unwrap().drawn.is_empty(), "no secret is drawn");
        let app = client(&house).await;
        let end = db.context().now().plus(Duration::from_mins(5));
        let (holder, thief) = (holding("CN=app", "CN=CA", end), holding("CN=other", "CN=CA", end));
        let ask = || TokenRequest {
            client: ClientCredentials { id: Some(app.id.to_string()), ..ClientCredentials::default() },
            grant_type: Some("client_credentials".into()),
            ..TokenRequest::default()
        };
        for wrong in [&thief, &holding("CN=app", "CN=Another CA", end), &from("192.0.2.1")] {
            assert_eq!(issue(&house, ask(), wrong).await.unwrap_err(), OauthRefusal::InvalidClient);
        }
        let token = issue(&house, ask(), &holder).await.unwrap();
        assert!(opens(&house, &token, Audience::Api, &holder).await.is_some());
        for wrong in [&thief, &from("192.0.2.1")] {
            assert!(opens(&house, &token, Audience::Api, wrong).await.is_none(), "bound to the certificate");
        }
        clock.advance(Duration::from_mins(5));
        assert!(issue(&house, ask(), &holder).await.is_err(), "the certificate has ended");
    }

    /// A certificate stands for an API key; the lists say when it ends.
    async fn a_certificate_stands_instead_of_a_key(db: Db, clock: Arc<ManualClock>) {
        let house = open(&db).await;
        let yaml = |name: &str, rest: &str| format!(
            "workspaces: [{{slug: demo, environment: development}}]\napi_keys:\n  \
             - {{workspace: demo, name: {name}, scopes: ['messages:send'], certificates: ['CN=app issued by CN=CA']{rest}}}\n");
        house.apply(&yaml("ci", "")).await.unwrap();
        let demo = demo(&house).await;
        let end = db.context().now().plus(Duration::from_hours(24));
        let holder = holding("CN=app", "CN=CA", end);
        let grants = house.identity.by_certificate(&holder).await.unwrap().unwrap();
        assert_eq!((grants.actor().principal.name(), grants.actor().auth), ("ci", AuthMethod::Certificate));
        assert!(grants.may(Capability::MessagesSend, demo));
        for wrong in [holding("CN=app", "CN=CA2", end), holding("CN=app, O=x", "CN=CA", end), from("192.0.2.1")] {
            assert!(house.identity.by_certificate(&wrong).await.unwrap().is_none());
        }
        let identity = house.identity.clone();
        let listed = db.read(move |tx| {
            let permit = Grants::of_operator(house::operator()).permit::<cap::WorkspaceRead>(demo)?;
            identity.certificates(tx, &permit, demo)
        });
        let listed = listed.await.unwrap();
        assert_eq!((listed.len(), listed[0].not_after), (1, Some(end)));
        assert!(listed[0].is_due(db.context().now()), "it ends within 30 days");
        let two = format!("{}  - {{workspace: demo, name: two, scopes: ['messages:send'], certificates: ['CN=app issued by CN=CA']}}\n", yaml("ci", ""));
        assert!(lines(&house.apply(&two).await.unwrap_err())[0].contains("another key has this certificate"));
        clock.advance(Duration::from_hours(24));
        assert!(house.identity.by_certificate(&holder).await.unwrap().is_none(), "the certificate has ended");
    }

    /// a fingerprint is no secret. Whoever writes down that of a program in another workspace gets nothing by it, and the
    /// program goes on as who it is; two certificates of one key carry it through a rotation.
    async fn x_22_the_certificate_of_another_workspaces_program_is_nobodys_to_take(db: Db) {
        let house = open(&db).await;
        let end = db.context().now().plus(Duration::from_hours(24));
        let (holder, next) = (holding("CN=app", "CN=CA", end), holding("CN=next", "CN=CA", end));
        let print = |caller: &Caller| caller.certificate.as_ref().unwrap().fingerprint.to_string();
        let yaml = |rest: &str| format!(
            "workspaces: [{{slug: demo, environment: development}}, {{slug: other, environment: development}}]\napi_keys:\n  \
             - {{workspace: demo, name: ci, scopes: ['messages:send'], certificates: ['CN=app issued by CN=CA', 'CN=next issued by CN=CA']}}\n{rest}");
        house.apply(&yaml("")).await.unwrap();
        let who = async |caller: &Caller| house.identity.by_certificate(caller).await.unwrap().map(|grants| grants.actor().principal.name().to_owned());
        // The next one was written down by somebody else before it was shown: it proves nobody, least of all them.
        let thief = |print: &str| yaml(&format!("  - {{workspace: other, name: thief, scopes: ['messages:send'], certificates: ['{print}']}}\n"));
        house.apply(&thief(&print(&next))).await.unwrap();
        assert_eq!((who(&holder).await.as_deref(), who(&next).await), (Some("ci"), None));
        house.apply(&yaml("")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        assert_eq!(who(&next).await.as_deref(), Some("ci"), "in rotation");
        // One that was shown is its program's, and cannot be written down elsewhere.
        let refused = lines(&house.apply(&thief(&print(&next))).await.unwrap_err());
        assert!(refused[0].contains("another key has this certificate"), "{refused:?}");
    }

    /// E-08: what a file with a client must not say, each with its remedy.
    async fn e_08_a_client_has_one_proof_and_no_right_of_administrators(db: Db) {
        let house = open(&db).await;
        let with = |rest: &str| format!("workspaces: [{{slug: demo, environment: development}}]\noauth_clients:\n  - {{workspace: demo, name: app, {rest}}}\n");
        for (rest, expected) in [
            ("scopes: ['keys:manage']", "never creates or changes keys"),
            ("scopes: []", "without a scope"),
            ("scopes: ['messages:send'], proof: certificate", "name the certificate"),
            ("scopes: ['messages:send'], certificates: ['CN=a issued by CN=b']", "proof: certificate alone"),
            ("scopes: ['messages:send'], proof: certificate, certificates: ['CN=a']", "fingerprint"),
            ("scopes: ['messages:send'], audiences: []", "counts nowhere"),
            ("scopes: ['messages:send'], allow: ['10.0.0.1/8']", "network"),
            ("scopes: ['messages:send'], secret: {env: ONE}", "one that we drew"),
        ] {
            let error = house.apply(&with(rest)).await.unwrap_err();
            assert!(lines(&error).iter().any(|line| line.contains(expected)), "{rest}: {:?}", lines(&error));
        }
        house.apply(CLIENTS).await.unwrap();
        let changed = house.apply(BY_CERTIFICATE).await.unwrap_err();
        assert!(lines(&changed)[0].contains("one way for as long as it lives"), "{:?}", lines(&changed));
    }
}

fn wanted(request: &TokenRequest) -> TokenRequest {
    request.clone()
}
