//! Rules of fields that several kinds of programs share: scopes and address lists.

use std::time::Duration;

use access::{Capabilities, KeyScope, ScopeError};
use base::Timestamp;
use resources::Check;

use crate::cidr::Cidr;

/// Notes what is wrong with the scopes of a program.
pub(crate) fn check_scopes(check: &mut Check<'_, '_>, field: &str, scopes: &[String]) {
    if scopes.is_empty() {
        check.problem(field, "no-scope", "a program without a scope can do nothing; give one such as messages:send");
    }
    for (at, scope) in scopes.iter().enumerate() {
        if let Err(error) = scope.parse::<KeyScope>() {
            let near = base::nearest(scope, KeyScope::all().map(KeyScope::name));
            let detail = match error {
                ScopeError::NotForKeys => error.to_string(),
                ScopeError::Unknown => format!("no such scope; did you mean {near}?"),
            };
            check.problem(format!("{field}[{at}]"), "bad-scope", detail);
        }
    }
}

/// Notes the scopes that whoever changes the entry does not hold: nobody gives what they do not have, not to a program either.
/// Those in `kept`, a stored text, are not given now.
pub(crate) fn check_rights(check: &mut Check<'_, '_>, field: &str, scopes: &[String], kept: &str) {
    let of = |names: &mut dyn Iterator<Item = &str>| -> Capabilities {
        names.filter_map(|scope| scope.parse::<KeyScope>().ok()).map(KeyScope::capability).collect()
    };
    let given = of(&mut scopes.iter().map(String::as_str)).without(of(&mut kept.split_whitespace()));
    let beyond = check.beyond(given);
    for (at, scope) in scopes.iter().enumerate() {
        if beyond.iter().any(|capability| capability.name() == scope) {
            let words = format!("you do not hold {scope} here, so no program of yours does");
            check.problem(format!("{field}[{at}]"), "beyond-your-rights", words);
        }
    }
}

/// When a secret ends that lives for `days`. A new one starts the clock anew (`before` is none); another number of days alone counts
/// from when the secret was set: `before` is the end it had, and its days.
pub(crate) fn ends(before: Option<(Timestamp, u32)>, days: u32, now: Timestamp) -> Timestamp {
    let life = |days: u32| Duration::from_hours(24) * days;
    before.map_or(now, |(end, days)| end.minus(life(days))).plus(life(days))
}

/// Notes what is wrong with the networks in the field `allow`.
pub(crate) fn check_networks(check: &mut Check<'_, '_>, networks: &[String]) {
    for (at, network) in networks.iter().enumerate() {
        if let Err(error) = network.parse::<Cidr>() {
            check.problem(format!("allow[{at}]"), "bad-network", error.to_string());
        }
    }
}

/// The scopes of a stored text; what this version does not know gives nothing.
pub(crate) fn scopes_of(text: &str) -> Vec<KeyScope> {
    text.split_whitespace().filter_map(|scope| scope.parse().ok()).collect()
}

/// The networks of a stored text. One that cannot be read admits nobody, rather than everybody.
pub(crate) fn networks_of(text: &str) -> Vec<Cidr> {
    text.split_whitespace().map(|network| network.parse().unwrap_or(Cidr::NOBODY)).collect()
}
