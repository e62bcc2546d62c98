//! Strict readers of what a request holds. Each failure names the place and what was expected there.

mod explain;
mod form;
mod json;
mod page;
mod path;
mod values;

pub use form::{Form, Query, form_pairs};
pub use json::{Json, parse_json};
pub use page::PageQuery;
pub use path::Path;
