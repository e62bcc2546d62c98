//! Exclusive XML Canonicalization (W3C, 18 July 2002), without comments, which the reader refuses anyhow: the bytes of an element
//! that are signed.

use crate::names::XML;
use crate::xml::{At, Node};

/// The canonical form of `apex` and everything in it but `without`. `inclusive` are the prefixes of `InclusiveNamespaces`, `""` for
/// the default namespace.
pub(crate) fn exclusive(apex: At<'_>, without: Option<usize>, inclusive: &[String]) -> String {
    let mut writer = Writer { out: String::new(), rendered: Vec::new(), without, inclusive };
    writer.element(apex);
    writer.out
}

struct Writer<'a> {
    out: String,
    /// What the elements around have declared in the output.
    rendered: Vec<(String, String)>,
    without: Option<usize>,
    inclusive: &'a [String],
}

impl Writer<'_> {
    fn element(&mut self, at: At<'_>) {
        let element = at.element();
        let before = self.rendered.len();
        let name = qualified(&element.prefix, &element.local);
        self.out.push('<');
        self.out.push_str(&name);
        for (prefix, namespace) in self.declarations(at) {
            let name = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
            self.attribute(&name, &namespace);
            self.rendered.push((prefix, namespace));
        }
        let mut attributes: Vec<_> = element.attributes.iter().collect();
        attributes.sort_by(|one, two| (&one.namespace, &one.local).cmp(&(&two.namespace, &two.local)));
        for one in attributes {
            self.attribute(&qualified(&one.prefix, &one.local), &one.value);
        }
        self.out.push('>');
        let without = self.without;
        for index in element.children.iter().copied().filter(|index| Some(*index) != without) {
            match at.document.node(index) {
                Node::Element(_) => self.element(At { index, ..at }),
                Node::Text(text) => escape(&mut self.out, text, false),
            }
        }
        self.out.push_str("</");
        self.out.push_str(&name);
        self.out.push('>');
        self.rendered.truncate(before);
    }

    /// The namespaces that have to be declared here: of prefixes that are visibly used, or listed as inclusive, where the elements
    /// around have not declared the same.
    fn declarations(&self, at: At<'_>) -> Vec<(String, String)> {
        let element = at.element();
        let used = element.attributes.iter().filter(|one| !one.prefix.is_empty() && one.namespace != XML);
        let mut prefixes: Vec<&str> = used.map(|one| one.prefix.as_str()).collect();
        prefixes.push(&element.prefix);
        let listed = self.inclusive.iter().map(String::as_str).filter(|prefix| at.namespace(prefix).is_some());
        prefixes.extend(listed);
        prefixes.sort_unstable();
        prefixes.dedup();
        let missing = prefixes.into_iter().filter_map(|prefix| {
            let namespace = at.namespace(prefix).unwrap_or_default();
            let around =
                self.rendered.iter().rev().find(|(own, _)| own == prefix).map(|(_, namespace)| namespace.as_str());
            (around.unwrap_or_default() != namespace).then(|| (prefix.to_owned(), namespace.to_owned()))
        });
        missing.collect()
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape(&mut self.out, value, true);
        self.out.push('"');
    }
}

fn qualified(prefix: &str, local: &str) -> String {
    if prefix.is_empty() { local.to_owned() } else { format!("{prefix}:{local}") }
}

/// Writes a text or the value of an attribute, as canonical XML writes it; our own messages are written so too.
pub(crate) fn escape(out: &mut String, text: &str, attribute: bool) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' if !attribute => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\t' if attribute => out.push_str("&#x9;"),
            '\n' if attribute => out.push_str("&#xA;"),
            '\r' => out.push_str("&#xD;"),
            letter => out.push(letter),
        }
    }
}

/// The same as a text of its own.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&mut out, text, true);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::{Document, Strictness};

    fn canonical(text: &str, inclusive: &[&str]) -> String {
        let document = Document::read(text.as_bytes(), 10_000, Strictness::Message).unwrap();
        let inclusive: Vec<String> = inclusive.iter().map(|&prefix| prefix.to_owned()).collect();
        exclusive(document.root(), None, &inclusive)
    }

    fn part(text: &str, local: &str, inclusive: &[&str]) -> String {
        let document = Document::read(text.as_bytes(), 10_000, Strictness::Message).unwrap();
        let inclusive: Vec<String> = inclusive.iter().map(|&prefix| prefix.to_owned()).collect();
        let at = document.elements().find(|at| at.element().local == local).unwrap();
        exclusive(at, None, &inclusive)
    }

    /// The example of section 2.2 of the recommendation: a part of two documents with the same form.
    #[test]
    fn the_example_of_the_recommendation() {
        let one = "<n0:local xmlns:n0=\"http://something.example\" xmlns:n3=\"ftp://example.org\">\
                   <n1:elem2 xmlns:n1=\"http://example.net\" xml:lang=\"en\"><n3:stuff/></n1:elem2></n0:local>";
        let two = "<n2:pdu xmlns:n1=\"http://example.com\" xmlns:n2=\"http://foo.example\" xmlns:n3=\"ftp://example.org\" \
                   xml:lang=\"fr\" xml:space=\"retain\"><n1:elem2 xmlns:n1=\"http://example.net\" xml:lang=\"en\"><n3:stuff/>\
                   </n1:elem2></n2:pdu>";
        let expected = "<n1:elem2 xmlns:n1=\"http://example.net\" xml:lang=\"en\"><n3:stuff xmlns:n3=\"ftp://example.org\">\
                        </n3:stuff></n1:elem2>";
        assert_eq!(part(one, "elem2", &[]), expected);
        assert_eq!(part(two, "elem2", &[]), expected);
        let listed = expected.replace(
            "xmlns:n1=\"http://example.net\" xml",
            "xmlns:n1=\"http://example.net\" xmlns:n3=\"ftp://example.org\" xml",
        );
        let listed = listed.replace("<n3:stuff xmlns:n3=\"ftp://example.org\">", "<n3:stuff>");
        assert_eq!(part(two, "elem2", &["n3", "absent"]), listed);
    }

    #[test]
    fn texts_and_attributes_are_written_one_way() {
        let cases = [
            ("<a  b = 'x'\n c=\"y\" />", "<a b=\"x\" c=\"y\"></a>"),
            ("<a>&#xD;\r\n&amp;&lt;&gt;\"'</a>", "<a>&#xD;\n&amp;&lt;&gt;\"'</a>"),
            ("<a b='1\t2&#x9;3&#xA;&quot;>'/>", "<a b=\"1 2&#x9;3&#xA;&quot;>\"></a>"),
            ("<a xmlns='u:a'><b xmlns=''/></a>", "<a xmlns=\"u:a\"><b xmlns=\"\"></b></a>"),
            ("<b xmlns=''/>", "<b></b>"),
            (
                "<a xmlns:z='u:1' xmlns:y='u:2' z:q='1' y:q='2' q='3'/>",
                "<a xmlns:y=\"u:2\" xmlns:z=\"u:1\" q=\"3\" z:q=\"1\" y:q=\"2\"></a>",
            ),
            (
                "<a xmlns:n='u:1'><n:b/><n:b xmlns:n='u:1'/></a>",
                "<a><n:b xmlns:n=\"u:1\"></n:b><n:b xmlns:n=\"u:1\"></n:b></a>",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(canonical(text, &[]), expected);
        }
        assert_eq!(canonical("<a xmlns='u:a'/>", &[""]), "<a xmlns=\"u:a\"></a>");
    }

    #[test]
    fn what_is_canonical_stays_so() {
        let text = "<p:a xmlns:p='u:p' b='&lt;&#xA;'><c xmlns='u:c'>é&#x1F514;</c></p:a>";
        let once = canonical(text, &[]);
        assert_eq!(canonical(&once, &[]), once);
    }
}
