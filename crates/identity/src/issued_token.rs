//! Tokens of configured issuers at the door: proven by the issuer's published keys, meant for one of the audiences that were
//! configured, and allowed what the rules that fit say. Nothing is stored of them but the last use of their issuer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use access::{AuthMethod, Authority, Grants, KeyScope, Permit, Principal, Scope, cap};
use base::{Timestamp, TokenIssuerId, WorkspaceId};
use crypto::jwt::{Algorithm, Claims, Expected, Unproven};
use issuers::{Issuers, Known, Source};
use serde_json::Value as Json;
use store::{Row, Tx, params};

use crate::cidr::Cidr;
use crate::fields::networks_of;
use crate::oauth_client::Audience;
use crate::token_issuers_kind::{Rule, algorithms_of};
use crate::{Caller, Error, Identity};

/// The last use is written down when the last one written is older than this.
const WRITTEN: Duration = Duration::from_mins(1);
/// Entries of one issuer that are tried at most.
const ENTRIES: usize = 50;
/// Characters of a subject that pages and the audit log show.
const SHOWN: usize = 120;

/// An issuer as lists show it.
#[derive(Clone, Debug)]
pub struct TokenIssuerInfo {
    /// Its id.
    pub id: TokenIssuerId,
    /// The workspace in which its tokens count.
    pub workspace: WorkspaceId,
    /// Its name.
    pub name: String,
    /// The claim `iss` of its tokens.
    pub issuer: String,
    /// The claim `aud` of those that are meant for us.
    pub audiences: Vec<String>,
    /// Which tokens may do what.
    pub rules: Vec<Rule>,
    /// Where they count.
    pub doors: Vec<Audience>,
    /// From where they are taken; from everywhere when empty.
    pub allow: Vec<String>,
    /// When one was last taken, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When one was last refused, to the minute, and why.
    pub refused: Option<(Timestamp, String)>,
    jwks_uri: Option<String>,
    ca: Option<String>,
    algorithms: Vec<Algorithm>,
    networks: Arc<[Cidr]>,
    longest: Duration,
}

/// A token that was proven within the last second.
#[derive(Clone)]
pub(crate) struct Issued {
    issuer: Arc<TokenIssuerInfo>,
    name: String,
    scopes: Vec<KeyScope>,
    expires_at: Timestamp,
}

const COLUMNS: &str = "id, workspace, name, issuer, jwks_uri, ca, audiences, algorithms, rules, doors, allow, longest_minutes, \
     last_used_at, last_refused_at, last_refusal";

fn info(row: &Row<'_>) -> Result<TokenIssuerInfo, store::Error> {
    let allow: String = row.get("allow")?;
    let minutes = u64::try_from(row.get::<i64>("longest_minutes")?).unwrap_or(1);
    Ok(TokenIssuerInfo {
        id: row.get("id")?,
        workspace: row.get("workspace")?,
        name: row.get("name")?,
        issuer: row.get("issuer")?,
        jwks_uri: row.get("jwks_uri")?,
        ca: row.get("ca")?,
        // What cannot be read admits nobody.
        audiences: serde_json::from_str(&row.get::<String>("audiences")?).unwrap_or_default(),
        rules: serde_json::from_str(&row.get::<String>("rules")?).unwrap_or_default(),
        algorithms: algorithms_of(&row.get::<String>("algorithms")?),
        doors: Audience::read(&row.get::<String>("doors")?),
        networks: networks_of(&allow).into(),
        allow: allow.split_whitespace().map(str::to_owned).collect(),
        longest: Duration::from_mins(minutes),
        last_used_at: row.get("last_used_at")?,
        refused: row.get::<Option<Timestamp>>("last_refused_at")?.zip(row.get::<Option<String>>("last_refusal")?),
    })
}

impl TokenIssuerInfo {
    fn source(&self) -> Source<'_> {
        Source { issuer: &self.issuer, jwks_uri: self.jwks_uri.as_deref(), authority: self.ca.as_deref() }
    }

    /// Whether one of its audiences is among these.
    fn is_among(&self, meant: &[String]) -> bool {
        self.audiences.iter().any(|audience| meant.contains(audience))
    }

    fn admits(&self, address: Option<IpAddr>) -> bool {
        self.networks.is_empty() || address.is_some_and(|ip| self.networks.iter().any(|network| network.contains(ip)))
    }

    /// What a token of these claims may do: the scopes of every rule that fits.
    fn scopes(&self, claims: &Claims) -> Vec<KeyScope> {
        let mut scopes: Vec<KeyScope> = self
            .rules
            .iter()
            .filter(|rule| rule.claims.iter().all(|(name, wanted)| says(claims.get(name), wanted)))
            .flat_map(|rule| rule.scopes.iter().filter_map(|scope| scope.parse().ok()))
            .collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes
    }
}

/// Whether a claim is what is wanted: a text, a number or a truth, or a list that holds it.
fn says(claim: Option<&Json>, wanted: &str) -> bool {
    match claim {
        Some(Json::String(text)) => fits(text, wanted),
        Some(Json::Bool(truth)) => fits(if *truth { "true" } else { "false" }, wanted),
        Some(Json::Number(number)) => fits(&number.to_string(), wanted),
        Some(Json::Array(many)) => many.iter().any(|one| !one.is_array() && says(Some(one), wanted)),
        Some(Json::Object(_) | Json::Null) | None => false,
    }
}

/// Whether `text` is `pattern`, in which `*` stands for any text. Linear in both: each piece is looked for once, from the left.
fn fits(text: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return text == pattern };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(at) = text.find(piece) else { return false };
        text = &text[at + piece.len()..];
    }
    text.ends_with(last)
}

impl Identity {
    /// Who asks issuers for their keys. Without it no token of theirs counts.
    pub fn ask_issuers(&self, issuers: Issuers) {
        // The first stays: the product gives one, once.
        let _ = self.0.issuers.set(issuers);
    }

    /// The grants of a token of a configured issuer. One answer, `None`, for all that does not count.
    pub(crate) async fn by_issued_token(
        &self,
        token: &str,
        audience: Audience,
        caller: &Caller,
    ) -> Result<Option<Grants>, Error> {
        let context = self.0.db.context();
        let hash = crypto::sha256(token.as_bytes());
        let found = match self.0.issued_tokens.get(&hash, context.monotonic()) {
            Ok(found) => found,
            Err(generation) => {
                let began = context.monotonic();
                let Some(found) = self.prove_issued(token).await? else { return Ok(None) };
                self.0.issued_tokens.keep(hash, found.clone(), generation, began);
                self.used_issuer(&found.issuer).await;
                found
            }
        };
        let issuer = &found.issuer;
        let refusal = if context.now() >= found.expires_at {
            Some("the token has run out")
        } else if !issuer.doors.contains(&audience) {
            Some("its tokens do not count at the door where it was shown (doors)")
        } else if !issuer.admits(caller.ip()) {
            Some("it came from an address that is not allowed (allow)")
        } else {
            None
        };
        if let Some(why) = refusal {
            self.refused_issuer(issuer, why).await;
            return Ok(None);
        }
        let principal = Principal::Issued { id: issuer.id, name: found.name.clone() };
        let actor = caller.actor(principal, AuthMethod::IssuedToken);
        Ok(Some(Grants::of_api_key(actor, issuer.workspace, &found.scopes)))
    }

    async fn prove_issued(&self, token: &str) -> Result<Option<Issued>, Error> {
        let (Some(issuers), Ok(unproven)) = (self.0.issuers.get(), Unproven::read(token)) else { return Ok(None) };
        let Some(claimed) = unproven.claimed_issuer() else { return Ok(None) };
        let mut entries = self.0.db.read(move |tx| by_issuer(tx, &claimed)).await?;
        // What a token says of itself proves nothing, but it says whose it is not: a workspace that it is not meant for neither asks
        // for keys because of it nor hears of it.
        let meant = unproven.claimed_audiences();
        if let [only] = entries.as_slice()
            && !only.is_among(&meant)
        {
            // Nobody else can have been meant: whoever set it up sees what is wrong.
            self.refused_issuer(only, "the token is meant for another audience").await;
            return Ok(None);
        }
        entries.retain(|entry| entry.is_among(&meant));
        let now = self.0.db.context().now();
        let mut proven = None;
        for entry in entries {
            let audiences: Vec<&str> = entry.audiences.iter().map(String::as_str).collect();
            let expected = Expected::access_token(&entry.algorithms, &entry.issuer, &audiences, now);
            let claims = match issuers.prove(token, entry.source(), &expected).await {
                Ok(claims) => claims,
                Err(issuers::Error::Refused(refused)) => {
                    self.refused_issuer(&entry, &refused.to_string()).await;
                    continue;
                }
                Err(error) => {
                    tracing::warn!(token_issuer.id = %entry.id, %error, "a token could not be checked");
                    self.refused_issuer(&entry, &error.to_string()).await;
                    continue;
                }
            };
            if proven.is_some() {
                // Meant for two workspaces: which of them is not for us to guess.
                self.refused_issuer(&entry, "the token is meant for the audiences of two entries").await;
                return Ok(None);
            }
            proven = Some((Arc::new(entry), claims));
        }
        let Some((issuer, claims)) = proven else { return Ok(None) };
        let scopes = issuer.scopes(&claims);
        if scopes.is_empty() {
            self.refused_issuer(&issuer, "no rule fits what the token says").await;
            return Ok(None);
        }
        if claims.expires() > now.plus(issuer.longest) {
            self.refused_issuer(&issuer, "the token lives longer than longest_minutes allows").await;
            return Ok(None);
        }
        let subject: String = claims.subject().chars().filter(|letter| !letter.is_control()).take(SHOWN).collect();
        let name = format!("{}: {subject}", issuer.name);
        Ok(Some(Issued { name, scopes, expires_at: claims.expires(), issuer }))
    }

    /// Writes the last use down, once a minute. A failure to do so refuses nobody.
    async fn used_issuer(&self, issuer: &TokenIssuerInfo) {
        let now = self.0.db.context().now();
        if issuer.last_used_at.is_some_and(|last| now.since(last) < WRITTEN) {
            return;
        }
        let id = issuer.id;
        let sql = "UPDATE token_issuers SET last_used_at = $2 WHERE id = $1";
        let written: Result<(), store::Error> = self.0.db.write(move |tx| tx.send(sql, &params![id, now])).await;
        if let Err(error) = written {
            tracing::warn!(token_issuer.id = %id, %error, "the last use of an issuer could not be written down");
        }
    }

    /// Writes down why a token did not count, once a minute: whoever shows many writes no more than one does. Nothing of the token
    /// is written.
    async fn refused_issuer(&self, issuer: &TokenIssuerInfo, why: &str) {
        let now = self.0.db.context().now();
        if issuer.refused.as_ref().is_some_and(|(last, _)| now.since(*last) < WRITTEN) {
            return;
        }
        let (id, why) = (issuer.id, why.chars().take(SHOWN * 2).collect::<String>());
        let sql = "UPDATE token_issuers SET last_refused_at = $2, last_refusal = $3 WHERE id = $1";
        let written: Result<(), store::Error> =
            self.0.db.write(move |tx| tx.send(sql, &params![id, now, why.as_str()])).await;
        if let Err(error) = written {
            tracing::warn!(token_issuer.id = %id, %error, "why a token was refused could not be written down");
        }
    }

    /// What this node knows of an issuer's keys, without asking it.
    pub fn issuer_known(&self, issuer: &TokenIssuerInfo) -> Known {
        self.0.issuers.get().map(|issuers| issuers.known(issuer.source())).unwrap_or_default()
    }

    /// Asks an issuer for its keys now: how many it has.
    ///
    /// # Errors
    /// A sentence that says why it cannot be asked, or what is wrong with its answer.
    pub async fn ask_issuer(
        &self,
        _permit: &Permit<cap::ApiKeysManage>,
        issuer: &TokenIssuerInfo,
    ) -> Result<usize, String> {
        let Some(issuers) = self.0.issuers.get() else { return Err("no issuer is asked here".to_owned()) };
        issuers.keys(issuer.source()).await.map(|keys| keys.len()).map_err(|error| error.to_string())
    }

    /// The issuers of a workspace, by name.
    pub fn token_issuers(
        &self,
        tx: &mut Tx<'_>,
        permit: &impl Authority<cap::WorkspaceRead>,
        workspace: WorkspaceId,
    ) -> Result<Vec<TokenIssuerInfo>, Error> {
        match permit.scope() {
            Scope::Workspace(here) if here != workspace => return Err(resources::Error::OutOfScope.into()),
            _ => {}
        }
        let sql = format!("SELECT {COLUMNS} FROM token_issuers WHERE workspace = $1 ORDER BY name, id");
        Ok(tx.query(&sql, &params![workspace], info)?)
    }
}

fn by_issuer(tx: &mut Tx<'_>, issuer: &str) -> Result<Vec<TokenIssuerInfo>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM token_issuers WHERE issuer = $1 ORDER BY id LIMIT {ENTRIES}");
    Ok(tx.query(&sql, &params![issuer], info)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_does() {
        for (text, pattern, fit) in [
            ("repo:acme/app:ref:refs/heads/main", "repo:acme/app:ref:refs/heads/main", true),
            ("repo:acme/app:ref:refs/heads/main", "repo:acme/*", true),
            ("repo:acme/app:ref:refs/heads/main", "repo:acme/*:ref:refs/heads/main", true),
            ("repo:acme-evil/app", "repo:acme/*", false),
            ("abc", "a*b", false),
            ("aba", "ab*ba", false),
            ("a.c", "abc", false),
            ("", "*", true),
            ("aXbXc", "a*b*c", true),
        ] {
            assert_eq!(fits(text, pattern), fit, "{text} {pattern}");
        }
    }

    #[test]
    fn claims_of_every_simple_kind_can_be_wanted() {
        assert!(says(Some(&json!(["a", "b"])), "b") && says(Some(&json!(true)), "true") && says(Some(&json!(7)), "7"));
        assert!(!says(Some(&json!({"a": 1})), "*") && !says(None, "*") && !says(Some(&json!([["b"]])), "b"));
    }
}
