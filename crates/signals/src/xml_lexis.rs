//! The small words of XML 1.0: characters, names, references, attributes. Written out here, because the reader takes more
//! than the standard does, and what is taken must have one meaning.

/// Whether XML has this character (production 2).
pub(crate) const fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Whether it is a name (production 5).
pub(crate) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(begins_name) && chars.all(continues_name)
}

const fn begins_name(c: char) -> bool {
    matches!(c, ':' | '_' | 'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}' | '\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

const fn continues_name(c: char) -> bool {
    begins_name(c) || matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}' | '\u{2040}')
}

/// The character that stands behind `&…;`: one of the five, or a number.
pub(crate) fn reference(name: &str) -> Result<char, String> {
    let named = match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => None,
    };
    if let Some(c) = named {
        return Ok(c);
    }
    let Some(number) = name.strip_prefix('#') else {
        return Err("it refers to an entity, and there are none but amp, lt, gt, apos and quot".to_owned());
    };
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
    // Signs, spaces and the like are taken by `from_str_radix` or by nobody.
    let fits = (1..=8).contains(&digits.len()) && digits.chars().all(|c| c.is_digit(radix));
    let code = if fits { u32::from_str_radix(digits, radix).ok() } else { None };
    code.and_then(char::from_u32)
        .filter(|c| is_char(*c))
        .ok_or_else(|| "a character reference names no character that XML allows".to_owned())
}

/// The attributes of a tag, one after the other; it ends with the first mistake.
pub(crate) struct Attributes<'t> {
    rest: &'t str,
    failed: bool,
}

impl<'t> Attributes<'t> {
    /// The attributes in what stands between a tag's name and its end.
    pub(crate) const fn of(raw: &'t str) -> Self {
        Self { rest: raw, failed: false }
    }

    fn one(&mut self) -> Result<Option<(String, String)>, String> {
        const FORM: &str = "an attribute is not written as name=\"value\", apart from others by a space";
        let space = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
        let trimmed = self.rest.trim_start_matches(space);
        if trimmed.is_empty() {
            return Ok(None);
        }
        let apart = trimmed.len() < self.rest.len();
        let (name, rest) = trimmed.split_once('=').ok_or(FORM)?;
        let name = name.trim_end_matches(space);
        let rest = rest.trim_start_matches(space);
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or(FORM)?;
        let (value, rest) = rest[1..].split_once(quote).ok_or(FORM)?;
        if !apart || !is_name(name) {
            return Err(FORM.to_owned());
        }
        self.rest = rest;
        Ok(Some((name.to_owned(), value_of(value)?)))
    }
}

impl Iterator for Attributes<'_> {
    type Item = Result<(String, String), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.one().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

/// A value with its references resolved and its white space as spaces (section 3.3.3).
fn value_of(raw: &str) -> Result<String, String> {
    if raw.contains('<') {
        return Err("a `<` stands in an attribute. Write `&lt;`".to_owned());
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, behind)) = rest.split_once('&') {
        push_spaced(&mut out, before);
        let (name, behind) =
            behind.split_once(';').ok_or_else(|| "an ampersand begins no reference. Write `&amp;`".to_owned())?;
        out.push(reference(name)?);
        rest = behind;
    }
    push_spaced(&mut out, rest);
    Ok(out)
}

fn push_spaced(out: &mut String, text: &str) {
    let text = text.replace("\r\n", " ");
    out.extend(text.chars().map(|c| if matches!(c, '\t' | '\r' | '\n') { ' ' } else { c }));
}
