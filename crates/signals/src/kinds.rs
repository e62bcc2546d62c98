//! The kinds of this room.

use resources::{Kind, typed};
use vault::Vault;

pub(crate) use crate::integrations_kind::field_of;
pub use crate::integrations_kind::{IntegrationBody, IntegrationsKind, kind_of};
pub use crate::mappings_kind::MappingsKind;

/// The kinds of this room, for the registry: mappings first, because integrations name them. Without a vault they can
/// check files and store nothing.
pub fn kinds(vault: Option<Vault>) -> Vec<Box<dyn Kind>> {
    vec![typed(MappingsKind), typed(IntegrationsKind::new(vault))]
}
