//! Room `oncall`.
