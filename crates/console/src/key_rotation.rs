//! A key's token renewed on the page: the new one is shown once, the old one works on for the overlap that was chosen.

use std::time::Duration;

use access::{Permit, cap};
use axum::extract::State;
use http::{Answer, Form, HeaderMap, InWorkspace, Path, Response};
use identity::{Error, Identity, KeyRotation, RotatedKey, USUAL_OVERLAP};
use serde::Deserialize;
use store::Tx;

use crate::Console;
use crate::change::ground;
use crate::keys::{Around, Made, mistakes, render};
use crate::page::{encode, see_other};

/// What the form of a rotation has in it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RotationForm {
    /// Hours for which the old token works on; a day when it is not said.
    hours: Option<u32>,
    change: String,
}

type Renews = fn(&Identity, &mut Tx<'_>, &Permit<cap::ApiKeysManage>, &KeyRotation<'_>) -> Result<RotatedKey, Error>;

/// Renews the secret of a program by `renews`, as its form says.
pub async fn renew(
    console: &Console,
    guard: &InWorkspace<cap::ApiKeysManage>,
    name: String,
    form: RotationForm,
    renews: Renews,
) -> Result<RotatedKey, Error> {
    let (identity, resources, permit) = (console.identity.clone(), console.resources.clone(), guard.permit().clone());
    let overlap = form.hours.map_or(USUAL_OVERLAP, |hours| Duration::from_hours(u64::from(hours)));
    console
        .db
        .write(move |tx| {
            let clearance = resources.clear(tx, &permit, Some(permit.workspace()), &ground(&form.change)?)?;
            let rotation = KeyRotation { key: &name, overlap, reason: None, clearance: &clearance };
            renews(&identity, tx, &permit, &rotation)
        })
        .await
}

/// Draws a new token. The answer to this very request is the only page that ever shows it.
pub async fn rotate(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    headers: HeaderMap,
    Path((_, name)): Path<(String, String)>,
    Form(form): Form<RotationForm>,
) -> Answer<Response> {
    let rotated = renew(&console, &guard, name, form, |identity, tx, permit, how| {
        identity.rotate_key(tx, permit, permit.workspace(), how)
    });
    let rotated = rotated.await;
    let around = match rotated {
        Ok(rotated) => {
            let made = Made { name: rotated.name, token: rotated.token, old_until: Some(rotated.old_until) };
            Around { made: Some(made), ..Around::default() }
        }
        Err(error) => Around { wrong: mistakes(error)?, ..Around::default() },
    };
    render(&console, &guard, &headers, around).await
}

/// Ends the old token now.
pub async fn retire(
    guard: InWorkspace<cap::ApiKeysManage>,
    State(console): State<Console>,
    Path((_, name)): Path<(String, String)>,
) -> Answer<Response> {
    let (identity, permit, key) = (console.identity.clone(), guard.permit().clone(), name.clone());
    let retired: Result<bool, Error> =
        console.db.write(move |tx| identity.retire_old_token(tx, &permit, permit.workspace(), &key)).await;
    retired?;
    Ok(see_other(&format!("/w/{}/keys?retired={}", guard.name(), encode(&name))))
}
