//! The worker's evaluation of one task. Runs in the locked-down child only (and in tests of the rooms above).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

use minijinja::value::Value;
use minijinja::{Environment, ErrorKind, Expression, Template, UndefinedBehavior, context};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::error::{Failure, FailureKind};
use crate::protocol::{Answer, Each, Mode, Piece, Rows};
use crate::{OUTPUT_LIMIT, ROW_LIMIT, SOURCE_LIMIT, vocabulary};

/// Instructions one piece may take. A long text takes some hundreds.
const FUEL: u64 = 200_000;
/// Nested calls (recursive loops) at most; small, because the stack is.
const RECURSION: usize = 64;
/// Characters of a failure's message at most.
const MESSAGE_LIMIT: usize = 300;

/// A task as the worker reads it: the context goes straight into the engine's own values.
#[derive(Deserialize)]
pub(crate) struct Work {
    context: Value,
    each: Option<Each>,
    pieces: Vec<Piece>,
}

/// The engine with its vocabulary and limits.
pub(crate) fn environment() -> Environment<'static> {
    let mut env = Environment::empty();
    vocabulary::teach(&mut env);
    env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(RECURSION);
    env
}

/// Evaluates `work`.
pub(crate) fn evaluate(env: &Environment<'_>, work: &Work) -> Answer {
    let pieces: Vec<_> = work.pieces.iter().map(|piece| Compiled::new(env, piece)).collect();
    let run = |context: &Value| pieces.iter().map(|piece| piece.as_ref().map_err(Clone::clone)?.run(context)).collect();
    let Some(each) = &work.each else {
        return Ok(Rows { rows: vec![run(&work.context)], total: 1 });
    };
    let list = compile(env, &each.list)?.eval(work.context.clone()).map_err(|error| failure(&error))?;
    let elements: Vec<Value> = match list.kind() {
        minijinja::value::ValueKind::Seq | minijinja::value::ValueKind::Iterable => {
            list.try_iter().map_err(|error| failure(&error))?.collect()
        }
        // Not an empty list: whoever wrote the mapping expected one, so its absence must not pass unnoticed.
        minijinja::value::ValueKind::Undefined | minijinja::value::ValueKind::None => {
            return Err(Failure::new(FailureKind::Evaluation, format!("there is no list `{}`", each.list)));
        }
        _ => vec![list],
    };
    let mut rows = Vec::with_capacity(elements.len().min(ROW_LIMIT));
    for (index, element) in elements.iter().take(ROW_LIMIT).enumerate() {
        let own = BTreeMap::from([(each.name.clone(), element.clone()), ("index".to_owned(), Value::from(index))]);
        let own = Value::from_object(own);
        rows.push(run(&context! { ..own, ..work.context.clone() }));
    }
    Ok(Rows { rows, total: elements.len() })
}

/// A piece that was understood, ready to run on many rows.
enum Compiled<'env, 'source> {
    Template(Template<'env, 'source>),
    Expression(Expression<'env, 'source>),
    Condition(Expression<'env, 'source>),
}

impl<'env, 'source> Compiled<'env, 'source> {
    fn new(env: &'env Environment<'source>, piece: &'source Piece) -> Result<Self, Failure> {
        bounded(&piece.source)?;
        match piece.mode {
            Mode::Template => template(env, &piece.source),
            Mode::Expression => Ok(Self::Expression(compile(env, &piece.source)?)),
            Mode::Condition => Ok(Self::Condition(compile(env, &piece.source)?)),
            Mode::Value => match single(&piece.source) {
                Some(expression) => Ok(Self::Expression(compile(env, expression)?)),
                None => template(env, &piece.source),
            },
        }
    }

    fn run(&self, context: &Value) -> Result<Json, Failure> {
        match self {
            Self::Template(template) => {
                let mut out = Capped::default();
                match template.render_captured_to(context.clone(), &mut out) {
                    Ok(_) => String::from_utf8(out.bytes)
                        .map(Json::String)
                        .map_err(|_| Failure::new(FailureKind::Evaluation, "it made something that is no text")),
                    Err(_) if out.full => Err(output_too_large()),
                    Err(error) => Err(failure(&error)),
                }
            }
            Self::Expression(expression) => {
                let value = expression.eval(context.clone()).map_err(|error| failure(&error))?;
                json(&value)
            }
            Self::Condition(expression) => {
                let value = expression.eval(context.clone()).map_err(|error| failure(&error))?;
                Ok(Json::Bool(value.is_true()))
            }
        }
    }
}

fn template<'env, 'source>(
    env: &'env Environment<'source>,
    source: &'source str,
) -> Result<Compiled<'env, 'source>, Failure> {
    env.template_from_str(source).map(Compiled::Template).map_err(|error| failure(&error))
}

fn compile<'env, 'source>(
    env: &'env Environment<'source>,
    source: &'source str,
) -> Result<Expression<'env, 'source>, Failure> {
    bounded(source)?;
    env.compile_expression(source).map_err(|error| failure(&error))
}

pub(crate) fn bounded(source: &str) -> Result<(), Failure> {
    if source.len() > SOURCE_LIMIT {
        return Err(Failure::new(FailureKind::Syntax, "it is longer than 64 KiB"));
    }
    Ok(())
}

/// The expression inside a template that is nothing but `{{ expression }}`.
pub(crate) fn single(source: &str) -> Option<&str> {
    let inner = source.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    let inner = inner.strip_suffix('-').unwrap_or(inner).trim();
    (!inner.is_empty() && !["{{", "}}", "{%", "{#"].iter().any(|mark| inner.contains(mark))).then_some(inner)
}

/// A value as JSON, if it is not too large. Nothing and undefined become `null`.
fn json(value: &Value) -> Result<Json, Failure> {
    let mut out = Capped::default();
    match serde_json::to_writer(&mut out, value) {
        Ok(()) => serde_json::from_slice(&out.bytes)
            .map_err(|_| Failure::new(FailureKind::Evaluation, "its value cannot be written as JSON")),
        Err(_) if out.full => Err(output_too_large()),
        Err(_) => Err(Failure::new(FailureKind::Evaluation, "its value cannot be written as JSON")),
    }
}

fn output_too_large() -> Failure {
    Failure::new(FailureKind::OutputTooLarge, "it makes more than 64 KiB")
}

/// The engine's error in our words, without the source (which the author has).
pub(crate) fn failure(error: &minijinja::Error) -> Failure {
    let kind = match error.kind() {
        ErrorKind::SyntaxError | ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction => {
            FailureKind::Syntax
        }
        ErrorKind::OutOfFuel => FailureKind::TooLong,
        _ => FailureKind::Evaluation,
    };
    let message = match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "it takes more steps than it may".to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    };
    let line = error.line().and_then(|line| u32::try_from(line).ok());
    Failure { kind, line, message: message.chars().filter(|c| !c.is_control()).take(MESSAGE_LIMIT).collect() }
}

/// A writer that takes [`OUTPUT_LIMIT`] bytes and refuses more.
#[derive(Default)]
pub(crate) struct Capped {
    bytes: Vec<u8>,
    full: bool,
}

impl Capped {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl io::Write for Capped {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > OUTPUT_LIMIT {
            self.full = true;
            return Err(io::Error::new(io::ErrorKind::WriteZero, "full"));
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

thread_local! {
    /// Built once a thread: the vocabulary costs more than a text.
    static ENVIRONMENT: RefCell<Environment<'static>> = RefCell::new(environment());
}

/// Evaluates one frame and gives the frame of the answer.
pub(crate) fn answer(body: &[u8]) -> io::Result<Vec<u8>> {
    let work: Work = serde_json::from_slice(body)?;
    let answer = ENVIRONMENT.with_borrow(|env| evaluate(env, &work));
    crate::protocol::frame(&answer).or_else(|_| {
        crate::protocol::frame(&Answer::Err(Failure::new(FailureKind::OutputTooLarge, "it makes too many rows")))
    })
}
