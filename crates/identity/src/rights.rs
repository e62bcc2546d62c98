//! Who may do what: everybody and every program that holds a right, and by what. What holds is decided by [`access::Grants`],
//! here as at every door; this only asks for each of them.

use access::{Actor, Authority, Capabilities, Capability, Grants, Held, HeldRole, KeyScope, Role, Scope, cap};
use base::{ApiKeyId, OauthClientId, RoleId, TokenIssuerId, UserId, WorkspaceId};
use store::{Tx, params};

use crate::{Error, IssuerRule};

/// Holders that one answer has at most.
const MOST: usize = 2_000;

/// What sort of holder it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HolderKind {
    /// A person.
    Person,
    /// An API key.
    Key,
    /// A program that fetches tokens of ours (OAuth 2.1).
    OauthClient,
    /// Programs with tokens of another service that count here.
    TokenIssuer,
    /// An application that binds by SMPP.
    SmppAccount,
    /// A source of signals, by its own credentials.
    Integration,
}

impl HolderKind {
    /// The name in addresses and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Person => "user",
            Self::Key => "key",
            Self::OauthClient => "oauth_client",
            Self::TokenIssuer => "token_issuer",
            Self::SmppAccount => "smpp_account",
            Self::Integration => "integration",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Person, Self::Key, Self::OauthClient, Self::TokenIssuer, Self::SmppAccount, Self::Integration];
        all.into_iter().find(|kind| kind.name() == name)
    }
}

/// By what somebody holds a right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// The role's name; "scope" of a key or a client, "rule" of an issuer, "smpp" of an account, "itself" of an integration.
    pub by: String,
    /// The same in sentences.
    pub words: String,
    /// Where it was given; everywhere when absent.
    pub scope: Option<WorkspaceId>,
    /// Whether it holds for single entries alone: a supervisor's own groups, an integration's own signals.
    pub bounded: bool,
}

/// Somebody who holds rights.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// What sort.
    pub kind: HolderKind,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The rights that were asked for, each with what it is held by.
    pub rights: Vec<(Capability, Vec<Way>)>,
}

/// One role of the picture: its name, its words and what it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoleRow {
    /// The name in YAML and the API.
    pub name: String,
    /// The name in sentences.
    pub words: String,
    /// What it is for; empty for one of one's own.
    pub about: String,
    /// The id of one that the organisation made; none of a ready one.
    pub id: Option<RoleId>,
    /// What it holds.
    pub capabilities: Capabilities,
    /// What of that it holds for single entries alone.
    pub bounded: Capabilities,
}

enum Basis {
    Roles(Vec<Held>),
    Key(WorkspaceId, Vec<KeyScope>),
    /// Scopes of the rules of an issuer: a token has those of the rules that fit it.
    Rules(WorkspaceId, Vec<KeyScope>),
    Smpp(WorkspaceId),
    Integration(WorkspaceId),
}

impl Basis {
    fn ways(&self, capability: Capability, place: Option<WorkspaceId>) -> Vec<Way> {
        let nobody = || Actor::anonymous(None);
        let one = |by: &str, words: &str, workspace: WorkspaceId, grants: &Grants| {
            let here = place.map_or_else(
                || grants.organisation_capabilities().contains(capability),
                |place| grants.may(capability, place),
            );
            let way = Way { by: by.to_owned(), words: words.to_owned(), scope: Some(workspace), bounded: false };
            if here { vec![way] } else { Vec::new() }
        };
        match self {
            Self::Roles(roles) => {
                roles.iter().filter(|held| held.gives(capability, place)).map(|held| way(held, capability)).collect()
            }
            Self::Key(workspace, scopes) => {
                one("scope", "its scope", *workspace, &Grants::of_api_key(nobody(), *workspace, scopes))
            }
            Self::Rules(workspace, scopes) => {
                one("rule", "a rule for its tokens", *workspace, &Grants::of_api_key(nobody(), *workspace, scopes))
            }
            Self::Integration(workspace) => {
                let ways =
                    one("itself", "its own credentials", *workspace, &Grants::of_integration(nobody(), *workspace));
                ways.into_iter().map(|way| Way { bounded: true, ..way }).collect()
            }
            Self::Smpp(workspace) => {
                one("smpp", "every SMPP account", *workspace, &Grants::of_smpp_account(nobody(), *workspace))
            }
        }
    }
}

fn way(held: &Held, capability: Capability) -> Way {
    Way {
        by: held.role.name().to_owned(),
        words: held.role.words().to_owned(),
        scope: match held.reach() {
            // What holds nowhere gives no way to come here.
            None | Some(Scope::Organisation) => None,
            Some(Scope::Workspace(id)) => Some(id),
        },
        bounded: matches!(&held.role, HeldRole::Ready(role) if role.is_bounded(capability)),
    }
}

/// Where the permit looks: into its workspace, or at what holds in the whole organisation.
fn place<C: access::Cap>(permit: &impl Authority<C>) -> Option<WorkspaceId> {
    match permit.scope() {
        Scope::Organisation => None,
        Scope::Workspace(id) => Some(id),
    }
}

/// Everybody and every program that holds `capability` where the permit holds, people first, by name; and whether there are
/// more than an answer has.
pub fn who_can(
    tx: &mut Tx<'_>,
    permit: &impl Authority<cap::AccessRead>,
    capability: Capability,
) -> Result<(Vec<Holder>, bool), Error> {
    let place = place(permit);
    let mut found = Vec::new();
    let people = tx.query(
        "SELECT DISTINCT u.id, u.name, u.login_folded FROM users u JOIN role_assignments a ON a.user_id = u.id \
         WHERE u.removed_at IS NULL ORDER BY u.login_folded",
        &[],
        |row| Ok((row.get::<UserId>("id")?, row.get::<String>("name")?)),
    )?;
    for (id, name) in people {
        let ways = Basis::Roles(access::roles_of(tx, id)?).ways(capability, place);
        if !ways.is_empty() {
            found.push(Holder { kind: HolderKind::Person, id: id.to_string(), name, rights: vec![(capability, ways)] });
        }
        if found.len() > MOST {
            break;
        }
    }
    if let Some(workspace) = place {
        for (kind, id, name, held) in programs(tx, workspace)? {
            let ways = held.ways(capability, place);
            if !ways.is_empty() {
                found.push(Holder { kind, id, name, rights: vec![(capability, ways)] });
            }
        }
    }
    let more = found.len() > MOST;
    found.truncate(MOST);
    Ok((found, more))
}

/// What one of them may do where the permit holds, in the order of the declaration; nothing when there is no such one there.
pub fn what_can(
    tx: &mut Tx<'_>,
    permit: &impl Authority<cap::AccessRead>,
    kind: HolderKind,
    id: &str,
) -> Result<Option<Holder>, Error> {
    let place = place(permit);
    let (name, held) = match kind {
        HolderKind::Person => {
            let Ok(user) = id.parse::<UserId>() else { return Ok(None) };
            let Some(account) = crate::account::by_id(tx, user)? else { return Ok(None) };
            (account.name, Basis::Roles(access::roles_of(tx, user)?))
        }
        HolderKind::Key
        | HolderKind::OauthClient
        | HolderKind::TokenIssuer
        | HolderKind::SmppAccount
        | HolderKind::Integration => {
            let Some(workspace) = place else { return Ok(None) };
            let found = programs(tx, workspace)?.into_iter().find(|(of, known, ..)| *of == kind && known == id);
            let Some((_, _, name, held)) = found else { return Ok(None) };
            (name, held)
        }
    };
    let rights: Vec<_> = Capability::ALL
        .iter()
        .map(|capability| (*capability, held.ways(*capability, place)))
        .filter(|(_, ways)| !ways.is_empty())
        .collect();
    // Who has nothing to do with a workspace is nobody there.
    if rights.is_empty() && place.is_some() {
        return Ok(None);
    }
    Ok(Some(Holder { kind, id: id.to_owned(), name, rights }))
}

/// The picture: every role, ready and custom, with what it holds.
pub fn roles(tx: &mut Tx<'_>, _permit: &impl Authority<cap::AccessRead>) -> Result<Vec<RoleRow>, Error> {
    let ready = Role::ALL.into_iter().map(|role| RoleRow {
        name: role.name().to_owned(),
        words: role.words().to_owned(),
        about: role.about().to_owned(),
        id: None,
        capabilities: role.capabilities(),
        bounded: role.capabilities().iter().filter(|capability| role.is_bounded(*capability)).collect(),
    });
    let custom = access::custom_roles(tx)?.into_iter().map(|role| RoleRow {
        id: Some(role.id),
        words: role.name.clone(),
        name: role.name,
        about: String::new(),
        capabilities: role.capabilities,
        bounded: Capabilities::NONE,
    });
    Ok(ready.chain(custom).collect())
}

type Program = (HolderKind, String, String, Basis);

fn programs(tx: &mut Tx<'_>, workspace: WorkspaceId) -> Result<Vec<Program>, Error> {
    let now = tx.now();
    let keys = tx.query(
        "SELECT id, name, scopes FROM api_keys WHERE workspace = $1 AND expires_at > $2 ORDER BY name",
        &params![workspace, now],
        |row| Ok((row.get::<ApiKeyId>("id")?, row.get::<String>("name")?, row.get::<String>("scopes")?)),
    )?;
    let mut out: Vec<Program> = Vec::with_capacity(keys.len());
    for (id, name, scopes) in keys {
        let scopes = scopes.split_whitespace().filter_map(|scope| scope.parse().ok()).collect();
        out.push((HolderKind::Key, id.to_string(), name, Basis::Key(workspace, scopes)));
    }
    let clients = tx.query(
        "SELECT id, name, scopes FROM oauth_clients WHERE workspace = $1 AND (expires_at IS NULL OR expires_at > $2) \
         ORDER BY name",
        &params![workspace, now],
        |row| Ok((row.get::<OauthClientId>("id")?, row.get::<String>("name")?, row.get::<String>("scopes")?)),
    )?;
    for (id, name, scopes) in clients {
        let scopes = scopes.split_whitespace().filter_map(|scope| scope.parse().ok()).collect();
        out.push((HolderKind::OauthClient, id.to_string(), name, Basis::Key(workspace, scopes)));
    }
    let issuers = tx.query(
        "SELECT id, name, rules FROM token_issuers WHERE workspace = $1 ORDER BY name",
        &params![workspace],
        |row| Ok((row.get::<TokenIssuerId>("id")?, row.get::<String>("name")?, row.get::<String>("rules")?)),
    )?;
    for (id, name, rules) in issuers {
        let rules: Vec<IssuerRule> = serde_json::from_str(&rules).unwrap_or_default();
        let scopes = rules.iter().flat_map(|rule| &rule.scopes).filter_map(|scope| scope.parse().ok()).collect();
        out.push((HolderKind::TokenIssuer, id.to_string(), name, Basis::Rules(workspace, scopes)));
    }
    // These are other rooms', above this one; the entries they are configured by are everybody's.
    for (id, name) in entries_of(tx, "smpp_accounts", workspace)? {
        out.push((HolderKind::SmppAccount, id, name, Basis::Smpp(workspace)));
    }
    for (id, name) in entries_of(tx, "integrations", workspace)? {
        out.push((HolderKind::Integration, id, name, Basis::Integration(workspace)));
    }
    Ok(out)
}

fn entries_of(tx: &mut Tx<'_>, kind: &'static str, workspace: WorkspaceId) -> Result<Vec<(String, String)>, Error> {
    let entries = resources::named_entries(tx, kind, workspace)?;
    Ok(entries.into_iter().map(|(id, key)| (id.uuid().to_string(), key)).collect())
}
