//! The form with which an SMPP account is made and changed. Its password is drawn by us and shown once.

use access::cap;
use askama::Template;
use axum::extract::State;
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Response};
use resources::{Draft, Json};
use serde::Deserialize;

use crate::Console;
use crate::carrier_dialect::{lines, listed};
use crate::editing::{Act, Why, WhyView, mistakes, number, shown, text};
use crate::facts::{Choice, choices};
use crate::page::{Wrong, encode, page_with, see_other};
use crate::shell::{Page, Shell};
use crate::smpp_page::{Around, Made, render as account_page};

const KIND: &str = "smpp_accounts";

/// What the form sends.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct AccountForm {
    system_id: String,
    allow: String,
    certificates: String,
    allow_plaintext: bool,
    max_binds: String,
    window: String,
    rate: String,
    max_waiting: String,
    message_ids: String,
    class: String,
    senders: String,
    inbound: String,
    long_inbound: String,
    vendor_tlvs: bool,
    rotation_hours: String,
    reason: String,
    change: String,
    version: Option<i64>,
}

impl Default for AccountForm {
    fn default() -> Self {
        Self::of(&Json::Null)
    }
}

impl AccountForm {
    /// The form of what is stored; of nothing, with what is usual.
    fn of(body: &Json) -> Self {
        let or = |path: &str, usual: &str| {
            Some(shown(body, path)).filter(|text| !text.is_empty()).unwrap_or_else(|| usual.to_owned())
        };
        Self {
            system_id: shown(body, "system_id"),
            allow: lines(body, "allow"),
            certificates: lines(body, "certificates"),
            allow_plaintext: body.get("allow_plaintext").and_then(Json::as_bool).unwrap_or(false),
            max_binds: or("max_binds", "4"),
            window: or("window", "20"),
            rate: shown(body, "rate"),
            max_waiting: or("max_waiting", "10000000"),
            message_ids: or("message_ids", "uuid"),
            class: or("class", "transactional"),
            senders: lines(body, "senders"),
            inbound: lines(body, "inbound"),
            long_inbound: or("long_inbound", "joined"),
            vendor_tlvs: body.get("vendor_tlvs").and_then(Json::as_bool).unwrap_or(false),
            rotation_hours: or("rotation_hours", "24"),
            reason: String::new(),
            change: String::new(),
            version: None,
        }
    }

    fn why(&self) -> Why {
        Why { reason: self.reason.clone(), change: self.change.clone(), version: self.version }
    }

    /// The form as a draft. The password of an account that is there stays; a new one is drawn.
    fn draft(&self, known: bool) -> Draft {
        let draft = Draft::new(serde_json::json!({
            "system_id": text(&self.system_id),
            "allow": listed(&self.allow),
            "certificates": listed(&self.certificates),
            "allow_plaintext": self.allow_plaintext,
            "max_binds": number(&self.max_binds),
            "window": number(&self.window),
            "rate": number(&self.rate),
            "max_waiting": number(&self.max_waiting),
            "message_ids": self.message_ids,
            "class": self.class,
            "senders": listed(&self.senders),
            "inbound": listed(&self.inbound),
            "long_inbound": self.long_inbound,
            "vendor_tlvs": self.vendor_tlvs,
            "rotation_hours": number(&self.rotation_hours),
        }));
        if known { draft.unchanged("password") } else { draft.draw("password") }
    }
}

#[derive(Template)]
#[template(path = "smpp-form.html")]
struct FormPage {
    shell: Shell,
    slug: String,
    /// The account that is changed; none for a new one.
    known: Option<String>,
    action: String,
    wrong: Wrong,
    form: AccountForm,
    classes: Vec<Choice>,
    ids: Vec<Choice>,
    longs: Vec<Choice>,
    why: WhyView,
}

impl FormPage {
    const FIELDS: &'static [&'static str] = &[
        "system_id",
        "allow",
        "certificates",
        "allow_plaintext",
        "max_binds",
        "window",
        "rate",
        "max_waiting",
        "message_ids",
        "class",
        "senders",
        "inbound",
        "long_inbound",
        "vendor_tlvs",
        "rotation_hours",
        "change",
    ];
}

/// A mistake in a list stands at the list.
fn at_lists(wrong: Wrong) -> Wrong {
    ["allow[", "certificates[", "senders[", "inbound["]
        .iter()
        .fold(wrong, |wrong, list| wrong.moved(list, list.trim_end_matches('[')))
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::ApiKeysManage>,
    headers: &HeaderMap,
    known: Option<String>,
    form: AccountForm,
    wrong: Wrong,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Smpp).await?;
    let slug = guard.name().to_owned();
    let status = wrong.status();
    let controlled = console.is_controlled(guard.workspace()).await?;
    page_with(
        status,
        &FormPage {
            action: match &known {
                Some(name) => format!("/w/{slug}/smpp/{}/edit", encode(name)),
                None => format!("/w/{slug}/smpp/new"),
            },
            classes: choices(
                &[
                    ("transactional", "transactional"),
                    ("otp", "one-time passwords"),
                    ("alert", "alerts, which go first"),
                    ("marketing", "marketing, which goes last"),
                ],
                &form.class,
            ),
            ids: choices(
                &[
                    ("uuid", "as in REST, 36 characters"),
                    ("decimal", "decimal numbers"),
                    ("hex8", "eight hexadecimal digits"),
                ],
                &form.message_ids,
            ),
            longs: choices(
                &[
                    ("joined", "joined into one"),
                    ("udh", "in the parts they came in, with headers"),
                    ("sar", "in the parts they came in, with sar_* parameters"),
                ],
                &form.long_inbound,
            ),
            why: form.why().view(controlled),
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
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    render(&console, &guard, &headers, None, AccountForm::default(), Wrong::default()).await
}

/// Makes one. The answer to this very request is the only page that ever shows its password.
pub async fn create(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<AccountForm>,
) -> Answer<Response> {
    match console.edit(&guard, Act::Save, KIND, None, form.draft(false), &form.why()).await {
        Ok(written) => {
            let drawn = written.drawn.into_iter().next();
            let made = drawn.map(|drawn| Made { fresh: true, password: drawn.secret });
            let name = form.system_id.trim().to_owned();
            account_page(&console, &guard, &headers, &name, Around { made, ..Around::default() }).await
        }
        Err(error) => {
            let wrong = at_lists(mistakes(error)?);
            render(&console, &guard, &headers, None, form, wrong).await
        }
    }
}

/// The form for one that is there.
pub async fn change(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, name)): Path<(String, String)>,
) -> Answer<Response> {
    let stored = console.stored_named(&guard, KIND, &name).await?;
    let form = AccountForm { version: Some(stored.version), ..AccountForm::of(&stored.body) };
    render(&console, &guard, &headers, Some(stored.key), form, Wrong::default()).await
}

/// Changes one.
pub async fn save(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, name)): Path<(String, String)>,
    Form(mut form): Form<AccountForm>,
) -> Answer<Response> {
    form.system_id.clone_from(&name);
    match console.edit(&guard, Act::Save, KIND, Some(&name), form.draft(true), &form.why()).await {
        Ok(_) => Ok(see_other(&format!("/w/{}/smpp/{}?did=saved", guard.name(), encode(&name)))),
        Err(error) => {
            let wrong = at_lists(mistakes(error)?);
            render(&console, &guard, &headers, Some(name), form, wrong).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{checked, shell};

    fn sample(known: Option<&str>, wrong: Wrong) -> String {
        let form = AccountForm { allow: "192.0.2.0/24".into(), ..AccountForm::default() };
        checked(&FormPage {
            shell: shell(),
            slug: "demo".into(),
            known: known.map(str::to_owned),
            action: "/w/demo/smpp/new".into(),
            classes: choices(&[("otp", "one-time passwords")], "otp"),
            ids: choices(&[("uuid", "as in REST")], "uuid"),
            longs: choices(&[("joined", "joined")], "joined"),
            why: form.why().view(false),
            wrong,
            form,
        })
    }

    #[test]
    fn a_new_account_says_that_its_password_is_drawn() {
        let html = sample(None, Wrong::default());
        assert!(html.contains("shown once") && html.contains("192.0.2.0/24"), "{html}");
        assert!(!html.contains(r#"type="password""#), "nobody types one here");
        assert!(!sample(Some("shop"), Wrong::default()).contains(r#"id="system_id""#), "a name stays");
    }

    #[test]
    fn a_mistake_in_a_list_stands_at_the_list() {
        let html = sample(None, at_lists(Wrong::one("allow[0]", "that is no network")));
        assert!(html.contains("that is no network"), "{html}");
    }
}
