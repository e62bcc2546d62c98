//! What a step asks the sandbox, and how the answer is read.

use sandbox::{Error as SandboxError, Mode, Piece, Rows};
use serde_json::Value as Json;

use crate::document::Action;

/// The pieces of a step, in the order in which [`Progress::take`] reads them.
pub(crate) fn pieces(action: &Action) -> Vec<Piece> {
    let text = |source: &String| Piece::new(Mode::Template, source.clone());
    match action {
        Action::Trigger { .. } => Vec::new(),
        Action::Condition { test, .. } => vec![Piece::new(Mode::Condition, test.clone())],
        Action::Set { values, .. } => values.values().map(|source| Piece::new(Mode::Value, source.clone())).collect(),
        Action::CreateAlert(create) => [
            Some(&create.title),
            create.text.as_ref(),
            create.sms.as_ref(),
            create.priority.as_ref(),
            create.key.as_ref(),
            create.group.as_ref(),
            create.link.as_ref(),
            create.expires_in.as_ref(),
        ]
        .into_iter()
        .flatten()
        .map(text)
        .collect(),
        Action::ResolveAlert { key, note, .. } => [Some(key), note.as_ref()].into_iter().flatten().map(text).collect(),
    }
}

/// What the sandbox made, piece by piece; when it made nothing at all, each piece says why.
pub(crate) struct Made {
    row: std::vec::IntoIter<Result<Json, sandbox::Failure>>,
    nothing: Option<String>,
}

impl Made {
    pub(crate) fn new(outcome: Result<Rows, SandboxError>) -> Self {
        match outcome {
            Ok(mut rows) if !rows.rows.is_empty() => Self { row: rows.rows.swap_remove(0).into_iter(), nothing: None },
            Ok(_) => Self { row: Vec::new().into_iter(), nothing: Some("the sandbox gave nothing".to_owned()) },
            Err(error) => Self { row: Vec::new().into_iter(), nothing: Some(error.to_string()) },
        }
    }

    pub(crate) fn value(&mut self) -> Result<Json, String> {
        match (&self.nothing, self.row.next()) {
            (Some(why), _) => Err(why.clone()),
            (None, Some(Ok(value))) => Ok(value),
            (None, Some(Err(failure))) => Err(failure.to_string()),
            (None, None) => Err("the sandbox gave nothing".to_owned()),
        }
    }

    pub(crate) fn text(&mut self) -> Result<String, String> {
        match self.value()? {
            Json::String(text) => Ok(text),
            other => Ok(other.to_string()),
        }
    }
}

/// What a step says about itself while it replaces what it cannot make.
#[derive(Default)]
pub(crate) struct Said(pub Vec<String>);

impl Said {
    pub(crate) fn instead<T>(&mut self, line: &str, value: T) -> T {
        self.0.push(line.to_owned());
        value
    }
}
