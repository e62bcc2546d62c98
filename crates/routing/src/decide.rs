//! The decision.

use std::cmp::Reverse;
use std::fmt;

use base::{RouteId, WorkspaceId};

use crate::{Class, Cost, Route, Sender};

/// What is to be decided.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// Whose message it is.
    pub workspace: WorkspaceId,
    /// Whether that is a development workspace.
    pub development: bool,
    /// Where it goes, digits alone.
    pub destination: &'a str,
    /// How urgent it is.
    pub class: Class,
    /// The source address the message names.
    pub sender: Option<&'a Sender>,
    /// Carriers that were tried already and should come last.
    pub avoid: &'a [&'a str],
}

/// What is known of a carrier at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarrierFacts {
    /// Whether nothing leaves the machine by it.
    pub simulated: bool,
    /// Why it takes nothing now, if so.
    pub down: Option<String>,
}

/// Where a message goes, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The carrier.
    pub carrier: String,
    /// The source address.
    pub sender: Sender,
    /// The route that led there.
    pub route: RouteId,
    /// What one part costs.
    pub cost: Option<Cost>,
    /// Whether the carrier is down, so that the message waits for it.
    pub waits: bool,
    /// Whether this is another carrier than the route's first, or the message waits: worth telling people.
    pub unusual: bool,
    /// How it came to this, in order.
    pub record: Vec<Reason>,
}

/// No carrier may take the message; the record says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no carrier may take this message: {}", sentences(.record))]
pub struct Refused {
    /// How it came to this, in order.
    pub record: Vec<Reason>,
    /// Whether only the source address is missing.
    pub wants_sender: bool,
}

/// One step of a decision. `Display` gives the sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No route matches.
    NoRoute {
        /// How many there are.
        routes: usize,
        /// The class of the message.
        class: Class,
    },
    /// A route matches.
    Matched {
        /// What it matches.
        route: String,
        /// Whether it is the workspace's own.
        own: bool,
    },
    /// A route names a carrier that is not attached.
    UnknownCarrier {
        /// Its name.
        carrier: String,
    },
    /// A development workspace reaches simulated carriers only (control E-12).
    NotForDevelopment {
        /// The carrier.
        carrier: String,
    },
    /// A carrier was tried already.
    Tried {
        /// The carrier.
        carrier: String,
    },
    /// A carrier is down.
    Down {
        /// The carrier.
        carrier: String,
        /// Why.
        reason: String,
    },
    /// Neither the message nor the route names a source address.
    NoSender {
        /// What the route matches.
        route: String,
    },
    /// This carrier it is.
    Chosen {
        /// The carrier.
        carrier: String,
    },
    /// This carrier it is, and the message waits until it is up.
    Waits {
        /// The carrier.
        carrier: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoute { routes: 0, .. } => f.write_str("there is no route yet; add one under routes"),
            Self::NoRoute { routes, class } => {
                write!(
                    f,
                    "none of the {routes} routes matches this destination and class {class}; add one under routes"
                )
            }
            Self::Matched { route, own: true } => write!(f, "the workspace's route for {route} matches"),
            Self::Matched { route, own: false } => write!(f, "the general route for {route} matches"),
            Self::UnknownCarrier { carrier } => write!(f, "carrier {carrier} is named by the route but does not exist"),
            Self::NotForDevelopment { carrier } => write!(
                f,
                "carrier {carrier} is real and a development workspace reaches simulated carriers only, unless an administrator opens the route"
            ),
            Self::Tried { carrier } => write!(f, "carrier {carrier} was tried already"),
            Self::Down { carrier, reason } => write!(f, "carrier {carrier} is down ({reason})"),
            Self::NoSender { route } => {
                write!(f, "neither the message nor the route for {route} names a sender; set one in the route")
            }
            Self::Chosen { carrier } => write!(f, "carrier {carrier} takes it"),
            Self::Waits { carrier } => write!(f, "it waits for carrier {carrier}"),
        }
    }
}

/// A record as one line of text.
pub(crate) fn sentences(record: &[Reason]) -> String {
    record.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Decision {
    /// The record as one line of text.
    pub fn explanation(&self) -> String {
        sentences(&self.record)
    }
}

impl Refused {
    /// The record as one line of text.
    pub fn explanation(&self) -> String {
        sentences(&self.record)
    }
}

/// Where a route stands in the order in which routes are tried: the least comes first.
fn rank(route: &Route) -> impl Ord + use<> {
    let cost = route.cost.as_ref().map_or(i64::MAX, |cost| cost.micros);
    let named = (route.workspace.is_some(), route.matcher.digits().len(), route.matcher.class.is_some());
    (Reverse(named), cost, route.id)
}

/// The routes that messages of `workspace` can go by, in the order in which [`decide`] tries them.
pub fn in_order<'r>(workspace: WorkspaceId, routes: impl IntoIterator<Item = &'r Route>) -> Vec<&'r Route> {
    let theirs = |route: &&Route| route.workspace.is_none_or(|owner| owner == workspace);
    let mut ordered: Vec<&Route> = routes.into_iter().filter(theirs).collect();
    ordered.sort_by_key(|route| rank(route));
    ordered
}

/// Decides. Routes are tried from the most to the least specific: the workspace's own first, then by longer
/// prefix, by named class, by lower cost. In each, carriers are tried in order. A carrier that is down or was
/// tried already is taken only when there is no other, so that nothing is refused for a passing fault.
pub fn decide<'r>(
    query: &Query<'_>,
    routes: impl IntoIterator<Item = &'r Route>,
    facts: impl Fn(&str) -> Option<CarrierFacts>,
) -> Result<Decision, Refused> {
    let (mut known, mut matching) = (0, Vec::new());
    for route in routes {
        if route.workspace.is_none_or(|workspace| workspace == query.workspace) {
            known += 1;
            if route.matcher.matches(query.destination, query.class) {
                matching.push(route);
            }
        }
    }
    matching.sort_by_key(|route| rank(route));
    let mut record = Vec::new();
    if matching.is_empty() {
        record.push(Reason::NoRoute { routes: known, class: query.class });
        return Err(Refused { record, wants_sender: false });
    }
    // Held for the case that no carrier is up: how many reasons against it, and the choice itself.
    let mut second_best: Option<(usize, &Route, &str)> = None;
    let mut wants_sender = false;
    for route in matching {
        record.push(Reason::Matched { route: route.matcher.to_string(), own: route.workspace.is_some() });
        if query.sender.or(route.sender.as_ref()).is_none() {
            record.push(Reason::NoSender { route: route.matcher.to_string() });
            wants_sender = true;
            continue;
        }
        for carrier in &route.carriers {
            let Some(facts) = facts(carrier) else {
                record.push(Reason::UnknownCarrier { carrier: carrier.clone() });
                continue;
            };
            if query.development && !facts.simulated && !route.open_to_development {
                record.push(Reason::NotForDevelopment { carrier: carrier.clone() });
                continue;
            }
            let tried = query.avoid.contains(&carrier.as_str());
            let against = usize::from(tried) + 2 * usize::from(facts.down.is_some());
            if let Some(reason) = facts.down {
                record.push(Reason::Down { carrier: carrier.clone(), reason });
            } else if tried {
                record.push(Reason::Tried { carrier: carrier.clone() });
            } else {
                record.push(Reason::Chosen { carrier: carrier.clone() });
                return Ok(conclude(query, route, carrier, false, record));
            }
            if second_best.is_none_or(|(least, ..)| against < least) {
                second_best = Some((against, route, carrier));
            }
        }
    }
    let Some((against, route, carrier)) = second_best else {
        let wants_sender =
            wants_sender && record.iter().all(|step| matches!(step, Reason::Matched { .. } | Reason::NoSender { .. }));
        return Err(Refused { record, wants_sender });
    };
    let waits = against >= 2;
    let carrier_name = carrier.to_owned();
    record.push(if waits { Reason::Waits { carrier: carrier_name } } else { Reason::Chosen { carrier: carrier_name } });
    Ok(conclude(query, route, carrier, waits, record))
}

fn conclude(query: &Query<'_>, route: &Route, carrier: &str, waits: bool, record: Vec<Reason>) -> Decision {
    // Only called for a route that has a sender when the message has none.
    let sender = query.sender.or(route.sender.as_ref()).cloned().unwrap_or_else(|| Sender::Name(String::new()));
    let unusual = waits || record.iter().any(|step| !matches!(step, Reason::Matched { .. } | Reason::Chosen { .. }));
    Decision { carrier: carrier.to_owned(), sender, route: route.id, cost: route.cost.clone(), waits, unusual, record }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Matcher;
    use uuid::Uuid;

    const WORKSPACE: u128 = 1;

    fn route(id: u128, workspace: Option<u128>, prefix: &str, class: Option<Class>, carriers: &[&str]) -> Route {
        Route {
            id: Uuid::from_u128(id).into(),
            workspace: workspace.map(|id| Uuid::from_u128(id).into()),
            matcher: Matcher { prefix: (!prefix.is_empty()).then(|| prefix.to_owned()), class },
            carriers: carriers.iter().map(|&name| name.to_owned()).collect(),
            sender: Some(Sender::Name("Loudhailer".into())),
            cost: None,
            open_to_development: false,
        }
    }

    /// Carriers named `sim…` are simulated, those ending in `-down` are down, `ghost` does not exist.
    fn facts(name: &str) -> Option<CarrierFacts> {
        (name != "ghost").then(|| CarrierFacts {
            simulated: name.starts_with("sim"),
            down: name.ends_with("-down").then(|| "connection refused".to_owned()),
        })
    }

    fn query<'a>(avoid: &'a [&'a str], development: bool) -> Query<'a> {
        Query {
            workspace: Uuid::from_u128(WORKSPACE).into(),
            development,
            destination: "447700900117",
            class: Class::Alert,
            sender: None,
            avoid,
        }
    }

    fn check(routes: &[Route], avoid: &[&str], development: bool, expected: Result<&str, &str>) {
        let decided = decide(&query(avoid, development), routes, facts);
        let shown = match &decided {
            Ok(decision) => Ok(decision.carrier.as_str()),
            Err(refused) => Err(refused.explanation()),
        };
        match (shown, expected) {
            (Ok(carrier), Ok(wanted)) => assert_eq!(carrier, wanted, "{decided:?}"),
            (Err(record), Err(part)) => assert!(record.contains(part), "{record}"),
            (other, _) => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_most_specific_route_wins() {
        let all = [
            route(1, None, "", None, &["any"]),
            route(2, None, "+447", None, &["mobile"]),
            route(3, None, "44", Some(Class::Alert), &["alerts"]),
            route(4, Some(2), "447700", None, &["theirs"]),
        ];
        check(&all, &[], false, Ok("mobile"));
        let own = [all[1].clone(), route(5, Some(WORKSPACE), "", None, &["ours"])];
        check(&own, &[], false, Ok("ours"));
        let cheap =
            Route { cost: Some(Cost { micros: 1, currency: "EUR".into() }), ..route(9, None, "", None, &["cheap"]) };
        check(&[all[0].clone(), cheap], &[], false, Ok("cheap"));
    }

    /// What is shown is the order in which routes are tried.
    #[test]
    fn the_order_that_is_shown_is_the_order_of_the_decision() {
        let all = [
            route(1, None, "", None, &["ghost"]),
            route(2, None, "+44", Some(Class::Alert), &["ghost"]),
            route(3, None, "447", None, &["ghost"]),
            route(4, Some(2), "", None, &["ghost"]),
            route(5, Some(WORKSPACE), "", None, &["ghost"]),
            route(6, None, "44", None, &["ghost"]),
        ];
        let workspace = Uuid::from_u128(WORKSPACE).into();
        let shown: Vec<String> = in_order(workspace, &all).iter().map(|route| route.matcher.to_string()).collect();
        assert_eq!(shown, ["everything", "+447", "+44, alert", "+44", "everything"]);
        let refused = decide(&query(&[], false), &all, facts).unwrap_err();
        let tried: Vec<&String> = refused
            .record
            .iter()
            .filter_map(|step| if let Reason::Matched { route, .. } = step { Some(route) } else { None })
            .collect();
        assert_eq!(tried, shown.iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_carrier_that_is_down_or_was_tried_is_passed_over() {
        check(&[route(1, None, "", None, &["a-down", "b"])], &[], false, Ok("b"));
        check(&[route(1, None, "", None, &["a", "b"])], &["a"], false, Ok("b"));
        check(&[route(1, None, "", None, &["ghost", "b"])], &[], false, Ok("b"));
        check(&[route(1, None, "44", None, &["a-down"]), route(2, None, "", None, &["b"])], &[], false, Ok("b"));
        // Rather the same again than one that is down.
        check(&[route(1, None, "", None, &["a", "b-down"])], &["a"], false, Ok("a"));
    }

    #[test]
    fn with_every_carrier_down_the_message_waits() {
        let decision = decide(&query(&[], false), &[route(1, None, "", None, &["a-down", "b-down"])], facts).unwrap();
        assert!(decision.waits && decision.unusual);
        assert_eq!(
            decision.explanation(),
            "the general route for everything matches; carrier a-down is down (connection refused); \
             carrier b-down is down (connection refused); it waits for carrier a-down"
        );
    }

    /// E-12: a development workspace reaches simulated carriers only, unless an administrator opens the route.
    #[test]
    fn e_12_a_development_workspace_reaches_simulated_carriers_only() {
        check(&[route(1, None, "", None, &["real", "sim"])], &[], true, Ok("sim"));
        check(
            &[route(1, None, "", None, &["real"])],
            &[],
            true,
            Err("a development workspace reaches simulated carriers only"),
        );
        check(&[route(1, None, "", None, &["real", "sim-down"])], &[], true, Ok("sim-down"));
        let open = Route { open_to_development: true, ..route(1, None, "", None, &["real"]) };
        check(&[open], &[], true, Ok("real"));
    }

    #[test]
    fn refusals_say_what_to_do() {
        check(&[], &[], false, Err("there is no route yet; add one under routes"));
        check(&[route(1, None, "1", None, &["a"])], &[], false, Err("none of the 1 routes matches"));
        let silent = Route { sender: None, ..route(1, None, "", None, &["a"]) };
        let refused = decide(&query(&[], false), std::slice::from_ref(&silent), facts).unwrap_err();
        assert!(refused.wants_sender, "{refused}");
        let named = Sender::ShortCode("85432".into());
        let query = Query { sender: Some(&named), ..query(&[], false) };
        assert_eq!(decide(&query, &[silent], facts).unwrap().sender, named);
    }

    #[test]
    fn a_plain_choice_is_not_worth_a_note() {
        let decision = decide(&query(&[], false), &[route(1, None, "", None, &["a", "b"])], facts).unwrap();
        assert!(!decision.unusual && !decision.waits);
        assert_eq!(decision.explanation(), "the general route for everything matches; carrier a takes it");
    }
}
