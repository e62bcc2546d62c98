//! Room `alerts`.
