//! Second factors: what a person has, for whoever administers people, and one's own. Secrets are set up in the console alone, where
//! a camera or a key is at hand; here they are looked at and taken away.

use ::identity::{Error, Factors, Going};
use access::cap;
use base::UserId;
use http::doc::Doc;
use http::{
    Answer, Attempt, InOrganisation, Json, Path, Refusal, Reply, Response, Routes, SignedIn, State, StatusCode,
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::Api;
use crate::sessions::of_person;
use crate::tag::PEOPLE;
use crate::time::At;

pub(crate) fn routes(routes: Routes<Api>) -> Routes<Api> {
    routes
        .get("/api/v1/people/{user}/factors", show)
        .session_only()
        .doc(
            of_person(Doc::new("getFactorsOfPerson", PEOPLE, "Read a person's second factors"))
                .text("What there is, never a secret.")
                .answers::<FactorsView>(StatusCode::OK, "The factors.", example()),
        )
        .delete("/api/v1/people/{user}/factors", reset)
        .session_only()
        .atomic()
        .doc(
            of_person(Doc::new("resetFactorsOfPerson", PEOPLE, "Take all second factors of a person away"))
                .text(
                    "When they are lost: factors and recovery codes go, and the sessions end. Not of somebody who may more than whoever \
                     asks. Audited.",
                )
                .answers::<RemovedFactors>(StatusCode::OK, "How many there were.", json!({"removed": 1})),
        )
        .delete("/api/v1/people/{user}/factors/{factor}", remove)
        .session_only()
        .atomic()
        .doc(
            of_factor(of_person(Doc::new("removeFactorOfPerson", PEOPLE, "Take one second factor of a person away")))
                .text("Their sessions end; with the last one their recovery codes go. Audited.")
                .answers_nothing(StatusCode::NO_CONTENT, "It is gone."),
        )
        .get("/api/v1/me/factors", own)
        .session_only()
        .doc(
            Doc::new("getOwnFactors", PEOPLE, "Read your second factors")
                .text("They are set up in the console, under Sign-in and sessions.")
                .answers::<FactorsView>(StatusCode::OK, "The factors.", example()),
        )
        .delete("/api/v1/me/factors/{factor}", remove_own)
        .session_only()
        .fresh()
        .atomic()
        .doc(
            of_factor(Doc::new("removeOwnFactor", PEOPLE, "Take one of your second factors away"))
                .text("Wants a proof of you that is fresh. Audited.")
                .answers_nothing(StatusCode::NO_CONTENT, "It is gone.")
                .refuses(StatusCode::CONFLICT, "It is your last one, and a role of yours must have one."),
        )
}

fn of_factor(doc: Doc) -> Doc {
    doc.path("factor", "`app`, or the id of a passkey.", "app")
}

fn example() -> Value {
    json!({
        "app": "2026-09-01T08:00:00.000Z",
        "passkeys": [{
            "id": "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5e", "name": "Blue key", "backedUp": false,
            "created": "2026-09-02T08:00:00.000Z", "lastUsed": "2026-10-23T01:12:07.214Z",
        }],
        "recoveryCodesLeft": 9, "required": true,
    })
}

/// A passkey.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PersonPasskey)]
struct PasskeyView {
    /// Its id.
    #[schema(value_type = Uuid)]
    id: uuid::Uuid,
    /// What its owner calls it.
    name: String,
    /// Whether it is kept in more than one place.
    backed_up: bool,
    /// When it was made.
    created: At,
    /// When it was last used; null when it never was.
    last_used: Option<At>,
}

/// A person's second factors.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PersonFactors)]
struct FactorsView {
    /// Since when an authenticator app is in use; null without one.
    app: Option<At>,
    /// Their passkeys, the oldest first.
    passkeys: Vec<PasskeyView>,
    /// Recovery codes that are left.
    recovery_codes_left: u32,
    /// Whether one of their roles must have a second factor.
    required: bool,
}

impl From<Factors> for FactorsView {
    fn from(factors: Factors) -> Self {
        let passkeys = factors.passkeys.into_iter().map(|one| PasskeyView {
            id: one.id,
            name: one.name,
            backed_up: one.backed_up,
            created: At(one.created_at),
            last_used: one.last_used_at.map(At),
        });
        Self {
            app: factors.app.map(At),
            passkeys: passkeys.collect(),
            recovery_codes_left: factors.recovery_left,
            required: factors.wanted,
        }
    }
}

/// Which factor an address names.
fn going(factor: &str) -> Answer<Going> {
    match factor {
        "app" => Ok(Going::App),
        id => id.parse().map(Going::Passkey).map_err(|_| Refusal::from(Error::NoFactor)),
    }
}

async fn show(
    guard: InOrganisation<cap::PeopleWrite>,
    State(api): State<Api>,
    Path(user): Path<UserId>,
) -> Answer<Json<FactorsView>> {
    let (identity, permit) = (api.identity.clone(), guard.into_permit());
    let factors = api.db.read(move |tx| identity.factors_of(tx, &permit, user)).await?;
    Ok(Json(factors.into()))
}

/// What went.
#[derive(Debug, Serialize, ToSchema)]
struct RemovedFactors {
    /// How many factors, recovery codes not counted.
    removed: u64,
}

async fn reset(
    guard: InOrganisation<cap::PeopleWrite>,
    State(api): State<Api>,
    Path(user): Path<UserId>,
    attempt: Attempt,
) -> Answer<Response> {
    let (identity, permit) = (api.identity.clone(), guard.into_permit());
    let effect = move |tx: &mut store::Tx<'_>| {
        let removed = identity.reset_factors(tx, &permit, user)?;
        Ok::<_, Error>(Reply::json(StatusCode::OK, &RemovedFactors { removed }))
    };
    attempt.write(&api.db, Refusal::from, effect).await
}

async fn remove(
    guard: InOrganisation<cap::PeopleWrite>,
    State(api): State<Api>,
    Path((user, factor)): Path<(UserId, String)>,
    attempt: Attempt,
) -> Answer<Response> {
    let (identity, permit, going) = (api.identity.clone(), guard.into_permit(), going(&factor)?);
    let effect = move |tx: &mut store::Tx<'_>| {
        identity.remove_factor_of(tx, &permit, user, going)?;
        Ok::<_, Error>(Reply::empty(StatusCode::NO_CONTENT))
    };
    attempt.write(&api.db, Refusal::from, effect).await
}

async fn own(guard: SignedIn, State(api): State<Api>) -> Answer<Json<FactorsView>> {
    let (identity, actor) = (api.identity.clone(), guard.caller().actor().clone());
    let factors = api.db.read(move |tx| identity.own_factors(tx, &actor)).await?;
    Ok(Json(factors.into()))
}

async fn remove_own(
    guard: SignedIn,
    State(api): State<Api>,
    Path(factor): Path<String>,
    attempt: Attempt,
) -> Answer<Response> {
    let (identity, actor, going) = (api.identity.clone(), guard.caller().actor().clone(), going(&factor)?);
    let effect = move |tx: &mut store::Tx<'_>| {
        identity.drop_factor(tx, &actor, going)?;
        Ok::<_, Error>(Reply::empty(StatusCode::NO_CONTENT))
    };
    attempt.write(&api.db, Refusal::from, effect).await
}
