//! The kind `identity_providers`: who vouches for people, and what follows from it.

use access::Capability;
use base::ExposeSecret;
use crypto::jwt::Algorithm;
use resources::{Check, Class, Error, Field, KindScope, Projection, SecretSlot, Shape, TypedKind};
use serde::{Deserialize, Serialize};
use store::Tx;
use vault::{SealedColumn, Vault};

use crate::group_roles::{GROUP_ROLES, Mapping, check_group_roles, resolve_group_roles};
use crate::naming::check_name_and_label;
use crate::saml2::SamlBody;
use crate::{mapping, rows, saml2};

/// The kind's name.
pub const PROVIDERS: &str = "identity_providers";

/// Providers as a kind of resource. Without a vault it checks files and stores nothing.
#[derive(Clone)]
pub struct ProvidersKind(Option<Vault>);

impl std::fmt::Debug for ProvidersKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProvidersKind")
    }
}

impl ProvidersKind {
    /// The kind over a vault; without one it can check files.
    pub const fn new(vault: Option<Vault>) -> Self {
        Self(vault)
    }
}

/// A provider as people configure it. SAML has its own fields below `saml`, read when `kind` says so; those of OpenID Connect then
/// mean nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProviderBody {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) label: String,
    #[serde(default = "oidc")]
    pub(crate) kind: String,
    #[serde(default = "yes")]
    pub(crate) enabled: bool,
    pub(crate) issuer: String,
    #[serde(default)]
    pub(crate) client_id: String,
    #[serde(default = "basic")]
    pub(crate) client_auth: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<SecretSlot>,
    #[serde(default = "scopes")]
    pub(crate) scopes: Vec<String>,
    #[serde(default = "algorithms")]
    pub(crate) algorithms: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tls_ca: Option<String>,
    #[serde(default = "never")]
    pub(crate) accounts: String,
    #[serde(default = "groups")]
    pub(crate) groups_claim: String,
    #[serde(default)]
    pub(crate) group_roles: Vec<GroupRole>,
    #[serde(default = "ask")]
    pub(crate) second_factor: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) saml: Option<SamlBody>,
}

/// A group that gives a role, in the organisation or in one workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRole {
    pub(crate) group: String,
    pub(crate) role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) workspace: Option<String>,
}

fn oidc() -> String {
    "oidc".to_owned()
}

const fn yes() -> bool {
    true
}

fn basic() -> String {
    "basic".to_owned()
}

fn never() -> String {
    "never".to_owned()
}

fn groups() -> String {
    "groups".to_owned()
}

fn ask() -> String {
    "ask".to_owned()
}

fn scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).to_vec()
}

fn algorithms() -> Vec<String> {
    ["RS256", "PS256", "ES256", "EdDSA"].map(str::to_owned).to_vec()
}

/// The names of [`Algorithm::ALL`].
const ALGORITHMS: &[&str] = &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];

impl TypedKind for ProvidersKind {
    type Body = ProviderBody;
    const NAME: &'static str = PROVIDERS;
    const SCOPE: KindScope = KindScope::Organisation;
    const CAPABILITY: Capability = Capability::SignInManage;
    const FIELDS: &'static [Field] = &[
        Field::new("name", Class::Internal, Shape::Text)
            .required()
            .about("how addresses name it, such as okta: letters, digits and hyphens; the redirect URI holds it"),
        Field::new("label", Class::Internal, Shape::Text).about("what the button on the sign-in page calls it"),
        Field::new("kind", Class::Internal, Shape::Choice(&["oidc", saml2::SAML]))
            .about("what it speaks: oidc, OpenID Connect (when left out), or saml, SAML 2.0"),
        Field::new("enabled", Class::Internal, Shape::Boolean).about(
            "whether people sign in with it; switched off, the roles that came from its groups go; true when left out",
        ),
        Field::new("issuer", Class::Internal, Shape::Text).required().about(
            "the issuer exactly as its tokens name it, or the entity id of SAML; what an OpenID provider publishes is read below \
             /.well-known/openid-configuration",
        ),
        Field::new("client_id", Class::Internal, Shape::Text)
            .about("who we are at an OpenID provider; the tokens' audience"),
        Field::new("client_auth", Class::Internal, Shape::Choice(&["basic", "post", "none"])).about(
            "where the client secret is put: the header Authorization (when left out), the body, or nowhere (PKCE alone)",
        ),
        Field::new("client_secret", Class::Restricted, Shape::SECRET).about("how we prove who we are there"),
        Field::new("scopes", Class::Internal, Shape::List(&Shape::Text))
            .about("what is asked for: openid, profile and email when left out; some providers want groups here"),
        Field::new("algorithms", Class::Internal, Shape::List(&Shape::Choice(ALGORITHMS)))
            .about("signatures that are believed; RS256, PS256, ES256 and EdDSA when left out"),
        Field::new("tls_ca", Class::Internal, Shape::Text)
            .about("a private authority (PEM) that vouches for its addresses, in place of the machine's"),
        Field::new("accounts", Class::Internal, Shape::Choice(&["never", "mapped", "everyone"])).about(
            "for whom an account is made at their first sign-on: nobody (when left out), people of a group that gives a role, \
             or everyone",
        ),
        Field::new("groups_claim", Class::Internal, Shape::Text)
            .about("the claim or attribute that lists a person's groups; groups when left out"),
        Field::new("group_roles", Class::Internal, GROUP_ROLES)
            .about("which groups give which roles; looked at anew at each sign-on"),
        Field::new("second_factor", Class::Internal, Shape::Choice(&["ask", "trust"])).about(
            "ask (when left out): who has or must have a second factor here shows it; trust: the provider saw to it",
        ),
        Field::new("saml", Class::Internal, Shape::Object(saml2::FIELDS)).about("what else a provider has that speaks SAML"),
    ];

    fn key(&self, body: &ProviderBody) -> String {
        body.name.clone()
    }

    fn validate(&self, body: &ProviderBody, check: &mut Check<'_, '_>) -> Result<(), Error> {
        check_name_and_label(&body.name, &body.label, "okta", check);
        if body.kind == saml2::SAML {
            saml2::check(body, check)?;
        } else {
            check_oidc(body, check);
        }
        saml2::impersonation(body, check)?;
        if let Some(pem) = &body.tls_ca
            && let Err(error) = crypto::tls::client_config(&crypto::tls::Roots::Pem(pem.clone()), &[])
        {
            check.problem("tls_ca", "bad-authority", format!("{error}."));
        }
        if !(1..=100).contains(&body.groups_claim.len()) {
            check.problem("groups_claim", "bad-claim", "the name of a claim has 1 to 100 characters");
        }
        let known = known_roles(body, check)?;
        check_group_roles(&body.group_roles, &known, check)?;
        let own = check.id();
        if rows::issuer_taken(check.tx(), &body.issuer, own)? {
            check.problem(
                "issuer",
                "issuer-taken",
                "another provider has this issuer; a person is known by issuer and subject, so there is one of each",
            );
        }
        if identity::only_way(check.tx())? == Some(own) {
            if !body.enabled {
                check.problem("enabled", "only-way-in", ONLY_WAY);
            }
            // Another issuer is another provider, of which nobody has seen that it works.
            if rows::by_id(check.tx(), own)?.is_some_and(|stored| stored.issuer != body.issuer) {
                check.problem("issuer", "only-way-in", ONLY_WAY);
            }
        }
        Ok(())
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, ProviderBody>) -> Result<(), Error> {
        let id = change.resource;
        let Some(new) = change.new else {
            mapping::forget(tx, id, "the provider was removed").map_err(Error::kind)?;
            return Ok(rows::remove(tx, id)?);
        };
        if change.old.is_some_and(|old| old.issuer != new.issuer) {
            // Subjects of the issuer before are nobody's of this one.
            mapping::forget(tx, id, "the provider has another issuer").map_err(Error::kind)?;
        }
        let secret = match (change.secret("client_secret"), &self.0) {
            (Some(secret), Some(vault)) => Some(rows::seal(tx, vault, id, secret, change.now).map_err(Error::kind)?),
            _ => None,
        };
        rows::put(tx, id, new, secret)?;
        saml2::project(tx, id, new, change.now)?;
        let mappings = resolve_group_roles(&new.group_roles, change)?;
        mapping::put(tx, id, &mappings)?;
        mapping::settle_all(tx, id, &format!("the groups of {} give other roles", new.name)).map_err(Error::kind)
    }

    fn sealed_columns(&self) -> &'static [SealedColumn] {
        rows::SEALED
    }
}

/// What a provider of OpenID Connect has of its own.
fn check_oidc(body: &ProviderBody, check: &mut Check<'_, '_>) {
    if !is_issuer(&body.issuer) {
        check.problem(
            "issuer",
            "bad-issuer",
            "an https:// address without query and fragment is expected, exactly as the provider writes it",
        );
    }
    if !(1..=255).contains(&body.client_id.len()) || !body.client_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        check.problem("client_id", "bad-client", "a client id has 1 to 255 visible ASCII characters");
    }
    let secret = check.secret("client_secret").map(|secret| (1..=1_024).contains(&secret.expose_secret().len()));
    match (body.client_auth.as_str(), body.client_secret.is_some()) {
        ("none", true) => {
            check.problem("client_secret", "no-use", "with client_auth none no secret is sent; leave one of both out");
        }
        ("basic" | "post", false) => {
            check.problem("client_secret", "missing", "the secret that the provider gave for this client is expected");
        }
        _ if secret == Some(false) => {
            check.problem("client_secret", "bad-secret", "a client secret has 1 to 1,024 characters");
        }
        _ => {}
    }
    if !body.scopes.iter().any(|scope| scope == "openid") {
        check.problem("scopes", "no-openid", "openid has to be among the scopes, or there is no identity");
    }
    let sendable = |scope: &String| {
        (1..=100).contains(&scope.len())
            && scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
    };
    if body.scopes.len() > 20 || !body.scopes.iter().all(sendable) {
        check.problem("scopes", "bad-scopes", "at most 20 scopes of visible ASCII characters are expected");
    }
    if body.algorithms.is_empty() {
        check.problem("algorithms", "no-algorithms", "no signature would be believed; name at least one");
    }
    if body.saml.is_some() {
        check.problem(
            "saml",
            "no-use",
            "these are fields of a provider that speaks SAML; leave them out, or say so in kind",
        );
    }
}

/// What stands there already, which is not given now, as long as the same issuer says the same claim to the same client of it.
fn known_roles(body: &ProviderBody, check: &mut Check<'_, '_>) -> Result<Vec<Mapping>, Error> {
    let own = check.id();
    let stored = rows::by_id(check.tx(), own)?.filter(|stored| {
        stored.issuer == body.issuer
            && stored.client_id == body.client_id
            && stored.groups_claim == body.groups_claim
            && stored.authority == body.tls_ca
            && stored.algorithms == listed(&body.algorithms.join(" "))
            && stored.kind == body.kind
    });
    let stored = if saml2::same(check.tx(), own, body)? { stored } else { None };
    Ok(stored.map(|stored| mapping::of(check.tx(), stored.id)).transpose()?.unwrap_or_default())
}

/// Why the provider that is the only way in stays.
pub(crate) const ONLY_WAY: &str = "this is the only way in: in the kind sign_in let everyone use passwords, or name another \
     provider, and then switch this one off";

fn is_issuer(text: &str) -> bool {
    text.len() <= 500
        && text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && !text.contains(['?', '#', '@'])
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The listed algorithms of a row.
pub(crate) fn listed(text: &str) -> Vec<Algorithm> {
    text.split(' ').filter_map(Algorithm::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_can_be_listed_and_issuers_are_told_from_other_texts() {
        assert_eq!(ALGORITHMS, Algorithm::ALL.map(Algorithm::name).as_slice());
        for good in ["https://login.example.com", "https://a.example/realms/x/"] {
            assert!(is_issuer(good), "{good}");
        }
        for bad in
            ["http://a.example", "https://", "https:///x", "https://a?b", "https://a#b", "https://u@a", "https://a b"]
        {
            assert!(!is_issuer(bad), "{bad}");
        }
    }
}
