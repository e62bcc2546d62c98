//! What the kinds and the room share: the keys, the way out, and who listens.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use base::WorkspaceId;
use outbound::Guarded;
use tokio::sync::Notify;
use vault::Vault;

/// Who listens to callbacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listening {
    /// A webhook of the whole account is enabled.
    pub(crate) everybody: bool,
    /// Workspaces with an enabled webhook of their own.
    pub(crate) workspaces: HashSet<WorkspaceId>,
}

/// The shared part.
#[derive(Default)]
pub(crate) struct Shared {
    vault: Option<Vault>,
    guarded: OnceLock<Guarded>,
    listening: ArcSwap<Listening>,
    /// There may be something to hand over.
    pub(crate) wake: Notify,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared(…)")
    }
}

impl Shared {
    pub(crate) fn new(vault: Option<Vault>) -> Arc<Self> {
        Arc::new(Self { vault, ..Self::default() })
    }

    pub(crate) fn vault(&self) -> Option<&Vault> {
        self.vault.as_ref()
    }

    pub(crate) fn guarded(&self) -> Option<&Guarded> {
        self.guarded.get()
    }

    pub(crate) fn set_guarded(&self, guarded: Guarded) {
        // Said once, by the composition, before anything is sent.
        let _ = self.guarded.set(guarded);
    }

    pub(crate) fn heard(&self, listening: Listening) {
        self.listening.store(Arc::new(listening));
        self.wake.notify_one();
    }

    pub(crate) fn listens(&self, workspace: WorkspaceId) -> bool {
        let listening = self.listening.load();
        listening.everybody || listening.workspaces.contains(&workspace)
    }
}

impl Shared {
    /// Who listens, as this process knows it.
    pub(crate) fn listening(&self) -> Arc<Listening> {
        self.listening.load_full()
    }

    /// What the database said, unless this process knows something newer than `before`.
    pub(crate) fn heard_elsewhere(&self, before: &Arc<Listening>, listening: Listening) {
        if **before != listening {
            self.listening.compare_and_swap(before, Arc::new(listening));
        }
    }
}
