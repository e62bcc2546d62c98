//! Identity providers: how each is, what is registered there, and whether one of them is the only way in.

use access::cap;
use alerts::Knot;
use askama::Template;
use axum::extract::State;
use base::Timestamp;
use federation::{Addresses, Provider, SAML, SIGN_IN, back_channel_uri, redirect_uri, signed_out_uri};
use http::{Answer, Form, HeaderMap, InWorkspace, Query, Response};
use resources::Draft;
use serde::Deserialize;

use crate::Console;
use crate::draw::Draw;
use crate::editing::{Act, Why, everywhere, mistakes};
use crate::facts::{Choice, choices};
use crate::page::{Wrong, page_with, see_other, sentence};
use crate::shell::{Page, Shell};
use crate::zone::age;

struct Row {
    href: String,
    label: String,
    issuer: String,
    knot: Knot,
    state: String,
    reason: String,
    last: Option<Timestamp>,
    last_words: String,
    people: String,
    redirect: String,
    registered: &'static str,
    /// Where it says that it ended a session, and what that is called there.
    back_channel: String,
    leaving: &'static str,
}

#[derive(Template)]
#[template(path = "sso-providers.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    heading: String,
    said: Option<&'static str>,
    rows: Vec<Row>,
    initiate: String,
    signed_out: String,
    ways: Vec<Choice>,
    form: RuleForm,
    wrong: Wrong,
}

impl ListPage {
    const FIELDS: &'static [&'static str] = &["only_provider", "break_glass"];
}

/// What the form about the way in sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RuleForm {
    only_provider: String,
    break_glass: String,
    version: Option<i64>,
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    did: String,
}

/// How a provider is, in words, and why.
fn health(provider: &Provider, now: Timestamp) -> (Knot, String, String) {
    let health = &provider.health;
    match (provider.enabled, health.is_failing(), health.last_success) {
        (false, ..) => (Knot::Skipped, "switched off".into(), "Nobody signs in with it.".into()),
        (true, true, _) => {
            let since = health.last_failure.map(|at| age(now.since(at))).unwrap_or_default();
            let reason = health.reason.as_deref().map(sentence).unwrap_or_default();
            (Knot::Failed, format!("failed {since} ago"), reason)
        }
        (true, false, Some(_)) => (Knot::Done, "lets people in".into(), String::new()),
        (true, false, None) => (Knot::Waiting, "waits for its first sign-on".into(), String::new()),
    }
}

fn row(slug: &str, public_url: &str, provider: Provider, people: i64, now: Timestamp) -> Row {
    let (knot, state, reason) = health(&provider, now);
    Row {
        href: format!("/w/{slug}/sign-on/{}", provider.id),
        registered: if provider.kind == SAML { "Entity id and metadata" } else { "Redirect URI" },
        redirect: match provider.kind.as_str() {
            SAML => Addresses::of(public_url, &provider.name).entity_id,
            _ => redirect_uri(public_url, &provider.name),
        },
        leaving: if provider.kind == SAML { "Log-out" } else { "Back-channel log-out" },
        back_channel: match provider.kind.as_str() {
            SAML => Addresses::of(public_url, &provider.name).slo,
            _ => back_channel_uri(public_url, &provider.name),
        },
        label: provider.label,
        issuer: provider.issuer,
        knot,
        state,
        reason,
        last: provider.health.last_success,
        last_words: provider.health.last_success.map(|at| age(now.since(at))).unwrap_or_default(),
        people: people.to_string(),
    }
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::SignInManage>,
    headers: &HeaderMap,
    said: &str,
    tried: Option<(RuleForm, Wrong)>,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::SignOn).await?;
    let (federation, permit, slug) = (console.federation.clone(), everywhere(guard)?, guard.name().to_owned());
    let all = console.db.read(move |tx| federation.providers(tx, &permit)).await?;
    let (form, wrong) = match tried {
        Some(tried) => tried,
        None => (console.rule(guard).await?, Wrong::default()),
    };
    let names: Vec<(String, String)> = all
        .iter()
        .filter(|(one, _)| one.enabled || one.name == form.only_provider)
        .map(|(one, _)| (one.name.clone(), format!("{} alone, and accounts for emergencies", one.label)))
        .collect();
    let mut ways = vec![("", "Everybody as they can: passwords open every account")];
    ways.extend(names.iter().map(|(name, words)| (name.as_str(), words.as_str())));
    page_with(
        wrong.status(),
        &ListPage {
            heading: match all.iter().filter(|(one, _)| one.enabled).count() {
                0 => "Nobody signs in with an identity provider".to_owned(),
                1 => "People sign in with one identity provider".to_owned(),
                count => format!("People sign in with {count} identity providers"),
            },
            said: match said {
                "saved" => Some("Saved. Sign in with it once, in a private window, to see that it works."),
                "rule" => Some("Saved. It holds from the next sign-in on; sessions that are open stay open."),
                _ => None,
            },
            ways: choices(&ways, &form.only_provider),
            rows: all
                .into_iter()
                .map(|(one, people)| row(&slug, &console.public_url, one, people, shell.now))
                .collect(),
            initiate: format!("{}/sso/start", console.public_url),
            signed_out: signed_out_uri(&console.public_url),
            form,
            wrong,
            slug,
            shell,
        },
    )
}

/// The page.
pub async fn list(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(said): Query<Said>,
) -> Answer<Response> {
    render(&console, &guard, &headers, &said.did, None).await
}

/// Says whether a provider is the only way in.
pub async fn rule(
    guard: InWorkspace<cap::SignInManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<RuleForm>,
) -> Answer<Response> {
    let known = console.rule(&guard).await?.version;
    let accounts: Vec<&str> =
        form.break_glass.split([',', ' ', '\n', '\r', '\t']).filter(|one| !one.is_empty()).collect();
    let mut body = serde_json::json!({ "break_glass": accounts });
    if !form.only_provider.is_empty() {
        body["only_provider"] = serde_json::json!(form.only_provider);
    }
    let why = Why { version: form.version, ..Why::default() };
    let key = known.map(|_| "organisation");
    match console.edit(&guard, Act::Save, SIGN_IN, key, Draft::new(body), &why).await {
        Ok(_) => Ok(see_other(&format!("/w/{}/sign-on?did=rule", guard.name()))),
        Err(error) => {
            let wrong = mistakes(error)?.moved("break_glass", "break_glass");
            render(&console, &guard, &headers, "", Some((form, wrong))).await
        }
    }
}

impl Console {
    /// The rule about the way in, as its form shows it.
    async fn rule(&self, guard: &InWorkspace<cap::SignInManage>) -> Answer<RuleForm> {
        let (resources, permit) = (self.resources.clone(), everywhere::<cap::SignInManage>(guard)?);
        let read = permit.also::<cap::ResourcesRead>()?;
        let stored = self.db.read(move |tx| resources.get(tx, &read, SIGN_IN, None, "organisation")).await?;
        Ok(stored.map_or_else(RuleForm::default, |stored| {
            let list =
                stored.body.get("break_glass").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
            let accounts: Vec<&str> = list.iter().filter_map(serde_json::Value::as_str).collect();
            RuleForm {
                only_provider: crate::editing::shown(&stored.body, "only_provider"),
                break_glass: accounts.join("\n"),
                version: Some(stored.version),
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    fn page(rows: Vec<Row>) -> ListPage {
        ListPage {
            shell: shell(),
            slug: "demo".into(),
            heading: "People sign in with one identity provider".into(),
            said: None,
            rows,
            initiate: "https://gateway.example.com/sso/start".into(),
            signed_out: "https://gateway.example.com/signed-out".into(),
            ways: choices(&[("", "Everybody")], ""),
            form: RuleForm { break_glass: HOSTILE.into(), ..RuleForm::default() },
            wrong: Wrong::one("break_glass", "Name at least one."),
        }
    }

    #[test]
    fn a_provider_says_what_is_registered_there_and_why_it_fails() {
        let row = Row {
            href: "/w/demo/sign-on/1".into(),
            label: HOSTILE.into(),
            issuer: "https://login.example.com".into(),
            knot: Knot::Failed,
            state: "failed 3 min ago".into(),
            reason: "The token was given to another party (azp).".into(),
            last: None,
            last_words: String::new(),
            people: "12".into(),
            redirect: "https://gateway.example.com/sso/corp/callback".into(),
            registered: "Redirect URI",
            back_channel: "https://gateway.example.com/sso/corp/back-channel-logout".into(),
            leaving: "Back-channel log-out",
        };
        let html = checked(&page(vec![row]));
        for words in [
            "/sso/corp/callback",
            "/sso/start",
            "/sso/corp/back-channel-logout",
            "/signed-out",
            "another party",
            "Name at least one.",
            "/sign-on/new",
        ] {
            assert!(html.contains(words), "{words}");
        }
        assert!(checked(&page(Vec::new())).contains("No provider yet"));
    }
}
