//! In which zone a reader sees times: what they chose on their own page, else their browser's, else the workspace's.

use access::{Cap, Principal, Workspace, cap};
use axum::extract::State;
use base::Timestamp;
use http::{Answer, Form, HeaderMap, InWorkspace, Response};
use identity::Preferences;
use serde::Deserialize;

use crate::Console;
use crate::page::{own_zone, see_other};
use crate::zone::{Zone, all};

/// The form on the reader's own page.
#[derive(Clone, Debug)]
pub struct ZoneForm {
    /// What was chosen; empty for the browser's.
    pub chosen: String,
    /// What is in force, and why, in a sentence.
    pub standing: String,
    /// Every zone there is.
    pub zones: Vec<String>,
    /// What is wrong with what was sent.
    pub wrong: Option<&'static str>,
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Chosen {
    zone: String,
}

impl Console {
    async fn chosen_zone<C: Cap>(&self, guard: &InWorkspace<C>) -> Answer<Option<String>> {
        let Principal::User { id, .. } = &guard.caller().actor().principal else { return Ok(None) };
        let id = *id;
        Ok(self.db.read(move |tx| Preferences::of(tx, id)).await?.time_zone)
    }

    /// The zone of the reader that `guard` proved, beside the workspace's.
    pub async fn zone_of<C: Cap>(
        &self,
        guard: &InWorkspace<C>,
        headers: &HeaderMap,
        workspace: &Workspace,
        now: Timestamp,
    ) -> Answer<Zone> {
        let chosen = self.chosen_zone(guard).await?.unwrap_or_default();
        let browser = own_zone(headers).unwrap_or_default();
        let zone = Zone::first_of([chosen.as_str(), browser.as_str(), workspace.time_zone.as_str()]);
        Ok(zone.beside(workspace.slug.as_str(), &workspace.time_zone, now))
    }

    /// What the reader's own page says about zones.
    pub async fn zone_form<C: Cap>(&self, guard: &InWorkspace<C>, headers: &HeaderMap, said: &str) -> Answer<ZoneForm> {
        let chosen = self.chosen_zone(guard).await?;
        let workspace = self.workspace(guard.workspace()).await?;
        let standing = match (&chosen, own_zone(headers)) {
            (Some(chosen), Some(browser)) if *chosen != browser => {
                format!("Times are shown in {chosen}, which you chose. Your browser is in {browser}.")
            }
            (Some(chosen), _) => format!("Times are shown in {chosen}, which you chose."),
            (None, Some(browser)) => format!("Times are shown in {browser}, as your browser says."),
            (None, None) => {
                format!(
                    "Your browser does not say where it is, so times are shown in {}, as the workspace says.",
                    workspace.time_zone
                )
            }
        };
        Ok(ZoneForm {
            chosen: chosen.unwrap_or_default(),
            standing,
            zones: all(),
            wrong: (said == "unknown")
                .then_some("An IANA name such as Europe/Berlin is expected. Choose one of the list."),
        })
    }
}

/// Keeps the chosen zone with the person, so that it follows them from browser to browser.
pub async fn choose(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    Form(chosen): Form<Chosen>,
) -> Answer<Response> {
    let (actor, zone) = (guard.caller().actor().clone(), chosen.zone.trim().to_owned());
    let path = format!("/w/{}/you", guard.name());
    if !zone.is_empty() && Zone::named(&zone).is_none() {
        return Ok(see_other(&format!("{path}?zone=unknown#zone-field")));
    }
    console
        .db
        .write(move |tx| Preferences::choose_time_zone(tx, &actor, Some(zone.as_str()).filter(|zone| !zone.is_empty())))
        .await?;
    Ok(see_other(&format!("{path}?zone=kept#zone-field")))
}
