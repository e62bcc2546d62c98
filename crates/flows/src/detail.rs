//! One flow as people read it: its steps at a version, and the versions there are.

use std::sync::Arc;

use access::{Permit, cap};
use base::{FlowId, Timestamp};

use crate::document::{Definition, Document};
use crate::error::Error;
use crate::flows::Flows;
use crate::rows;
use crate::types::FlowRow;

/// Versions that are listed at most, newest first.
pub const VERSIONS_MAX: u32 = 100;

/// One version of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowVersion {
    /// Its number, from 1.
    pub version: i64,
    /// Since when.
    pub created: Timestamp,
}

/// A flow at one of its versions.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowDetail {
    /// The flow as it is now.
    pub row: FlowRow,
    /// Whether it was removed: then no run begins any more, and old ones can still be read.
    pub removed: bool,
    /// The version that [`Self::definition`] and [`Self::document`] are of.
    pub version: i64,
    /// As people wrote it.
    pub definition: Definition,
    /// As it runs.
    pub document: Arc<Document>,
    /// The versions there are, newest first.
    pub versions: Vec<FlowVersion>,
}

impl Flows {
    /// A flow of the permit's workspace at `version`, or at its newest. `None` when there is no such flow or version here.
    pub async fn get(
        &self,
        permit: &Permit<cap::FlowsRead>,
        id: FlowId,
        version: Option<i64>,
    ) -> Result<Option<FlowDetail>, Error> {
        let (workspace, this) = (permit.workspace(), self.clone());
        self.0
            .db
            .read(move |tx| {
                let Some((row, removed)) = rows::flow(tx, workspace, id)? else { return Ok(None) };
                let versions = rows::versions(tx, id, VERSIONS_MAX)?;
                let version = version.unwrap_or(row.version);
                let Some(definition) = rows::definition(tx, id, version)? else { return Ok(None) };
                let document = this.cached_or_read(tx, id, version)?;
                Ok(Some(FlowDetail { row, removed, version, definition, document, versions }))
            })
            .await
    }
}
