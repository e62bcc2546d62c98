//! What a workspace sets for its applications, remembered for a few seconds, and how many requests it may make.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::resources::SmsSettings;
use access::{Cap, cap};
use base::WorkspaceId;
use http::{Answer, InWorkspace, Quota};
use store::Db;

use super::order::Rules;

/// How long the settings are remembered.
const FRESH: Duration = Duration::from_secs(5);

/// The workspaces as the SMS API sees them. Cheap to clone.
#[derive(Clone)]
pub struct SubAccounts(Arc<Inner>);

struct Inner {
    db: Db,
    known: Mutex<HashMap<WorkspaceId, Known>>,
}

#[derive(Clone)]
struct Known {
    account: Arc<SubAccount>,
    at: Duration,
}

/// One of them.
pub(super) struct SubAccount {
    settings: SmsSettings,
    quota: Quota,
}

impl SubAccounts {
    /// Reads the settings from `db` as they are needed.
    pub fn new(db: Db) -> Self {
        Self(Arc::new(Inner { db, known: Mutex::default() }))
    }

    /// The workspace of a request, which counts against its limit.
    pub(super) async fn admit<C: Cap>(&self, guard: &InWorkspace<C>) -> Answer<Arc<SubAccount>> {
        let account = self.of(guard.workspace()).await?;
        account.quota.admit()?;
        Ok(account)
    }

    async fn of(&self, workspace: WorkspaceId) -> Answer<Arc<SubAccount>> {
        let context = self.0.db.context();
        let (now, known) = (context.monotonic(), self.known(workspace));
        if let Some(known) = known.as_ref().filter(|known| now.saturating_sub(known.at) < FRESH) {
            return Ok(Arc::clone(&known.account));
        }
        let settings = self.0.db.read(move |tx| ::resources::sms_settings(tx, workspace)).await?;
        let account = match known {
            // The count goes on while the limit stays.
            Some(known) if known.account.settings == settings => known.account,
            _ => {
                let rate = NonZeroU32::new(settings.requests_per_second).unwrap_or(NonZeroU32::MIN);
                Arc::new(SubAccount { settings, quota: Quota::per_second(rate, context.clone()) })
            }
        };
        let known = Known { account: Arc::clone(&account), at: now };
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner).insert(workspace, known);
        Ok(account)
    }

    fn known(&self, workspace: WorkspaceId) -> Option<Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner).get(&workspace).cloned()
    }
}

impl std::fmt::Debug for SubAccounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SubAccounts(…)")
    }
}

impl SubAccount {
    /// What decides about a message of a caller.
    pub(super) fn rules(&self, guard: &InWorkspace<cap::MessagesSend>, now: base::Timestamp) -> Rules {
        Rules {
            now,
            truncate: self.settings.truncate_long_texts,
            may_alert: guard.also::<cap::MessagesAlert>().is_some(),
        }
    }
}
