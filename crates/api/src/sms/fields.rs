//! The fields of one message as they stand in a body: taken without copying, whatever their type, so that what is wrong with one
//! item of many is said of that item alone.

use std::borrow::Cow;
use std::fmt;

use base::{Problem, ProblemKind, Timestamp};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::time;

/// Names of fields that nobody asked for, kept of one body at most.
pub(super) const IGNORED: usize = 50;

/// What stands in a field.
#[derive(Clone, Debug, Default)]
pub(super) enum Field<'a> {
    /// Nothing, or null.
    #[default]
    Absent,
    /// A text.
    Text(Cow<'a, str>),
    /// Something that is no text.
    Other,
}

impl<'a> Field<'a> {
    /// The text, of at most `most` characters. A longer one is a problem with the code `long`.
    pub(super) fn text(
        self,
        name: &'static str,
        most: usize,
        long: &'static str,
    ) -> Result<Option<Cow<'a, str>>, Problem> {
        match self {
            Self::Absent => Ok(None),
            Self::Text(text) if text.len() <= most || text.chars().count() <= most => Ok(Some(text)),
            Self::Text(_) => {
                let detail = format!("The field {name} is longer than {most} characters.");
                Err(Problem::new(ProblemKind::Invalid, long, detail).at(name))
            }
            Self::Other => Err(wrong(name, format!("The field {name} must be a text."))),
        }
    }

    /// A time with its offset.
    pub(super) fn time(self, name: &'static str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.text(name, 40, INVALID)? else { return Ok(None) };
        let detail = || format!("The field {name} must be a time with its offset, such as 2026-10-23T01:12:07Z.");
        time::read(&text).map(Some).ok_or_else(|| wrong(name, detail()))
    }

    /// What is shown of it when its item is rejected.
    pub(super) fn shown(&self, most: usize) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.chars().take(most).collect()),
            Self::Absent | Self::Other => None,
        }
    }

    pub(super) fn borrowed(&self) -> Field<'_> {
        match self {
            Self::Absent => Field::Absent,
            Self::Text(text) => Field::Text(Cow::Borrowed(text)),
            Self::Other => Field::Other,
        }
    }

    pub(super) fn owned(self) -> Field<'static> {
        match self {
            Self::Absent => Field::Absent,
            Self::Text(text) => Field::Text(Cow::Owned(text.into_owned())),
            Self::Other => Field::Other,
        }
    }
}

/// The code of a problem that has no closer one.
pub(super) const INVALID: &str = "invalid-parameter";

pub(super) fn wrong(field: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Invalid, INVALID, detail.into()).at(field)
}

impl<'de> Deserialize<'de> for Field<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Field<'de>, E> {
        Ok(Field::Absent)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Field<'de>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Field<'de>, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }
}

/// The name of a field, borrowed where it stands unescaped.
pub(super) struct Key<'a>(pub(super) Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(KeyVisitor)
    }
}

macro_rules! item {
    ($($field:ident = $name:literal,)*) => {
        /// The fields of one message, or of a template.
        #[derive(Debug, Default)]
        pub(super) struct Item<'a> {
            $(pub(super) $field: Field<'a>,)*
            /// Names that nobody asked for.
            pub(super) ignored: Vec<String>,
        }

        impl<'a> Item<'a> {
            /// With what `template` says where this says nothing.
            pub(super) fn or<'b>(self, template: &'b Item<'b>) -> Item<'b> where 'a: 'b {
                Item {
                    $($field: match self.$field {
                        Field::Absent => template.$field.borrowed(),
                        own => own,
                    },)*
                    ignored: self.ignored,
                }
            }

            /// The same, apart from the body it stood in.
            pub(super) fn owned(self) -> Item<'static> {
                Item { $($field: self.$field.owned(),)* ignored: self.ignored }
            }
        }

        impl<'de> Deserialize<'de> for Item<'de> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ItemVisitor;

                impl<'de> Visitor<'de> for ItemVisitor {
                    type Value = Item<'de>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object with the fields of a message")
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Item<'de>, A::Error> {
                        let mut item = Item::default();
                        while let Some(Key(key)) = entries.next_key()? {
                            match &*key {
                                $($name => item.$field = entries.next_value()?,)*
                                _ => {
                                    entries.next_value::<IgnoredAny>()?;
                                    if item.ignored.len() < IGNORED {
                                        item.ignored.push(key.into_owned());
                                    }
                                }
                            }
                        }
                        Ok(item)
                    }
                }

                deserializer.deserialize_map(ItemVisitor)
            }
        }
    };
}

item! {
    destination = "destination",
    country = "country",
    source = "source",
    client_message_id = "clientMessageId",
    text = "text",
    encoding = "encoding",
    scheduled = "scheduled",
    expiry = "expiry",
    callback = "dlrCallbackUrl",
    client_ip = "clientIp",
    track = "track",
    class = "class",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_read_without_copying_and_filled_from_its_template() {
        let item: Item<'_> = serde_json::from_str(
            r#"{"destination":"+44","text":"a\nb","source":7,"colour":{"a":[1]},"t\u0072ack":null}"#,
        )
        .unwrap();
        assert!(matches!(item.destination, Field::Text(Cow::Borrowed("+44"))));
        assert!(matches!(&item.text, Field::Text(Cow::Owned(text)) if text == "a\nb"));
        assert!(matches!(item.source, Field::Other) && matches!(item.track, Field::Absent));
        assert_eq!(item.ignored, ["colour"]);
        let template: Item<'_> = serde_json::from_str(r#"{"text":"template","encoding":"UCS2"}"#).unwrap();
        let template = template.owned();
        let whole = item.or(&template);
        assert!(matches!(&whole.text, Field::Text(text) if text == "a\nb"), "its own text wins");
        assert!(matches!(whole.encoding, Field::Text(Cow::Borrowed("UCS2"))));
        assert!(serde_json::from_str::<Item<'_>>("[]").is_err());
    }
}
