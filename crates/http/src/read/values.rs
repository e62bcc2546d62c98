//! Name-value pairs (form fields, query parameters) as a value: each name once, unless the type wants a list.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqDeserializer, StringDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, MapAccess, VariantAccess, Visitor,
};
use serde::{Deserializer, forward_to_deserialize_any};

/// Why pairs are not the value that was wanted, in words for the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ValuesError(pub(crate) String);

impl fmt::Display for ValuesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ValuesError {}

impl serde::de::Error for ValuesError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }
}

/// Reads pairs as a `T`. An empty value is `None` for an `Option`: that is how a form sends a field that was left empty.
pub(crate) fn read<T: DeserializeOwned>(pairs: impl Iterator<Item = (String, String)>) -> Result<T, ValuesError> {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in pairs {
        fields.entry(name).or_default().push(value);
    }
    T::deserialize(MapAccessDeserializer::new(Fields { rest: fields.into_iter(), next: None }))
}

/// The fields one after the other. What a type of its own says of a value is said of the field.
struct Fields {
    rest: std::collections::btree_map::IntoIter<String, Vec<String>>,
    next: Option<Field>,
}

impl<'de> MapAccess<'de> for Fields {
    type Error = ValuesError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ValuesError> {
        let Some((name, values)) = self.rest.next() else { return Ok(None) };
        let word: StringDeserializer<ValuesError> = name.clone().into_deserializer();
        self.next = Some(Field { name, values });
        seed.deserialize(word).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ValuesError> {
        let field = self.next.take().ok_or_else(|| ValuesError::custom("a value stands before its name"))?;
        let name = field.name.clone();
        seed.deserialize(field).map_err(|error| {
            if error.0.starts_with("the field `") {
                return error;
            }
            ValuesError(format!("the field `{name}`: {}", error.0))
        })
    }
}

struct Field {
    name: String,
    values: Vec<String>,
}

impl Field {
    fn one(self) -> Result<String, ValuesError> {
        let mut values = self.values.into_iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            _ => Err(ValuesError(format!("the field `{}` is there more than once", self.name))),
        }
    }

    fn parse<T: std::str::FromStr>(self, what: &str) -> Result<T, ValuesError> {
        let name = self.name.clone();
        self.one()?.trim().parse().map_err(|_| ValuesError(format!("the field `{name}` must be {what}")))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $what:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValuesError> {
            visitor.$visit(self.parse($what)?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Field {
    type Error = ValuesError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValuesError> {
        visitor.visit_string(self.one()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValuesError> {
        if self.values.len() == 1 && self.values[0].is_empty() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValuesError> {
        let name = self.name;
        let items = self.values.into_iter().map(|value| Field { name: name.clone(), values: vec![value] });
        visitor.visit_seq(SeqDeserializer::new(items))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValuesError> {
        let name = self.name.clone();
        match self.one()?.as_str() {
            // `on` is what a browser sends for a ticked box without a value.
            "true" | "on" | "1" => visitor.visit_bool(true),
            "false" | "off" | "0" | "" => visitor.visit_bool(false),
            _ => Err(ValuesError(format!("the field `{name}` must be true or false"))),
        }
    }

    numbers! {
        deserialize_u8 visit_u8 "a whole number from 0 to 255";
        deserialize_u16 visit_u16 "a whole number from 0 to 65535";
        deserialize_u32 visit_u32 "a whole number, not negative";
        deserialize_u64 visit_u64 "a whole number, not negative";
        deserialize_i32 visit_i32 "a whole number";
        deserialize_i64 visit_i64 "a whole number";
        deserialize_f64 visit_f64 "a number";
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ValuesError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValuesError> {
        visitor.visit_enum(Word(self.one()?))
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u128 f32 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier
        ignored_any
    }
}

impl IntoDeserializer<'_, ValuesError> for Field {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// A word that names a variant.
struct Word(String);

impl<'de> EnumAccess<'de> for Word {
    type Error = ValuesError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), ValuesError> {
        let word: StringDeserializer<ValuesError> = self.0.clone().into_deserializer();
        Ok((seed.deserialize(word)?, self))
    }
}

impl<'de> VariantAccess<'de> for Word {
    type Error = ValuesError;

    fn unit_variant(self) -> Result<(), ValuesError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, ValuesError> {
        Err(ValuesError::custom("a single word is expected"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, ValuesError> {
        Err(ValuesError::custom("a single word is expected"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, ValuesError> {
        Err(ValuesError::custom("a single word is expected"))
    }
}
