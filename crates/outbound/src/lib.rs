//! Room `outbound`.
