//! Rules of fields that several kinds of programs share: scopes and address lists.

use access::{KeyScope, ScopeError};
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
pub(crate) fn check_rights(check: &mut Check<'_, '_>, field: &str, scopes: &[String]) {
    let known = scopes.iter().filter_map(|scope| scope.parse::<KeyScope>().ok());
    let beyond = check.beyond(known.map(KeyScope::capability).collect());
    for (at, scope) in scopes.iter().enumerate() {
        if beyond.iter().any(|capability| capability.name() == scope) {
            let words = format!("you do not hold {scope} here, so no program of yours does");
            check.problem(format!("{field}[{at}]"), "beyond-your-rights", words);
        }
    }
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
