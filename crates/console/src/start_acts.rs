//! What the steps of the first use do: the same verbs as the pages of carriers, users, messages and integrations.

use access::{OrganisationPermit, cap};
use axum::extract::State;
use base::{Explain as _, ExposeSecret as _, ResourceId, SecretString};
use http::{Answer, Form, HeaderMap, InOrganisation, InWorkspace, Refusal, Response};
use resources::{Change, Draft, Error};
use serde::Deserialize;
use serde_json::json;

use crate::Console;
use crate::change::ground;
use crate::editing::mistakes;
use crate::page::{Wrong, own_zone, see_other};
use crate::start::{Around, Connected, own_name, render, text_ref};
use crate::start_forms::{CarrierForm, PhoneForm, WorkspaceForm};

/// The reference of an approved change, where one is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SignalForm {
    change: String,
}

/// Why a change by this way is made, for history and audit log.
const REASON: &str = "first steps";

/// Makes the first workspace.
pub async fn workspace(
    guard: InOrganisation<cap::WorkspaceWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<WorkspaceForm>,
) -> Answer<Response> {
    let (resources, permit) = (console.resources.clone(), guard.permit().clone());
    let slug = form.slug.trim().to_lowercase();
    let mut body = json!({ "slug": slug, "environment": form.environment.trim(), "name": slug });
    if let Some(zone) = own_zone(&headers) {
        body["time_zone"] = zone.into();
    }
    let written: Result<_, Error> = console
        .db
        .write(move |tx| {
            let clearance = resources.clear(tx, &permit, None, &resources::Ground::None)?;
            let body = Draft::new(body.clone());
            let change =
                Change { kind: "workspaces", workspace: None, body, reason: Some(REASON), clearance: &clearance };
            resources.put(tx, &permit, change)
        })
        .await;
    match written {
        Ok(_) => Ok(see_other(&format!("/w/{}/start", crate::page::encode(form.slug.trim().to_lowercase().as_str())))),
        Err(error) => {
            let wrong = mistakes(error)?;
            let caller = guard.caller();
            console.nowhere(&headers, caller.actor().principal.name(), caller.csrf(), true, Some((form, wrong)))
        }
    }
}

/// Enters a carrier and, where the workspace has none yet, the route over it. It is bound at once.
pub async fn carrier(
    guard: InWorkspace<cap::ResourcesApply>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<CarrierForm>,
) -> Answer<Response> {
    let everywhere: OrganisationPermit<cap::CarriersWrite> = guard.caller().grants().permit_organisation()?;
    let (resources, permit, workspace) = (console.resources.clone(), guard.permit().clone(), guard.workspace());
    let read = permit.also::<cap::ResourcesRead>()?;
    let plain = form.plain.is_some();
    let body = json!({
        "name": form.name.trim(),
        "address": form.address.trim(),
        "system_id": form.system_id.trim(),
        "tls": !plain,
        "allow_plaintext": plain,
    });
    let route = json!({
        "carriers": [form.name.trim()],
        "sender": Some(form.sender.trim()).filter(|sender| !sender.is_empty()),
        "open_to_development": form.open.is_some(),
    });
    let (password, change) = (SecretString::from(form.password.clone()), form.change.clone());
    let written: Result<(), Error> = console
        .db
        .write(move |tx| {
            let ground = ground(&change)?;
            let draft = Draft::new(body.clone()).secret("password", password.clone());
            let clearance = resources.clear(tx, &everywhere, Some(workspace), &ground)?;
            let put =
                Change { kind: "carriers", workspace: None, body: draft, reason: Some(REASON), clearance: &clearance };
            resources.put(tx, &everywhere, put)?;
            if resources.list(tx, &read, "routes", Some(workspace))?.is_empty() {
                let draft = Draft::new(route.clone());
                let clearance = resources.clear(tx, &permit, Some(workspace), &ground)?;
                let put = Change {
                    kind: "routes",
                    workspace: Some(workspace),
                    body: draft,
                    reason: Some(REASON),
                    clearance: &clearance,
                };
                resources.put(tx, &permit, put)?;
            }
            Ok(())
        })
        .await;
    match written {
        Ok(()) => Ok(back(guard.name())),
        Err(error) => {
            let carrier = CarrierForm { password: String::new(), ..form };
            let around = Around { wrong: mistakes(error)?, carrier, ..Around::default() };
            render(&console, &guard, &headers, around).await
        }
    }
}

/// Adds a phone to the reader's own account; in the demo it is put on the simulated network too.
pub async fn phone(
    guard: InWorkspace<cap::PeopleWrite>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<PhoneForm>,
) -> Answer<Response> {
    let permit: OrganisationPermit<cap::PeopleWrite> = guard.caller().grants().permit_organisation()?;
    let principal = &guard.caller().actor().principal;
    let user = principal.user().ok_or_else(Refusal::not_found)?;
    let name = principal.name().to_owned();
    // People write a number in groups; it is kept as carriers write it.
    let text = form.number.trim();
    let text = sms::Number::parse(text, None).map_or_else(|_| text.to_owned(), |number| number.to_string());
    let resources = console.resources.clone();
    let written: Result<(), Error> = console
        .db
        .write(move |tx| {
            let stored = resources.by_id(tx, "users", ResourceId::from(user.uuid()))?.ok_or(Error::NotFound)?;
            let mut body = stored.body;
            let mut devices = body["devices"].as_array().cloned().unwrap_or_default();
            devices.push(json!({ "kind": "sms", "number": text.clone(), "order": devices.len() + 1 }));
            body["devices"] = devices.into();
            let clearance = resources.clear(tx, &permit, None, &resources::Ground::None)?;
            let body = Draft::new(body);
            let put = Change { kind: "users", workspace: None, body, reason: Some(REASON), clearance: &clearance };
            resources.put(tx, &permit, put).map(drop)
        })
        .await;
    match written {
        Ok(()) => {
            if let (Some(phones), Ok(number)) = (&console.handsets, sms::Number::parse(form.number.trim(), None)) {
                // One that is on the network already is as good.
                let _ = phones.control.add_handset(&number.to_string(), Some(&name)).await;
            }
            Ok(back(guard.name()))
        }
        Err(error) => {
            let wrong = mistakes(error)?.moved("devices", "number");
            let around = Around { wrong, phone: form, ..Around::default() };
            render(&console, &guard, &headers, around).await
        }
    }
}

/// Sends the reader a text over the way that pages take.
pub async fn text(
    guard: InWorkspace<cap::MessagesSend>,
    State(console): State<Console>,
    headers: HeaderMap,
) -> Answer<Response> {
    let principal = &guard.caller().actor().principal;
    let user = principal.user().ok_or_else(Refusal::not_found)?;
    let oncall = console.oncall.clone();
    let devices = console.db.read(move |tx| oncall.devices(tx, user)).await?;
    let Some(device) = devices.into_iter().next() else { return Ok(back(guard.name())) };
    let words = format!("Loudhailer: this is your own text, {}. Pages will come like this one.", principal.name());
    let new = messaging::New { client_ref: Some(text_ref(user)), ..messaging::New::text(device.number, words) };
    match console.messaging.submit(guard.permit(), new).await {
        Ok(_) => Ok(back(guard.name())),
        Err(error) => {
            let mut problem = error.problem();
            // The form has no fields: what is wrong stands above the steps.
            problem.field = None;
            let wrong = Wrong::of(vec![problem])?;
            render(&console, &guard, &headers, Around { wrong, ..Around::default() }).await
        }
    }
}

/// Makes a group of the reader alone, a flow that pages it, and an integration that starts the flow. Its token is in the
/// answer to this very request and nowhere else; asked again, it is drawn anew.
pub async fn signal(
    guard: InWorkspace<cap::ResourcesApply>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<SignalForm>,
) -> Answer<Response> {
    let user = guard.caller().actor().principal.user().ok_or_else(Refusal::not_found)?;
    let (resources, permit, workspace) = (console.resources.clone(), guard.permit().clone(), guard.workspace());
    let (name, change) = (own_name(user), form.change.clone());
    let written: Result<_, Error> = console
        .db
        .write(move |tx| {
            let me = resources.by_id(tx, "users", ResourceId::from(user.uuid()))?.ok_or(Error::NotFound)?;
            let clearance = resources.clear(tx, &permit, Some(workspace), &ground(&change)?)?;
            let mut put = |kind: &'static str, draft: Draft| {
                let change = Change {
                    kind,
                    workspace: Some(workspace),
                    body: draft,
                    reason: Some(REASON),
                    clearance: &clearance,
                };
                resources.put(tx, &permit, change)
            };
            put("groups", Draft::new(group(&name, &me.key)))?;
            put("flows", Draft::new(flow(&name)))?;
            put("integrations", Draft::new(integration(&name)).draw("token"))
        })
        .await;
    let around = match written {
        Ok(written) => {
            let token = written.drawn.first().map(|drawn| drawn.secret.expose_secret().to_owned()).unwrap_or_default();
            let curl = curl(&console.public_url, &written.id.to_string(), &token);
            Around { connected: Some(Connected { curl }), ..Around::default() }
        }
        Err(error) => Around { wrong: mistakes(error)?, ..Around::default() },
    };
    render(&console, &guard, &headers, around).await
}

fn group(name: &str, login: &str) -> serde_json::Value {
    json!({ "name": name, "description": "Made by the first steps: one person, at once", "members": [{ "user": login }] })
}

fn integration(name: &str) -> serde_json::Value {
    json!({ "name": name, "auth": ["url_token"], "mapping": "generic", "flow": name })
}

fn flow(name: &str) -> serde_json::Value {
    json!({
        "name": name,
        "description": "Made by the first steps: opens an alert for every event",
        "group": name,
        "steps": [
            { "id": "start", "type": "trigger", "next": "page" },
            {
                "id": "page", "type": "create_alert", "title": "{{ event.title }}", "text": "{{ event.text }}",
                "priority": "{{ event.priority }}", "next": "end",
            },
        ],
    })
}

fn curl(public_url: &str, integration: &str, token: &str) -> String {
    format!(
        "curl '{public_url}/signals/{integration}?token={token}' \\\n  --json '{{\"title\": \"The coffee is cold\", \"priority\": \"medium\"}}'"
    )
}

fn back(slug: &str) -> Response {
    see_other(&format!("/w/{slug}/start"))
}
