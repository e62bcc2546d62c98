//! Which identity elsewhere is which account here: by issuer and subject, and by nothing else.

use base::{ResourceId, Timestamp, UserId};
use store::{Row, Tx, params};

/// Identities that one account may have.
pub(crate) const PER_PERSON: usize = 10;

/// An identity elsewhere that opens an account here.
#[derive(Clone, Debug)]
pub struct LinkedIdentity {
    /// The provider.
    pub provider: ResourceId,
    /// Its name in addresses.
    pub provider_name: String,
    /// What people call it.
    pub label: String,
    /// Who the provider is, as its tokens say.
    pub issuer: String,
    /// Who the person is there.
    pub subject: String,
    /// The account.
    pub user: UserId,
    /// Whether people sign in with the provider.
    pub enabled: bool,
    /// Who linked it: `person`, `administrator`, `directory`; or `provisioned`, when the account was made for it.
    pub origin: String,
    /// The groups that the provider named last.
    pub groups: Vec<String>,
    /// Since when.
    pub since: Timestamp,
    /// When it last opened the account.
    pub last_used: Option<Timestamp>,
}

const LINKS: &str = "SELECT l.provider, p.name, p.label, p.enabled, l.issuer, l.subject, l.user_id, l.origin, l.groups, \
     l.created_at, l.last_used_at FROM linked_identities l JOIN identity_providers p ON p.id = l.provider";

fn read(row: &Row<'_>) -> Result<LinkedIdentity, store::Error> {
    let (name, label): (String, String) = (row.get("name")?, row.get("label")?);
    Ok(LinkedIdentity {
        provider: row.get("provider")?,
        label: if label.is_empty() { name.clone() } else { label },
        provider_name: name,
        issuer: row.get("issuer")?,
        subject: row.get("subject")?,
        user: row.get("user_id")?,
        enabled: row.get("enabled")?,
        origin: row.get("origin")?,
        groups: serde_json::from_str(&row.get::<String>("groups")?).unwrap_or_default(),
        since: row.get("created_at")?,
        last_used: row.get("last_used_at")?,
    })
}

/// Whether a text can be who somebody is to a provider: 1 to 255 characters.
pub(crate) fn is_subject(text: &str) -> bool {
    (1..=255).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Whose account an identity opens.
pub(crate) fn find(tx: &mut Tx<'_>, issuer: &str, subject: &str) -> Result<Option<LinkedIdentity>, store::Error> {
    tx.query_opt(&format!("{LINKS} WHERE l.issuer = $1 AND l.subject = $2"), &params![issuer, subject], read)
}

/// Whether an identity at a provider that is switched on opens an account.
pub fn signs_on(tx: &mut Tx<'_>, user: UserId) -> Result<bool, store::Error> {
    let found = tx.query_opt(
        "SELECT 1 AS found FROM linked_identities l JOIN identity_providers p ON p.id = l.provider \
         WHERE l.user_id = $1 AND p.enabled LIMIT 1",
        &params![user],
        |row| row.get::<i64>("found"),
    )?;
    Ok(found.is_some())
}

/// The identities of an account.
pub(crate) fn of(tx: &mut Tx<'_>, user: UserId) -> Result<Vec<LinkedIdentity>, store::Error> {
    tx.query(&format!("{LINKS} WHERE l.user_id = $1 ORDER BY l.created_at, l.issuer, l.subject"), &params![user], read)
}

/// Has changes of an account's identities wait for each other: of two that go at once, the second sees the first.
pub(crate) fn hold(tx: &mut Tx<'_>, user: UserId) -> Result<(), store::Error> {
    tx.execute("UPDATE linked_identities SET user_id = user_id WHERE user_id = $1", &params![user])?;
    Ok(())
}

/// The groups that each identity of an account is in, with its provider and whether that is switched on.
pub(crate) fn groups_of(tx: &mut Tx<'_>, user: UserId) -> Result<Vec<(ResourceId, bool, Vec<String>)>, store::Error> {
    Ok(of(tx, user)?.into_iter().map(|one| (one.provider, one.enabled, one.groups)).collect())
}

/// Everybody who is known by a provider.
pub(crate) fn people(tx: &mut Tx<'_>, provider: ResourceId) -> Result<Vec<UserId>, store::Error> {
    let sql = "SELECT DISTINCT user_id FROM linked_identities WHERE provider = $1 ORDER BY user_id";
    tx.query(sql, &params![provider], |row| row.get("user_id"))
}

/// How many people are known by a provider.
pub(crate) fn count(tx: &mut Tx<'_>, provider: ResourceId) -> Result<i64, store::Error> {
    tx.query_one("SELECT COUNT(*) FROM linked_identities WHERE provider = $1", &params![provider], |row| row.get(0))
}

/// Takes the identity from an account that is gone for good, so that it can be linked anew.
pub(crate) fn forget_removed(tx: &mut Tx<'_>, issuer: &str, subject: &str) -> Result<(), store::Error> {
    tx.execute(
        "DELETE FROM linked_identities WHERE issuer = $1 AND subject = $2 AND NOT EXISTS \
         (SELECT 1 FROM users u WHERE u.id = linked_identities.user_id AND u.removed_at IS NULL)",
        &params![issuer, subject],
    )?;
    Ok(())
}

/// Links an identity with an account. False when it is linked already, with whichever.
pub(crate) fn put(
    tx: &mut Tx<'_>,
    provider: &crate::Provider,
    subject: &str,
    user: UserId,
    origin: &str,
) -> Result<bool, store::Error> {
    let now = tx.now();
    let rows = tx.execute(
        "INSERT INTO linked_identities (issuer, subject, provider, user_id, origin, groups, created_at) \
         VALUES ($1, $2, $3, $4, $5, '[]', $6) ON CONFLICT DO NOTHING",
        &params![provider.issuer.as_str(), subject, provider.id, user, origin, now],
    )?;
    Ok(rows == 1)
}

/// Notes that an identity was used, and the groups that its provider named.
pub(crate) fn used(tx: &mut Tx<'_>, issuer: &str, subject: &str, groups: &[String]) -> Result<(), store::Error> {
    let now = tx.now();
    tx.execute(
        "UPDATE linked_identities SET last_used_at = $3, groups = $4 WHERE issuer = $1 AND subject = $2",
        &params![issuer, subject, now, serde_json::json!(groups).to_string()],
    )?;
    Ok(())
}

/// Takes a link away, and the names that its subject has at the provider; whether there was one.
pub(crate) fn remove(
    tx: &mut Tx<'_>,
    provider: &crate::Provider,
    subject: &str,
    user: UserId,
) -> Result<bool, store::Error> {
    let rows = tx.execute(
        "DELETE FROM linked_identities WHERE issuer = $1 AND subject = $2 AND user_id = $3",
        &params![provider.issuer.as_str(), subject, user],
    )?;
    if rows == 1 {
        crate::saml2::nameless(tx, provider.id, subject)?;
    }
    Ok(rows == 1)
}
