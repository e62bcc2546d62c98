//! OAuth clients of a workspace: programs that fetch short-lived tokens. Made, shown once, rotated, deleted; by people alone (E-08).

use access::{Permit, cap};
use askama::Template;
use axum::extract::State;
use base::{ExposeSecret as _, SecretString, Timestamp};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Refusal, Response};
use identity::{ClientProof, KeyState, MappedCertificate, OauthClientInfo};
use resources::{Draft, Removal};
use serde::Deserialize;

use crate::Console;
use crate::carrier_dialect::listed;
use crate::certificate_rows::{CertificateRow, certificate_rows};
use crate::change::ground;
use crate::editing::{self, Act, Why};
use crate::facts::{Choice, choices};
use crate::key_rotation::{RotationForm, renew};
use crate::key_rows::{Old, overlaps};
use crate::keys::{mistakes, scopes};
use crate::page::{Wrong, encode, page_with, see_other};
use crate::shell::{Page, Shell};
use crate::zone::{age, length};

const KIND: &str = "oauth_clients";

#[derive(Template)]
#[template(path = "oauth.html")]
struct OauthPage {
    shell: Shell,
    slug: String,
    sentence: String,
    endpoint: String,
    made: Option<Made>,
    said: Option<String>,
    wrong: Wrong,
    rows: Vec<Row>,
    overlaps: Vec<Choice>,
    common: Vec<Choice>,
    others: Vec<Choice>,
    /// Whether one of the others is chosen.
    open: bool,
    proofs: Vec<Choice>,
    audiences: Vec<Choice>,
    form: ClientForm,
    controlled: bool,
}

impl OauthPage {
    const FIELDS: &'static [&'static str] =
        &["name", "scopes", "audiences", "proof", "certificates", "jwks", "allow", "change"];
}

/// A client as a row.
struct Row {
    name: String,
    id: String,
    scopes: Vec<&'static str>,
    audiences: String,
    proof: &'static str,
    has_secret: bool,
    until: String,
    due: bool,
    over: bool,
    used: String,
    from: String,
    minutes: u32,
    old: Option<Old>,
    certificates: Vec<CertificateRow>,
    /// Where its forms go, without the verb.
    path: String,
    /// Where the rest of it is changed.
    entry: String,
}

/// A secret, for the one page that shows it.
struct Made {
    name: String,
    id: String,
    secret: Option<SecretString>,
    old_until: Option<Timestamp>,
}

/// What the form had in it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ClientForm {
    name: String,
    scope: Vec<String>,
    audience: Vec<String>,
    proof: String,
    certificates: String,
    jwks: String,
    allow: String,
    change: String,
}

impl ClientForm {
    fn body(&self) -> serde_json::Value {
        let mut body = serde_json::json!({
            "name": self.name.trim(),
            "scopes": self.scope,
            "proof": if self.proof.is_empty() { "secret" } else { &self.proof },
            "audiences": self.audience,
            "certificates": listed(&self.certificates),
            // What is no JSON is a text, and the kind says what is expected in its place.
            "jwks": serde_json::from_str::<serde_json::Value>(&self.jwks).unwrap_or_else(|_| self.jwks.trim().into()),
            "allow": listed(&self.allow),
        });
        if let Some(fields) = body.as_object_mut().filter(|_| self.jwks.trim().is_empty()) {
            fields.remove("jwks");
        }
        body
    }
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    gone: String,
    retired: String,
}

#[derive(Default)]
struct Around {
    made: Option<Made>,
    said: Option<String>,
    wrong: Wrong,
    form: ClientForm,
}

fn row(slug: &str, client: &OauthClientInfo, certificates: &[MappedCertificate], shell: &Shell) -> Row {
    let ago = |at: Option<Timestamp>| match at {
        Some(at) => format!("{} ago", age(shell.now.since(at))),
        None => "never".to_owned(),
    };
    let state = client.state(shell.now);
    let audiences: Vec<&str> = client.audiences.iter().map(|audience| audience.name()).collect();
    Row {
        id: client.id.to_string(),
        scopes: client.scopes.iter().map(|scope| scope.name()).collect(),
        audiences: audiences.join(" and "),
        proof: match client.proof {
            Some(ClientProof::Secret) => "a secret",
            Some(ClientProof::PrivateKeyJwt) => "a key of its own",
            Some(ClientProof::Certificate) => "a certificate",
            None => "something that this version does not know",
        },
        has_secret: client.proof == Some(ClientProof::Secret),
        until: match (client.expires_at, state) {
            (None, _) => "no end".to_owned(),
            (Some(end), KeyState::Over) => format!("ended {}", shell.zone.day(&end)),
            (Some(end), _) => format!("until {}, in {}", shell.zone.day(&end), length(end.since(shell.now))),
        },
        due: state == KeyState::Due,
        over: state == KeyState::Over,
        used: ago(client.last_used_at),
        from: if client.allow.is_empty() { "anywhere".to_owned() } else { client.allow.join(", ") },
        minutes: client.token_minutes,
        old: client.retiring.map(|old| Old {
            until: format!("in {}", length(old.until.since(shell.now))),
            used: ago(old.last_used_at),
            in_use: old.last_used_at.is_some_and(|at| client.secret_set_at.is_some_and(|set| at > set)),
        }),
        certificates: certificate_rows(certificates, KIND, client.id.uuid(), shell),
        path: format!("/w/{slug}/oauth/{}", encode(&client.name)),
        entry: format!("/w/{slug}/config/{KIND}/{}", client.id),
        name: client.name.clone(),
    }
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::ApiKeysManage>,
    headers: &HeaderMap,
    around: Around,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Oauth).await?;
    let read: Permit<cap::WorkspaceRead> = guard.also().ok_or_else(Refusal::not_found)?;
    let (identity, workspace) = (console.identity.clone(), guard.workspace());
    let (clients, certificates) = console
        .db
        .read(move |tx| {
            let clients = identity.oauth_clients(tx, &read, workspace)?;
            Ok::<_, identity::Error>((clients, identity.certificates(tx, &read, workspace)?))
        })
        .await?;
    let controlled = console.is_controlled(workspace).await?;
    let Around { made, said, wrong, form } = around;
    let (common, others) = scopes(&form.scope);
    let slug = guard.name().to_owned();
    let fresh = form.name.is_empty() && form.audience.is_empty();
    let audience = |name: &str, words: &str| Choice {
        value: name.to_owned(),
        name: words.to_owned(),
        href: String::new(),
        current: fresh || form.audience.iter().any(|one| one == name),
    };
    page_with(
        wrong.status(),
        &OauthPage {
            sentence: match clients.len() {
                0 => "No program fetches tokens".to_owned(),
                1 => "One program fetches tokens".to_owned(),
                count => format!("{count} programs fetch tokens"),
            },
            endpoint: format!("{}/oauth/token", console.public_url.trim_end_matches('/')),
            rows: clients.iter().map(|client| row(&slug, client, &certificates, &shell)).collect(),
            overlaps: overlaps(),
            open: others.iter().any(|choice| choice.current),
            common,
            others,
            proofs: choices(
                &[
                    ("secret", "a secret that we draw"),
                    ("private_key_jwt", "a key of its own"),
                    ("certificate", "its certificate"),
                ],
                &form.proof,
            ),
            audiences: vec![audience("api", "the API"), audience("signals", "the doors for signals")],
            made,
            said,
            wrong,
            form,
            controlled,
            slug,
            shell,
        },
    )
}

/// The clients of the workspace.
pub async fn list(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    http::Query(said): http::Query<Said>,
) -> Answer<Response> {
    let said = match (said.gone.as_str(), said.retired.as_str()) {
        ("", "") => None,
        ("", name) => Some(format!("The old secret of “{name}” is refused from now on.")),
        (name, _) => Some(format!("“{name}” is deleted, and its tokens with it.")),
    };
    render(&console, &guard, &headers, Around { said, ..Around::default() }).await
}

/// Makes a client. The answer to this very request is the only page that ever shows its secret.
pub async fn create(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<ClientForm>,
) -> Answer<Response> {
    let why = Why { change: form.change.clone(), ..Why::default() };
    // On nothing: putting again would change a client in use without anybody having meant it.
    let around = match console.edit(&guard, Act::Save, KIND, None, Draft::new(form.body()), &why).await {
        Ok(written) => {
            let secret = written.drawn.into_iter().next().map(|drawn| drawn.secret);
            let (name, id) = (form.name.trim().to_owned(), written.id.to_string());
            Around { made: Some(Made { name, id, secret, old_until: None }), ..Around::default() }
        }
        Err(error) => Around { wrong: editing::mistakes(error)?, form, ..Around::default() },
    };
    render(&console, &guard, &headers, around).await
}

/// Draws a new secret. The answer to this very request is the only page that ever shows it.
pub async fn rotate(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, name)): Path<(String, String)>,
    Form(form): Form<RotationForm>,
) -> Answer<Response> {
    let rotated = renew(&console, &guard, name, form, |identity, tx, permit, how| {
        identity.rotate_client_secret(tx, permit, permit.workspace(), how)
    });
    let rotated = rotated.await;
    let around = match rotated {
        Ok(rotated) => {
            let (id, old_until) = (rotated.id.to_string(), Some(rotated.old_until));
            let made = Made { name: rotated.name, id, secret: Some(rotated.token), old_until };
            Around { made: Some(made), ..Around::default() }
        }
        Err(error) => Around { wrong: mistakes(error)?, ..Around::default() },
    };
    render(&console, &guard, &headers, around).await
}

/// Ends the old secret now.
pub async fn retire(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    Path((_, name)): Path<(String, String)>,
) -> Answer<Response> {
    let (identity, permit, client) = (console.identity.clone(), guard.permit().clone(), name.clone());
    let retired: Result<bool, identity::Error> =
        console.db.write(move |tx| identity.retire_old_secret(tx, &permit, permit.workspace(), &client)).await;
    retired?;
    Ok(see_other(&format!("/w/{}/oauth?retired={}", guard.name(), encode(&name))))
}

/// Deletes a client, and its tokens with it.
pub async fn delete(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, name)): Path<(String, String)>,
    Form(form): Form<ClientForm>,
) -> Answer<Response> {
    let (resources, permit, key) = (console.resources.clone(), guard.permit().clone(), name.clone());
    let deleted: Result<_, resources::Error> = console
        .db
        .write(move |tx| {
            let workspace = permit.workspace();
            let clearance = resources.clear(tx, &permit, Some(workspace), &ground(&form.change)?)?;
            let removal =
                Removal { kind: KIND, workspace: Some(workspace), key: &key, reason: None, clearance: &clearance };
            resources.delete(tx, &permit, removal)
        })
        .await;
    match deleted {
        Ok(_) => Ok(see_other(&format!("/w/{}/oauth?gone={}", guard.name(), encode(&name)))),
        Err(error) => {
            let wrong = mistakes(error.into())?;
            render(&console, &guard, &headers, Around { wrong, ..Around::default() }).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{checked, shell};

    fn sample() -> OauthPage {
        let (common, others) = scopes(&[]);
        OauthPage {
            shell: shell(),
            slug: "demo".into(),
            sentence: "One program fetches tokens".into(),
            endpoint: "https://alerts.example.com/oauth/token".into(),
            made: None,
            said: None,
            wrong: Wrong::default(),
            rows: vec![Row {
                name: "<script>billing</script>".into(),
                id: "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b".into(),
                scopes: vec!["messages:send"],
                audiences: "api and signals".into(),
                proof: "a secret",
                has_secret: true,
                until: "until Thu 21 Jan, in 90 d".into(),
                due: false,
                over: false,
                used: "never".into(),
                from: "anywhere".into(),
                minutes: 15,
                old: Some(Old { until: "in 24 h".into(), used: "2 min ago".into(), in_use: true }),
                certificates: vec![CertificateRow {
                    rule: "CN=app issued by CN=Example CA".into(),
                    seen: "last shown 2 min ago, ends in 3 d".into(),
                    due: true,
                }],
                path: "/w/demo/oauth/billing".into(),
                entry: "/w/demo/config/oauth_clients/billing".into(),
            }],
            overlaps: overlaps(),
            common,
            others,
            open: false,
            proofs: choices(&[("secret", "a secret that we draw")], "secret"),
            audiences: choices(&[("api", "the API")], "api"),
            form: ClientForm::default(),
            controlled: false,
        }
    }

    /// E-25: a secret stands on the page of the request that made it, and on no other.
    #[test]
    fn e_25_the_secret_is_shown_on_one_page() {
        let secret = Some("loudhailer_client_sample".into());
        let made = Made { name: "billing".into(), id: "id-1".into(), secret, old_until: None };
        let html = checked(&OauthPage { made: Some(made), ..sample() });
        assert!(html.contains("loudhailer_client_sample") && html.contains("only time"), "{html}");
        let html = checked(&sample());
        assert!(!html.contains("loudhailer_client_") && html.contains("&#60;script&#62;billing"), "{html}");
        for words in ["still in use", "ends in 3 d", "/w/demo/oauth/billing/delete", "/oauth/token"] {
            assert!(html.contains(words), "{words}");
        }
    }
}
