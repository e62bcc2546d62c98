//! What a command says when it fails: one clear line, and the exit code that scripts rely on.

use std::path::Path;

/// The outcome of a command.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure, with the line that is printed for it.
#[derive(Debug)]
pub struct Error {
    line: String,
}

impl Error {
    /// A failure that `line` describes completely, with the remedy.
    pub fn told(line: impl Into<String>) -> Self {
        Self { line: line.into() }
    }

    /// A file could not be read or written.
    pub fn file(path: &Path, source: std::io::Error) -> Self {
        Self::told(format!("{}: {source}", path.display()))
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.line)
    }
}

/// On the operator's own terminal the cause may be said whole.
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut line = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !line.contains(&text) {
                line = format!("{line}: {text}");
            }
            source = cause.source();
        }
        Self { line }
    }
}
