//! All kinds of the installation, checked once at start and put in the order in which they are applied.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::nearest;

use crate::Error;
use crate::field::{Class, Field, Shape};
use crate::kind::{Kind, KindScope};

/// A mistake of the programmers in a kind's definition; the server does not start with one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("kind {kind}: {mistake}")]
pub struct RegistryError {
    /// The kind.
    pub kind: &'static str,
    /// What is wrong with it.
    pub mistake: String,
}

/// The kinds. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    kinds: Arc<Vec<Box<dyn Kind>>>,
    by_name: Arc<BTreeMap<&'static str, usize>>,
}

/// A field of the registry with the path that leads to it: for the register of data classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassedField {
    /// The kind.
    pub kind: &'static str,
    /// The path, `members[].user`.
    pub path: String,
    /// The class.
    pub class: Class,
    /// What it means.
    pub about: &'static str,
    /// Whether it is a secret.
    pub secret: bool,
}

impl Registry {
    /// The registry of `kinds`, with the two kinds of this room (`workspaces`, `settings`) added.
    pub fn new(kinds: Vec<Box<dyn Kind>>) -> Result<Self, RegistryError> {
        let mut all: Vec<Box<dyn Kind>> = crate::own::kinds();
        all.extend(kinds);
        let mut ordered: Vec<Box<dyn Kind>> = Vec::with_capacity(all.len());
        let names: Vec<(&'static str, KindScope)> = all.iter().map(|kind| (kind.name(), kind.scope())).collect();
        for (at, kind) in all.iter().enumerate() {
            if names[..at].iter().any(|(name, _)| *name == kind.name()) {
                return Err(mistake(kind.name(), "is registered twice"));
            }
            check_fields(kind.as_ref(), kind.fields(), "", Place::Open, &names)?;
        }
        // Kinds that are referred to come first. A handful of kinds: the plain way is quick enough.
        while !all.is_empty() {
            let ready = all.iter().position(|kind| {
                references(kind.fields())
                    .iter()
                    .all(|target| *target == kind.name() || !all.iter().any(|other| other.name() == *target))
            });
            match ready {
                Some(at) => ordered.push(all.remove(at)),
                None => return Err(mistake(all[0].name(), "refers in a circle")),
            }
        }
        let by_name = ordered.iter().enumerate().map(|(at, kind)| (kind.name(), at)).collect();
        Ok(Self { kinds: Arc::new(ordered), by_name: Arc::new(by_name) })
    }

    /// The kinds, those referred to before those that refer.
    pub fn kinds(&self) -> impl DoubleEndedIterator<Item = &dyn Kind> {
        self.kinds.iter().map(AsRef::as_ref)
    }

    /// The kind of that name.
    pub fn get(&self, name: &str) -> Option<&dyn Kind> {
        self.by_name.get(name).map(|at| self.kinds[*at].as_ref())
    }

    /// The kind of that name, or an error with its nearest neighbour.
    pub(crate) fn require(&self, name: &str) -> Result<&dyn Kind, Error> {
        self.get(name).ok_or_else(|| Error::UnknownKind { nearest: self.nearest(name).to_owned() })
    }

    /// The name of the kind that `name` was probably meant to be.
    pub fn nearest(&self, name: &str) -> &str {
        nearest(name, self.by_name.keys().copied())
    }

    /// Every field of every kind with its class (control E-11).
    pub fn classes(&self) -> Vec<ClassedField> {
        let mut out = Vec::new();
        for kind in self.kinds() {
            collect(kind.name(), kind.fields(), "", &mut out);
        }
        out
    }
}

fn mistake(kind: &'static str, mistake: impl Into<String>) -> RegistryError {
    RegistryError { kind, mistake: mistake.into() }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Reached by names alone.
    Open,
    /// Inside a list or map, where paths are not stable.
    Repeated,
}

fn check_fields(
    kind: &dyn Kind,
    fields: &'static [Field],
    path: &str,
    place: Place,
    names: &[(&'static str, KindScope)],
) -> Result<(), RegistryError> {
    for (at, field) in fields.iter().enumerate() {
        let here = if path.is_empty() { field.name.to_owned() } else { format!("{path}.{}", field.name) };
        if fields[..at].iter().any(|other| other.name == field.name) {
            return Err(mistake(kind.name(), format!("field {here} is listed twice")));
        }
        if path.is_empty() && kind.scope() == KindScope::Workspace && field.name == "workspace" {
            return Err(mistake(kind.name(), "the engine adds the field workspace itself"));
        }
        check_shape(kind, &field.shape, &here, place, names)?;
    }
    Ok(())
}

fn check_shape(
    kind: &dyn Kind,
    shape: &'static Shape,
    path: &str,
    place: Place,
    names: &[(&'static str, KindScope)],
) -> Result<(), RegistryError> {
    match shape {
        Shape::Secret { .. } if place == Place::Repeated => {
            Err(mistake(kind.name(), format!("{path}: a secret inside a list or map has no stable path")))
        }
        Shape::Reference(target) | Shape::ChoiceOr(_, _, target) => match names.iter().find(|(name, _)| name == target)
        {
            None => Err(mistake(kind.name(), format!("{path} refers to the unknown kind {target}"))),
            Some((_, KindScope::Workspace)) if kind.scope() == KindScope::Organisation => {
                Err(mistake(kind.name(), format!("{path} refers from the organisation into a workspace")))
            }
            Some(_) => Ok(()),
        },
        Shape::List(item) | Shape::Map(item) => check_shape(kind, item, path, Place::Repeated, names),
        Shape::Object(fields) => check_fields(kind, fields, path, place, names),
        _ => Ok(()),
    }
}

/// Whether a kind has confidential or restricted fields other than secrets, which are never shown anyway.
pub(crate) fn has_confidential(fields: &'static [Field]) -> bool {
    fn of(shape: &'static Shape) -> bool {
        match shape {
            Shape::List(item) | Shape::Map(item) => of(item),
            Shape::Object(fields) => has_confidential(fields),
            _ => false,
        }
    }
    fields.iter().any(|field| {
        !matches!(field.shape, Shape::Secret { .. }) && (field.class >= Class::Confidential || of(&field.shape))
    })
}

fn references(fields: &'static [Field]) -> Vec<&'static str> {
    fn of(shape: &'static Shape, out: &mut Vec<&'static str>) {
        match shape {
            Shape::Reference(target) | Shape::ChoiceOr(_, _, target) => out.push(target),
            Shape::List(item) | Shape::Map(item) => of(item, out),
            Shape::Object(fields) => fields.iter().for_each(|field| of(&field.shape, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    for field in fields {
        of(&field.shape, &mut out);
    }
    out
}

fn collect(kind: &'static str, fields: &'static [Field], path: &str, out: &mut Vec<ClassedField>) {
    for field in fields {
        let mut here = if path.is_empty() { field.name.to_owned() } else { format!("{path}.{}", field.name) };
        let mut shape = &field.shape;
        while let Shape::List(item) | Shape::Map(item) = shape {
            here.push_str("[]");
            shape = item;
        }
        let secret = matches!(shape, Shape::Secret { .. });
        out.push(ClassedField { kind, path: here.clone(), class: field.class, about: field.about, secret });
        if let Shape::Object(inner) = shape {
            collect(kind, inner, &here, out);
        }
    }
}
