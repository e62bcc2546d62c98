//! A file of resources on its way: YAML text → [`Parsed`] (secrets named by file or variable) → [`Document`]
//! (secrets resolved, by whoever read the file) → the wire (JSON that marks secrets) → a [`Document`] again.
//!
//! A server never resolves `{file: …}` or `{env: …}`: they would name its own files and variables. And a plain
//! text in a secret field is refused at every door.

use std::fmt;

use base::{ExposeSecret, Problem, ProblemKind, SecretString, nearest};
use serde_json::Map;
use zeroize::Zeroizing;

use crate::field::Field;
use crate::kind::{Kind, KindScope};
use crate::secret::{Draft, Given};
use crate::shape::{printable, secret_fields, set, shape, take};
use crate::{Error, Json, Registry, read};

/// Where a file's secrets come from: the machine on which the file was written.
pub trait SecretSource {
    /// The secret in the file at `path`, without a trailing line break.
    fn file(&self, path: &str) -> Result<SecretString, SourceError>;
    /// The secret in the environment variable `name`.
    fn env(&self, name: &str) -> Result<SecretString, SourceError>;
}

/// Why a secret could not be had, with the remedy, without the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// Where one secret is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    File(String),
    Env(String),
    Unchanged,
}

/// A list of one kind with its entries.
#[derive(Clone, Debug)]
pub(crate) struct List<S> {
    pub kind: &'static str,
    pub entries: Vec<Entry<S>>,
}

/// One entry of a list.
#[derive(Clone)]
pub(crate) struct Entry<S> {
    /// Where in the file: `groups[2]`.
    pub path: String,
    /// The slug of the workspace, for kinds of a workspace.
    pub workspace: Option<String>,
    /// The plain fields.
    pub body: Json,
    /// The secrets by path.
    pub secrets: Vec<(String, S)>,
}

impl<S> fmt::Debug for Entry<S> {
    /// Without the body: it may hold personal values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A file that was read; its secrets are only named.
#[derive(Clone, Debug)]
pub struct Parsed {
    lists: Vec<List<Named>>,
}

/// Resources to apply, with their secrets. `Debug` shows none.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) lists: Vec<List<Given>>,
}

impl Parsed {
    /// Reads a YAML file. All its problems are reported at once, each with its path.
    pub fn yaml(text: &str, registry: &Registry) -> Result<Self, Error> {
        let lists = lists(&read::yaml(text)?, registry, &|value| match marker(value) {
            Some(("file", Json::String(path))) if !path.is_empty() => Ok(Named::File(path.clone())),
            Some(("env", Json::String(name))) if !name.is_empty() => Ok(Named::Env(name.clone())),
            Some(("unchanged", Json::Bool(true))) => Ok(Named::Unchanged),
            _ => Err("a secret is given as {file: PATH} or {env: NAME}, never as the value itself"),
        })?;
        Ok(Self { lists })
    }

    /// Fetches the secrets from `source`. All that are missing are reported at once.
    pub fn resolve(self, source: &dyn SecretSource) -> Result<Document, Error> {
        let mut problems = Vec::new();
        let mut lists = Vec::with_capacity(self.lists.len());
        for list in self.lists {
            let mut entries = Vec::with_capacity(list.entries.len());
            for entry in list.entries {
                let mut secrets = Vec::with_capacity(entry.secrets.len());
                for (path, named) in entry.secrets {
                    let found = match &named {
                        Named::File(file) => source.file(file).map(Given::Value),
                        Named::Env(name) => source.env(name).map(Given::Value),
                        Named::Unchanged => Ok(Given::Unchanged),
                    };
                    match found {
                        Ok(given) => secrets.push((path, given)),
                        Err(error) => problems.push(
                            Problem::new(ProblemKind::Invalid, "secret-not-found", error.0)
                                .at(format!("{}.{path}", entry.path)),
                        ),
                    }
                }
                entries.push(Entry { path: entry.path, workspace: entry.workspace, body: entry.body, secrets });
            }
            lists.push(List { kind: list.kind, entries });
        }
        if problems.is_empty() { Ok(Document { lists }) } else { Err(Error::Invalid(problems)) }
    }
}

impl Document {
    /// The document as it is posted to a server: JSON in which a secret is `{"value": …}`.
    pub fn to_wire(&self) -> Zeroizing<String> {
        let mut top = Map::new();
        for list in &self.lists {
            let entries = list.entries.iter().map(|entry| {
                let mut body = entry.body.clone();
                for (path, given) in &entry.secrets {
                    let marked = match given {
                        Given::Value(value) => serde_json::json!({ "value": value.expose_secret() }),
                        Given::Unchanged => serde_json::json!({ "unchanged": true }),
                        Given::Draw => serde_json::json!({ "draw": true }),
                    };
                    set(&mut body, path, marked);
                }
                if let Some(workspace) = &entry.workspace {
                    set(&mut body, "workspace", Json::String(workspace.clone()));
                }
                body
            });
            top.insert(list.kind.to_owned(), Json::Array(entries.collect()));
        }
        Zeroizing::new(Json::Object(top).to_string())
    }

    /// Reads what [`Self::to_wire`] wrote. `{file: …}` and `{env: …}` are refused: they belong to the other side.
    pub fn from_wire(bytes: &[u8], registry: &Registry) -> Result<Self, Error> {
        Ok(Self { lists: lists(&read::json(bytes)?, registry, &sent)? })
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.lists.iter().map(|list| list.entries.len()).sum()
    }

    /// Whether it has no list at all.
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }
}

impl Draft {
    /// A draft from an entry as it comes over the wire (`workspace` apart): secrets are `{"value": …}`,
    /// `{"unchanged": true}` or `{"draw": true}` for a newly drawn one. For the API's single-entry doors.
    pub fn from_wire(kind: &dyn Kind, mut body: Json) -> Result<Self, Error> {
        let mut draft = Self::default();
        let mut problems = Vec::new();
        for (path, _) in secret_fields(kind.fields()) {
            match take(&mut body, &path) {
                None | Some(Json::Null) => {}
                Some(value) => match sent(&value) {
                    Ok(given) => {
                        draft.secrets.insert(path, given);
                    }
                    Err(detail) => {
                        problems.push(Problem::new(ProblemKind::Invalid, "secret-in-clear", detail).at(path));
                    }
                },
            }
        }
        draft.body = body;
        if problems.is_empty() { Ok(draft) } else { Err(Error::Invalid(problems)) }
    }
}

/// How a secret field is read: what it says, or what is wrong with it.
type ReadSecret<'a, S> = dyn Fn(&Json) -> Result<S, &'static str> + 'a;

/// A secret as it comes over the wire.
fn sent(value: &Json) -> Result<Given, &'static str> {
    match marker(value) {
        Some(("value", Json::String(secret))) if !secret.is_empty() => {
            Ok(Given::Value(SecretString::from(secret.as_str())))
        }
        Some(("unchanged", Json::Bool(true))) => Ok(Given::Unchanged),
        Some(("draw", Json::Bool(true))) => Ok(Given::Draw),
        Some(("file" | "env", _)) => {
            Err("files and variables are read where the file was written; send {\"value\": …} instead")
        }
        _ => Err("a secret is sent as {\"value\": …} or {\"unchanged\": true}, never as a plain text"),
    }
}

/// The one name and value of a marker such as `{file: x}`.
fn marker(value: &Json) -> Option<(&str, &Json)> {
    let map = value.as_object()?;
    let (name, inner) = map.iter().next()?;
    (map.len() == 1).then_some((name.as_str(), inner))
}

/// Splits a file into lists and entries, and checks every entry against its kind's fields.
fn lists<S>(top: &Json, registry: &Registry, secret: &ReadSecret<'_, S>) -> Result<Vec<List<S>>, Error> {
    let empty = Map::new();
    let top = match top {
        Json::Object(map) => map,
        Json::Null => &empty,
        _ => {
            return Err(Error::invalid(
                "",
                "not-resources",
                "a file of resources has lists such as groups: at its top",
            ));
        }
    };
    let mut problems = Vec::new();
    let mut out: Vec<List<S>> = Vec::new();
    for (name, value) in top {
        let Some(kind) = registry.get(name) else {
            problems.push(
                Problem::new(
                    ProblemKind::Invalid,
                    "unknown-kind",
                    format!("unknown kind of resource; did you mean {}?", registry.nearest(name)),
                )
                .at(printable(name)),
            );
            continue;
        };
        let none = Vec::new();
        let entries = match value {
            Json::Array(entries) => entries,
            Json::Null => &none,
            _ => {
                problems.push(
                    Problem::new(
                        ProblemKind::Invalid,
                        "wrong-type",
                        "a list is expected here; start each entry with -",
                    )
                    .at(name.clone()),
                );
                continue;
            }
        };
        let mut list = List { kind: kind.name(), entries: Vec::with_capacity(entries.len()) };
        for (at, value) in entries.iter().enumerate() {
            list.entries.push(entry(kind, format!("{name}[{at}]"), value, secret, &mut problems));
        }
        out.push(list);
    }
    if problems.is_empty() { Ok(out) } else { Err(Error::Invalid(problems)) }
}

fn entry<S>(
    kind: &dyn Kind,
    path: String,
    value: &Json,
    secret: &ReadSecret<'_, S>,
    problems: &mut Vec<Problem>,
) -> Entry<S> {
    let mut body = value.clone();
    let mut workspace = None;
    if kind.scope() == KindScope::Workspace && body.is_object() {
        match take(&mut body, "workspace") {
            Some(Json::String(slug)) if !slug.is_empty() => workspace = Some(slug),
            other => problems.push(missing_workspace(kind.fields(), &path, other.as_ref(), value)),
        }
    }
    let mut secrets = Vec::new();
    for (at, _) in secret_fields(kind.fields()) {
        if let Some(value) = take(&mut body, &at).filter(|value| !value.is_null()) {
            match secret(&value) {
                Ok(given) => secrets.push((at, given)),
                Err(detail) => problems
                    .push(Problem::new(ProblemKind::Invalid, "secret-in-clear", detail).at(format!("{path}.{at}"))),
            }
        }
    }
    let checked = shape(kind.fields(), &body);
    problems.extend(checked.problems.into_iter().map(|problem| under(&path, problem)));
    Entry { path, workspace, body, secrets }
}

fn missing_workspace(fields: &'static [Field], path: &str, given: Option<&Json>, value: &Json) -> Problem {
    // A mistyped `workspace` should be named as such and not only as missing.
    let mistyped = value.as_object().into_iter().flat_map(Map::keys).find(|name| {
        !fields.iter().any(|field| field.name == name.as_str())
            && nearest(name, fields.iter().map(|field| field.name).chain(["workspace"])) == "workspace"
    });
    let detail = match (given, mistyped) {
        (Some(_), _) => "the slug of a workspace is expected here, as a text",
        (None, Some(_)) => "is missing; an unknown field of this entry looks like it",
        (None, None) => "is missing: the slug of the workspace that this entry belongs to",
    };
    Problem::new(ProblemKind::Invalid, "missing-field", detail).at(format!("{path}.workspace"))
}

/// The same problem, under the path of its entry.
pub(crate) fn under(path: &str, mut problem: Problem) -> Problem {
    if path.is_empty() {
        return problem;
    }
    problem.field = Some(match problem.field {
        Some(field) if field.starts_with('[') => format!("{path}{field}"),
        Some(field) if !field.is_empty() => format!("{path}.{field}"),
        _ => path.to_owned(),
    });
    problem
}
