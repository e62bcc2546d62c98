//! How a PDU's struct, reader and writer come from one list of fields.

use crate::codec::{Reader, Writer};
use crate::{EncodeError, Malformed};

/// What every PDU's body can do.
pub(crate) trait Body: Sized {
    fn read(from: &mut Reader) -> Result<Self, Malformed>;
    fn write(&self, to: &mut Writer<'_>) -> Result<(), EncodeError>;
}

/// Declares a body: its fields in wire order, each with its limit where it has one (octets with the NUL).
macro_rules! pdu {
    (
        $(#[$doc:meta])*
        $name:ident {
            $($(#[$field_doc:meta])* $field:ident: $type:ty $(, limit $limit:expr)?;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Default)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $crate::pdu::Body for $name {
            #[allow(unused_variables, reason = "a body may have no fields")]
            fn read(from: &mut $crate::codec::Reader) -> Result<Self, $crate::Malformed> {
                Ok(Self { $($field: $crate::codec::Field::read(from, stringify!($field))?,)* })
            }

            #[allow(unused_variables, reason = "a body may have no fields")]
            fn write(&self, to: &mut $crate::codec::Writer<'_>) -> Result<(), $crate::EncodeError> {
                $($crate::codec::Field::write(&self.$field, to, stringify!($field), 0 $(+ $limit)?)?;)*
                Ok(())
            }
        }
    };
}

pub(crate) use pdu;
