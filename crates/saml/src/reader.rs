//! The one reader of XML: elements, attributes, texts, the five entities and numbered characters, namespaces. Everything else that
//! XML has is refused by name, since readers disagree about it: document types, comments, processing instructions, CDATA.

use crate::Refused;
use crate::names::{XML, XMLNS};
use crate::xml::{Attribute, Binding, Element, Node, Strictness, is_char, is_space};

/// How deep elements may lie in each other.
const DEPTH: usize = 64;
/// Elements, texts and attributes at most.
const NODES: usize = 20_000;
/// Attributes of one element at most, declarations of namespaces among them.
const ATTRIBUTES: usize = 100;
/// Namespaces in scope of one element at most: every prefix is looked up among them.
const NAMESPACES: usize = 100;

/// Reads a text, whose line ends are one character each, as the nodes of a document: the root first.
pub(crate) fn nodes(text: &str, strictness: Strictness, scope: Vec<Binding>) -> Result<Vec<Node>, Refused> {
    let mut reader = Reader { text, at: 0, strictness, nodes: Vec::new(), scope, parts: 0 };
    reader.document()?;
    Ok(reader.nodes)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    strictness: Strictness,
    nodes: Vec<Node>,
    scope: Vec<Binding>,
    parts: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<(), Refused> {
        self.declaration()?;
        // Each open element with the length of the scope before it.
        let mut open: Vec<(usize, usize)> = Vec::new();
        while self.at < self.text.len() {
            if !self.rest().starts_with('<') {
                let text = self.until('<');
                self.put_text(&text, open.last().map(|(index, _)| *index))?;
                continue;
            }
            let rest = self.rest();
            if rest.starts_with("<?") || rest.starts_with("<!") {
                self.beside()?;
            } else if rest.starts_with("</") {
                let (index, scope) = open.pop().ok_or(Refused::Malformed("an element ends that did not begin"))?;
                self.end(index)?;
                self.scope.truncate(scope);
            } else {
                if open.is_empty() && !self.nodes.is_empty() {
                    return Err(Refused::Malformed("there are two roots"));
                }
                if open.len() >= DEPTH {
                    return Err(Refused::TooLarge("depth"));
                }
                let scope = self.scope.len();
                let (index, closed) = self.begin(open.last().map(|(index, _)| *index))?;
                if closed {
                    self.scope.truncate(scope);
                } else {
                    open.push((index, scope));
                }
            }
        }
        if !open.is_empty() || self.nodes.is_empty() {
            return Err(Refused::Malformed("it ends too early"));
        }
        Ok(())
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Takes everything before `stop`, or everything.
    fn until(&mut self, stop: char) -> String {
        let rest = self.rest();
        let end = rest.find(stop).unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    fn counted(&mut self) -> Result<(), Refused> {
        self.parts += 1;
        if self.parts > NODES { Err(Refused::TooLarge("parts")) } else { Ok(()) }
    }

    /// `<?xml version="1.0" encoding="UTF-8"?>`, at the very beginning alone.
    fn declaration(&mut self) -> Result<(), Refused> {
        let Some(rest) = self.text.strip_prefix("<?xml").filter(|rest| rest.starts_with([' ', '\n', '\t'])) else {
            return Ok(());
        };
        let end = rest.find("?>").ok_or(Refused::Malformed("its declaration does not end"))?;
        let said = &rest[..end];
        if said.len() > 200 || said.contains('<') {
            return Err(Refused::Malformed("its declaration is odd"));
        }
        let value = |name: &str| {
            let (_, after) = said.split_once(name)?;
            let after = after.trim_start().strip_prefix('=')?.trim_start();
            let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            after[1..].split(quote).next()
        };
        if value("version") != Some("1.0") {
            return Err(Refused::Malformed("it is not XML 1.0"));
        }
        if said.contains("encoding") && !value("encoding").is_some_and(|name| name.eq_ignore_ascii_case("utf-8")) {
            return Err(Refused::Encoding);
        }
        self.at = "<?xml".len() + end + 2;
        Ok(())
    }

    /// What begins with `<!` or `<?`.
    fn beside(&mut self) -> Result<(), Refused> {
        let rest = self.rest();
        let (end, refusal) = if let Some(inside) = rest.strip_prefix("<!--") {
            (inside.find("-->").map(|at| at + 7), Refused::Comment)
        } else if rest.starts_with("<![CDATA[") {
            return Err(Refused::Cdata);
        } else if rest.starts_with("<!") {
            return Err(Refused::Doctype);
        } else {
            (rest.find("?>").map(|at| at + 2), Refused::Instruction)
        };
        if self.strictness == Strictness::Message {
            return Err(refusal);
        }
        self.counted()?;
        self.at += end.ok_or(Refused::Malformed("something does not end"))?;
        Ok(())
    }

    fn put_text(&mut self, raw: &str, within: Option<usize>) -> Result<(), Refused> {
        let Some(parent) = within else {
            return if raw.bytes().all(is_space) {
                Ok(())
            } else {
                Err(Refused::Malformed("text stands outside of the root"))
            };
        };
        if raw.contains("]]>") {
            return Err(Refused::Malformed("]]> stands in a text"));
        }
        let text = unescaped(raw)?;
        let last = match &self.nodes[parent] {
            Node::Element(element) => element.children.last().copied(),
            Node::Text(_) => None,
        };
        // What a comment in metadata parted is one text.
        if let Some(Node::Text(before)) = last.and_then(|last| self.nodes.get_mut(last)) {
            before.push_str(&text);
            return Ok(());
        }
        self.counted()?;
        self.put(Node::Text(text), Some(parent));
        Ok(())
    }

    fn put(&mut self, node: Node, parent: Option<usize>) -> usize {
        let index = self.nodes.len();
        self.nodes.push(node);
        if let Some(Node::Element(parent)) = parent.and_then(|parent| self.nodes.get_mut(parent)) {
            parent.children.push(index);
        }
        index
    }

    fn end(&mut self, index: usize) -> Result<(), Refused> {
        self.at += 2;
        let name = self.until('>');
        if !self.rest().starts_with('>') {
            return Err(Refused::Malformed("an element does not end"));
        }
        self.at += 1;
        let (prefix, local) = qualified(name.trim_end_matches(|letter: char| letter.is_ascii_whitespace()))?;
        match &self.nodes[index] {
            Node::Element(element) if element.prefix == prefix && element.local == local => Ok(()),
            _ => Err(Refused::Malformed("elements overlap")),
        }
    }

    /// A start tag: the element's place, and whether it is closed by itself.
    fn begin(&mut self, parent: Option<usize>) -> Result<(usize, bool), Refused> {
        self.counted()?;
        self.at += 1;
        let (prefix, local) = qualified(&self.name())?;
        let mut declared: Vec<Binding> = Vec::new();
        let mut attributes: Vec<(String, String, String)> = Vec::new();
        let closed = loop {
            let spaced = self.space();
            if self.rest().starts_with("/>") {
                self.at += 2;
                break true;
            }
            if self.rest().starts_with('>') {
                self.at += 1;
                break false;
            }
            if !spaced {
                return Err(Refused::Malformed("attributes are not apart"));
            }
            self.counted()?;
            if declared.len() + attributes.len() >= ATTRIBUTES {
                return Err(Refused::TooLarge("attributes"));
            }
            let (own, name) = qualified(&self.name())?;
            let value = self.value()?;
            match (own.as_str(), name.as_str()) {
                ("", "xmlns") => declare(&mut declared, String::new(), value)?,
                ("xmlns", _) => declare(&mut declared, name, value)?,
                _ => attributes.push((own, name, value)),
            }
        };
        if self.scope.len() + declared.len() > NAMESPACES {
            return Err(Refused::TooLarge("namespaces"));
        }
        self.scope.extend(declared.iter().cloned());
        let namespace = self.bound(&prefix)?;
        let mut read: Vec<Attribute> = Vec::with_capacity(attributes.len());
        for (prefix, local, value) in attributes {
            let namespace = match prefix.as_str() {
                "" => String::new(),
                "xml" => XML.to_owned(),
                _ => self.bound(&prefix)?,
            };
            if read.iter().any(|one| one.local == local && one.namespace == namespace) {
                return Err(Refused::Malformed("an attribute stands twice"));
            }
            read.push(Attribute { prefix, local, namespace, value });
        }
        let element = Element { parent, prefix, local, namespace, declared, attributes: read, children: Vec::new() };
        Ok((self.put(Node::Element(element), parent), closed))
    }

    fn bound(&self, prefix: &str) -> Result<String, Refused> {
        match self.scope.iter().rev().find(|(own, _)| own == prefix) {
            Some((_, namespace)) => Ok(namespace.clone()),
            None if prefix.is_empty() => Ok(String::new()),
            None => Err(Refused::Namespace),
        }
    }

    fn space(&mut self) -> bool {
        let length = self.rest().bytes().take_while(|byte| is_space(*byte)).count();
        self.at += length;
        length > 0
    }

    fn name(&mut self) -> String {
        let rest = self.rest();
        let end =
            rest.find(|letter: char| letter.is_ascii_whitespace() || "/>=<\"'".contains(letter)).unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    /// `= "…"`, with white space as XML 1.0 section 3.3.3 wants it.
    fn value(&mut self) -> Result<String, Refused> {
        let odd = Refused::Malformed("an attribute has no value in quotes");
        self.space();
        if !self.rest().starts_with('=') {
            return Err(odd);
        }
        self.at += 1;
        self.space();
        let quote = self.rest().chars().next().filter(|quote| matches!(quote, '"' | '\'')).ok_or(odd.clone())?;
        self.at += 1;
        let raw = self.until(quote);
        if !self.rest().starts_with(quote) || raw.contains('<') {
            return Err(odd);
        }
        self.at += 1;
        unescaped(&raw.replace(['\t', '\n'], " "))
    }
}

fn declare(declared: &mut Vec<Binding>, prefix: String, namespace: String) -> Result<(), Refused> {
    let reserved = prefix == "xml" || prefix == "xmlns" || namespace == XML || namespace == XMLNS;
    let undone = namespace.is_empty() && !prefix.is_empty();
    if reserved || undone || declared.iter().any(|(own, _)| *own == prefix) {
        return Err(Refused::Namespace);
    }
    declared.push((prefix, namespace));
    Ok(())
}

/// A name as prefix and local part.
fn qualified(name: &str) -> Result<(String, String), Refused> {
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    let plain = |part: &str| {
        let mut letters = part.chars();
        letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
            && letters.all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.'))
    };
    if name.len() > 200 || !plain(local) || (name.contains(':') && !plain(prefix)) {
        return Err(Refused::Malformed("a name is no name"));
    }
    Ok((prefix.to_owned(), local.to_owned()))
}

/// Replaces the five entities and numbered characters.
fn unescaped(raw: &str) -> Result<String, Refused> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        let (name, after) = rest[start + 1..].split_once(';').ok_or(Refused::Entity)?;
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => numbered(name)?,
        });
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn numbered(name: &str) -> Result<char, Refused> {
    let digits = name.strip_prefix('#').filter(|digits| digits.len() <= 10).ok_or(Refused::Entity)?;
    let number = match digits.strip_prefix('x') {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16).ok(),
        None if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        _ => return Err(Refused::Entity),
    };
    let letter = number.and_then(char::from_u32).filter(|letter| is_char(*letter));
    letter.ok_or(Refused::Character)
}
