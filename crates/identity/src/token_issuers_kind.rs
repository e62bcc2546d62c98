//! The kind `token_issuers`: somebody else's service whose tokens count here (a cloud, a build system, an identity provider), so that
//! a program needs no secret of ours at all. What a token's claims must say, and what it may then do, stand in rules; a token
//! that no rule fits may nothing. Created and deleted by people with the right `keys:manage` alone (control E-08).

use std::collections::BTreeMap;

use access::Capability;
use base::TokenIssuerId;
use crypto::jwt::Algorithm;
use resources::{Check, Class, Error, Field, KindScope, Projection, Shape, TypedKind};
use serde::{Deserialize, Serialize};
use store::{Tx, params};

use crate::fields::{check_networks, check_rights, check_scopes};
use crate::oauth_client::Audience;

/// Algorithms that a configuration can name: asymmetric ones.
const ALGORITHMS: &[&str] = &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
/// Rules of one issuer at most.
const RULES: usize = 50;
/// Claims of one rule at most.
const CLAIMS: usize = 20;
/// Audiences of one issuer at most.
const AUDIENCES: usize = 10;

/// Issuers of tokens as a kind of resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenIssuersKind;

/// An issuer as people configure it.
#[derive(Debug, Serialize, Deserialize)]
pub struct TokenIssuerBody {
    name: String,
    issuer: String,
    audiences: Vec<String>,
    rules: Vec<Rule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca: Option<String>,
    #[serde(default = "usual_algorithms")]
    algorithms: Vec<String>,
    #[serde(default = "everywhere")]
    doors: Vec<Audience>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default = "an_hour")]
    longest_minutes: u32,
}

/// What a token must say, and what it may then do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Claims by name with what they must be; `*` in a value stands for any text.
    pub claims: BTreeMap<String, String>,
    /// What a token of which all that is so may do.
    pub scopes: Vec<String>,
}

fn usual_algorithms() -> Vec<String> {
    ["RS256", "ES256"].map(str::to_owned).to_vec()
}

fn everywhere() -> Vec<Audience> {
    Audience::ALL.to_vec()
}

const fn an_hour() -> u32 {
    60
}

impl TypedKind for TokenIssuersKind {
    type Body = TokenIssuerBody;
    const NAME: &'static str = "token_issuers";
    const SCOPE: KindScope = KindScope::Workspace;
    const CAPABILITY: Capability = Capability::ApiKeysManage;
    const FIELDS: &'static [Field] = &[
        Field::new("name", Class::Internal, Shape::Text).required().about("whose tokens they are"),
        Field::new("issuer", Class::Internal, Shape::Text)
            .required()
            .about("the claim iss of its tokens, such as https://token.actions.githubusercontent.com"),
        Field::new("audiences", Class::Internal, Shape::List(&Shape::Text))
            .required()
            .about("the claim aud of tokens that are meant for this workspace"),
        Field::new(
            "rules",
            Class::Internal,
            Shape::List(&Shape::Object(&[
                Field::new("claims", Class::Internal, Shape::Map(&Shape::Text))
                    .required()
                    .about("claims with what they must be; * stands for any text"),
                Field::new("scopes", Class::Internal, Shape::List(&Shape::Text))
                    .required()
                    .about("what such a token may do"),
            ])),
        )
        .required()
        .about("which tokens may do what; one that no rule fits may nothing"),
        Field::new("jwks_uri", Class::Internal, Shape::Text)
            .about("where its keys are, when it does not publish that itself"),
        Field::new("ca", Class::Internal, Shape::Text)
            .about("the authority (PEM) that vouches for its addresses, in place of the machine's"),
        Field::new("algorithms", Class::Internal, Shape::List(&Shape::Choice(ALGORITHMS)))
            .about("what its tokens are signed with; RS256 and ES256 when left out"),
        Field::new("doors", Class::Internal, Shape::List(&Shape::Choice(&Audience::NAMES)))
            .about("where its tokens count: at the API, at the doors for signals, or both"),
        Field::new("allow", Class::Internal, Shape::List(&Shape::Text))
            .about("addresses and networks from which its tokens are taken; from everywhere when empty"),
        Field::new("longest_minutes", Class::Internal, Shape::Integer(1, 1_440))
            .about("minutes that a token may still live; 60 when left out"),
    ];

    fn key(&self, body: &TokenIssuerBody) -> String {
        body.name.clone()
    }

    fn validate(&self, body: &TokenIssuerBody, check: &mut Check<'_, '_>) -> Result<(), Error> {
        for (field, url) in [("issuer", Some(&body.issuer)), ("jwks_uri", body.jwks_uri.as_ref())] {
            let bad =
                url.is_some_and(|url| !url.starts_with("https://") || url.len() > 500 || url.contains(['#', ' ']));
            if bad {
                check.problem(field, "bad-url", "an https: address of at most 500 characters is expected");
            }
        }
        if !(1..=AUDIENCES).contains(&body.audiences.len()) || body.audiences.iter().any(String::is_empty) {
            let remedy =
                format!("1 to {AUDIENCES} audiences are expected, none of them empty: else tokens for others count");
            check.problem("audiences", "bad-audiences", remedy);
        }
        if body.algorithms.is_empty() {
            check.problem("algorithms", "no-algorithm", "name at least one algorithm, such as RS256");
        }
        if body.doors.is_empty() {
            check.problem("doors", "no-door", "tokens that count nowhere are of no use; give api or signals");
        }
        check_networks(check, &body.allow);
        if !(1..=RULES).contains(&body.rules.len()) {
            check.problem("rules", "bad-rules", format!("1 to {RULES} rules are expected"));
        }
        for (at, rule) in body.rules.iter().enumerate() {
            check_scopes(check, &format!("rules[{at}].scopes"), &rule.scopes);
            check_rights(check, &format!("rules[{at}].scopes"), &rule.scopes, "");
            let path = format!("rules[{at}].claims");
            if !(1..=CLAIMS).contains(&rule.claims.len()) {
                check.problem(&path, "bad-claims", format!("1 to {CLAIMS} claims are expected, such as sub"));
            }
            // A rule that any token of the issuer fits would open the workspace to all its customers.
            let says = rule.claims.iter().any(|(name, value)| {
                !matches!(name.as_str(), "iss" | "aud") && value.chars().any(|letter| letter != '*')
            });
            if !says && !rule.claims.is_empty() {
                let remedy =
                    "every token of this issuer fits; say at least one claim, such as sub, with a value of its own";
                check.problem(&path, "rule-for-all", remedy);
            }
        }
        Ok(())
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, TokenIssuerBody>) -> Result<(), Error> {
        let id: TokenIssuerId = change.id();
        let (Some(new), Some(workspace)) = (change.new, change.workspace) else {
            tx.execute("DELETE FROM token_issuers WHERE id = $1", &params![id])?;
            return Ok(());
        };
        let others: Vec<String> = tx.query(
            "SELECT audiences FROM token_issuers WHERE issuer = $1 AND id <> $2",
            &params![new.issuer.as_str(), id],
            |row| row.get("audiences"),
        )?;
        let others: Vec<String> =
            others.iter().flat_map(|text| serde_json::from_str::<Vec<String>>(text).unwrap_or_default()).collect();
        if new.audiences.iter().any(|audience| others.contains(audience)) {
            let remedy = "another entry takes tokens of this issuer for this audience; one token is of one workspace";
            return Err(Error::invalid("audiences", "audience-taken", remedy));
        }
        let json = |value: serde_json::Result<String>| value.map_err(|error| Error::Body(Box::new(error)));
        tx.execute(
            "INSERT INTO token_issuers (id, workspace, name, issuer, jwks_uri, ca, audiences, algorithms, rules, doors, allow, \
             longest_minutes, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, issuer = excluded.issuer, jwks_uri = excluded.jwks_uri, \
             ca = excluded.ca, audiences = excluded.audiences, algorithms = excluded.algorithms, rules = excluded.rules, \
             doors = excluded.doors, allow = excluded.allow, longest_minutes = excluded.longest_minutes",
            &params![
                id,
                workspace,
                new.name.as_str(),
                new.issuer.as_str(),
                new.jwks_uri.as_deref(),
                new.ca.as_deref(),
                json(serde_json::to_string(&new.audiences))?,
                new.algorithms.join(" "),
                json(serde_json::to_string(&new.rules))?,
                Audience::text(&new.doors),
                new.allow.join(" "),
                i64::from(new.longest_minutes),
                change.now
            ],
        )?;
        Ok(())
    }
}

/// The algorithms of a stored text; one that this version does not know is none.
pub(crate) fn algorithms_of(text: &str) -> Vec<Algorithm> {
    text.split_whitespace().filter_map(Algorithm::parse).collect()
}
