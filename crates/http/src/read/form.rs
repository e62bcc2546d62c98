//! Forms and query strings.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::explain::explain;
use super::values;
use crate::body;
use crate::csrf::CSRF_FIELD;
use crate::refusal::Refusal;

/// A form (`application/x-www-form-urlencoded`) as a `T`; always the last argument. A field may be there once, or as often
/// as wanted when `T` has a list for it; one left empty is `None` for an `Option`. The field `csrf` was checked before and
/// is not shown to `T`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let bytes = body::read(request.into_body()).await?;
        read(&bytes, "invalid-form").map(Self)
    }
}

/// The query string as a `T`, by the same rules as [`Form`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        read(parts.uri.query().unwrap_or_default().as_bytes(), "invalid-query").map(Self)
    }
}

/// The names and values of a query string or form, decoded, in order.
pub fn form_pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    form_urlencoded::parse(text.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned()))
}

fn read<T: DeserializeOwned>(bytes: &[u8], code: &'static str) -> Result<T, Refusal> {
    let pairs = form_urlencoded::parse(bytes).filter(|(name, _)| name != CSRF_FIELD);
    values::read(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())))
        .map_err(|error| Refusal::new(explain(code, &error.0, "")))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Colour {
        Red,
        LightBlue,
    }

    /// A type with a reader of its own.
    #[derive(Debug, PartialEq)]
    struct Day(u8);

    impl<'de> Deserialize<'de> for Day {
        fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
            let text = String::deserialize(reader)?;
            text.parse().map(Self).map_err(|_| serde::de::Error::custom("a day of the month is wanted"))
        }
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        name: String,
        count: u32,
        colour: Option<Colour>,
        #[serde(default)]
        tags: Vec<String>,
        #[serde(default)]
        gift: bool,
        note: Option<String>,
        day: Option<Day>,
    }

    fn order(text: &str) -> Result<Order, (Option<String>, String)> {
        read(text.as_bytes(), "invalid-form").map_err(|refusal: Refusal| {
            (refusal.problem().field.clone(), refusal.problem().detail.clone().into_owned())
        })
    }

    #[test]
    fn a_form_becomes_a_value() {
        let expected = Order {
            name: "Ada & Co".into(),
            count: 3,
            colour: Some(Colour::LightBlue),
            tags: vec!["a".into(), "b".into()],
            gift: true,
            note: None,
            day: Some(Day(7)),
        };
        let text = "name=Ada+%26+Co&count=3&colour=light-blue&tags=a&tags=b&gift=on&note=&day=7&csrf=token";
        assert_eq!(order(text), Ok(expected));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("name=a&name=b&count=1", "name", "more than once"),
            ("name=a&count=one", "count", "whole number"),
            ("count=1", "name", "is missing"),
            ("name=a&count=1&size=2", "size", "not known here"),
            ("name=a&count=1&colour=green", "colour", "none of those known"),
            ("name=a&count=1&gift=maybe", "gift", "true or false"),
            ("name=a&count=1&day=first", "day", "a day of the month"),
        ];
        for (text, field, words) in cases {
            let (named, detail) = order(text).unwrap_err();
            assert_eq!(named.as_deref(), Some(field), "{text}: {detail}");
            assert!(detail.contains(words), "{text}: {detail}");
        }
    }
}
