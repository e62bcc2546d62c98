//! Southbound connections: the kind `carriers`, and SMPP clients that implement `messaging::Carrier`.
//!
//! NOTE for engineer E: the lead is writing this crate right now. Leave it; finish simulator, smpplink and interop, then report.
