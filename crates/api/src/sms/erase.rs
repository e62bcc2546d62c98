//! Erasing number and text of a message for good, out or in.

use access::cap;
use http::{Answer, InWorkspace, Path, State, StatusCode};
use uuid::Uuid;

use super::Named;
use crate::Api;

pub(super) async fn erase(
    guard: InWorkspace<cap::MessagesErase>,
    State(api): State<Api>,
    Path(named): Path<Named>,
) -> Answer<StatusCode> {
    api.sub_accounts.admit(&guard).await?;
    let id: Uuid = named.id()?;
    let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
    api.db.write(move |tx| messaging.erase(tx, &permit, id)).await?;
    Ok(StatusCode::ACCEPTED)
}
