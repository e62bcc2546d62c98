//! Room `sms`.
