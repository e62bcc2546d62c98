//! XML bodies as JSON, strictly and within bounds (ASVS 1.5.1, control X-22).
//!
//! Any document type is refused, so there are no entities but the five, and nothing is ever fetched: XInclude elements and
//! stylesheet instructions are data like any other. At most 1 MiB, 64 levels, and 20,000 elements, attributes, comments and
//! instructions together. UTF-8 and XML 1.0 only.
//!
//! # The shape
//! The document becomes an object with one member, the root element. An element becomes
//! - a text, when it has neither attributes nor elements inside (an empty one the empty text);
//! - an object otherwise: attributes as `@name`, elements by their names, its text as `#text` when there is any.
//!
//! Elements of the same name in one element become a list, in their order. Names keep their prefix, and namespace
//! declarations are attributes. Text is what stands in the element itself with its CDATA sections, without the white space
//! at its ends. Comments and processing instructions say nothing.
//!
//! ```text
//! <alert id="7"><title>Disk full</title><host>a</host><host>b</host></alert>
//! {"alert": {"@id": "7", "title": "Disk full", "host": ["a", "b"]}}
//! ```

use quick_xml::Reader;
use quick_xml::errors::{Error as Fault, IllFormedError};
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value as Json};

use crate::body::BodyError;
use crate::xml_lexis::{Attributes, is_char, is_name, reference};

/// Bytes at most.
pub(crate) const BYTES: usize = 1024 * 1024;
/// Levels of elements at most.
const DEPTH: usize = 64;
/// Levels of the JSON at most: repeated elements take two, and the sandbox that reads it has its limit.
const JSON_DEPTH: usize = 96;
/// Elements, attributes, comments, CDATA sections and instructions together at most.
const NODES: usize = 20_000;
/// Characters of a path at most; names come from a stranger.
const PATH_LIMIT: usize = 200;

/// An element whose end has not come yet.
struct Frame {
    name: String,
    members: Map<String, Json>,
    text: String,
    /// Levels of the deepest member.
    depth: usize,
}

/// What was read so far.
struct Tree {
    open: Vec<Frame>,
    root: Option<(String, Json)>,
    nodes: usize,
}

/// Why a document is refused; the place is added by the caller.
type Refused = String;

/// Reads a document.
pub(crate) fn read(body: &[u8]) -> Result<Json, BodyError> {
    let at_top = |detail: String| BodyError { detail, path: String::new() };
    if body.len() > BYTES {
        return Err(at_top(format!("An XML document has at most {} KiB.", BYTES / 1024)));
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        let byte = error.valid_up_to() + 1;
        at_top(format!("The body is not UTF-8 from byte {byte} on. XML is read in UTF-8 alone, whatever it declares."))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.starts_with('\u{feff}') {
        // The reader would take this one off too.
        return Err(at_top("The body is not acceptable XML: it begins with two byte order marks.".to_owned()));
    }
    let mut tree = Tree { open: Vec::new(), root: None, nodes: 0 };
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_comments = true;
    config.check_end_names = true;
    config.allow_dangling_amp = false;
    config.allow_unmatched_ends = false;
    // The characters are looked at first: no rule of the syntax below can be tricked by one that XML does not have.
    let result = text.char_indices().find(|(_, c)| !is_char(*c)).map_or_else(
        || tree.fill(&mut reader).map_err(|refused| (refused, place(&reader))),
        |(at, c)| Err((format!("the character U+{:04X} is none that XML allows", u32::from(c)), at)),
    );
    match result {
        Ok(()) => {}
        Err((refused, at)) => {
            let before = &text.as_bytes()[..at.min(text.len())];
            let line = before.split(|byte| *byte == b'\n').count();
            let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
            let detail = format!("The body is not acceptable XML at line {line}, column {column}: {refused}.");
            return Err(BodyError { detail, path: tree.path() });
        }
    }
    match tree.root {
        Some((name, value)) => Ok(Json::Object(Map::from_iter([(name, value)]))),
        None => Err(at_top("The body is empty. Send an XML document.".to_owned())),
    }
}

fn place(reader: &Reader<&[u8]>) -> usize {
    // Zero when the fault is ours to find, not the reader's.
    let at = if reader.error_position() > 0 { reader.error_position() } else { reader.buffer_position() };
    usize::try_from(at).unwrap_or_default()
}

impl Tree {
    fn fill(&mut self, reader: &mut Reader<&[u8]>) -> Result<(), Refused> {
        let mut first = true;
        loop {
            let event = reader.read_event().map_err(|fault| words(&fault))?;
            match event {
                Event::Start(tag) => self.begin(&tag)?,
                Event::Empty(tag) => {
                    self.begin(&tag)?;
                    self.end()?;
                }
                Event::End(_) => self.end()?,
                Event::Text(text) => {
                    if text.contains("]]>") {
                        return Err("`]]>` stands outside of a CDATA section".to_owned());
                    }
                    self.text(&text.xml10_content())?;
                }
                Event::CData(text) => {
                    self.count()?;
                    if self.open.is_empty() {
                        return Err("a CDATA section stands outside of the root element".to_owned());
                    }
                    self.text(&text.xml10_content())?;
                }
                Event::GeneralRef(name) => {
                    if self.open.is_empty() {
                        return Err("a reference stands outside of the root element".to_owned());
                    }
                    self.text(reference(&name)?.encode_utf8(&mut [0; 4]))?;
                }
                Event::Comment(_) => self.count()?,
                Event::PI(instruction) => {
                    self.count()?;
                    let target = instruction.target();
                    if !is_name(target) || target.eq_ignore_ascii_case("xml") {
                        return Err("a processing instruction has no proper name".to_owned());
                    }
                }
                Event::Decl(declaration) => declared(&declaration, first)?,
                Event::DocType(_) => {
                    return Err("it has a DOCTYPE, which is never read here. Send the document without it".to_owned());
                }
                Event::Eof if self.open.is_empty() => return Ok(()),
                Event::Eof => return Err("an element has no end".to_owned()),
            }
            first = false;
        }
    }

    fn count(&mut self) -> Result<(), Refused> {
        self.nodes += 1;
        if self.nodes > NODES {
            return Err(format!("it has more than {NODES} elements, attributes, comments and instructions"));
        }
        Ok(())
    }

    fn begin(&mut self, tag: &BytesStart<'_>) -> Result<(), Refused> {
        self.count()?;
        if self.open.is_empty() && self.root.is_some() {
            return Err("it has a second root element".to_owned());
        }
        if self.open.len() >= DEPTH {
            return Err(format!("it is nested more than {DEPTH} levels deep"));
        }
        let name = tag.name().into_inner();
        if !is_name(name) {
            return Err("an element has no proper name".to_owned());
        }
        let mut frame = Frame { name: name.to_owned(), members: Map::new(), text: String::new(), depth: 0 };
        for attribute in Attributes::of(tag.attributes_raw()) {
            self.count()?;
            let (name, value) = attribute?;
            if frame.members.insert(format!("@{name}"), Json::String(value)).is_some() {
                return Err("an element has an attribute twice".to_owned());
            }
        }
        self.open.push(frame);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Refused> {
        match self.open.last_mut() {
            Some(frame) => frame.text.push_str(text),
            None if text.chars().all(is_space) => {}
            None => return Err("text stands outside of the root element".to_owned()),
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refused> {
        // The reader has compared the names.
        let Some(frame) = self.open.pop() else { return Err("an element ends that never began".to_owned()) };
        let text = frame.text.trim_matches(is_space);
        let (value, depth) = if frame.members.is_empty() {
            (Json::String(text.to_owned()), 0)
        } else {
            let mut members = frame.members;
            if !text.is_empty() {
                members.insert("#text".to_owned(), Json::String(text.to_owned()));
            }
            (Json::Object(members), frame.depth + 1)
        };
        match self.open.last_mut() {
            Some(parent) => parent.take(frame.name, value, depth)?,
            None => self.root = Some((frame.name, value)),
        }
        Ok(())
    }

    fn path(&self) -> String {
        let names: Vec<&str> = self.open.iter().map(|frame| frame.name.as_str()).collect();
        names.join(".").chars().take(PATH_LIMIT).collect()
    }
}

impl Frame {
    /// Takes an element in; a second one of its name makes a list of both.
    fn take(&mut self, name: String, value: Json, depth: usize) -> Result<(), Refused> {
        let mut levels = depth;
        match self.members.get_mut(&name) {
            None => {
                self.members.insert(name, value);
            }
            // No element is a list by itself.
            Some(Json::Array(list)) => {
                list.push(value);
                levels += 1;
            }
            Some(one) => {
                let before = one.take();
                *one = Json::Array(vec![before, value]);
                // The first may be the deeper one.
                levels = levels.max(self.depth) + 1;
            }
        }
        self.depth = self.depth.max(levels);
        if self.depth > JSON_DEPTH {
            return Err(format!(
                "its repeated elements are nested too deep: as JSON it has more than {JSON_DEPTH} levels"
            ));
        }
        Ok(())
    }
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// The XML declaration: at the very beginning, version 1.0, in UTF-8.
fn declared(declaration: &str, first: bool) -> Result<(), Refused> {
    if !first {
        return Err("an XML declaration stands behind the beginning".to_owned());
    }
    let fields = declaration.strip_prefix("xml").unwrap_or_default();
    let mut version = false;
    for attribute in Attributes::of(fields) {
        let (name, value) = attribute?;
        match name.as_str() {
            "version" if value == "1.0" => version = true,
            "version" => return Err("it is not XML 1.0".to_owned()),
            "encoding" if ["utf-8", "utf8", "us-ascii"].iter().any(|one| value.eq_ignore_ascii_case(one)) => {}
            "encoding" => return Err("it declares another encoding than UTF-8".to_owned()),
            "standalone" if value == "yes" || value == "no" => {}
            _ => return Err("its XML declaration says something unknown".to_owned()),
        }
    }
    if version { Ok(()) } else { Err("its XML declaration names no version".to_owned()) }
}

/// What the reader found, without the texts of the document.
fn words(fault: &Fault) -> Refused {
    let words = match fault {
        Fault::Syntax(_) => "a tag, comment, section or instruction is not finished",
        Fault::IllFormed(IllFormedError::MismatchedEndTag { .. }) => "an element ends under another name than it began",
        Fault::IllFormed(IllFormedError::UnmatchedEndTag(_)) => "an element ends that never began",
        Fault::IllFormed(IllFormedError::DoubleHyphenInComment) => "a comment has two hyphens in it",
        Fault::IllFormed(IllFormedError::UnclosedReference) => "an ampersand begins no reference. Write `&amp;`",
        _ => "it is not well-formed",
    };
    words.to_owned()
}

#[cfg(test)]
#[path = "xml_tests.rs"]
mod tests;
