//! Room `messaging`.
