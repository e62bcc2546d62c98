//! Room `channels`.
