//! The kind `mappings` and its projection.

use access::Capability;
use resources::{Check, Class, Field, KindScope, Projection, Shape, TypedKind};
use store::{Tx, params};

use crate::body::{Media, parse};
use crate::mapping::{Mapping, built_in};
use crate::words::PRIORITIES;

/// The kind `mappings`.
#[derive(Clone, Copy, Debug, Default)]
pub struct MappingsKind;

const EVENT: &[Field] = &[
    Field::new("key", Class::Internal, Shape::Text).about("what tells this trouble from others of the integration"),
    Field::new("status", Class::Internal, Shape::Text).about("whether it is there or over"),
    Field::new("title", Class::Internal, Shape::Text).about("one line"),
    Field::new("text", Class::Internal, Shape::Text).about("what is known"),
    Field::new("priority", Class::Internal, Shape::Text).about("how urgent"),
    Field::new("group", Class::Internal, Shape::Text).about("the group that the sender names"),
    Field::new("link", Class::Internal, Shape::Text).about("where to read on"),
    Field::new("fields", Class::Internal, Shape::Any)
        .about("everything else: templates by name, or one that gives an object"),
];

impl TypedKind for MappingsKind {
    type Body = Mapping;
    const NAME: &'static str = "mappings";
    const SCOPE: KindScope = KindScope::Workspace;
    const CAPABILITY: Capability = Capability::IntegrationsWrite;
    const FIELDS: &'static [Field] = &[
        Field::new("name", Class::Internal, Shape::Text).required().about("what integrations call it"),
        Field::new("description", Class::Internal, Shape::Text).about("what sends such signals"),
        Field::new("each", Class::Internal, Shape::Text)
            .about("the expression that gives the list of events, each seen as item"),
        Field::new("event", Class::Internal, Shape::Object(EVENT))
            .required()
            .about("what an event is made of: templates"),
        Field::new("words", Class::Internal, Shape::Map(&Shape::List(&Shape::Text)))
            .about("further words for firing, resolved and the priorities"),
        Field::new("default_priority", Class::Internal, Shape::Choice(&PRIORITIES))
            .about("the priority of an event that says none; medium when left out"),
        Field::new("unwrap", Class::Internal, Shape::Boolean)
            .about("whether payload is the inside of an XML document's root element"),
        Field::new("sample", Class::Internal, Shape::Any)
            .about("what such a sender sends, for the test button: an object, or a text (JSON, XML or a form)"),
    ];

    fn key(&self, body: &Mapping) -> String {
        body.name.clone()
    }

    fn validate(&self, body: &Mapping, check: &mut Check<'_, '_>) -> Result<(), resources::Error> {
        if built_in(&body.name).is_some() {
            let detail = format!("`{}` comes with the product. Give this mapping another name.", body.name);
            check.problem("name", "built-in-mapping", detail);
        }
        for (path, code, detail) in body.mistakes() {
            check.problem(path, code, detail);
        }
        let sample = body.sample();
        let media = Media::of(Some(&sample.content_type)).unwrap_or(Media::Json);
        if let Err(error) = parse(media, sample.body.as_bytes()) {
            check.problem("sample", "bad-sample", format!("The sample could not be sent: {}", error.detail));
        }
        Ok(())
    }

    fn validate_delete(&self, body: &Mapping, check: &mut Check<'_, '_>) -> Result<(), resources::Error> {
        let workspace = check.workspace();
        let user = check.tx().query_opt(
            "SELECT name FROM integrations WHERE workspace = $1 AND mapping = $2 AND removed = FALSE ORDER BY name LIMIT 1",
            &params![workspace, &body.name],
            |row| row.get::<String>("name"),
        )?;
        if let Some(user) = user {
            check.problem(
                "",
                "mapping-in-use",
                format!("The integration `{user}` uses this mapping. Give it another one first."),
            );
        }
        Ok(())
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, Mapping>) -> Result<(), resources::Error> {
        let Some(mapping) = change.new else {
            tx.execute("DELETE FROM mappings WHERE id = $1", &params![change.resource])?;
            return Ok(());
        };
        let document = serde_json::to_string(mapping).map_err(|error| resources::Error::Body(Box::new(error)))?;
        tx.execute(
            "INSERT INTO mappings (id, workspace, name, document, version, changed) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, document = excluded.document,
                 version = excluded.version, changed = excluded.changed",
            &params![change.resource, change.workspace, &mapping.name, document, change.version, change.now],
        )?;
        Ok(())
    }
}
