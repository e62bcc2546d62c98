//! Values that go into and come out of a row. One set for both databases: BIGINT, DOUBLE PRECISION, BOOLEAN, TEXT
//! and BYTEA. Time is microseconds in a BIGINT, an id is a UUID as TEXT, a document is JSON as TEXT.

use std::borrow::Cow;
use std::fmt;

use base::{Day, Timestamp};
use uuid::Uuid;

/// A parameter of a statement, or a column of a row.
#[derive(Clone, PartialEq)]
pub enum Value<'a> {
    /// No value. It fits every column type.
    Null,
    /// BIGINT.
    Int(i64),
    /// DOUBLE PRECISION.
    Real(f64),
    /// BOOLEAN.
    Bool(bool),
    /// TEXT.
    Text(Cow<'a, str>),
    /// BYTEA.
    Bytes(Cow<'a, [u8]>),
}

impl Value<'_> {
    /// The same value without a borrow, for batches that outlive their source.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Int(value) => Value::Int(value),
            Self::Real(value) => Value::Real(value),
            Self::Bool(value) => Value::Bool(value),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.into_owned())),
        }
    }
}

/// Texts and bytes may be personal or secret, so only their size is printed.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Int(value) => write!(f, "Int({value})"),
            Self::Real(value) => write!(f, "Real({value})"),
            Self::Bool(value) => write!(f, "Bool({value})"),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
        }
    }
}

macro_rules! ints {
    ($($type:ty),*) => {$(
        impl From<$type> for Value<'_> {
            fn from(value: $type) -> Self {
                Self::Int(i64::from(value))
            }
        }
    )*};
}
ints!(i64, i32, i16, i8, u32, u16, u8);

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

impl<'a> From<Cow<'a, str>> for Value<'a> {
    fn from(value: Cow<'a, str>) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(value))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(value: &'a [u8; N]) -> Self {
        Self::Bytes(Cow::Borrowed(value))
    }
}

impl<const N: usize> From<[u8; N]> for Value<'_> {
    fn from(value: [u8; N]) -> Self {
        Self::Bytes(Cow::Owned(value.to_vec()))
    }
}

impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(value: &'a Vec<u8>) -> Self {
        Self::Bytes(Cow::Borrowed(value))
    }
}

impl From<Vec<u8>> for Value<'_> {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Cow::Owned(value))
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(value: Timestamp) -> Self {
        Self::Int(value.as_micros())
    }
}

impl From<Day> for Value<'_> {
    fn from(value: Day) -> Self {
        Self::Int(value.number())
    }
}

impl From<Uuid> for Value<'_> {
    fn from(value: Uuid) -> Self {
        Self::Text(Cow::Owned(value.to_string()))
    }
}

/// A document is stored as compact JSON text.
impl From<&serde_json::Value> for Value<'_> {
    fn from(value: &serde_json::Value) -> Self {
        Self::Text(Cow::Owned(value.to_string()))
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A Rust type that a column can be read as.
pub trait FromValue: Sized {
    /// What the column should have held, for the error text.
    const EXPECTED: &'static str;

    /// The value as this type; `None` when it is another.
    fn from_value(value: Value<'_>) -> Option<Self>;
}

macro_rules! from_ints {
    ($($type:ty),*) => {$(
        impl FromValue for $type {
            const EXPECTED: &'static str = stringify!($type);

            fn from_value(value: Value<'_>) -> Option<Self> {
                match value {
                    Value::Int(value) => value.try_into().ok(),
                    _ => None,
                }
            }
        }
    )*};
}
from_ints!(i64, i32, i16, i8, u64, u32, u16, u8, usize);

impl FromValue for f64 {
    const EXPECTED: &'static str = "a number";

    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Real(value) => Some(value),
            #[expect(clippy::cast_precision_loss, reason = "a caller that reads a count as a float accepts rounding")]
            Value::Int(value) => Some(value as f64),
            _ => None,
        }
    }
}

impl FromValue for bool {
    const EXPECTED: &'static str = "a boolean";

    /// SQLite has no boolean type: there it is 0 or 1.
    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(value),
            Value::Int(0) => Some(false),
            Value::Int(1) => Some(true),
            _ => None,
        }
    }
}

impl FromValue for String {
    const EXPECTED: &'static str = "a text";

    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.into_owned()),
            _ => None,
        }
    }
}

impl FromValue for Vec<u8> {
    const EXPECTED: &'static str = "bytes";

    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => Some(bytes.into_owned()),
            _ => None,
        }
    }
}

impl<const N: usize> FromValue for [u8; N] {
    const EXPECTED: &'static str = "bytes of a fixed length";

    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => Self::try_from(&*bytes).ok(),
            _ => None,
        }
    }
}

impl FromValue for Timestamp {
    const EXPECTED: &'static str = "a time in microseconds";

    fn from_value(value: Value<'_>) -> Option<Self> {
        i64::from_value(value).map(Self::from_micros)
    }
}

impl FromValue for Day {
    const EXPECTED: &'static str = "a day number";

    fn from_value(value: Value<'_>) -> Option<Self> {
        i64::from_value(value).map(Self::from_number)
    }
}

impl FromValue for Uuid {
    const EXPECTED: &'static str = "a UUID";

    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Text(text) => Self::try_parse(&text).ok(),
            _ => None,
        }
    }
}

impl FromValue for serde_json::Value {
    const EXPECTED: &'static str = "JSON";

    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Text(text) => serde_json::from_str(&text).ok(),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

macro_rules! ids {
    ($($id:ident),*) => {$(
        impl From<base::$id> for Value<'_> {
            fn from(id: base::$id) -> Self {
                Self::from(id.uuid())
            }
        }

        impl From<&base::$id> for Value<'_> {
            fn from(id: &base::$id) -> Self {
                Self::from(id.uuid())
            }
        }

        impl FromValue for base::$id {
            const EXPECTED: &'static str = "an id";

            fn from_value(value: Value<'_>) -> Option<Self> {
                Uuid::from_value(value).map(Self::from)
            }
        }
    )*};
}
ids!(
    AlertId,
    ApiKeyId,
    MailId,
    AuditId,
    BatchId,
    CarrierId,
    DeviceId,
    ExportId,
    FlowId,
    GroupId,
    InboundId,
    IntegrationId,
    MessageId,
    NotificationId,
    OrganisationId,
    RequestId,
    ResourceId,
    RoleId,
    RouteId,
    RunId,
    SessionId,
    SignalId,
    SmppAccountId,
    OauthClientId,
    TokenIssuerId,
    WebhookId,
    UserId,
    WorkspaceId
);

/// The parameters of a statement, each turned into a [`Value`]: `params![id, "text", 7, None::<i64>]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        [$($crate::Value::from($value)),*]
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_their_size_and_never_their_words() {
        let shown = format!("{:?}", params!["+447700900117", vec![1_u8, 2, 3], 7, None::<&str>]);
        assert_eq!(shown, "[Text(13 bytes), Bytes(3 bytes), Int(7), Null]");
    }

    #[test]
    fn a_value_reads_back_as_what_it_was_and_refuses_to_be_another() {
        let id = base::AlertId::from(Uuid::from_u128(7));
        assert_eq!(base::AlertId::from_value(Value::from(id)), Some(id));
        assert_eq!(Option::<i64>::from_value(Value::Null), Some(None));
        assert_eq!(i64::from_value(Value::Null), None);
        assert_eq!(u8::from_value(Value::Int(256)), None);
        assert_eq!(bool::from_value(Value::Int(2)), None);
        assert_eq!(<[u8; 2]>::from_value(Value::from([1, 2, 3])), None);
        assert_eq!(String::from_value(Value::from(vec![1_u8])), None);
    }
}
