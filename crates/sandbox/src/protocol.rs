//! What parent and worker say to each other: one JSON document per frame, its length before it in four bytes.

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::error::Failure;

/// Bytes of one frame at most: a context of 256 KiB written out, or 1,000 rows of a mapping.
pub(crate) const FRAME_LIMIT: usize = 8 * 1024 * 1024;

/// How a piece is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A text with `{{ … }}` and `{% … %}` in it; gives a text.
    Template,
    /// A bare expression; gives its value.
    Expression,
    /// A template, but one that is a single `{{ expression }}` gives the expression's value with its type.
    Value,
    /// A bare expression; gives `true` or `false`, as `if` would take it.
    Condition,
}

/// One thing to evaluate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// How it is written.
    pub mode: Mode,
    /// What is written.
    pub source: String,
}

impl Piece {
    /// A piece of `source`, written as `mode` says.
    pub fn new(mode: Mode, source: impl Into<String>) -> Self {
        Self { mode, source: source.into() }
    }
}

/// A list whose elements are the rows of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Each {
    /// The expression that gives the list. A single value is one row; where there is nothing, the task fails.
    pub list: String,
    /// The name under which a row's pieces see their element. They also see its place, from 0, as `index`.
    pub name: String,
}

/// Several pieces over one context: a mapping, or the texts of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// What the pieces can see: an object.
    pub context: Json,
    /// The rows; one, with the bare context, when absent.
    pub each: Option<Each>,
    /// What to evaluate for each row.
    pub pieces: Vec<Piece>,
}

impl Task {
    /// One row of `pieces` over `context`.
    pub const fn new(context: Json, pieces: Vec<Piece>) -> Self {
        Self { context, each: None, pieces }
    }

    /// The same task with a row for each element of the list that the expression `list` gives, known as `name`.
    #[must_use]
    pub fn each(mut self, list: impl Into<String>, name: impl Into<String>) -> Self {
        self.each = Some(Each { list: list.into(), name: name.into() });
        self
    }
}

/// What a task gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    /// For each row the outcome of each piece, in their order. A piece that fails leaves the others alone.
    pub rows: Vec<Vec<Result<Json, Failure>>>,
    /// How many elements the list had; more than `rows` when it was cut.
    pub total: usize,
}

/// The worker's answer to a task: its rows, or why the list of its rows could not be had.
pub(crate) type Answer = Result<Rows, Failure>;

/// The worker's first frame.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// Why it does not serve; absent when it is locked down and does.
    pub refusal: Option<String>,
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a frame is larger than agreed")
}

/// The frame of `document`.
pub(crate) fn frame(document: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut out = vec![0; 4];
    serde_json::to_writer(&mut out, document)?;
    let length = out.len() - 4;
    if length > FRAME_LIMIT {
        return Err(too_large());
    }
    out[..4].copy_from_slice(&u32::try_from(length).map_err(|_| too_large())?.to_be_bytes());
    Ok(out)
}

fn length_of(head: [u8; 4]) -> io::Result<usize> {
    let length = usize::try_from(u32::from_be_bytes(head)).map_err(|_| too_large())?;
    if length > FRAME_LIMIT { Err(too_large()) } else { Ok(length) }
}

/// The worker's side of reading: the next frame, or `None` when the parent has gone.
pub(crate) fn read_blocking(from: &mut impl io::Read) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 4];
    match from.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut body = vec![0; length_of(head)?];
    from.read_exact(&mut body)?;
    Ok(Some(body))
}

/// The parent's side of reading.
pub(crate) async fn read<T: serde::de::DeserializeOwned>(from: &mut (impl AsyncRead + Unpin)) -> io::Result<T> {
    let mut head = [0; 4];
    from.read_exact(&mut head).await?;
    let mut body = vec![0; length_of(head)?];
    from.read_exact(&mut body).await?;
    Ok(serde_json::from_slice(&body)?)
}

/// The parent's side of writing.
pub(crate) async fn write(to: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> io::Result<()> {
    to.write_all(frame).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_back_and_a_long_one_is_refused() {
        let task = Task::new(serde_json::json!({"a": 1}), vec![Piece::new(Mode::Template, "{{ a }}")]);
        let frame = frame(&task).unwrap();
        let body = read_blocking(&mut frame.as_slice()).unwrap().unwrap();
        assert_eq!(serde_json::from_slice::<Task>(&body).unwrap(), task);
        assert!(read_blocking(&mut [0u8; 0].as_slice()).unwrap().is_none());
        assert!(read_blocking(&mut [255u8, 255, 255, 255, 0].as_slice()).is_err());
    }
}
