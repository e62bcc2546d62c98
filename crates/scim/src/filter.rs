//! Filters: read into a tree, and translated to a condition whose every value is a bound parameter. Also the filter inside a
//! path, which picks values of one attribute in memory.
//!
//! The grammar and its limits of depth are `scim_v2`'s; what can be asked for is this module's table.

use scim_v2::filter::{AttrExp, AttrPath, CompValue, CompareOp, Filter, ValFilter};
use serde_json::Value;
use store::Value as Param;

use crate::Error;
use crate::error::Fault;
use crate::schema::{Attribute, ENTERPRISE, Holds, Sort, find};

/// Bytes of a filter at most.
const LONGEST: usize = 1_024;
/// Expressions of a filter at most.
const TERMS: usize = 40;
/// How deep one nests at most.
const DEPTH: usize = 8;

fn wrong(detail: impl Into<String>) -> Error {
    Error::refused(Fault::InvalidFilter, detail)
}

/// A condition with its parameters, which begin at the number that was said.
#[derive(Debug, Default)]
pub struct Condition {
    /// The text, without a value in it.
    pub sql: String,
    /// The values, in order.
    pub params: Vec<Param<'static>>,
}

/// Reads a filter and translates it for resources of this sort; parameters are numbered from `first`.
///
/// # Errors
/// [`Fault::InvalidFilter`], in words.
pub fn condition(sort: Sort, text: &str, first: usize) -> Result<Condition, Error> {
    if text.len() > LONGEST {
        return Err(wrong(format!("A filter has at most {LONGEST} bytes.")));
    }
    let filter = parse(text)?;
    let mut writer = Writer { sort, first, params: Vec::new(), terms: 0 };
    let sql = writer.filter(&filter, 0)?;
    Ok(Condition { sql, params: writer.params })
}

fn parse(text: &str) -> Result<Filter, Error> {
    let unread = || wrong("This filter cannot be read. One such as userName eq \"ada@example.com\" is expected.");
    match text.parse::<Filter>() {
        Ok(filter) => Ok(filter),
        // Entra ID asks emails[type eq "work"].value eq "…", which the grammar of filters does not have.
        Err(_) => inward(text).and_then(|text| text.parse().ok()).ok_or_else(unread),
    }
}

/// `emails[A].value eq "x"` as `emails[(A) and value eq "x"]`.
fn inward(text: &str) -> Option<String> {
    let (head, inner) = text.split_once('[')?;
    let (inner, last) = inner.rsplit_once("].")?;
    Some(format!("{head}[({inner}) and {last}]"))
}

/// Where something that can be asked for is found.
enum Place {
    /// A column, compared as it is or folded.
    Text { column: &'static str, exact: bool },
    /// A point in time, in microseconds.
    Time(&'static str),
    /// Whether the account is in use.
    Active,
    /// A row of terms.
    Term(String),
    /// The groups of a person, or the people of a group: by id.
    Joined { table: &'static str, own: &'static str, other: &'static str, id: &'static str },
}

/// **The table** of what can be asked for.
fn place(sort: Sort, path: &AttrPath) -> Result<Place, Error> {
    let unknown = || {
        let sub = path.sub_attr.as_ref().map(|sub| format!(".{sub}")).unwrap_or_default();
        wrong(format!(
            "{}{sub} cannot be asked for. Users are found by id, userName, externalId, active, displayName, name, emails, \
             employeeNumber, manager, groups and meta; groups by id, displayName, externalId, members and meta.",
            path.name
        ))
    };
    let name = path.name.to_ascii_lowercase();
    let sub = path.sub_attr.as_deref().unwrap_or_default().to_ascii_lowercase();
    let company = match &path.uri {
        None => false,
        Some(uri) if uri.eq_ignore_ascii_case(ENTERPRISE) && sort == Sort::User => true,
        Some(uri) if uri.eq_ignore_ascii_case(sort.core()) => false,
        Some(_) => return Err(unknown()),
    };
    let text = |column, exact| Ok(Place::Text { column, exact });
    match (sort, name.as_str(), sub.as_str()) {
        (Sort::User, "employeenumber", "") => Ok(Place::Term(name)),
        (Sort::User, "manager", "" | "value") => Ok(Place::Term("manager.value".to_owned())),
        _ if company => Err(unknown()),
        (Sort::User, "id", "") => text("p.user_id", true),
        (Sort::User, "username", "") => text("p.user_name_folded", false),
        (Sort::User, "externalid", "") => text("p.external_id", true),
        (Sort::User, "active", "") => Ok(Place::Active),
        (Sort::User, "displayname", "") => Ok(Place::Term(name)),
        (Sort::User, "name", "formatted" | "familyname" | "givenname") => Ok(Place::Term(format!("name.{sub}"))),
        (Sort::User, "emails", "" | "value") => Ok(Place::Term("emails.value".to_owned())),
        (Sort::User, "emails", "type") => Ok(Place::Term("emails.type".to_owned())),
        (Sort::User, "emails", "primary") => Ok(Place::Term("emails.primary".to_owned())),
        (Sort::User, "groups", "" | "value") => {
            Ok(Place::Joined { table: "directory_members", own: "user_id", other: "group_id", id: "p.user_id" })
        }
        (Sort::User, "meta", "created") => Ok(Place::Time("p.created_at")),
        (Sort::User, "meta", "lastmodified") => Ok(Place::Time("p.changed_at")),
        (Sort::Group, "id", "") => text("g.id", true),
        (Sort::Group, "displayname", "") => text("g.name_folded", false),
        (Sort::Group, "externalid", "") => text("g.external_id", true),
        (Sort::Group, "members", "" | "value") => {
            Ok(Place::Joined { table: "directory_members", own: "group_id", other: "user_id", id: "g.id" })
        }
        (Sort::Group, "meta", "created") => Ok(Place::Time("g.created_at")),
        (Sort::Group, "meta", "lastmodified") => Ok(Place::Time("g.changed_at")),
        _ => Err(unknown()),
    }
}

struct Writer {
    sort: Sort,
    first: usize,
    params: Vec<Param<'static>>,
    terms: usize,
}

impl Writer {
    fn bind(&mut self, value: impl Into<Param<'static>>) -> String {
        self.params.push(value.into());
        format!("${}", self.first + self.params.len() - 1)
    }

    fn deeper(depth: usize) -> Result<usize, Error> {
        if depth >= DEPTH { Err(wrong(format!("A filter nests at most {DEPTH} deep."))) } else { Ok(depth + 1) }
    }

    fn term(&mut self) -> Result<(), Error> {
        self.terms += 1;
        if self.terms > TERMS { Err(wrong(format!("A filter has at most {TERMS} expressions."))) } else { Ok(()) }
    }

    fn filter(&mut self, filter: &Filter, depth: usize) -> Result<String, Error> {
        let depth = Self::deeper(depth)?;
        match filter {
            Filter::Attr(expression) => self.expression(expression),
            Filter::Not(inner) => Ok(format!("NOT ({})", self.filter(inner, depth)?)),
            Filter::And(all) => self.join(all.as_slice(), " AND ", |this, one| this.filter(one, depth)),
            Filter::Or(all) => self.join(all.as_slice(), " OR ", |this, one| this.filter(one, depth)),
            Filter::ValuePath(path) => self.element(&path.attr, &path.filter, depth),
        }
    }

    fn join<T>(
        &mut self,
        all: &[T],
        word: &str,
        mut one: impl FnMut(&mut Self, &T) -> Result<String, Error>,
    ) -> Result<String, Error> {
        let parts: Result<Vec<String>, Error> = all.iter().map(|part| one(self, part)).collect();
        Ok(format!("({})", parts?.join(word)))
    }

    /// Several things about one and the same value of an attribute.
    fn element(&mut self, path: &AttrPath, filter: &ValFilter, depth: usize) -> Result<String, Error> {
        let attribute = path.name.to_ascii_lowercase();
        match (self.sort, attribute.as_str()) {
            (Sort::User, "emails") => {
                let inner = self.inside(filter, depth)?;
                Ok(format!(
                    "EXISTS (SELECT 1 FROM provisioned_terms i WHERE i.user_id = p.user_id AND i.attribute = 'emails.value' AND \
                     {inner})"
                ))
            }
            // Members and groups have one thing to ask for, so what holds of a value holds of the attribute.
            (Sort::Group, "members") | (Sort::User, "groups") => match filter {
                ValFilter::Attr(AttrExp::Comparison(inner, op, value)) if inner.name.eq_ignore_ascii_case("value") => {
                    self.expression(&AttrExp::Comparison(AttrPath::with_name(attribute), op.clone(), value.clone()))
                }
                _ => Err(wrong(format!("{attribute} are found by one value alone."))),
            },
            _ => Err(wrong(format!("{} has no values of several parts that can be asked for.", path.name))),
        }
    }

    fn inside(&mut self, filter: &ValFilter, depth: usize) -> Result<String, Error> {
        let depth = Self::deeper(depth)?;
        match filter {
            ValFilter::Not(inner) => Ok(format!("NOT ({})", self.inside(inner, depth)?)),
            ValFilter::And(all) => self.join(all.as_slice(), " AND ", |this, one| this.inside(one, depth)),
            ValFilter::Or(all) => self.join(all.as_slice(), " OR ", |this, one| this.inside(one, depth)),
            ValFilter::Attr(expression) => {
                self.term()?;
                let (path, test) = match expression {
                    AttrExp::Present(path) => (path, None),
                    AttrExp::Comparison(path, op, value) => (path, Some((op, value))),
                };
                let part = path.name.to_ascii_lowercase();
                if !matches!(part.as_str(), "value" | "type" | "primary")
                    || path.sub_attr.is_some()
                    || path.uri.is_some()
                {
                    return Err(wrong("Addresses are found by value, type and primary."));
                }
                let name = self.bind(format!("emails.{part}"));
                let test = match test {
                    None => "1 = 1".to_owned(),
                    Some((op, value)) => self.compare("t.value", false, op, value)?,
                };
                Ok(format!(
                    "EXISTS (SELECT 1 FROM provisioned_terms t WHERE t.user_id = i.user_id AND t.item = i.item AND \
                     t.attribute = {name} AND {test})"
                ))
            }
        }
    }

    fn expression(&mut self, expression: &AttrExp) -> Result<String, Error> {
        self.term()?;
        match expression {
            AttrExp::Present(path) => Ok(match place(self.sort, path)? {
                Place::Text { column, .. } => format!("({column} IS NOT NULL AND {column} <> '')"),
                Place::Time(_) | Place::Active => "1 = 1".to_owned(),
                Place::Term(name) => {
                    let name = self.bind(name);
                    format!(
                        "EXISTS (SELECT 1 FROM provisioned_terms t WHERE t.user_id = p.user_id AND t.attribute = {name})"
                    )
                }
                Place::Joined { table, own, id, .. } => {
                    format!("EXISTS (SELECT 1 FROM {table} m WHERE m.{own} = {id})")
                }
            }),
            AttrExp::Comparison(path, op, value) => {
                // "ne" holds where there is no such value at all, and of no value of many (RFC 7644 section 3.4.2.2).
                let (op, not) = if *op == CompareOp::Ne { (&CompareOp::Eq, true) } else { (op, false) };
                let test = match place(self.sort, path)? {
                    Place::Text { column, exact } => {
                        let test = self.compare(column, exact, op, value)?;
                        format!("({column} IS NOT NULL AND {test})")
                    }
                    Place::Time(column) => self.time(column, op, value)?,
                    Place::Active => match (op, flag(value)) {
                        (CompareOp::Eq, Some(true)) => "u.disabled_at IS NULL".to_owned(),
                        (CompareOp::Eq, Some(false)) => "u.disabled_at IS NOT NULL".to_owned(),
                        _ => return Err(wrong("active is asked for with eq or ne, and true or false.")),
                    },
                    Place::Term(name) => {
                        let name = self.bind(name);
                        let test = self.compare("t.value", false, op, value)?;
                        format!(
                            "EXISTS (SELECT 1 FROM provisioned_terms t WHERE t.user_id = p.user_id AND t.attribute = {name} AND \
                             {test})"
                        )
                    }
                    Place::Joined { table, own, other, id } => {
                        let test = self.compare(&format!("m.{other}"), true, op, value)?;
                        format!("EXISTS (SELECT 1 FROM {table} m WHERE m.{own} = {id} AND {test})")
                    }
                };
                Ok(if not { format!("NOT ({test})") } else { test })
            }
        }
    }

    fn compare(&mut self, column: &str, exact: bool, op: &CompareOp, value: &CompValue) -> Result<String, Error> {
        let text = match value {
            CompValue::Str(text) => text.clone(),
            CompValue::True => "true".to_owned(),
            CompValue::False => "false".to_owned(),
            CompValue::Number(number) => number.to_string(),
            CompValue::Null => {
                return Err(wrong("null is no value to compare with. Ask with pr whether there is one."));
            }
        };
        if text.contains('\0') {
            return Err(wrong("A value to compare with has no control characters."));
        }
        let text = if exact { text } else { identity::fold_login(&text) };
        let length = text.chars().count();
        // Without LIKE: its case and its wildcards are not the same on both databases. The lengths are numbers of our own.
        match op {
            CompareOp::Eq => Ok(format!("{column} = {}", self.bind(text))),
            CompareOp::Ne => Ok(format!("{column} <> {}", self.bind(text))),
            _ if text.is_empty() => Ok("1 = 1".to_owned()),
            CompareOp::Co => Ok(format!("replace({column}, {}, '') <> {column}", self.bind(text))),
            CompareOp::Sw => Ok(format!("substr({column}, 1, {length}) = {}", self.bind(text))),
            CompareOp::Ew => Ok(format!(
                "(length({column}) >= {length} AND substr({column}, length({column}) - {length} + 1) = {})",
                self.bind(text)
            )),
            CompareOp::Gt | CompareOp::Ge | CompareOp::Lt | CompareOp::Le => {
                Err(wrong("gt, ge, lt and le compare times: meta.created and meta.lastModified."))
            }
        }
    }

    fn time(&mut self, column: &str, op: &CompareOp, value: &CompValue) -> Result<String, Error> {
        let CompValue::Str(text) = value else { return Err(wrong("A time is a text such as 2026-10-23T01:12:07Z.")) };
        let at: jiff::Timestamp = text.parse().map_err(|_| wrong("A time is a text such as 2026-10-23T01:12:07Z."))?;
        let word = match op {
            CompareOp::Eq => "=",
            CompareOp::Ne => "<>",
            CompareOp::Gt => ">",
            CompareOp::Ge => ">=",
            CompareOp::Lt => "<",
            CompareOp::Le => "<=",
            CompareOp::Co | CompareOp::Sw | CompareOp::Ew => {
                return Err(wrong("A time is compared with eq, ne, gt, ge, lt and le."));
            }
        };
        // Answers name milliseconds, so that is what a time is compared by.
        Ok(format!("{column} / 1000 {word} {}", self.bind(at.as_millisecond())))
    }
}

fn flag(value: &CompValue) -> Option<bool> {
    match value {
        CompValue::True => Some(true),
        CompValue::False => Some(false),
        CompValue::Str(text) if text.eq_ignore_ascii_case("true") => Some(true),
        CompValue::Str(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Whether one value of an attribute is picked by the filter of a path.
pub(crate) fn picks(filter: &ValFilter, parts: &'static [Attribute], value: &Value) -> Result<bool, Error> {
    Ok(match filter {
        ValFilter::Not(inner) => !picks(inner, parts, value)?,
        ValFilter::And(all) => {
            let all: Result<Vec<bool>, Error> = all.iter().map(|one| picks(one, parts, value)).collect();
            all?.into_iter().all(|one| one)
        }
        ValFilter::Or(all) => {
            let all: Result<Vec<bool>, Error> = all.iter().map(|one| picks(one, parts, value)).collect();
            all?.into_iter().any(|one| one)
        }
        ValFilter::Attr(expression) => {
            let (path, test) = match expression {
                AttrExp::Present(path) => (path, None),
                AttrExp::Comparison(path, op, wanted) => (path, Some((op, wanted))),
            };
            let part = find(parts, &path.name).filter(|_| path.sub_attr.is_none() && path.uri.is_none());
            let part = part.ok_or_else(|| wrong(format!("{} is no part of that attribute.", path.name)))?;
            let found = value.get(part.name);
            match test {
                None => found.is_some(),
                Some((op, wanted)) => holds(part, found, op, wanted)?,
            }
        }
    })
}

fn holds(part: &Attribute, found: Option<&Value>, op: &CompareOp, wanted: &CompValue) -> Result<bool, Error> {
    if part.holds == Holds::Boolean {
        let found = found.and_then(Value::as_bool).unwrap_or_default();
        return match (op, flag(wanted)) {
            (CompareOp::Eq, Some(wanted)) => Ok(found == wanted),
            (CompareOp::Ne, Some(wanted)) => Ok(found != wanted),
            _ => Err(wrong(format!("{} is asked for with eq or ne, and true or false.", part.name))),
        };
    }
    let CompValue::Str(wanted) = wanted else {
        return Err(wrong(format!("{} is compared with a text.", part.name)));
    };
    let fold = |text: &str| if part.exact { text.to_owned() } else { identity::fold_login(text) };
    let Some(found) = found.and_then(Value::as_str).map(fold) else { return Ok(*op == CompareOp::Ne) };
    let wanted = fold(wanted);
    Ok(match op {
        CompareOp::Eq => found == wanted,
        CompareOp::Ne => found != wanted,
        CompareOp::Co => found.contains(&wanted),
        CompareOp::Sw => found.starts_with(&wanted),
        CompareOp::Ew => found.ends_with(&wanted),
        CompareOp::Gt | CompareOp::Ge | CompareOp::Lt | CompareOp::Le => {
            return Err(wrong("gt, ge, lt and le compare times."));
        }
    })
}

/// What a filter says of a value that it would pick, when it says so plainly: `type eq "work"`. With this, a value that is not
/// there yet can be made as Entra ID expects.
pub(crate) fn said(filter: &ValFilter) -> Option<Vec<(String, Value)>> {
    match filter {
        ValFilter::Attr(AttrExp::Comparison(path, CompareOp::Eq, value))
            if path.sub_attr.is_none() && path.uri.is_none() =>
        {
            let value = match value {
                CompValue::Str(text) => Value::String(text.clone()),
                CompValue::True => Value::Bool(true),
                CompValue::False => Value::Bool(false),
                CompValue::Number(_) | CompValue::Null => return None,
            };
            Some(vec![(path.name.clone(), value)])
        }
        ValFilter::And(all) => {
            let all: Option<Vec<Vec<_>>> = all.iter().map(said).collect();
            Some(all?.into_iter().flatten().collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sort: Sort, text: &str) -> Condition {
        condition(sort, text, 3).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Injection (1.2.4): whatever is asked for, the values are parameters.
    #[test]
    fn every_value_is_bound_and_none_is_text() {
        for text in [
            r#"userName eq "x'; DROP TABLE users; --""#,
            r#"emails[type eq "x' OR 1=1" and value co "x'"]"#,
            r#"displayName sw "x'" or not (externalId ew "x'")"#,
            r#"members eq "x'""#,
        ] {
            let sort = if text.starts_with("members") { Sort::Group } else { Sort::User };
            let condition = check(sort, text);
            assert!(!condition.sql.contains("x'"), "{}", condition.sql);
            assert!(condition.sql.contains("$3") && !condition.params.is_empty());
        }
    }

    #[test]
    fn what_entra_id_and_okta_ask_is_understood() {
        for (sort, text) in [
            (Sort::User, r#"userName eq "Test_User_dfeef4c5-5681-4387-b016-bdf221e82081""#),
            (Sort::User, r#"externalId eq "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef""#),
            (Sort::User, r#"emails[type eq "work"].value eq "ada@example.com""#),
            (
                Sort::User,
                r#"id eq "54D382A4-2050-4C03-94D1-E769F1D15682" and manager eq "2819c223-7f76-453a-919d-413861904646""#,
            ),
            (Sort::User, r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber eq "7""#),
            (Sort::User, r#"active eq true and meta.lastModified gt "2026-10-23T01:12:07Z""#),
            (Sort::Group, r#"displayName eq "Group1""#),
            (Sort::Group, r#"id eq "6c5bb468" and members eq "f648f8d5""#),
            (Sort::Group, r#"members[value eq "f648f8d5"]"#),
        ] {
            let condition = check(sort, text);
            assert!(!condition.sql.is_empty(), "{text}");
        }
        assert_eq!(
            inward(r#"emails[type eq "work"].value eq "x""#).unwrap(),
            r#"emails[(type eq "work") and value eq "x"]"#
        );
    }

    #[test]
    fn what_cannot_be_asked_is_refused_in_words() {
        let deep = format!("{}active eq true{}", "not (".repeat(20), ")".repeat(20));
        let long = format!("userName eq \"{}\"", "x".repeat(2_000));
        let many = vec!["active pr"; 60].join(" or ");
        for (text, words) in [
            ("", "cannot be read"),
            ("userName", "cannot be read"),
            ("userName eq", "cannot be read"),
            ("userName eq \"x\" and", "cannot be read"),
            ("password eq \"x\"", "cannot be asked for"),
            ("phoneNumbers.value eq \"x\"", "cannot be asked for"),
            ("urn:example:User:userName eq \"x\"", "cannot be asked for"),
            ("userName gt \"a\"", "compare times"),
            ("userName eq null", "null is no value"),
            ("active co \"t\"", "true or false"),
            ("meta.created eq \"yesterday\"", "2026-10-23"),
            ("emails[colour eq \"red\"]", "value, type and primary"),
            ("name[familyName eq \"x\"]", "no values of several parts"),
            (deep.as_str(), "deep"),
            (long.as_str(), "bytes"),
            (many.as_str(), "expressions"),
        ] {
            let error = condition(Sort::User, text, 1).unwrap_err().to_string();
            assert!(error.contains(words) && error.starts_with("invalidFilter"), "{text}: {error}");
        }
    }

    proptest::proptest! {
        /// Whatever a stranger asks is refused in words, or a condition with as many parameters as it has values.
        #[test]
        fn no_filter_breaks_the_translation(
            words in proptest::collection::vec(proptest::sample::select(vec![
                "userName", "emails", "members", "active", "meta.created", "name.familyName", " eq ", " co ", " pr", " and ", " or ",
                "not (", "(", ")", "[", "]", ".value", "\"x'\"", "true", "null", "7", "urn:a:b:", "\\", "\"", "\u{0}", "é",
            ]), 0..24),
        ) {
            let text = words.concat();
            for sort in Sort::ALL {
                if let Ok(condition) = condition(sort, &text, 1) {
                    let numbers = condition.sql.matches('$').count();
                    proptest::prop_assert_eq!(numbers, condition.params.len());
                    proptest::prop_assert!(!condition.sql.contains("x'"));
                }
            }
        }
    }
}
