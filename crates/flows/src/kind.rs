//! The kind `flows` and its projection: the newest version for lists, and every version for the runs that began under it.

use access::Capability;
use base::FlowId;
use resources::{Check, Class, Field, Kind, KindScope, Projection, Shape, TypedKind, typed};
use store::{Tx, params};

use crate::document::{Definition, read};

/// The kinds of this room, for the registry.
pub fn kinds() -> Vec<Box<dyn Kind>> {
    vec![typed(FlowsKind)]
}

/// The kind `flows`.
#[derive(Clone, Copy, Debug, Default)]
pub struct FlowsKind;

impl TypedKind for FlowsKind {
    type Body = Definition;
    const NAME: &'static str = "flows";
    const SCOPE: KindScope = KindScope::Workspace;
    const CAPABILITY: Capability = Capability::FlowsWrite;
    const FIELDS: &'static [Field] = &[
        Field::new("name", Class::Internal, Shape::Text).required().about("what integrations call it"),
        Field::new("description", Class::Internal, Shape::Text).about("what it is for"),
        Field::new("group", Class::Internal, Shape::Reference("groups"))
            .required()
            .about("the group that is paged when a step cannot say which, or cannot be carried out"),
        Field::new("priority", Class::Internal, Shape::Choice(&["critical", "high", "medium", "low", "info"]))
            .about("how urgent an alert is when neither its step nor its event says so; high when left out"),
        Field::new("on_error", Class::Internal, Shape::Choice(&["alert", "fail"]))
            .about("what happens when a step cannot be carried out: open an alert with a fixed text (when left out), or only stop"),
        Field::new("steps", Class::Internal, Shape::List(&Shape::Any))
            .required()
            .about("the steps: trigger, condition, set, create_alert, resolve_alert"),
    ];

    fn key(&self, body: &Definition) -> String {
        body.name.clone()
    }

    fn validate(&self, body: &Definition, check: &mut Check<'_, '_>) -> Result<(), resources::Error> {
        for mistake in read(body).err().unwrap_or_default() {
            check.problem(mistake.path, mistake.code, mistake.detail);
        }
        Ok(())
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, Definition>) -> Result<(), resources::Error> {
        let id: FlowId = change.id();
        let Some(definition) = change.new else {
            tx.execute("UPDATE flows SET removed = TRUE, changed = $2 WHERE id = $1", &params![id, change.now])?;
            return Ok(());
        };
        let document = serde_json::to_string(definition).map_err(|error| resources::Error::Body(Box::new(error)))?;
        let steps = i64::try_from(definition.steps.len()).unwrap_or(i64::MAX);
        tx.execute(
            "INSERT INTO flows (id, workspace, name, description, version, steps, changed, removed)
             VALUES ($1, $2, $3, $4, $5, $6, $7, FALSE)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description,
                 version = excluded.version, steps = excluded.steps, changed = excluded.changed, removed = FALSE",
            &params![
                id,
                change.workspace,
                &definition.name,
                &definition.description,
                change.version,
                steps,
                change.now
            ],
        )?;
        tx.execute(
            "INSERT INTO flow_versions (flow, version, workspace, document, created) VALUES ($1, $2, $3, $4, $5)",
            &params![id, change.version, change.workspace, document, change.now],
        )?;
        Ok(())
    }
}
