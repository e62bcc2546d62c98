//! The words that templates may use: an allow-list. What is not here does not exist, so a filter that a new version of
//! the engine brings cannot widen what customers can do.
//!
//! Left out on purpose: `format` (widths of a gigabyte), `indent`, `batch`, `slice`, `zip`, `chain` and `pprint` (output that
//! no input pays for), `namespace` (texts that double in a loop), `debug` (shows the engine's inside), `safe` and
//! `escape` (nothing is escaped here; pages escape what they show). `replace` and `join` are our own, with a bound.

use minijinja::value::{Rest, Value};
use minijinja::{Environment, Error, ErrorKind, filters, functions, tests};

use crate::OUTPUT_LIMIT;

/// Filters that may be used, sorted.
pub(crate) const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "bool",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "groupby",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
];

/// Tests that may be used, sorted.
pub(crate) const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];

/// Functions that may be called, sorted.
pub(crate) const FUNCTIONS: &[&str] = &["dict", "range"];

/// Puts the vocabulary into an empty environment.
pub(crate) fn teach(env: &mut Environment<'_>) {
    add_filters(env);
    add_tests(env);
    env.add_function("range", functions::range);
    env.add_function("dict", functions::dict);
}

fn add_filters(env: &mut Environment<'_>) {
    env.add_filter("abs", filters::abs);
    env.add_filter("attr", filters::attr);
    env.add_filter("bool", filters::bool);
    env.add_filter("capitalize", filters::capitalize);
    env.add_filter("count", filters::length);
    env.add_filter("d", filters::default);
    env.add_filter("default", filters::default);
    env.add_filter("dictsort", filters::dictsort);
    env.add_filter("first", filters::first);
    env.add_filter("float", filters::float);
    env.add_filter("groupby", filters::groupby);
    env.add_filter("int", filters::int);
    env.add_filter("items", filters::items);
    env.add_filter("join", join);
    env.add_filter("last", filters::last);
    env.add_filter("length", filters::length);
    env.add_filter("lines", filters::lines);
    env.add_filter("list", filters::list);
    env.add_filter("lower", filters::lower);
    env.add_filter("map", filters::map);
    env.add_filter("max", filters::max);
    env.add_filter("min", filters::min);
    env.add_filter("reject", filters::reject);
    env.add_filter("rejectattr", filters::rejectattr);
    env.add_filter("replace", replace);
    env.add_filter("reverse", filters::reverse);
    env.add_filter("round", filters::round);
    env.add_filter("select", filters::select);
    env.add_filter("selectattr", filters::selectattr);
    env.add_filter("sort", filters::sort);
    env.add_filter("split", filters::split);
    env.add_filter("string", filters::string);
    env.add_filter("sum", filters::sum);
    env.add_filter("title", filters::title);
    env.add_filter("tojson", tojson);
    env.add_filter("trim", filters::trim);
    env.add_filter("truncate", truncate);
    env.add_filter("unique", filters::unique);
    env.add_filter("upper", filters::upper);
}

fn add_tests(env: &mut Environment<'_>) {
    env.add_test("boolean", tests::is_boolean);
    env.add_test("defined", tests::is_defined);
    env.add_test("divisibleby", tests::is_divisibleby);
    env.add_test("endingwith", tests::is_endingwith);
    env.add_test("eq", tests::is_eq);
    env.add_test("equalto", tests::is_eq);
    env.add_test("even", tests::is_even);
    env.add_test("false", tests::is_false);
    env.add_test("float", tests::is_float);
    env.add_test("ge", tests::is_ge);
    env.add_test("gt", tests::is_gt);
    env.add_test("in", tests::is_in);
    env.add_test("int", tests::is_integer);
    env.add_test("integer", tests::is_integer);
    env.add_test("iterable", tests::is_iterable);
    env.add_test("le", tests::is_le);
    env.add_test("lower", tests::is_lower);
    env.add_test("lt", tests::is_lt);
    env.add_test("mapping", tests::is_mapping);
    env.add_test("ne", tests::is_ne);
    env.add_test("none", tests::is_none);
    env.add_test("number", tests::is_number);
    env.add_test("odd", tests::is_odd);
    env.add_test("sequence", tests::is_sequence);
    env.add_test("startingwith", tests::is_startingwith);
    env.add_test("string", tests::is_string);
    env.add_test("true", tests::is_true);
    env.add_test("undefined", tests::is_undefined);
    env.add_test("upper", tests::is_upper);
}

fn too_large() -> Error {
    Error::new(ErrorKind::InvalidOperation, "the text becomes larger than 64 KiB")
}

/// Adds `more` to `out`, unless that would make it too large.
fn push(out: &mut String, more: &str) -> Result<(), Error> {
    if out.len() + more.len() > OUTPUT_LIMIT {
        return Err(too_large());
    }
    out.push_str(more);
    Ok(())
}

/// `{{ list | join(", ") }}`, `{{ list | join(", ", "name") }}`: the elements (or one attribute of each) as one text.
fn join(value: &Value, arguments: Rest<Value>) -> Result<String, Error> {
    let joiner = arguments.first().map(ToString::to_string).unwrap_or_default();
    let attribute = arguments.get(1).map(ToString::to_string);
    let mut out = String::new();
    for (at, item) in value.try_iter()?.enumerate() {
        if at > 0 {
            push(&mut out, &joiner)?;
        }
        let item = match &attribute {
            Some(name) => item.get_attr(name)?,
            None => item,
        };
        match item.as_str() {
            Some(text) => push(&mut out, text)?,
            None => push(&mut out, &item.to_string())?,
        }
    }
    Ok(out)
}

/// `{{ text | replace("a", "b") }}`: the text with each `a` as a `b`.
fn replace(value: &Value, from: &Value, to: &Value) -> Result<String, Error> {
    let (text, from, to) = (value.to_string(), from.to_string(), to.to_string());
    if from.is_empty() {
        return Err(Error::new(ErrorKind::InvalidOperation, "replace wants a text to look for"));
    }
    let mut out = String::new();
    for (at, piece) in text.split(from.as_str()).enumerate() {
        if at > 0 {
            push(&mut out, &to)?;
        }
        push(&mut out, piece)?;
    }
    Ok(out)
}

/// `{{ text | truncate(120) }}`: at most that many characters, the last three of them `...` when something was left out.
fn truncate(value: &Value, length: Option<usize>) -> String {
    let text = value.to_string();
    let length = length.unwrap_or(160);
    if text.chars().count() <= length {
        return text;
    }
    let dots = "...".get(..length.min(3)).unwrap_or_default();
    let kept = text.chars().take(length - dots.len());
    kept.chain(dots.chars()).collect()
}

/// `{{ value | tojson }}`: the value as JSON, on one line, `<` and all as they are.
fn tojson(value: &Value) -> Result<String, Error> {
    let mut out = crate::engine::Capped::default();
    serde_json::to_writer(&mut out, value).map_err(|_| too_large())?;
    String::from_utf8(out.into_bytes()).map_err(|_| Error::new(ErrorKind::BadSerialization, "not a text"))
}
