//! A document as a tree, in which signatures are checked and from which everything is read.

use crate::Refused;
use crate::names::XML;
use crate::reader;

/// How strictly to read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// A message: no comments, no processing instructions.
    Message,
    /// Metadata, which people write by hand: both are read over.
    Metadata,
}

/// A declared prefix and its namespace.
pub(crate) type Binding = (String, String);

/// A document, as a tree in one list. The root element is the first.
#[derive(Debug)]
pub(crate) struct Document {
    nodes: Vec<Node>,
    /// What was declared around the root, when the document is a part of another.
    pub(crate) scope: Vec<Binding>,
}

#[derive(Debug)]
pub(crate) enum Node {
    Element(Element),
    Text(String),
}

#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) parent: Option<usize>,
    pub(crate) prefix: String,
    pub(crate) local: String,
    pub(crate) namespace: String,
    pub(crate) declared: Vec<Binding>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) children: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) prefix: String,
    pub(crate) local: String,
    pub(crate) namespace: String,
    pub(crate) value: String,
}

/// An element of a document.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) document: &'a Document,
    pub(crate) index: usize,
}

impl Document {
    /// Reads a document of `bytes` at most `limit` long.
    pub(crate) fn read(bytes: &[u8], limit: usize, strictness: Strictness) -> Result<Self, Refused> {
        Self::read_within(bytes, limit, strictness, Vec::new())
    }

    /// The same for a part of another document, where `scope` is declared.
    pub(crate) fn read_within(
        bytes: &[u8],
        limit: usize,
        strictness: Strictness,
        scope: Vec<Binding>,
    ) -> Result<Self, Refused> {
        if bytes.len() > limit {
            return Err(Refused::TooLarge("bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Refused::Encoding)?;
        // Metadata in files often begins with the mark of UTF-8.
        let text = if strictness == Strictness::Metadata { text.trim_start_matches('\u{feff}') } else { text };
        if !text.chars().all(is_char) {
            return Err(Refused::Character);
        }
        // XML 1.0 section 2.11: line ends are one character before anything else is looked at.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let document = Self { nodes: reader::nodes(&text, strictness, scope.clone())?, scope };
        document.identifiers(None)?;
        Ok(document)
    }

    /// The root element.
    pub(crate) fn root(&self) -> At<'_> {
        At { document: self, index: 0 }
    }

    /// Every element, in the order of the text.
    pub(crate) fn elements(&self) -> impl Iterator<Item = At<'_>> {
        let element = |index: &usize| matches!(self.nodes[*index], Node::Element(_));
        (0..self.nodes.len()).filter(element).map(|index| At { document: self, index })
    }

    pub(crate) fn node(&self, index: usize) -> &Node {
        &self.nodes[index]
    }

    /// Refuses identifiers that two elements have, here or in `beside`.
    pub(crate) fn identifiers(&self, beside: Option<&Self>) -> Result<(), Refused> {
        let of = |document: &Self| {
            document
                .elements()
                .flat_map(|at| at.element().attributes.iter())
                .filter(|one| {
                    one.local.eq_ignore_ascii_case("id") && (one.namespace.is_empty() || one.namespace == XML)
                })
                .map(|one| one.value.clone())
                .collect::<Vec<_>>()
        };
        let mut all = of(self);
        all.extend(beside.map(of).unwrap_or_default());
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        if all.len() == count { Ok(()) } else { Err(Refused::DuplicateId) }
    }
}

impl<'a> At<'a> {
    pub(crate) fn element(self) -> &'a Element {
        match &self.document.nodes[self.index] {
            Node::Element(element) => element,
            // Only indices of elements are ever made into an `At`.
            Node::Text(_) => self.document.root().element(),
        }
    }

    pub(crate) fn is(self, namespace: &str, local: &str) -> bool {
        self.element().namespace == namespace && self.element().local == local
    }

    pub(crate) fn parent(self) -> Option<At<'a>> {
        self.element().parent.map(|index| At { index, ..self })
    }

    /// The elements directly below.
    pub(crate) fn children(self) -> impl Iterator<Item = At<'a>> {
        let element = move |index: &&usize| matches!(self.document.nodes[**index], Node::Element(_));
        self.element().children.iter().filter(element).map(move |index| At { index: *index, ..self })
    }

    /// Those of a name.
    pub(crate) fn all(self, namespace: &'static str, local: &'static str) -> impl Iterator<Item = At<'a>> {
        self.children().filter(move |child| child.is(namespace, local))
    }

    /// The one of a name, if there is one; two are refused.
    pub(crate) fn one(self, namespace: &'static str, local: &'static str) -> Result<Option<At<'a>>, Refused> {
        let mut found = self.all(namespace, local);
        let first = found.next();
        if found.next().is_some() {
            Err(Refused::Structure("an element stands twice where it stands once"))
        } else {
            Ok(first)
        }
    }

    /// An attribute without a namespace.
    pub(crate) fn attribute(self, local: &str) -> Option<&'a str> {
        self.within("", local)
    }

    /// An attribute of a namespace.
    pub(crate) fn within(self, namespace: &str, local: &str) -> Option<&'a str> {
        let found = self.element().attributes.iter().find(|one| one.namespace == namespace && one.local == local);
        found.map(|one| one.value.as_str())
    }

    /// The text of an element that has nothing else in it.
    pub(crate) fn text(self) -> Result<&'a str, Refused> {
        match self.element().children.as_slice() {
            [] => Ok(""),
            [only] => match &self.document.nodes[*only] {
                Node::Text(text) => Ok(text),
                Node::Element(_) => Err(Refused::Structure("an element stands where a text is expected")),
            },
            _ => Err(Refused::Structure("an element stands where a text is expected")),
        }
    }

    /// Whether nothing but white space and elements is in it.
    pub(crate) fn has_text(self) -> bool {
        self.element().children.iter().any(|index| match &self.document.nodes[*index] {
            Node::Text(text) => !text.bytes().all(is_space),
            Node::Element(_) => false,
        })
    }

    /// The namespace of a prefix here.
    pub(crate) fn namespace(self, prefix: &str) -> Option<&'a str> {
        let mut at = Some(self);
        while let Some(here) = at {
            if let Some((_, namespace)) = here.element().declared.iter().find(|(own, _)| own == prefix) {
                return Some(namespace);
            }
            at = here.parent();
        }
        self.document.scope.iter().rev().find(|(own, _)| own == prefix).map(|(_, namespace)| namespace.as_str())
    }

    /// All that is declared here, from the outside in.
    pub(crate) fn scope(self) -> Vec<Binding> {
        let mut levels = vec![self];
        while let Some(parent) = levels.last().and_then(|at| at.parent()) {
            levels.push(parent);
        }
        let own = levels.into_iter().rev().flat_map(|at| at.element().declared.iter().cloned());
        self.document.scope.iter().cloned().chain(own).collect()
    }
}

pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// XML 1.0 section 2.2.
pub(crate) const fn is_char(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
