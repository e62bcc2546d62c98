//! Room `carriers`.
