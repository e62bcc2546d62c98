//! The decision.

use std::cmp::Reverse;
use std::sync::Arc;

use base::{RouteId, WorkspaceId};
use sms::Country;

use crate::reason::sentences;
use crate::share::{arrange, lot};
use crate::{Class, Cost, Mismatch, Reason, Route, Sender, SenderRules};

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
    /// The carrier that refused the message for good: it and those before it are not asked again.
    pub beyond: Option<&'a str>,
    /// The lot that decides among routes with weights; see [`lot`].
    pub lot: u64,
    /// Whether the record also speaks of routes that have no part in the decision.
    pub explain: bool,
}

impl<'a> Query<'a> {
    /// A first decision about a message: nothing was tried yet.
    pub fn first(
        workspace: WorkspaceId,
        development: bool,
        destination: &'a str,
        class: Class,
        sender: Option<&'a Sender>,
    ) -> Self {
        let lot = lot(sender.map_or("", Sender::as_str), destination);
        Self { workspace, development, destination, class, sender, avoid: &[], beyond: None, lot, explain: false }
    }
}

/// What is known of a carrier at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarrierFacts {
    /// Whether nothing leaves the machine by it.
    pub simulated: bool,
    /// Why it takes nothing now, if so.
    pub down: Option<String>,
    /// Which source addresses it takes; all when absent.
    pub senders: Option<Arc<SenderRules>>,
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

/// What tells routes apart before weight and cost do: the least comes first.
fn rank(route: &Route) -> impl Ord + use<> {
    let matcher = &route.matcher;
    let said = (matcher.narrow(), matcher.sender.is_some(), matcher.class.is_some());
    Reverse((route.workspace.is_some(), route.priority, said))
}

/// Brings routes into the order in which they are tried.
fn sort(routes: &mut [&Route], lot: u64) {
    if routes.len() > 1 {
        routes.sort_by_cached_key(|route| rank(route));
        for equals in routes.chunk_by_mut(|one, other| rank(one) == rank(other)) {
            if equals.len() > 1 {
                arrange(equals, lot);
            }
        }
    }
}

/// The routes that messages of `workspace` can go by, in the order in which [`decide`] tries them; equals with weights, whose
/// order is drawn for each conversation, in the order of one.
pub fn in_order<'r>(workspace: WorkspaceId, routes: impl IntoIterator<Item = &'r Route>) -> Vec<&'r Route> {
    let theirs = |route: &&Route| route.workspace.is_none_or(|owner| owner == workspace);
    let mut ordered: Vec<&Route> = routes.into_iter().filter(theirs).collect();
    sort(&mut ordered, 0);
    ordered
}

/// The share of a route among its equals, in hundredths, when weights decide.
fn share(route: &Route, matching: &[&Route]) -> Option<u8> {
    let equals = || matching.iter().filter(|other| rank(other) == rank(route));
    if matching.len() < 2 || equals().count() < 2 || equals().all(|other| other.weight.is_none()) {
        return None;
    }
    let weight = |route: &Route| u64::from(route.weight.map_or(1, std::num::NonZeroU32::get));
    let all: u64 = equals().map(|other| weight(other)).sum();
    u8::try_from((weight(route) * 100 + all / 2) / all).ok()
}

/// Decides. Routes are tried in order: the workspace's own first, then by higher priority, then from the most to the least
/// specific (destination, sender, class), then by weight or lower cost. In each, carriers are tried in order. A carrier that is
/// down or was tried already is taken only when there is no other, so that nothing is refused for a passing fault.
pub fn decide<'r>(
    query: &Query<'_>,
    routes: impl IntoIterator<Item = &'r Route>,
    facts: impl Fn(&str) -> Option<CarrierFacts>,
) -> Result<Decision, Refused> {
    let country = Country::of_digits(query.destination);
    let (mut known, mut matching, mut passed) = (0, Vec::new(), Vec::new());
    for route in routes {
        if route.workspace.is_some_and(|workspace| workspace != query.workspace) {
            continue;
        }
        known += 1;
        match route.matcher.matches(query.destination, country, query.class, query.sender) {
            Ok(()) => matching.push(route),
            Err(why) if query.explain => passed.push((route, why)),
            Err(_) => {}
        }
    }
    sort(&mut matching, query.lot);
    let mut record = Vec::new();
    if matching.is_empty() {
        pass(&mut record, passed);
        record.push(Reason::NoRoute { routes: known, class: query.class });
        return Err(Refused { record, wants_sender: false });
    }
    let mut choice =
        Choice { second_best: None, wants_sender: false, behind: query.beyond.is_none(), before: Vec::new() };
    for (at, route) in matching.iter().enumerate() {
        let share = share(route, &matching);
        let own = route.workspace.is_some();
        record.push(Reason::Matched { id: route.id, route: route.label(), own, share });
        if let Some((carrier, sender)) = choice.of_route(query, route, &facts, &mut record) {
            if query.explain {
                let rest = matching[at + 1..].iter();
                record.extend(rest.map(|route| Reason::NotReached { id: route.id, route: route.label() }));
                pass(&mut record, passed);
            }
            return Ok(conclude(route, carrier, sender, false, record));
        }
    }
    if query.explain {
        pass(&mut record, passed);
    }
    let Some((against, route, carrier, sender)) = choice.second_best else {
        let only =
            |step: &Reason| matches!(step, Reason::Matched { .. } | Reason::NoSender { .. } | Reason::Passed { .. });
        let wants_sender = choice.wants_sender && record.iter().all(only);
        return Err(Refused { record, wants_sender });
    };
    let waits = against >= 2;
    let name = carrier.to_owned();
    record.push(if waits { Reason::Waits { carrier: name } } else { Reason::Chosen { carrier: name } });
    Ok(conclude(route, carrier, sender, waits, record))
}

fn pass(record: &mut Vec<Reason>, passed: Vec<(&Route, Mismatch)>) {
    record.extend(passed.into_iter().map(|(route, why)| Reason::Passed { id: route.id, route: route.label(), why }));
}

/// What is carried along from route to route.
struct Choice<'r> {
    /// Held for the case that no carrier is up: how many reasons against it, and the choice itself.
    second_best: Option<(usize, &'r Route, &'r str, Sender)>,
    wants_sender: bool,
    /// Whether the carrier that refused is behind us, and which were before it and itself.
    behind: bool,
    before: Vec<&'r str>,
}

impl<'r> Choice<'r> {
    /// The carrier of `route` that takes the message now, and from which sender.
    fn of_route(
        &mut self,
        query: &Query<'_>,
        route: &'r Route,
        facts: &impl Fn(&str) -> Option<CarrierFacts>,
        record: &mut Vec<Reason>,
    ) -> Option<(&'r str, Sender)> {
        let Some(sender) = query.sender.or(route.sender.as_ref()) else {
            record.push(Reason::NoSender { route: route.label() });
            self.wants_sender = true;
            return None;
        };
        for carrier in &route.carriers {
            let name = || carrier.clone();
            let Some(facts) = facts(carrier) else {
                record.push(Reason::UnknownCarrier { carrier: name() });
                continue;
            };
            if query.development && !facts.simulated && !route.open_to_development {
                record.push(Reason::NotForDevelopment { carrier: name() });
                continue;
            }
            if !self.behind {
                self.behind = query.beyond == Some(carrier.as_str());
                self.before.push(carrier);
            }
            if self.before.contains(&carrier.as_str()) {
                record.push(Reason::Tried { carrier: name() });
                continue;
            }
            let given = facts.senders.as_deref().map_or(Some(sender), |rules| rules.given(sender));
            let Some(given) = given else {
                record.push(Reason::SenderNotTaken { carrier: name(), sender: sender.to_string() });
                continue;
            };
            if given != sender {
                let (sender, instead) = (sender.to_string(), given.to_string());
                record.push(Reason::SenderReplaced { carrier: name(), sender, instead });
            }
            let tried = query.avoid.contains(&carrier.as_str());
            let against = usize::from(tried) + 2 * usize::from(facts.down.is_some());
            if let Some(reason) = facts.down {
                record.push(Reason::Down { carrier: name(), reason });
            } else if tried {
                record.push(Reason::Tried { carrier: name() });
            } else {
                record.push(Reason::Chosen { carrier: name() });
                return Some((carrier, given.clone()));
            }
            if self.second_best.as_ref().is_none_or(|(least, ..)| against < *least) {
                self.second_best = Some((against, route, carrier, given.clone()));
            }
        }
        None
    }
}

fn conclude(route: &Route, carrier: &str, sender: Sender, waits: bool, record: Vec<Reason>) -> Decision {
    let unusual = waits || record.iter().any(Reason::is_unusual);
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
            name: String::new(),
            matcher: Matcher { prefix: (!prefix.is_empty()).then(|| prefix.to_owned()), class, ..Matcher::default() },
            priority: 0,
            weight: None,
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
            senders: name.starts_with("digits").then(|| {
                let instead = name.ends_with("-code").then(|| Sender::ShortCode("70007".into()));
                Arc::new(SenderRules { numeric_only: true, instead, ..SenderRules::default() })
            }),
        })
    }

    fn query<'a>(avoid: &'a [&'a str], development: bool) -> Query<'a> {
        let workspace = Uuid::from_u128(WORKSPACE).into();
        Query { avoid, ..Query::first(workspace, development, "447700900117", Class::Alert, None) }
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

    /// Priority goes before everything but ownership; a country before its calling code, a longer beginning before both.
    #[test]
    fn priority_and_country_have_their_place() {
        let country = |id, country: &str, carrier: &str| Route {
            matcher: Matcher { country: Some(country.into()), ..Matcher::default() },
            ..route(id, None, "", None, &[carrier])
        };
        let all = [route(1, None, "44", None, &["code"]), country(2, "GB", "gb"), country(3, "CA", "ca")];
        check(&all, &[], false, Ok("gb"));
        check(&[all[1].clone(), route(4, None, "447", None, &["mobile"])], &[], false, Ok("mobile"));
        let first = Route { priority: 1, ..route(5, None, "", None, &["first"]) };
        check(&[all[1].clone(), first.clone()], &[], false, Ok("first"));
        check(&[first, route(6, Some(WORKSPACE), "", None, &["own"])], &[], false, Ok("own"));
        check(&[all[2].clone()], &[], false, Err("none of the 1 routes matches"));
    }

    /// Each of the equals gets its share, and a conversation stays where it is, also when another route comes or goes.
    #[test]
    fn weights_share_and_conversations_stay() {
        let weighted = |id, weight, carrier: &str| Route {
            name: carrier.to_owned(),
            weight: std::num::NonZeroU32::new(weight),
            ..route(id, None, "", None, &[carrier])
        };
        let all = [weighted(1, 3, "a"), weighted(2, 1, "b")];
        let by = |routes: &[Route], number: u32| {
            let destination = format!("4477009{number:05}");
            let workspace = Uuid::from_u128(WORKSPACE).into();
            decide(&Query::first(workspace, false, &destination, Class::Otp, None), routes, facts).unwrap()
        };
        let to_a = (0..4_000).filter(|number| by(&all, *number).carrier == "a").count();
        assert!((2_850..=3_150).contains(&to_a), "{to_a} of 4,000 with three quarters by weight");
        let more = [all[0].clone(), all[1].clone(), weighted(3, 4, "c")];
        for number in 0..500 {
            let (before, after) = (by(&all, number), by(&more, number));
            assert_eq!(before, by(&[all[1].clone(), all[0].clone()], number), "the order of the table says nothing");
            assert!(after.carrier == before.carrier || after.carrier == "c", "{number}");
        }
        assert!(by(&all, 1).explanation().contains("of 100 by weight"), "{}", by(&all, 1).explanation());
    }

    /// What refused for good is behind; what comes after it is tried, once each.
    #[test]
    fn beyond_a_refusal_the_next_is_tried_and_none_twice() {
        let all = [route(1, None, "44", None, &["a", "b"]), route(2, None, "", None, &["a", "c"])];
        let after = |refused| {
            let query = Query { beyond: Some(refused), ..query(&[], false) };
            decide(&query, &all, facts).map(|decision| decision.carrier)
        };
        assert_eq!((after("a").as_deref(), after("b").as_deref()), (Ok("b"), Ok("c")));
        let one = [route(1, None, "", None, &["a", "b"])];
        let query = Query { beyond: Some("b"), ..query(&[], false) };
        assert!(decide(&query, &one, facts).is_err());
    }

    /// A carrier that takes no names is given a number where its settings have one, and passed over where not.
    #[test]
    fn a_sender_that_a_carrier_does_not_take_is_replaced_or_leads_elsewhere() {
        let decision = decide(&query(&[], false), &[route(1, None, "", None, &["digits-code"])], facts).unwrap();
        assert_eq!((decision.sender.as_str(), decision.unusual), ("70007", false));
        assert!(decision.explanation().contains("does not take sender Loudhailer and is given 70007"));
        check(&[route(1, None, "", None, &["digits", "b"])], &[], false, Ok("b"));
        check(&[route(1, None, "", None, &["digits"])], &[], false, Err("does not take sender Loudhailer"));
    }

    /// The explanation speaks of each route, by the record of the decision itself.
    #[test]
    fn an_explanation_speaks_of_every_route() {
        use crate::{Verdict, considered};
        let all = [
            route(1, None, "", None, &["late"]),
            route(2, None, "49", None, &["b"]),
            route(3, None, "447", None, &["x-down", "b"]),
            route(4, None, "4477", Some(Class::Otp), &["b"]),
        ];
        let query = Query { explain: true, ..query(&[], false) };
        let decision = decide(&query, &all, facts).unwrap();
        assert_eq!(decision.carrier, decide(&Query { explain: false, ..query }, &all, facts).unwrap().carrier);
        let path: Vec<_> = considered(&decision.record)
            .into_iter()
            .map(|route| (route.route, route.verdict, route.carriers.iter().map(|way| way.verdict).collect::<Vec<_>>()))
            .collect();
        assert_eq!(
            path,
            [
                ("+447".to_owned(), Verdict::Taken, vec![Verdict::Failed, Verdict::Taken]),
                ("everything".to_owned(), Verdict::NotReached, vec![]),
                ("+49".to_owned(), Verdict::Skipped, vec![]),
                ("+4477, otp".to_owned(), Verdict::Skipped, vec![]),
            ]
        );
        let waiting =
            decide(&query, &[route(1, None, "44", None, &["a-down"]), route(2, None, "", None, &["b-down"])], facts);
        let path = considered(&waiting.unwrap().record);
        assert_eq!((path[0].verdict, path[1].verdict), (Verdict::Waits, Verdict::Failed));
    }
}
