//! The chapters of the document.

/// Alerts and answers.
pub(crate) const ALERTS: &str = "Alerts";
/// What machines sent.
pub(crate) const SIGNALS: &str = "Signals";
/// Where machines send.
pub(crate) const SENDING: &str = "Sending signals";
/// Sources with their credentials.
pub(crate) const INTEGRATIONS: &str = "Integrations";
/// Executions of flows.
pub(crate) const RUNS: &str = "Runs";
/// Text messages.
pub(crate) const MESSAGES: &str = "Messages";
/// Callbacks.
pub(crate) const WEBHOOKS: &str = "Webhooks";
/// The SMS API.
pub(crate) const SMS: &str = "SMS API";
/// Where messages go.
pub(crate) const ROUTES: &str = "Routes";
/// Groups.
pub(crate) const ON_CALL: &str = "On call";
/// API keys.
pub(crate) const KEYS: &str = "API keys";
/// Tokens.
pub(crate) const OAUTH: &str = "OAuth";
/// Applications that bind.
pub(crate) const SMPP: &str = "SMPP";
/// People.
pub(crate) const PEOPLE: &str = "People";
/// Configuration.
pub(crate) const RESOURCES: &str = "Resources";
/// The audit log.
pub(crate) const AUDIT: &str = "Audit";

/// What each chapter is about, in the order in which people need them.
pub(crate) const ALL: [(&str, &str); 17] = [
    (SENDING, "The doors at which machines report trouble. Each integration has its own address and credential."),
    (ALERTS, "What somebody has to do something about: who was paged, what came back, and the answers."),
    (SIGNALS, "The activity of integrations: every request, accepted or refused, with what came of it."),
    (INTEGRATIONS, "Sources of signals: their credentials, examples and tests."),
    (RUNS, "Each execution of a flow, step by step, with the reason for everything it did."),
    (
        SMS,
        "Sending text messages, in the shape of the 8x8 SMS API. Unknown fields are ignored and named in X-Ignored-Fields; failures have that API's envelope.",
    ),
    (
        MESSAGES,
        "Text messages with their parts, receipts and history. Numbers are masked; content wants its own right and is audited.",
    ),
    (WEBHOOKS, "Callbacks to applications: how each receiver is, every try, tests, replays and new secrets."),
    (ROUTES, "Which carriers take which messages, and where one would go now and why."),
    (ON_CALL, "Who would be paged now, and why."),
    (KEYS, "Credentials of programs. For people in a session only: no key makes another one."),
    (
        OAUTH,
        "Programs that fetch short-lived tokens (OAuth 2.1, client credentials): the clients, and where they get their tokens.",
    ),
    (SMPP, "Applications that hand over texts by SMPP: their accounts, and the binds they have now."),
    (PEOPLE, "Who there is, whether they can sign in, their sessions, and the letters that were sent to them."),
    (RESOURCES, "Everything that is configured, as a file: plan, apply, export, history and restore."),
    (AUDIT, "Who did what, and whether the record is still as it was written."),
    ("Service", "Is it alive, is it ready, and what it says about itself."),
];

/// The text on top of the document.
pub(crate) const OVERVIEW: &str = "\
The API of one Loudhailer server.

**Proving who you are.** Programs send an API key of a workspace, or an access token, as `Authorization: Bearer …`; people signed in to the \
console can use their session. Machines that send signals use their integration's own credential.

**Lists** come in pages: `items`, and `next`, which is the `cursor` of the next page and null on the last one. `limit` is 1 \
to 200, 50 when it is left out. Newest first.

**Sending twice does no harm.** Every method that changes something takes an `Idempotency-Key`: for 48 hours the same key of \
the same caller in the same workspace gets the same answer, with `Idempotent-Replayed: true`, and nothing is done again. Another \
request with the same key is refused with 422, one that comes while the first is under way with 409.

**Failures** are `application/problem+json` (RFC 9457) with a stable `code`, a `detail` that says what to do, and `errors` for \
each field that is wrong. Unknown fields are refused and the nearest known one is named. The SMS API has its own envelope.

**Limits.** 429 and 503 carry `Retry-After`. Bodies are bounded per route (`x-body-limit`), JSON is 32 levels deep at most and \
has no key twice.";
