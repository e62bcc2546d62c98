//! From a draft to a body that can be stored: shape, secrets, references, defaults. Collects problems and
//! changes nothing.

use std::collections::HashMap;

use base::{ExposeSecret, Problem, ProblemKind, ResourceId, SecretString, WorkspaceId, nearest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use store::Tx;
use vault::{Aad, Purpose};

use crate::change::{Drawn, Stored};
use crate::field::{Draw, Keep, Shape};
use crate::kind::{Kind, KindScope, Reference, References};
use crate::secret::{Draft, Given, Opened, Secrets};
use crate::shape::{at, printable, secret_fields, set, shape, tidy};
use crate::writer::Resources;
use crate::{Error, Json, fold, rows};

/// Characters of a secret at most.
const MAX_SECRET: usize = 16_384;

/// Entries of a file that are not stored yet, so that others of the file can refer to them.
#[derive(Debug, Default)]
pub(crate) struct Pending(HashMap<(&'static str, Option<WorkspaceId>, String), ResourceId>);

impl Pending {
    pub(crate) fn insert(&mut self, kind: &'static str, workspace: Option<WorkspaceId>, key: &str, id: ResourceId) {
        self.0.insert((kind, workspace, fold(key)), id);
    }

    pub(crate) fn get(&self, kind: &'static str, workspace: Option<WorkspaceId>, key: &str) -> Option<ResourceId> {
        self.0.get(&(kind, workspace, fold(key))).copied()
    }
}

/// An entry that is ready to be validated by its kind and written.
pub(crate) struct Prepared {
    pub id: ResourceId,
    pub workspace: Option<WorkspaceId>,
    pub key: String,
    pub body: Json,
    pub old: Option<Stored>,
    pub secrets: Secrets,
    pub references: References,
    pub drawn: Vec<Drawn>,
    /// What is wrong so far.
    pub problems: Vec<Problem>,
}

impl Resources {
    /// Prepares an entry. Fails at once only when the draft is so wrong that it has no key.
    pub(crate) fn prepare(
        &self,
        tx: &mut Tx<'_>,
        kind: &dyn Kind,
        workspace: Option<WorkspaceId>,
        draft: &Draft,
        pending: &Pending,
    ) -> Result<Prepared, Error> {
        let shaped = shape(kind.fields(), &draft.body);
        let key = match key_of(kind, &shaped.body) {
            Ok(key) => key,
            Err(_) if !shaped.problems.is_empty() => return Err(Error::Invalid(shaped.problems)),
            Err(error) => return Err(error),
        };
        let old = rows::find(tx, kind.name(), workspace, &key)?;
        let id = match &old {
            Some(old) => old.id,
            None => pending.get(kind.name(), workspace, &key).unwrap_or_else(|| tx.context().id()),
        };
        let mut out = Prepared {
            id,
            workspace,
            key,
            body: shaped.body,
            old,
            secrets: Secrets::default(),
            references: References::default(),
            drawn: Vec::new(),
            problems: shaped.problems,
        };
        self.secrets(tx, kind, draft, &mut out)?;
        for reference in shaped.references {
            let target = self.registry.require(reference.kind)?;
            let place = if target.scope() == KindScope::Organisation { None } else { workspace };
            let found = match pending.get(target.name(), place, &reference.key) {
                Some(id) => Some(id),
                None => rows::find(tx, target.name(), place, &reference.key)?.map(|stored| stored.id),
            };
            let Some(id) = found else {
                let keys = rows::keys(tx, target.name(), place)?;
                let words = reference.words.iter().copied();
                let hint = match nearest(&reference.key, words.chain(keys.iter().map(String::as_str))) {
                    near if !reference.words.is_empty() => {
                        let all = reference.words.join(", ");
                        format!("one of {all} or of your own {} is expected; did you mean {near}?", target.name())
                    }
                    "" => format!("there are no {} yet; add it first", target.name()),
                    // People's addresses are not for everyone who may write a group.
                    near if near.contains('@') => {
                        format!("no such entry in {}; did you mean {}?", target.name(), base::mask_email(near))
                    }
                    near => format!("no such entry in {}; did you mean {near}?", target.name()),
                };
                out.problems.push(Problem::new(ProblemKind::Invalid, "no-such-reference", hint).at(reference.path));
                continue;
            };
            let key_folded = fold(&reference.key);
            out.references.push(Reference { kind: target.name(), key_folded, id, path: reference.path });
        }
        if out.problems.is_empty() {
            match kind.normalise(out.body.clone()) {
                Ok(body) => out.body = tidy(kind.fields(), &body),
                // The words of the type itself, such as a wrong role: they belong to the entry's author.
                Err(Error::Body(cause)) => out.problems.push(
                    Problem::new(
                        ProblemKind::Invalid,
                        "does-not-fit",
                        format!("does not fit: {}", printable(&cause.to_string())),
                    )
                    .at(""),
                ),
                Err(error) => return Err(error),
            }
        }
        Ok(out)
    }

    fn secrets(&self, tx: &mut Tx<'_>, kind: &dyn Kind, draft: &Draft, out: &mut Prepared) -> Result<(), Error> {
        let fields = secret_fields(kind.fields());
        for path in draft.secrets.keys() {
            if !fields.iter().any(|(known, _)| known == path) {
                out.problems.push(
                    Problem::new(ProblemKind::Invalid, "unknown-field", "is no secret field of this kind").at(path),
                );
            }
        }
        for (path, field) in fields {
            let Shape::Secret { keep, draw } = field.shape else { continue };
            let old_leaf = out.old.as_ref().and_then(|old| at(&old.body, &path)).cloned();
            let problem = |code: &'static str, detail: &'static str| {
                Problem::new(ProblemKind::Invalid, code, detail).at(path.clone())
            };
            let parent_absent = path.rsplit_once('.').is_some_and(|(parent, _)| at(&out.body, parent).is_none());
            let draw = draw.filter(|_| kind.draws(&out.body, &path));
            let (leaf, opened) = match (draft.secrets.get(&path), old_leaf, draw) {
                (Some(Given::Value(value)), old, _) => {
                    let length = value.expose_secret().len();
                    if length == 0 || length > MAX_SECRET {
                        out.problems.push(problem("secret-length", "a secret has 1 to 16384 bytes"));
                        continue;
                    }
                    self.given(tx, out.workspace, out.id, &path, keep, value, old)?
                }
                // A secret that we drew stays until another is given.
                (Some(Given::Unchanged), Some(leaf), _) | (None, Some(leaf), Some(_)) => {
                    let opened = self.open_secret(tx, out.workspace, out.id, &path, &leaf)?;
                    (leaf, opened)
                }
                (Some(Given::Unchanged), None, None) => {
                    out.problems.push(problem(
                        "nothing-stored",
                        "nothing is stored here that could stay unchanged; give {file: PATH} or {env: NAME}",
                    ));
                    continue;
                }
                (Some(Given::Draw), _, None) => {
                    out.problems.push(problem("not-drawn", "we draw nothing here; give {file: PATH} or {env: NAME}"));
                    continue;
                }
                (None, None, Some(_)) if parent_absent => continue,
                (Some(Given::Draw), old, Some(what)) | (_, old @ None, Some(what)) => {
                    let secret = match what {
                        Draw::Token(kind) => crypto::token::mint(kind, tx.context().chance()),
                        Draw::Webhook => crypto::webhook::mint(tx.context().chance()),
                        Draw::Smpp34Password => crypto::token::mint_smpp34_password(tx.context().chance()),
                    };
                    let mut made = self.given(tx, out.workspace, out.id, &path, keep, &secret, old)?;
                    made.1.drawn = true;
                    out.drawn.push(Drawn {
                        kind: kind.name(),
                        workspace: None,
                        key: out.key.clone(),
                        field: path.clone(),
                        secret,
                    });
                    made
                }
                (None, _, None) => {
                    if field.required && !parent_absent {
                        out.problems.push(problem(
                            "missing-field",
                            "is missing; a secret is given as {file: PATH} or {env: NAME}",
                        ));
                    }
                    continue;
                }
            };
            set(&mut out.body, &path, leaf);
            out.secrets.insert(path, opened);
        }
        Ok(())
    }

    /// A given secret as a leaf: the old leaf when it is the same secret, so that applying twice changes nothing.
    #[expect(clippy::too_many_arguments, reason = "one secret of one entry, in full")]
    fn given(
        &self,
        tx: &mut Tx<'_>,
        workspace: Option<WorkspaceId>,
        id: ResourceId,
        path: &str,
        keep: Keep,
        value: &SecretString,
        old: Option<Json>,
    ) -> Result<(Json, Opened), Error> {
        let old_opened = match &old {
            Some(leaf) => Some(self.open_secret(tx, workspace, id, path, leaf)?),
            None => None,
        };
        let mut opened = Opened { value: Some(value.clone()), changed: true, ..Opened::default() };
        let leaf = match keep {
            Keep::Hashed => {
                let hash = self.vault.token_hash(value.expose_secret());
                opened.hash = Some(hash);
                let same = old_opened.and_then(|old| old.hash).is_some_and(|old| crypto::constant_time_eq(&old, &hash));
                opened.changed = !same;
                match old {
                    Some(old) if same => old,
                    _ => serde_json::json!({ "hash": BASE64.encode(hash) }),
                }
            }
            Keep::Sealed => {
                let same = old_opened.and_then(|old| old.value).is_some_and(|old| {
                    crypto::constant_time_eq(old.expose_secret().as_bytes(), value.expose_secret().as_bytes())
                });
                opened.changed = !same;
                match old {
                    Some(old) if same => old,
                    _ => {
                        let at = tx.now();
                        let key = self.vault.data_key(tx, workspace, Purpose::Configuration, at)?;
                        let row = place(id, path);
                        let sealed = key.seal(tx.context().chance(), &aad(&row), value.expose_secret().as_bytes());
                        serde_json::json!({ "sealed": sealed })
                    }
                }
            }
        };
        Ok((leaf, opened))
    }

    /// Opens a stored leaf.
    fn open_secret(
        &self,
        tx: &mut Tx<'_>,
        workspace: Option<WorkspaceId>,
        id: ResourceId,
        path: &str,
        leaf: &Json,
    ) -> Result<Opened, Error> {
        let mut opened = Opened::default();
        if let Some(sealed) = leaf.get("sealed").and_then(Json::as_str) {
            let plain = self.vault.open(tx, workspace, &aad(&place(id, path)), sealed)?;
            opened.value = Some(SecretString::from(String::from_utf8_lossy(&plain).as_ref()));
        }
        if let Some(hash) = leaf.get("hash").and_then(Json::as_str) {
            opened.hash = BASE64.decode(hash).ok().and_then(|bytes| bytes.try_into().ok());
        }
        Ok(opened)
    }
}

/// A cell copied to another resource or field does not open.
pub(crate) fn aad(row: &str) -> Aad<'_> {
    Aad { table: "resources", column: "body", row }
}

/// A leaf's place: the resource and the path in its body.
pub(crate) fn place(id: ResourceId, path: &str) -> String {
    format!("{id}/{path}")
}

/// The natural key of a body, checked for what every key must be.
pub(crate) fn key_of(kind: &dyn Kind, body: &Json) -> Result<String, Error> {
    let key = kind.key(body)?;
    let fits = !key.is_empty()
        && key.chars().count() <= 200
        && key.trim() == key
        && !key.contains('/')
        && !key.chars().any(char::is_control);
    if fits {
        Ok(key)
    } else {
        Err(Error::invalid(
            "",
            "bad-name",
            "a name has 1 to 200 characters, no slash, no line break, and no space at its ends",
        ))
    }
}
