//! Events as lines: JSON for machines, words for people. One event is one line, whatever it holds.

use std::fmt::{Debug, Write as _};
use std::io::Write as _;

use base::{Clock as _, SystemClock};
use serde_json::{Map, Value as Json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::mask;
use crate::config::LogFormat;

const HIDDEN: &str = "•••";
/// The span field that every event of a request carries.
const REQUEST: &str = "request.id";

/// Writes each event to `out`.
#[derive(Debug)]
pub struct Lines<W> {
    format: LogFormat,
    out: W,
    colours: bool,
}

/// What a span or an event says, masked as it was recorded.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    named: Map<String, Json>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Json) {
        let name = field.name();
        let value = if mask::is_hidden(name) && name != "message" { Json::from(HIDDEN) } else { value };
        self.named.insert(name.to_owned(), value);
    }

    fn text(&mut self, field: &Field, text: &str) {
        let text = mask::clean(text).into_owned();
        if field.name() == "message" { self.message = text } else { self.put(field, text.into()) }
    }

    fn whole(&mut self, field: &Field, size: u128, value: Json) {
        let value = if mask::is_number(field.name(), size) { Json::from(HIDDEN) } else { value };
        self.put(field, value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.whole(field, value.unsigned_abs().into(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.whole(field, value.into(), value.into());
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        // JSON has no such numbers; times in milliseconds fit.
        self.whole(field, value, u64::try_from(value).unwrap_or(u64::MAX).into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // Three decimals say all that a time or a share has to say.
        self.put(field, ((value * 1e3).round() / 1e3).into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.text(field, &value.to_string());
    }
}

impl<W> Lines<W> {
    pub const fn new(format: LogFormat, out: W, colours: bool) -> Self {
        Self { format, out, colours }
    }

    fn json(event: &Event<'_>, fields: Fields, request: Option<Json>, span: Option<&str>) -> String {
        let metadata = event.metadata();
        let mut line = Map::new();
        line.insert("time".into(), SystemClock.now().rfc3339().into());
        line.insert("level".into(), metadata.level().as_str().to_ascii_lowercase().into());
        line.insert("target".into(), metadata.target().into());
        line.insert("message".into(), fields.message.into());
        if let Some(request) = request {
            line.insert("request_id".into(), request);
        }
        if let Some(span) = span {
            line.insert("span".into(), span.into());
        }
        if !fields.named.is_empty() {
            line.insert("fields".into(), Json::Object(fields.named));
        }
        Json::Object(line).to_string()
    }

    fn words(&self, event: &Event<'_>, fields: &Fields, request: Option<&Json>) -> String {
        let level = *event.metadata().level();
        let colour = match level {
            Level::ERROR => "31",
            Level::WARN => "33",
            Level::INFO => "32",
            _ => "2",
        };
        let shown = if self.colours { format!("\u{1b}[{colour}m{level:>5}\u{1b}[0m") } else { format!("{level:>5}") };
        let mut line = format!("{} {shown} ", SystemClock.now().rfc3339());
        if level > Level::INFO {
            let _ = write!(line, "{}: ", event.metadata().target());
        }
        line.push_str(&fields.message);
        for (name, value) in &fields.named {
            let _ = match value {
                Json::String(text) if !text.contains(' ') && !text.is_empty() => write!(line, " {name}={text}"),
                value => write!(line, " {name}={value}"),
            };
        }
        if let Some(Json::String(request)) = request {
            let _ = write!(line, " request={request}");
        }
        line
    }
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut own = Fields::default();
        event.record(&mut own);
        let mut request = own.named.shift_remove(REQUEST);
        let mut innermost = None;
        for span in context.event_scope(event).into_iter().flatten() {
            innermost.get_or_insert(span.name());
            if let Some(fields) = span.extensions().get::<Fields>() {
                for (name, value) in &fields.named {
                    if name == REQUEST {
                        request.get_or_insert_with(|| value.clone());
                    } else if !own.named.contains_key(name) {
                        own.named.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        let mut line = match self.format {
            LogFormat::Json => Self::json(event, own, request, innermost),
            LogFormat::Text => self.words(event, &own, request.as_ref()),
        };
        line.push('\n');
        // A log that cannot be written must not end the server, and there is nowhere to say so.
        let _ = self.out.make_writer().write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, events: impl FnOnce()) -> Vec<String> {
        let sink = Sink::default();
        let out = sink.clone();
        let lines = Lines::new(format, move || out.clone(), false);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), events);
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_of_json_has_time_level_target_request_and_fields() {
        let lines = logged(LogFormat::Json, || {
            let span =
                tracing::info_span!("request", request.id = "01930e3f-2b1c-7000-8000-00000000abcd", door = "api");
            span.in_scope(|| tracing::info!(target: "access", status = 202_u16, took_ms = 1.23456, "answered"));
        });
        let line: Json = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["time"].as_str().map(str::len), Some("2026-10-23T01:12:07.000Z".len()));
        assert_eq!((line["level"].as_str(), line["target"].as_str()), (Some("info"), Some("access")));
        assert_eq!(line["message"], "answered");
        assert_eq!(line["request_id"], "01930e3f-2b1c-7000-8000-00000000abcd");
        assert_eq!(line["span"], "request");
        assert_eq!(line["fields"], serde_json::json!({"status": 202, "took_ms": 1.235, "door": "api"}));
    }

    /// ASVS 16.2.5, 16.4.1: in the message, in fields of every type, and in spans.
    #[test]
    fn nothing_that_is_masked_comes_out_of_any_place() {
        for format in [LogFormat::Json, LogFormat::Text] {
            let lines = logged(format, || {
                let span = tracing::info_span!("send", to = "+447700900117", token = "abcdef");
                let _inside = span.enter();
                let (number, pair) = (447_700_900_117_u64, ("+447700900117", "a\nb"));
                tracing::info!(
                    number,
                    other = number,
                    signed = -447_700_900_117_i64,
                    ?pair,
                    "to +447700900117\nINFO forged"
                );
                let error = std::io::Error::other("password=hunter2 for dina@example.com");
                tracing::warn!(error = &error as &dyn std::error::Error, %error, text = "Tea is ready", "failed");
            });
            assert_eq!(lines.len(), 2, "{lines:?}");
            for plain in ["7700900117", "abcdef", "hunter2", "dina@", "Tea"] {
                assert!(!lines.concat().contains(plain), "{plain}: {lines:?}");
            }
        }
    }

    #[test]
    fn people_read_words() {
        let lines = logged(LogFormat::Text, || tracing::info!(listen = "0.0.0.0:8443", jobs = 3, "ready to serve"));
        assert!(lines[0].ends_with("  INFO ready to serve listen=0.0.0.0:8443 jobs=3"), "{lines:?}");
    }
}
