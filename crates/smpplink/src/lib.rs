//! Room `smpplink`.
