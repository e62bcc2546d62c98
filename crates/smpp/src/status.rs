//! How a request went: its `command_status`.

use std::fmt;

macro_rules! statuses {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        impl Status {
            $(#[doc = $text] pub const $name: Self = Self($code);)*

            /// The name in the specification without its `ESME_` (`RTHROTTLED`); `None` for a carrier's own.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// What it means, in words.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self(0x400..=0x4FF) => "a status of the carrier's own",
                    _ => "a status that SMPP does not define",
                }
            }

            /// Finds a status by its name, with or without `ESME_`.
            pub fn by_name(name: &str) -> Option<Self> {
                match name.strip_prefix("ESME_").unwrap_or(name) {
                    $(stringify!($name) => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Every status that has a name.
            pub const NAMED: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

/// A `command_status` (SMPP 3.4, 5.1.3, and 5.0, 4.7.6). Any value can arrive; the named ones are known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Status(pub u32);

statuses! {
    ROK = 0x00, "no error";
    RINVMSGLEN = 0x01, "the message length is invalid";
    RINVCMDLEN = 0x02, "the command length is invalid";
    RINVCMDID = 0x03, "the command is not known";
    RINVBNDSTS = 0x04, "the command does not fit the state of the session";
    RALYBND = 0x05, "already bound";
    RINVPRTFLG = 0x06, "the priority flag is invalid";
    RINVREGDLVFLG = 0x07, "the registered delivery flag is invalid";
    RSYSERR = 0x08, "system error";
    RINVSRCADR = 0x0A, "the source address is invalid";
    RINVDSTADR = 0x0B, "the destination address is invalid";
    RINVMSGID = 0x0C, "the message id is invalid";
    RBINDFAIL = 0x0D, "the bind failed";
    RINVPASWD = 0x0E, "the password is invalid";
    RINVSYSID = 0x0F, "the system id is invalid";
    RCANCELFAIL = 0x11, "cancelling failed";
    RREPLACEFAIL = 0x13, "replacing failed";
    RMSGQFUL = 0x14, "the message queue is full";
    RINVSERTYP = 0x15, "the service type is invalid";
    RINVNUMDESTS = 0x33, "the number of destinations is invalid";
    RINVDLNAME = 0x34, "the distribution list is invalid";
    RINVDESTFLAG = 0x40, "the destination flag is invalid";
    RINVSUBREP = 0x42, "replacing on submit is not possible";
    RINVESMCLASS = 0x43, "the esm_class is invalid";
    RCNTSUBDL = 0x44, "submitting to a distribution list is not possible";
    RSUBMITFAIL = 0x45, "the submit failed";
    RINVSRCTON = 0x48, "the source's type of number is invalid";
    RINVSRCNPI = 0x49, "the source's numbering plan is invalid";
    RINVDSTTON = 0x50, "the destination's type of number is invalid";
    RINVDSTNPI = 0x51, "the destination's numbering plan is invalid";
    RINVSYSTYP = 0x53, "the system type is invalid";
    RINVREPFLAG = 0x54, "the replace-if-present flag is invalid";
    RINVNUMMSGS = 0x55, "the number of messages is invalid";
    RTHROTTLED = 0x58, "throttled: more than the allowed rate";
    RINVSCHED = 0x61, "the scheduled delivery time is invalid";
    RINVEXPIRY = 0x62, "the validity period is invalid";
    RINVDFTMSGID = 0x63, "the predefined message is invalid or not found";
    RX_T_APPN = 0x64, "a temporary error of the receiver";
    RX_P_APPN = 0x65, "a permanent error of the receiver";
    RX_R_APPN = 0x66, "the receiver rejected the message";
    RQUERYFAIL = 0x67, "the query failed";
    RINVOPTPARSTREAM = 0xC0, "the optional parameters are malformed";
    ROPTPARNOTALLWD = 0xC1, "an optional parameter is not allowed";
    RINVPARLEN = 0xC2, "a parameter has the wrong length";
    RMISSINGOPTPARAM = 0xC3, "an expected optional parameter is missing";
    RINVOPTPARAMVAL = 0xC4, "an optional parameter has an invalid value";
    RDELIVERYFAILURE = 0xFE, "the delivery failed";
    RUNKNOWNERR = 0xFF, "an unknown error";
    RSERTYPUNAUTH = 0x100, "not authorised for the service type";
    RPROHIBITED = 0x101, "not allowed for this account";
    RSERTYPUNAVAIL = 0x102, "the service type is unavailable";
    RSERTYPDENIED = 0x103, "the service type is denied";
    RINVDCS = 0x104, "the data coding is invalid";
    RINVSRCADDRSUBUNIT = 0x105, "the source's address subunit is invalid";
    RINVDSTADDRSUBUNIT = 0x106, "the destination's address subunit is invalid";
    RINVBCASTFREQINT = 0x107, "the broadcast frequency is invalid";
    RINVBCASTALIAS_NAME = 0x108, "the broadcast alias is invalid";
    RINVBCASTAREAFMT = 0x109, "the broadcast area format is invalid";
    RINVNUMBCAST_AREAS = 0x10A, "the number of broadcast areas is invalid";
    RINVBCASTCNTTYPE = 0x10B, "the broadcast content type is invalid";
    RINVBCASTMSGCLASS = 0x10C, "the broadcast message class is invalid";
    RBCASTFAIL = 0x10D, "the broadcast failed";
    RBCASTQUERYFAIL = 0x10E, "the broadcast query failed";
    RBCASTCANCELFAIL = 0x10F, "cancelling the broadcast failed";
    RINVBCAST_REP = 0x110, "the broadcast repetitions are invalid";
    RINVBCASTSRVGRP = 0x111, "the broadcast service group is invalid";
    RINVBCASTCHANIND = 0x112, "the broadcast channel indicator is invalid";
}

impl Status {
    /// Whether the request was accepted.
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }

    /// Whether the peer asks for less: the request may come again, later.
    pub const fn is_throttling(self) -> bool {
        matches!(self, Self::RTHROTTLED | Self::RMSGQFUL)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `ESME_RTHROTTLED (0x58)`: the name for people who know it, the number for those who look it up.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "ESME_{name} (0x{:02X})", self.0),
            None => write!(f, "status 0x{:02X}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_prints_its_name_and_number_and_is_found_by_name() {
        assert_eq!(Status::RTHROTTLED.to_string(), "ESME_RTHROTTLED (0x58)");
        assert_eq!(Status(0x41F).to_string(), "status 0x41F");
        assert_eq!(Status(0x41F).meaning(), "a status of the carrier's own");
        for status in Status::NAMED {
            assert_eq!(Status::by_name(status.name().unwrap()), Some(*status));
        }
        assert_eq!(Status::by_name("ESME_RSYSERR"), Some(Status::RSYSERR));
        assert_eq!(Status::by_name("nothing"), None);
    }
}
