//! What a route means, in words and schemas, and the OpenAPI document that is made of it.
//!
//! A route carries a [`Doc`] beside its handler. Everything that the route itself knows (its right, its limits, its media
//! types, how the caller proves itself, which failures follow from all that) is not written there but derived, so the
//! document says what is checked.

mod document;
mod failures;
mod schema;
mod served;

use std::sync::Arc;

use axum::http::StatusCode;
use base::Problem;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

pub(crate) use document::is_unsafe;
pub use document::{Document, Overview};
pub use failures::Shape;
pub use schema::Schema;
pub(crate) use served::{alive, figures, ready, routes, security_txt};

use crate::read::parse_json;

/// The documentation of one route: what is not to be seen from its declaration.
#[derive(Clone, Debug)]
pub struct Doc {
    pub(crate) operation: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) text: Option<&'static str>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) request: Option<Content>,
    pub(crate) answers: Vec<Given>,
    pub(crate) refusals: Vec<(StatusCode, &'static str)>,
    pub(crate) schemes: Vec<&'static Scheme>,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Path,
    Query,
    Header,
}

impl Place {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
        }
    }
}

/// One parameter.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) text: String,
    pub(crate) required: bool,
    pub(crate) schema: Schema,
    pub(crate) example: Option<Value>,
}

/// A body: its media type, its shape, an example of it.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) media: &'static str,
    pub(crate) schema: Schema,
    pub(crate) example: Value,
    pub(crate) required: bool,
    pub(crate) reads: Reads,
}

/// How the handler reads a body, for the test that the example is one it takes.
#[derive(Clone)]
pub(crate) struct Reads(Arc<Reader>);

type Reader = dyn Fn(&[u8]) -> Result<(), Problem> + Send + Sync;

impl std::fmt::Debug for Reads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("reads")
    }
}

/// One answer that is no failure.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) status: StatusCode,
    pub(crate) text: &'static str,
    pub(crate) content: Option<Content>,
}

/// A way of proving oneself that the door itself does not know, such as an integration's token.
#[derive(Debug)]
pub struct Scheme {
    /// Its name in the document.
    pub name: &'static str,
    /// The security scheme object as JSON.
    pub json: &'static str,
}

impl Doc {
    /// The documentation of an operation with an id that generated clients name it by, under a `tag`, with a `summary` of
    /// a few words.
    pub const fn new(operation: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self {
            operation,
            tag,
            summary,
            text: None,
            parameters: Vec::new(),
            request: None,
            answers: Vec::new(),
            refusals: Vec::new(),
            schemes: Vec::new(),
        }
    }

    /// What the reader should know besides.
    #[must_use]
    pub const fn text(mut self, text: &'static str) -> Self {
        self.text = Some(text);
        self
    }

    /// A part of the path: what it is, and one that could stand there. The workspace needs none.
    #[must_use]
    pub fn path(mut self, name: &str, text: &str, example: &str) -> Self {
        self.parameters.push(Parameter {
            name: name.to_owned(),
            place: Place::Path,
            text: text.to_owned(),
            required: true,
            schema: Schema::text(),
            example: Some(example.into()),
        });
        self
    }

    /// The query parameters: the fields of `T`, as the handler reads them.
    #[must_use]
    pub fn query<T: ToSchema>(mut self) -> Self {
        self.parameters.extend(Schema::of::<T>().into_parameters());
        self
    }

    /// A JSON body that the handler reads as `T`, with an example.
    #[must_use]
    pub fn reads<T: ToSchema + DeserializeOwned>(self, example: Value) -> Self {
        self.reads_by::<T>(example, |bytes| parse_json::<T>(bytes).map(drop))
    }

    /// The same for a handler that reads the body in its own way.
    #[must_use]
    pub fn reads_by<T: ToSchema>(
        mut self,
        example: Value,
        reads: impl Fn(&[u8]) -> Result<(), Problem> + Send + Sync + 'static,
    ) -> Self {
        let (media, schema, reads) = ("application/json", Schema::of::<T>(), Reads(Arc::new(reads)));
        self.request = Some(Content { media, schema, example, required: true, reads });
        self
    }

    /// A form that the handler reads, with an example of its fields.
    #[must_use]
    pub fn reads_form<T: ToSchema + DeserializeOwned>(mut self, example: Value) -> Self {
        let reads = Reads(Arc::new(|bytes: &[u8]| parse_json::<T>(bytes).map(drop)));
        let (media, schema) = ("application/x-www-form-urlencoded", Schema::of::<T>());
        self.request = Some(Content { media, schema, example, required: true, reads });
        self
    }

    /// The body declared last may be left out.
    #[must_use]
    pub fn or_nothing(mut self) -> Self {
        if let Some(request) = &mut self.request {
            request.required = false;
        }
        self
    }

    /// An answer in JSON, with an example.
    #[must_use]
    pub fn answers<T: ToSchema>(self, status: StatusCode, text: &'static str, example: Value) -> Self {
        self.given(status, text, "application/json", Schema::of::<T>(), example)
    }

    /// An answer that is a list of `T` in the envelope that every list has. `paged` lists come in pages and take `limit`
    /// and `cursor`.
    #[must_use]
    pub fn lists<T: ToSchema>(mut self, text: &'static str, paged: bool, example: Value) -> Self {
        if paged {
            self.parameters.extend(schema::paging());
        }
        self.given(StatusCode::OK, text, "application/json", Schema::list_of::<T>(), example)
    }

    /// An answer that is no JSON.
    #[must_use]
    pub fn answers_with(self, status: StatusCode, text: &'static str, media: &'static str, example: &str) -> Self {
        self.given(status, text, media, Schema::text(), example.into())
    }

    /// An answer without a body.
    #[must_use]
    pub fn answers_nothing(mut self, status: StatusCode, text: &'static str) -> Self {
        self.answers.push(Given { status, text, content: None });
        self
    }

    /// A failure that does not follow from the route itself.
    #[must_use]
    pub fn refuses(mut self, status: StatusCode, when: &'static str) -> Self {
        self.refusals.push((status, when));
        self
    }

    /// Ways of proving oneself that the handler looks at, in place of the door's.
    #[must_use]
    pub fn proven_by(mut self, schemes: &[&'static Scheme]) -> Self {
        self.schemes = schemes.to_vec();
        self
    }

    /// The example of the body, and whether the handler would read it: for tests.
    pub fn request_example(&self) -> Option<(&Value, Result<(), Problem>)> {
        let request = self.request.as_ref()?;
        let bytes = serde_json::to_vec(&request.example).unwrap_or_default();
        Some((&request.example, (request.reads.0)(&bytes)))
    }

    fn given(
        mut self,
        status: StatusCode,
        text: &'static str,
        media: &'static str,
        schema: Schema,
        example: Value,
    ) -> Self {
        let reads = Reads(Arc::new(|_| Ok(())));
        let content = Content { media, schema, example, required: true, reads };
        self.answers.push(Given { status, text, content: Some(content) });
        self
    }
}

impl PartialEq for Doc {
    /// Operations are known by their ids.
    fn eq(&self, other: &Self) -> bool {
        self.operation == other.operation
    }
}

impl Eq for Doc {}
