//! The kind `routes`: which messages of a workspace go by which carriers.

use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

use access::Capability;
use base::{RouteId, WorkspaceId};
use resources::{Check, Class as DataClass, Field, KindScope, Projection, Shape, TypedKind};
use routing::{Class, Cost, Matcher, Route, Sender};
use serde::{Deserialize, Serialize};
use store::{Row, Tx, params};

use crate::Error;
use crate::engine::Engine;

/// The body of a route.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RouteBody {
    /// Which messages.
    #[serde(default, rename = "match")]
    pub matcher: Matcher,
    /// What tells it from another route for the same messages.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Among the routes that match, the higher goes first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// Its share among routes that are otherwise equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<NonZeroU32>,
    /// The carriers to try, in order.
    pub carriers: Vec<String>,
    /// The source address when the message names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// What one part costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostBody>,
    /// Whether a development workspace may reach real carriers by it.
    #[serde(default)]
    pub open_to_development: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
const fn is_zero(priority: &i32) -> bool {
    *priority == 0
}

/// What one part costs, as people write it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CostBody {
    /// In units of the currency, such as 0.0425.
    pub amount: f64,
    /// ISO 4217.
    pub currency: String,
}

/// The kind. The handle that it tells about changes is set once messaging runs; before that (and in commands that only
/// apply a file) the table alone is written.
#[derive(Clone, Default)]
pub struct RoutesKind {
    engine: Arc<OnceLock<std::sync::Weak<Engine>>>,
}

impl std::fmt::Debug for RoutesKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RoutesKind")
    }
}

impl RoutesKind {
    /// The kind, for the registry. Give the same value to [`Messaging::start`](crate::Messaging::start).
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn serve(&self, engine: &Arc<Engine>) {
        // A second start with the same kind keeps the first; only tests do that.
        let _ = self.engine.set(Arc::downgrade(engine));
    }
}

const MATCH: &[Field] = &[
    Field::new("prefix", DataClass::Internal, Shape::Text).about("how the destination begins, such as +44"),
    Field::new("country", DataClass::Internal, Shape::Text)
        .about("the country of the destination: two letters, such as GB"),
    Field::new("class", DataClass::Internal, Shape::Choice(&["alert", "otp", "transactional", "marketing"]))
        .about("only messages of this class"),
    Field::new("sender", DataClass::Internal, Shape::Text)
        .about("only messages that name this sender; a star at its end stands for any rest"),
];

const COST: &[Field] = &[
    Field::new("amount", DataClass::Confidential, Shape::Number)
        .required()
        .about("what one part costs, such as 0.0425"),
    Field::new("currency", DataClass::Confidential, Shape::Text).required().about("three letters, such as EUR"),
];

impl TypedKind for RoutesKind {
    type Body = RouteBody;
    const NAME: &'static str = "routes";
    const SCOPE: KindScope = KindScope::Workspace;
    const CAPABILITY: Capability = Capability::CarriersWrite;
    const FIELDS: &'static [Field] = &[
        Field::new("match", DataClass::Internal, Shape::Object(MATCH))
            .about("which messages; all of them when it says nothing"),
        Field::new("name", DataClass::Internal, Shape::Text)
            .about("tells it from another route for the same messages, as weights need"),
        Field::new("priority", DataClass::Internal, Shape::Integer(-100, 100))
            .about("among the routes that match, the higher goes first; 0 unless said"),
        Field::new("weight", DataClass::Internal, Shape::Integer(1, 1_000))
            .about("its share among routes that are otherwise equal; a sender and destination stay with one"),
        Field::new("carriers", DataClass::Internal, Shape::List(&Shape::Reference("carriers")))
            .required()
            .about("the carriers to try, in order"),
        Field::new("sender", DataClass::Internal, Shape::Text)
            .about("the source address when a message names none: a number, a short code, or up to 11 letters"),
        Field::new("cost", DataClass::Confidential, Shape::Object(COST)).about("what one part costs"),
        Field::new("open_to_development", DataClass::Internal, Shape::Boolean)
            .about("lets a development workspace reach real carriers by this route"),
    ];

    fn key(&self, body: &RouteBody) -> String {
        routing::label(&body.matcher, &body.name)
    }

    fn validate(&self, body: &RouteBody, check: &mut Check<'_, '_>) -> Result<(), resources::Error> {
        if let Some(prefix) = &body.matcher.prefix {
            let digits = prefix.strip_prefix('+').unwrap_or(prefix);
            if digits.len() > 15 || digits.starts_with('0') || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
                check.problem(
                    "match.prefix",
                    "not-a-prefix",
                    "A prefix is the first digits of an international number, such as +44.",
                );
            }
        }
        if let Some(Err(error)) = body.matcher.country.as_ref().map(|country| country.parse::<sms::Country>()) {
            check.problem("match.country", "not-a-country", format!("That is {error}."));
        }
        if body.matcher.sender.as_ref().is_some_and(|sender| !is_pattern(sender)) {
            check.problem(
                "match.sender",
                "not-a-sender",
                "A sender is a number, a short code or up to 11 letters; a star at its end stands for any rest.",
            );
        }
        if body.name.len() > 40
            || !body.name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet))
        {
            check.problem("name", "not-a-name", "A name is at most 40 letters, digits, '-', '_' or '.'.");
        }
        if body.carriers.is_empty() {
            check.problem("carriers", "no-carrier", "A route needs at least one carrier.");
        }
        if let Some(Err(error)) = body.sender.as_ref().map(|sender| sender.parse::<Sender>()) {
            check.problem("sender", "not-a-sender", error.to_string());
        }
        if let Some(cost) = &body.cost {
            if !(0.0..=1_000_000.0).contains(&cost.amount) {
                check.problem("cost.amount", "not-a-cost", "A cost is a number from 0 to 1000000.");
            }
            if cost.currency.len() != 3 || !cost.currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
                check.problem("cost.currency", "not-a-currency", "A currency is three capital letters, such as EUR.");
            }
        }
        Ok(())
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, RouteBody>) -> Result<(), resources::Error> {
        let id: RouteId = change.id();
        tx.execute("DELETE FROM routes WHERE id = $1", &params![id])?;
        let route = change.new.map(|body| route(id, change.workspace, body));
        if let Some(route) = &route {
            insert(tx, route)?;
        }
        if let Some(engine) = self.engine.get().and_then(std::sync::Weak::upgrade) {
            // In memory at once, so that whoever applied a route can use it with the next request.
            tx.after_commit(move || replace(&engine, id, route));
        }
        Ok(())
    }
}

/// Whether a text is the beginning of a sender, with or without a star, or a whole one.
fn is_pattern(text: &str) -> bool {
    let bare = text.strip_suffix('*').unwrap_or(text);
    (1..=16).contains(&bare.len())
        && bare.bytes().all(|octet| octet.is_ascii_alphanumeric() || b" .-_&+".contains(&octet))
}

fn route(id: RouteId, workspace: Option<WorkspaceId>, body: &RouteBody) -> Route {
    #[expect(clippy::cast_possible_truncation, reason = "validated to at most a million units")]
    let cost = body
        .cost
        .as_ref()
        .map(|cost| Cost { micros: (cost.amount * 1e6).round() as i64, currency: cost.currency.clone() });
    Route {
        id,
        workspace,
        name: body.name.clone(),
        matcher: body.matcher.clone(),
        priority: body.priority,
        weight: body.weight,
        carriers: body.carriers.clone(),
        sender: body.sender.as_ref().and_then(|sender| sender.parse().ok()),
        cost,
        open_to_development: body.open_to_development,
    }
}

/// Writes a route's row.
pub(crate) fn insert(tx: &mut Tx<'_>, route: &Route) -> Result<(), store::Error> {
    let carriers = serde_json::Value::from(route.carriers.clone()).to_string();
    tx.execute(
        "INSERT INTO routes (id, workspace, prefix, class, carriers, sender, cost_micros, cost_currency, open_to_development,
         name, country, from_sender, priority, weight) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        &params![
            route.id,
            route.workspace,
            route.matcher.prefix.as_deref(),
            route.matcher.class.map(Class::name),
            carriers,
            route.sender.as_ref().map(Sender::as_str),
            route.cost.as_ref().map(|cost| cost.micros),
            route.cost.as_ref().map(|cost| cost.currency.as_str()),
            route.open_to_development,
            route.name.as_str(),
            route.matcher.country.as_deref(),
            route.matcher.sender.as_deref(),
            i64::from(route.priority),
            route.weight.map(|weight| i64::from(weight.get()))
        ],
    )?;
    Ok(())
}

fn replace(engine: &Engine, id: RouteId, route: Option<Route>) {
    engine.routes.rcu(|routes| {
        let mut routes: Vec<Route> = routes.iter().filter(|known| known.id != id).cloned().collect();
        routes.extend(route.clone());
        routes
    });
    engine.reroute.notify_one();
}

/// Every route, from the table: at start, and now and then for what other nodes changed.
pub(crate) fn load(tx: &mut Tx<'_>) -> Result<Vec<Route>, Error> {
    let routes = tx.query(
        "SELECT id, workspace, prefix, class, carriers, sender, cost_micros, cost_currency, open_to_development, name, country,
         from_sender, priority, weight FROM routes ORDER BY id",
        &params![],
        read,
    )?;
    Ok(routes)
}

fn read(row: &Row<'_>) -> Result<Route, store::Error> {
    let carriers: String = row.get("carriers")?;
    let class: Option<String> = row.get("class")?;
    let sender: Option<String> = row.get("sender")?;
    let (micros, currency) = (row.get::<Option<i64>>("cost_micros")?, row.get::<Option<String>>("cost_currency")?);
    Ok(Route {
        id: row.get("id")?,
        workspace: row.get("workspace")?,
        name: row.get::<Option<String>>("name")?.unwrap_or_default(),
        matcher: Matcher {
            prefix: row.get("prefix")?,
            country: row.get("country")?,
            class: class.and_then(|class| class.parse().ok()),
            sender: row.get("from_sender")?,
        },
        priority: row.get::<Option<i64>>("priority")?.and_then(|priority| i32::try_from(priority).ok()).unwrap_or(0),
        weight: row.get::<Option<i64>>("weight")?.and_then(|weight| NonZeroU32::new(u32::try_from(weight).ok()?)),
        carriers: serde_json::from_str(&carriers).unwrap_or_default(),
        sender: sender.and_then(|sender| sender.parse().ok()),
        cost: micros.zip(currency).map(|(micros, currency)| Cost { micros, currency }),
        open_to_development: row.get("open_to_development")?,
    })
}
