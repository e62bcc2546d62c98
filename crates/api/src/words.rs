//! The words of other rooms as the document lists them. A test holds each list against the room that owns the words.

use std::borrow::Cow;

use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::time::At;

macro_rules! words {
    ($($(#[doc = $text:literal])* $name:ident = $public:literal [$($word:literal)*];)*) => {$(
        $(#[doc = $text])*
        pub(crate) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let text = [$($text),*].concat();
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some(text.trim()))
                    .enum_values(Some([$($word),*]))
                    .into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                $public.into()
            }
        }
    )*};
}

words! {
    /// Where an alert stands.
    AlertStateWord = "AlertState" ["open" "acknowledged" "resolved" "expired"];
    /// How urgent an alert is, most urgent first.
    PriorityWord = "Priority" ["critical" "high" "medium" "low" "info"];
    /// Over which way somebody acted.
    ViaWord = "Via" ["sms" "console" "api" "flow"];
    /// What became of a line of a timeline.
    KnotWord = "Knot" ["done" "now" "waiting" "skipped" "unknown" "failed"];
    /// Where a run stands: `degraded` came to its end, and the record says what was done in place of what went wrong.
    RunStateWord = "RunState" ["running" "done" "degraded" "failed"];
    /// How a step ended: `replaced` was done with a fixed text in place of one that could not be made.
    RunStepStateWord = "RunStepState" ["done" "replaced" "failed"];
    /// Where a signal or a refused request stands.
    SignalStateWord = "SignalState" ["accepted" "handled" "failed" "refused"];
    /// Through which door a signal came.
    SignalDoorWord = "SignalDoor" ["signals" "xmatters" "test" "replay"];
    /// A way for senders to prove themselves.
    AuthWord = "IntegrationAuth" ["url_token" "api_key" "basic" "hmac" "certificate"];
    /// Where a message or one of its parts stands: `unknown` when the submit was cut off unanswered.
    MessageStateWord = "MessageState" ["queued" "claimed" "sent" "unknown" "delivered" "undelivered" "expired" "rejected" "failed" "cancelled"];
    /// How urgent a message is; alerts go ahead of everything.
    ClassWord = "MessageClass" ["alert" "otp" "transactional" "marketing"];
    /// Where a callback stands: `behind` waits for an earlier one of the same message.
    CallbackStateWord = "CallbackState" ["waiting" "under_way" "behind" "delivered" "given_up"];
    /// Whether callbacks go to a webhook: `open` when it is left alone for a while.
    CircuitWord = "Circuit" ["closed" "open"];
    /// Which alphabet a message is sent in.
    EncodingWord = "Encoding" ["gsm7" "ucs2"];
    /// What a change of configuration came to.
    ChangeWord = "ChangeOutcome" ["created" "updated" "unchanged" "deleted"];
    /// What happened to a field.
    OpWord = "DifferenceOp" ["added" "removed" "changed"];
    /// How what was tried ended.
    AuditOutcomeWord = "AuditOutcome" ["success" "failure" "denied"];
}

impl PartialSchema for At {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("An instant (RFC 3339). Answers are in UTC with milliseconds; any offset is understood."))
            .into()
    }
}

impl ToSchema for At {
    fn name() -> Cow<'static, str> {
        "Time".into()
    }
}

/// One field that is different; `resources::Line` as it is written.
#[derive(ToSchema)]
#[schema(as = DifferenceLine)]
#[expect(dead_code, reason = "only its shape is used")]
pub(crate) struct LineWord {
    /// What happened.
    #[schema(value_type = OpWord)]
    op: OpWord,
    /// Where: `members[0].delay_seconds`.
    path: String,
    /// Whether the value is kept out of the audit log.
    #[schema(required = false)]
    sensitive: bool,
    /// The value before; absent when it may not be shown.
    #[schema(nullable = false)]
    old: Option<String>,
    /// The value after; absent when it may not be shown.
    #[schema(nullable = false)]
    new: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Serialize;
    use serde_json::{Value, json};

    use super::*;

    fn same<T: ToSchema>(words: impl IntoIterator<Item = impl Serialize>) {
        let schema = serde_json::to_value(T::schema()).unwrap();
        let own: Vec<Value> = words.into_iter().map(|word| json!(word)).collect();
        assert_eq!(schema["enum"], Value::Array(own), "{}", T::name());
    }

    #[test]
    fn the_words_are_those_of_their_rooms() {
        use ::alerts::{Knot, Priority, Via};
        use ::audit::Outcome as Audited;
        use ::flows::{RunState, StepState};
        use ::resources::{Op, Outcome};
        use ::signals::{Auth, Door, SignalState};
        same::<AlertStateWord>(::alerts::State::ALL);
        same::<PriorityWord>([Priority::Critical, Priority::High, Priority::Medium, Priority::Low, Priority::Info]);
        same::<ViaWord>([Via::Sms, Via::Console, Via::Api, Via::Flow]);
        same::<KnotWord>([Knot::Done, Knot::Now, Knot::Waiting, Knot::Skipped, Knot::Unknown, Knot::Failed]);
        same::<RunStateWord>([RunState::Running, RunState::Done, RunState::Degraded, RunState::Failed]);
        same::<RunStepStateWord>([StepState::Done, StepState::Replaced, StepState::Failed]);
        same::<SignalStateWord>([
            SignalState::Accepted,
            SignalState::Handled,
            SignalState::Failed,
            SignalState::Refused,
        ]);
        same::<SignalDoorWord>([Door::Signals, Door::Xmatters, Door::Test, Door::Replay]);
        same::<AuthWord>(Auth::ALL);
        same::<MessageStateWord>(::messaging::State::ALL);
        same::<ClassWord>(::messaging::Class::ALL);
        same::<EncodingWord>([::sms::Encoding::Gsm7, ::sms::Encoding::Ucs2]);
        same::<ChangeWord>([Outcome::Created, Outcome::Updated, Outcome::Unchanged, Outcome::Deleted]);
        same::<OpWord>([Op::Added, Op::Removed, Op::Changed]);
        same::<AuditOutcomeWord>([Audited::Success, Audited::Failure, Audited::Denied].map(Audited::name));
    }

    #[test]
    fn a_line_has_the_fields_of_its_room() {
        let some = || Some(String::new());
        let line = ::resources::Line {
            op: ::resources::Op::Changed,
            path: String::new(),
            sensitive: true,
            old: some(),
            new: some(),
        };
        let (schema, line) = (serde_json::to_value(LineWord::schema()).unwrap(), json!(line));
        let names = |fields: &Value| fields.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(&schema["properties"]), names(&line));
    }
}
