//! The form with which a carrier is added and changed. The password goes in and never comes out.

use access::cap;
use askama::Template;
use axum::extract::State;
use base::{ExposeSecret as _, SecretString};
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Response};
use resources::{Draft, Json};
use serde::Deserialize;

use crate::Console;
use crate::carrier_dialect::{DialectChoices, DialectForm, lines, listed};
use crate::editing::{Act, Why, WhyView, everywhere, mistakes, number, secret, shown, text};
use crate::facts::{Choice, choices};
use crate::page::{Wrong, encode, page_with, see_other};
use crate::shell::{Page, Shell};

const KIND: &str = "carriers";

/// What the form sends.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct CarrierForm {
    name: String,
    address: String,
    tls: bool,
    tls_ca: String,
    tls_pins: String,
    tls_name: String,
    allow_plaintext: bool,
    system_id: String,
    #[serde(deserialize_with = "secret")]
    password: SecretString,
    system_type: String,
    bind: String,
    sessions: String,
    window: String,
    rate: String,
    on_unknown_outcome: String,
    simulated: bool,
    message_ids: String,
    response_seconds: String,
    enquire_seconds: String,
    #[serde(flatten)]
    dialect: DialectForm,
    reason: String,
    change: String,
    version: Option<i64>,
}

impl Default for CarrierForm {
    fn default() -> Self {
        Self::of(&Json::Null)
    }
}

impl CarrierForm {
    /// The form of what is stored; of nothing, with what is usual.
    fn of(body: &Json) -> Self {
        let or = |path: &str, usual: &str| {
            Some(shown(body, path)).filter(|text| !text.is_empty()).unwrap_or_else(|| usual.to_owned())
        };
        let yes = |path: &str, usual: bool| body.get(path).and_then(Json::as_bool).unwrap_or(usual);
        Self {
            name: shown(body, "name"),
            address: shown(body, "address"),
            // A form that is sent leaves out what is not ticked; only a form that is shown starts from what is usual.
            tls: !body.is_null() && yes("tls", true),
            tls_ca: shown(body, "tls_ca"),
            tls_pins: lines(body, "tls_pins"),
            tls_name: shown(body, "tls_name"),
            allow_plaintext: yes("allow_plaintext", false),
            system_id: shown(body, "system_id"),
            password: SecretString::default(),
            system_type: shown(body, "system_type"),
            bind: or("bind", "transceiver"),
            sessions: or("sessions", "1"),
            window: or("window", "50"),
            rate: shown(body, "rate"),
            on_unknown_outcome: or("on_unknown_outcome", "hold"),
            simulated: yes("simulated", false),
            message_ids: or("message_ids", "auto"),
            response_seconds: or("response_seconds", "10"),
            enquire_seconds: or("enquire_seconds", "30"),
            dialect: DialectForm::of(body),
            reason: String::new(),
            change: String::new(),
            version: None,
        }
    }

    fn why(&self) -> Why {
        Why { reason: self.reason.clone(), change: self.change.clone(), version: self.version }
    }

    /// The form as a draft. A password that was left empty stays as it is.
    fn draft(&self, known: bool) -> Draft {
        let body = serde_json::json!({
            "name": text(&self.name),
            "kind": "smpp",
            "address": text(&self.address),
            "tls": self.tls,
            "tls_ca": self.tls_ca.trim(),
            "tls_pins": listed(&self.tls_pins),
            "tls_name": self.tls_name.trim(),
            "allow_plaintext": self.allow_plaintext,
            "system_id": text(&self.system_id),
            "system_type": self.system_type.trim(),
            "bind": self.bind,
            "sessions": number(&self.sessions),
            "window": number(&self.window),
            "rate": number(&self.rate),
            "on_unknown_outcome": self.on_unknown_outcome,
            "simulated": self.simulated,
            "message_ids": self.message_ids,
            "response_seconds": number(&self.response_seconds),
            "enquire_seconds": number(&self.enquire_seconds),
            "senders": self.dialect.senders(),
            "dialect": self.dialect.dialect(),
        });
        let draft = Draft::new(body);
        match (self.password.expose_secret().is_empty(), known) {
            (false, _) => draft.secret("password", self.password.clone()),
            (true, true) => draft.unchanged("password"),
            (true, false) => draft,
        }
    }
}

#[derive(Template)]
#[template(path = "carrier-form.html")]
struct FormPage {
    shell: Shell,
    slug: String,
    /// The carrier that is changed; none for a new one.
    known: Option<String>,
    action: String,
    wrong: Wrong,
    form: CarrierForm,
    binds: Vec<Choice>,
    outcomes: Vec<Choice>,
    ids: Vec<Choice>,
    speaks: DialectChoices,
    why: WhyView,
}

impl FormPage {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "address",
        "tls",
        "tls_ca",
        "tls_pins",
        "tls_name",
        "allow_plaintext",
        "system_id",
        "password",
        "system_type",
        "bind",
        "sessions",
        "window",
        "rate",
        "on_unknown_outcome",
        "simulated",
        "message_ids",
        "response_seconds",
        "enquire_seconds",
        "senders.allowed",
        "senders.instead",
        "dialect.address_range",
        "dialect.service_type",
        "dialect.text_coding",
        "dialect.unicode_coding",
        "dialect.national.country_code",
        "dialect.national.trunk",
        "change",
    ];
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::CarriersWrite>,
    headers: &HeaderMap,
    known: Option<String>,
    form: CarrierForm,
    wrong: Wrong,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Carriers).await?;
    let slug = guard.name().to_owned();
    let status = wrong.status();
    page_with(
        status,
        &FormPage {
            action: match &known {
                Some(name) => format!("/w/{slug}/carriers/{}/edit", encode(name)),
                None => format!("/w/{slug}/carriers/new"),
            },
            binds: choices(
                &[
                    ("transceiver", "one connection for both directions"),
                    ("transmitter_receiver", "a transmitter and a receiver"),
                ],
                &form.bind,
            ),
            outcomes: choices(
                &[("hold", "hold it for a person to decide"), ("resend", "send it again, perhaps twice")],
                &form.on_unknown_outcome,
            ),
            ids: choices(
                &[
                    ("auto", "find out from the first receipts"),
                    ("same", "the same in answers and receipts"),
                    ("hex_then_decimal", "hexadecimal in answers, decimal in receipts"),
                    ("decimal_then_hex", "decimal in answers, hexadecimal in receipts"),
                ],
                &form.message_ids,
            ),
            speaks: form.dialect.choices(),
            // Carriers belong to the organisation, which is not under change control.
            why: form.why().view(false),
            known,
            wrong,
            form,
            slug,
            shell,
        },
    )
}

/// The form for a new one.
pub async fn new(
    guard: InWorkspace<cap::CarriersWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    everywhere(&guard)?;
    let form = CarrierForm { tls: true, ..CarrierForm::of(&Json::Null) };
    render(&console, &guard, &headers, None, form, Wrong::default()).await
}

/// Adds one.
pub async fn create(
    guard: InWorkspace<cap::CarriersWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<CarrierForm>,
) -> Answer<Response> {
    everywhere(&guard)?;
    match console.edit(&guard, Act::Save, KIND, None, form.draft(false), &form.why()).await {
        // It runs within a moment; until then its own page is not there.
        Ok(_) => Ok(see_other(&format!("/w/{}/carriers", guard.name()))),
        Err(error) => {
            let wrong = mistakes(error)?;
            render(&console, &guard, &headers, None, form, wrong).await
        }
    }
}

/// The form for one that is there.
pub async fn change(
    guard: InWorkspace<cap::CarriersWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, name)): Path<(String, String)>,
) -> Answer<Response> {
    everywhere(&guard)?;
    let stored = console.stored_named(&guard, KIND, &name).await?;
    let form = CarrierForm { version: Some(stored.version), ..CarrierForm::of(&stored.body) };
    render(&console, &guard, &headers, Some(stored.key), form, Wrong::default()).await
}

/// Changes one.
pub async fn save(
    guard: InWorkspace<cap::CarriersWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, name)): Path<(String, String)>,
    Form(mut form): Form<CarrierForm>,
) -> Answer<Response> {
    everywhere(&guard)?;
    form.name.clone_from(&name);
    match console.edit(&guard, Act::Save, KIND, Some(&name), form.draft(true), &form.why()).await {
        Ok(_) => Ok(see_other(&format!("/w/{}/carriers/{}?did=saved", guard.name(), encode(&name)))),
        Err(error) => {
            let wrong = mistakes(error)?;
            render(&console, &guard, &headers, Some(name), form, wrong).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    fn sample(known: Option<&str>) -> FormPage {
        FormPage {
            shell: shell(),
            slug: "demo".into(),
            known: known.map(str::to_owned),
            action: "/w/demo/carriers/new".into(),
            wrong: Wrong::one("address", "Write host:port."),
            form: CarrierForm { system_id: HOSTILE.into(), password: "s3cret!!".into(), ..CarrierForm::default() },
            binds: choices(&[("transceiver", "one")], "transceiver"),
            outcomes: choices(&[("hold", "hold")], "hold"),
            ids: choices(&[("auto", "auto")], "auto"),
            speaks: DialectForm::default().choices(),
            why: WhyView::default(),
        }
    }

    /// what was typed as a password is not sent back, not even to its author.
    #[test]
    fn a_password_goes_in_and_never_comes_out() {
        let html = checked(&sample(None));
        assert!(!html.contains("s3cret!!") && html.contains("Write host:port.") && html.contains("type=\"password\""));
        let known = checked(&sample(Some("carrier-b")));
        assert!(known.contains("stays as it is") && !known.contains("id=\"name\""));
    }

    #[test]
    fn a_form_says_what_is_meant() {
        let form = CarrierForm { sessions: "two".into(), rate: String::new(), ..CarrierForm::default() };
        let draft = form.draft(true);
        assert_eq!((draft.body()["sessions"].as_str(), draft.body()["rate"].is_null()), (Some("two"), true));
        assert!(!form.tls, "what is not ticked is off");
        assert!(CarrierForm::of(&serde_json::json!({ "name": "a" })).tls, "what is stored without a word is encrypted");
    }
}
