//! Pages, fragments and live updates: what people see and do in a browser.
//!
//! A page is a template with a typed context; the full page holds the fragment that live updates fetch again. This room has
//! no business rules and no SQL: it asks the rooms below with the reader's [`access::Permit`] and shows what they say.

mod assets;
