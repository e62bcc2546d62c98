//! Passkeys: made in "You" or at an enforced enrolment, used as the second factor or alone.

use access::Role;
use base::{ExposeSecret, SecretString, Timestamp, UserId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use crypto::webauthn::{self, Algorithm, Assertion, Creation, Expected, PublicKey, Site};
use serde_json::json;
use store::{Tx, params};
use uuid::Uuid;

use crate::account::Account;
use crate::challenge::{self, Aim};
use crate::{Error, Identity};

/// Passkeys of one person at most.
const MOST: usize = 10;
/// Characters of a name at most.
const NAME: usize = 60;

/// A passkey as its owner sees it.
#[derive(Clone, Debug)]
pub struct PasskeyInfo {
    /// Our name for it in addresses; says nothing about the authenticator.
    pub id: Uuid,
    /// What its owner calls it.
    pub name: String,
    /// Whether it is kept in more than one place.
    pub backed_up: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

struct Known {
    info: PasskeyInfo,
    user: UserId,
    key: Vec<u8>,
    uses: i64,
}

const COLUMNS: &str = "SELECT id, user_id, name, public_key, uses, backed_up, created_at, last_used_at FROM passkeys";

fn known(row: &store::Row<'_>) -> Result<Known, store::Error> {
    Ok(Known {
        info: PasskeyInfo {
            id: row.get("id")?,
            name: row.get("name")?,
            backed_up: row.get("backed_up")?,
            created_at: row.get("created_at")?,
            last_used_at: row.get("last_used_at")?,
        },
        user: row.get("user_id")?,
        key: row.get("public_key")?,
        uses: row.get("uses")?,
    })
}

/// The passkeys of a person, the oldest first.
pub(crate) fn of(tx: &mut Tx<'_>, user: UserId) -> Result<Vec<PasskeyInfo>, store::Error> {
    let sql = format!("{COLUMNS} WHERE user_id = $1 ORDER BY created_at, id");
    Ok(tx.query(&sql, &params![user], known)?.into_iter().map(|known| known.info).collect())
}

/// Takes one away; its name.
pub(crate) fn remove(tx: &mut Tx<'_>, user: UserId, id: Uuid) -> Result<Option<String>, store::Error> {
    tx.query_opt("DELETE FROM passkeys WHERE id = $1 AND user_id = $2 RETURNING name", &params![id, user], |row| {
        row.get("name")
    })
}

/// Takes all of a person away.
pub(crate) fn remove_all(tx: &mut Tx<'_>, user: UserId) -> Result<u64, store::Error> {
    tx.execute("DELETE FROM passkeys WHERE user_id = $1", &params![user])
}

/// Whether a person's authenticator must verify them: that of an administrator must (ASVS 6.3.3).
fn must_verify(tx: &mut Tx<'_>, user: UserId) -> Result<bool, Error> {
    Ok(access::roles_of(tx, user)?.iter().any(|held| held.role.name() == Role::Administrator.name()))
}

const fn wish(verified: bool) -> &'static str {
    if verified { "required" } else { "preferred" }
}

impl Identity {
    /// Where the pages are: passkeys are bound to that name. Said once, by whoever serves them; without it, or under a bare
    /// address, which cannot have passkeys, none are offered.
    pub fn served_at(&self, public_url: &str) {
        if let Some(site) = site(public_url) {
            let _ = self.0.site.set(site);
        }
    }

    /// Whether passkeys can be had here.
    pub fn has_passkeys(&self) -> bool {
        self.0.site.get().is_some()
    }

    fn site(&self) -> Result<&Site, Error> {
        self.0.site.get().ok_or(Error::BadFactor)
    }

    /// What a browser is asked in order to make a passkey, as JSON; none where there are no passkeys.
    pub(crate) fn passkey_offer(&self, tx: &mut Tx<'_>, account: &Account) -> Result<Option<String>, Error> {
        let Some(site) = self.0.site.get() else { return Ok(None) };
        let have: Vec<Vec<u8>> = credentials(tx, account.id)?;
        if have.len() >= MOST {
            return Ok(None);
        }
        let challenge = challenge::draw(&self.0.vault, tx.context(), Aim::Make, &account.id.to_string());
        let key = |algorithm: Algorithm| json!({ "type": "public-key", "alg": algorithm.number() });
        let options = json!({
            "challenge": challenge,
            "rp": { "id": site.id, "name": "Loudhailer" },
            "user": {
                "id": BASE64.encode(account.id.uuid().as_bytes()),
                "name": account.login,
                "displayName": account.name,
            },
            "pubKeyCredParams": [key(Algorithm::Es256), key(Algorithm::EdDsa)],
            "excludeCredentials": listed(&have),
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": true,
                "userVerification": wish(must_verify(tx, account.id)?),
            },
            "attestation": "none",
            "timeout": 300_000,
        });
        Ok(Some(options.to_string()))
    }

    /// Keeps a passkey that a browser has just made.
    pub(crate) fn passkey_keep(
        &self,
        tx: &mut Tx<'_>,
        user: UserId,
        name: &str,
        answer: &SecretString,
    ) -> Result<String, Error> {
        let creation: Creation = serde_json::from_str(answer.expose_secret()).map_err(|_| Error::BadFactor)?;
        let given = webauthn::challenge_of(&creation.client_data).map_err(|_| Error::BadFactor)?;
        let now = tx.now();
        if !challenge::is_ours(&self.0.vault, now, Aim::Make, &user.to_string(), &given) {
            return Err(Error::PageTooOld);
        }
        let expected = Expected { site: self.site()?, challenge: &given, verified: must_verify(tx, user)? };
        let made = webauthn::made(&creation, &expected).map_err(|_| Error::BadFactor)?;
        if !challenge::spend(tx, &given)? {
            return Err(Error::PageTooOld);
        }
        let have = of(tx, user)?;
        if have.len() >= MOST {
            return Err(Error::BadFactor);
        }
        let name = named(name, &have);
        let id = tx.context().id::<Uuid>();
        let rows = tx.execute(
            "INSERT INTO passkeys (id, credential, user_id, name, public_key, uses, backed_up, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (credential) DO NOTHING",
            &params![id, made.id, user, name.as_str(), made.key.stored(), i64::from(made.count), made.backed_up, now],
        )?;
        if rows == 1 { Ok(name) } else { Err(Error::FactorThere) }
    }

    /// What a browser is asked in order to prove a second factor; none when the person has no passkey.
    pub(crate) fn passkey_ask(&self, tx: &mut Tx<'_>, user: UserId) -> Result<Option<String>, Error> {
        let Some(site) = self.0.site.get() else { return Ok(None) };
        let have = credentials(tx, user)?;
        if have.is_empty() {
            return Ok(None);
        }
        let challenge = challenge::draw(&self.0.vault, tx.context(), Aim::Prove, &user.to_string());
        let wish = wish(must_verify(tx, user)?);
        Ok(Some(asked(site, &challenge, wish, &listed(&have))))
    }

    /// What a browser is asked in order to sign in with a passkey alone; none where there are no passkeys.
    pub fn passkey_sign_in(&self) -> Option<String> {
        let site = self.0.site.get()?;
        let challenge = challenge::draw(&self.0.vault, self.0.db.context(), Aim::SignIn, "");
        Some(asked(site, &challenge, "required", &json!([])))
    }

    /// Checks the use of a passkey: whose it is. With `owner` it must be theirs; without, it is the only factor, and its holder
    /// must have been verified.
    pub(crate) fn passkey_check(
        &self,
        tx: &mut Tx<'_>,
        owner: Option<UserId>,
        answer: &SecretString,
    ) -> Result<Result<UserId, &'static str>, Error> {
        let Ok(assertion) = serde_json::from_str::<Assertion>(answer.expose_secret()) else {
            return Ok(Err("no answer"));
        };
        let (Ok(given), Ok(id)) = (webauthn::challenge_of(&assertion.client_data), assertion.credential()) else {
            return Ok(Err("no answer"));
        };
        let now = tx.now();
        let (aim, subject) = match owner {
            Some(user) => (Aim::Prove, user.to_string()),
            None => (Aim::SignIn, String::new()),
        };
        if !challenge::is_ours(&self.0.vault, now, aim, &subject, &given) {
            return Ok(Err("a challenge that is not ours, or too old"));
        }
        // The row stays locked until the end, so that its count cannot be passed.
        let sql = "UPDATE passkeys SET uses = uses WHERE credential = $1 \
                   RETURNING id, user_id, name, public_key, uses, backed_up, created_at, last_used_at";
        let Some(known) = tx.query_opt(sql, &params![id], known)? else { return Ok(Err("unknown passkey")) };
        let handle = assertion.user_handle.as_deref().filter(|handle| !handle.is_empty());
        let same = handle
            .is_none_or(|handle| BASE64.decode(handle).is_ok_and(|handle| handle == known.user.uuid().as_bytes()));
        if !same || owner.is_some_and(|owner| owner != known.user) {
            return Ok(Err("another person's passkey"));
        }
        let verified = owner.is_none() || must_verify(tx, known.user)?;
        let expected = Expected { site: self.site()?, challenge: &given, verified };
        let key = PublicKey::of_stored(&known.key)?;
        let Ok(used) = webauthn::used(&assertion, &key, &expected) else { return Ok(Err("wrong signature")) };
        let uses = i64::from(used.count);
        // Counts that do not grow tell of a copy (section 6.1.1); synchronised passkeys do not count.
        if (uses > 0 || known.uses > 0) && uses <= known.uses {
            return Ok(Err("its count went back: there may be a copy of it"));
        }
        if !challenge::spend(tx, &given)? {
            return Ok(Err("an answer that was given before"));
        }
        tx.execute(
            "UPDATE passkeys SET uses = $2, last_used_at = $3, backed_up = $4 WHERE id = $1",
            &params![known.info.id, uses, now, used.backed_up],
        )?;
        Ok(Ok(known.user))
    }
}

fn asked(site: &Site, challenge: &str, wish: &str, allowed: &serde_json::Value) -> String {
    json!({
        "challenge": challenge,
        "rpId": site.id,
        "allowCredentials": allowed,
        "userVerification": wish,
        "timeout": 300_000,
    })
    .to_string()
}

fn credentials(tx: &mut Tx<'_>, user: UserId) -> Result<Vec<Vec<u8>>, store::Error> {
    tx.query("SELECT credential FROM passkeys WHERE user_id = $1 ORDER BY created_at, id", &params![user], |row| {
        row.get("credential")
    })
}

fn listed(credentials: &[Vec<u8>]) -> serde_json::Value {
    credentials.iter().map(|id| json!({ "type": "public-key", "id": BASE64.encode(id) })).collect()
}

/// The name that a passkey gets: what its owner wrote, or a number.
fn named(wanted: &str, have: &[PasskeyInfo]) -> String {
    let wanted: String = wanted.trim().chars().filter(|letter| !letter.is_control()).take(NAME).collect();
    if wanted.is_empty() { format!("Passkey {}", have.len() + 1) } else { wanted }
}

/// The site of an address; none for a bare IP address, to which no browser binds a passkey.
fn site(public_url: &str) -> Option<Site> {
    let origin = public_url.trim_end_matches('/');
    let host = origin.strip_prefix("https://")?.split('/').next()?;
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let bare = name.is_empty() || name.starts_with('[') || name.parse::<std::net::IpAddr>().is_ok();
    (!bare).then(|| Site {
        id: name.to_lowercase(),
        origin: format!("https://{}", host.to_lowercase().trim_end_matches(":443")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_are_bound_to_names_not_to_addresses() {
        let of = |url| site(url).map(|site| (site.id, site.origin));
        let pair = |id: &str, origin: &str| Some((id.to_owned(), origin.to_owned()));
        assert_eq!(of("https://pager.example.com/"), pair("pager.example.com", "https://pager.example.com"));
        assert_eq!(of("https://Localhost:8443"), pair("localhost", "https://localhost:8443"));
        assert_eq!(of("https://pager.example.com:443"), pair("pager.example.com", "https://pager.example.com"));
        for bare in ["https://192.0.2.1:8443", "https://[2001:db8::1]:8443", "http://localhost", ""] {
            assert_eq!(of(bare), None, "{bare}");
        }
    }

    #[test]
    fn a_passkey_without_a_name_gets_a_number() {
        assert_eq!(named(" My \u{7}phone ", &[]), "My phone");
        assert_eq!(named("", &[]), "Passkey 1");
        assert_eq!(named(&"x".repeat(99), &[]).len(), NAME);
    }
}
