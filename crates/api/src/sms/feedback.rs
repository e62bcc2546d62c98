//! What an application says became of a message for it.

use access::cap;
use base::MessageId;
use http::{Answer, InWorkspace, Path, Raw, Refusal, State, StatusCode, parse_json};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Named;
use super::fields::{INVALID, wrong};
use crate::Api;
use crate::time;

/// What became of it.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SmsFeedback)]
pub(super) struct Feedback {
    /// `success` or `failure`.
    outcome: Option<String>,
    /// When, by the application's clock.
    #[serde(default)]
    #[schema(required = false, format = "date-time")]
    timestamp: Option<String>,
}

impl Feedback {
    pub(super) fn understood(&self) -> Result<(bool, Option<base::Timestamp>), base::Problem> {
        let success = match self.outcome.as_deref() {
            Some("success") => true,
            Some("failure") => false,
            _ => return Err(wrong("outcome", "The field outcome must be success or failure.")),
        };
        let at = match self.timestamp.as_deref().filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => Some(time::read(text).ok_or_else(|| {
                let detail = "The field timestamp must be a time with its offset, such as 2026-10-23T01:12:07Z.";
                base::Problem::new(base::ProblemKind::Invalid, INVALID, detail).at("timestamp")
            })?),
        };
        Ok((success, at))
    }
}

pub(super) async fn feedback(
    guard: InWorkspace<cap::MessagesSend>,
    State(api): State<Api>,
    Path(named): Path<Named>,
    Raw(body): Raw,
) -> Answer<StatusCode> {
    api.sub_accounts.admit(&guard).await?;
    let id: MessageId = named.id()?;
    let said: Feedback = parse_json(&body).map_err(Refusal::new)?;
    let (success, at) = said.understood().map_err(Refusal::new)?;
    let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
    api.db.write(move |tx| messaging.feedback(tx, &permit, id, success, at)).await?;
    Ok(StatusCode::OK)
}
