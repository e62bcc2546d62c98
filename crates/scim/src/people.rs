//! People as their directory keeps them: made, changed, switched off and deleted through the same writer as by hand, with the
//! program as the actor.

use base::UserId;
use federation::Linked;
use resources::{Change, Draft, Ground, Removal};
use serde_json::{Value, json};
use store::Tx;

use crate::error::Fault;
use crate::rows::{self, Person};
use crate::schema::{self, PAGE, Resource, Sort};
use crate::scim::{Answered, Desk, Query, Scim, bounds, entry, id, required, same_version, wanted};
use crate::show::Shown;
use crate::{Error, links, patch, read, settle};

/// The kind of people.
const KIND: &str = "users";
/// Characters of a name at most, as the kind has it.
const NAME: usize = 120;

/// What came of deleting somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gone {
    /// The account is deleted.
    Deleted,
    /// Others here still name the person, so the account stays, switched off and released: why, in a sentence.
    SwitchedOff(String),
}

impl Scim {
    /// Makes an account for somebody whom the directory knows. There is no way into it but the sign-on, or an invitation where
    /// the source says so.
    pub fn create_user(&self, tx: &mut Tx<'_>, desk: &Desk, body: &Value, shown: &Shown) -> Result<Answered, Error> {
        let mut said = read::resource(Sort::User, body)?;
        let active = said.remove("active").and_then(|active| active.as_bool()).unwrap_or(true);
        let user_name = user_name(&said)?;
        if identity::login_taken(tx, &user_name)? || rows::user_name_taken(tx, &user_name, None)? {
            return Err(taken());
        }
        let mut entry = json!({ "name": full_name(&said, &user_name), "login": user_name, "enabled": active });
        if let Some(zone) = time_zone(&said) {
            entry["time_zone"] = zone.into();
        }
        let written = self.put(tx, desk, entry)?;
        let user = UserId::from(written.uuid());
        identity::set_directory(tx, user, Some(desk.source.id))?;
        let now = tx.now();
        let mut person =
            Person { user, user_name, subject: None, active, said, version: 1, created_at: now, changed_at: now };
        self.link(tx, desk, &mut person)?;
        rows::put_person(tx, &self.0.vault, desk.source.id, &person)?;
        if active {
            self.invite(tx, desk, user, &person.user_name)?;
        }
        answer(tx, desk, person, shown)
    }

    /// One person.
    pub fn user(&self, tx: &mut Tx<'_>, desk: &Desk, user: &str, shown: &Shown) -> Result<Answered, Error> {
        let person = self.found(tx, desk, user)?;
        answer(tx, desk, person, shown)
    }

    /// The people of the directory, those who fit.
    pub fn users(&self, tx: &mut Tx<'_>, desk: &Desk, query: &Query) -> Result<Value, Error> {
        let condition = wanted(Sort::User, query)?;
        let page = rows::people(tx, &self.0.vault, desk.source.id, condition, bounds(query))?;
        let mut items = Vec::with_capacity(page.items.len().min(PAGE));
        for person in page.items {
            items.push(answer(tx, desk, person, &query.shown)?.body);
        }
        Ok(schema::list(items, usize::try_from(page.total).unwrap_or_default(), bounds(query).0 + 1))
    }

    /// Says a person anew, as a whole. What is not said is said no more; the account stays in use or not when that is not said.
    pub fn replace_user(
        &self,
        tx: &mut Tx<'_>,
        desk: &Desk,
        (user, version): (&str, Option<i64>),
        body: &Value,
        shown: &Shown,
    ) -> Result<Answered, Error> {
        let person = self.found(tx, desk, user)?;
        same_version(version, person.version)?;
        let said = read::resource(Sort::User, body)?;
        self.change(tx, desk, person, said, shown)
    }

    /// Changes a part of a person.
    pub fn patch_user(
        &self,
        tx: &mut Tx<'_>,
        desk: &Desk,
        (user, version): (&str, Option<i64>),
        body: &Value,
        shown: &Shown,
    ) -> Result<Answered, Error> {
        let person = self.found(tx, desk, user)?;
        same_version(version, person.version)?;
        let mut before = person.said.clone();
        before.insert("active".to_owned(), person.active.into());
        let said = patch::apply(Sort::User, before, body)?;
        self.change(tx, desk, person, said, shown)
    }

    fn change(
        &self,
        tx: &mut Tx<'_>,
        desk: &Desk,
        mut person: Person,
        mut said: Resource,
        shown: &Shown,
    ) -> Result<Answered, Error> {
        hands_off(tx, person.user)?;
        let active = said.remove("active").and_then(|active| active.as_bool()).unwrap_or(person.active);
        let user_name = user_name(&said)?;
        if said == person.said && active == person.active {
            return answer(tx, desk, person, shown);
        }
        let renamed = identity::fold_login(&user_name) != identity::fold_login(&person.user_name);
        if renamed {
            let other = identity::by_login(tx, &user_name)?.is_some_and(|other| other != person.user);
            if other || rows::user_name_taken(tx, &user_name, Some(person.user))? {
                return Err(taken());
            }
        }
        let stored = self.0.resources.by_id(tx, KIND, entry(person.user))?.ok_or(Error::NotFound)?;
        let mut body = stored.body.clone();
        body["name"] = full_name(&said, &user_name).into();
        body["enabled"] = active.into();
        if let Some(zone) = time_zone(&said) {
            body["time_zone"] = zone.into();
        }
        self.put(tx, desk, body)?;
        let switched = active != person.active;
        if switched {
            // On this node at once; every other looks again within a second.
            self.0.identity.end_all(tx, person.user)?;
        }
        person.user_name = user_name;
        person.said = said;
        person.active = active;
        person.version += 1;
        person.changed_at = tx.now();
        self.link(tx, desk, &mut person)?;
        rows::put_person(tx, &self.0.vault, desk.source.id, &person)?;
        if switched && active {
            let mappings = settle::of(tx, desk.source.id)?;
            self.settle(tx, desk, &mappings, person.user)?;
            self.invite(tx, desk, person.user, &stored.key)?;
        }
        answer(tx, desk, person, shown)
    }

    /// Sends somebody whose account is in use from now on the letter with which they choose a password, where the source says so,
    /// they have none, and one would open the account.
    fn invite(&self, tx: &mut Tx<'_>, desk: &Desk, user: UserId, login: &str) -> Result<(), Error> {
        let identity = &self.0.identity;
        if desk.source.invite
            && identity.sends_mail()
            && login.contains('@')
            && identity::only_way(tx)?.is_none()
            && !identity::has_password(tx, user)?
        {
            identity.invite_by_mail(tx, &desk.permit.of_directory(), user)?;
        }
        Ok(())
    }

    /// Deletes somebody's account. Where something here still names them, it is switched off instead, at once.
    pub fn delete_user(
        &self,
        tx: &mut Tx<'_>,
        desk: &Desk,
        (user, version): (&str, Option<i64>),
    ) -> Result<Gone, Error> {
        let person = self.found(tx, desk, user)?;
        same_version(version, person.version)?;
        hands_off(tx, person.user)?;
        let permit = desk.permit.of_directory();
        let stored = self.0.resources.by_id(tx, KIND, entry(person.user))?.ok_or(Error::NotFound)?;
        let clearance = self.0.resources.clear(tx, &permit, None, &Ground::None)?;
        let why = reason(desk);
        let deleted = tx.attempt(|tx| {
            let removal =
                Removal { kind: KIND, workspace: None, key: &stored.key, reason: Some(&why), clearance: &clearance };
            self.0.resources.delete(tx, &permit, removal)
        });
        let gone = match deleted {
            Ok(_) => Gone::Deleted,
            Err(resources::Error::Referenced { by }) => {
                let mut body = stored.body.clone();
                body["enabled"] = false.into();
                self.put(tx, desk, body)?;
                access::set_roles_from::<access::RoleRef>(tx, person.user, &desk.source.id.to_string(), &[], tx.now())?;
                identity::set_directory(tx, person.user, None)?;
                Gone::SwitchedOff(format!(
                    "Deleted in the directory. Here the account is switched off and stays, since it is named by {}. Take it out \
                     there, then delete it by hand.",
                    by.join(", ")
                ))
            }
            Err(error) => return Err(error.into()),
        };
        self.0.identity.end_all(tx, person.user)?;
        rows::forget_person(tx, person.user)?;
        Ok(gone)
    }

    fn found(&self, tx: &mut Tx<'_>, desk: &Desk, user: &str) -> Result<Person, Error> {
        let user: UserId = id(user)?;
        rows::person_of(tx, &self.0.vault, desk.source.id, user)?.ok_or(Error::NotFound)
    }

    /// Writes a person as everybody writes one.
    fn put(&self, tx: &mut Tx<'_>, desk: &Desk, body: Value) -> Result<base::ResourceId, Error> {
        let permit = desk.permit.of_directory();
        let clearance = self.0.resources.clear(tx, &permit, None, &Ground::None)?;
        let why = reason(desk);
        let change =
            Change { kind: KIND, workspace: None, body: Draft::new(body), reason: Some(&why), clearance: &clearance };
        Ok(self.0.resources.put(tx, &permit, change)?.id)
    }

    /// Links the person with who they are to the provider of their source: by the attribute that is their subject there, never
    /// by an address.
    fn link(&self, tx: &mut Tx<'_>, desk: &Desk, person: &mut Person) -> Result<(), Error> {
        let Some(provider) = desk.source.provider else { return Ok(()) };
        let external_id = person.said.get("externalId").and_then(Value::as_str);
        let subject = links::subject(&desk.source, &person.user_name, external_id).map(str::to_owned);
        if let Some(old) = person.subject.take().filter(|old| Some(old) != subject.as_ref()) {
            links::take(tx, desk.actor(), provider, &old, person.user)?;
            // Whoever was known by another identity signs in again with this one.
            self.0.identity.end_all(tx, person.user)?;
        }
        let Some(subject) = subject else { return Ok(()) };
        match links::give(tx, desk.actor(), provider, &subject, person.user)? {
            Linked::Done => person.subject = Some(subject),
            Linked::NoProvider => {}
            Linked::Elsewhere => {
                return Err(Error::refused(
                    Fault::Uniqueness,
                    "Another account here is linked with this identity of the provider. An administrator takes that link away, or \
                     hands that account over to the directory.",
                ));
            }
            Linked::TooMany => {
                return Err(Error::value(
                    "This account is linked with as many identities as one may have. Take one away first.",
                ));
            }
        }
        Ok(())
    }
}

/// A person as an answer shows them.
fn answer(tx: &mut Tx<'_>, desk: &Desk, person: Person, shown: &Shown) -> Result<Answered, Error> {
    let user = person.user.to_string();
    let location = format!("{}/Users/{user}", desk.base);
    let mut out = Resource::new();
    let mut schemas = vec![schema::USER];
    if person.said.contains_key(schema::ENTERPRISE) {
        schemas.push(schema::ENTERPRISE);
    }
    out.insert("schemas".into(), json!(schemas));
    out.insert("id".into(), user.clone().into());
    out.extend(person.said);
    out.insert("active".into(), person.active.into());
    if !shown.leaves_out("groups") {
        let groups = settle::groups_of(tx, desk.source.id, person.user)?;
        if !groups.is_empty() {
            let one = |(id, name): (String, String)| json!({"value": id, "$ref": format!("{}/Groups/{id}", desk.base), "display": name, "type": "direct"});
            out.insert("groups".into(), groups.into_iter().map(one).collect());
        }
    }
    out.insert("meta".into(), meta(Sort::User, &location, person.created_at, person.changed_at, person.version));
    Ok(Answered { id: user, version: person.version, body: shown.cut(Sort::User, out) })
}

pub(crate) fn meta(
    sort: Sort,
    location: &str,
    created: base::Timestamp,
    changed: base::Timestamp,
    version: i64,
) -> Value {
    json!({
        "resourceType": sort.name(),
        "created": created.rfc3339(),
        "lastModified": changed.rfc3339(),
        "location": location,
        "version": format!("W/\"{version}\""),
    })
}

/// Accounts for emergencies are nobody's to touch from outside.
pub(crate) fn hands_off(tx: &mut Tx<'_>, user: UserId) -> Result<(), Error> {
    if identity::is_break_glass(tx, user)? {
        return Err(Error::HandsOff(
            "This is an account for emergencies, and no directory changes it. Take it off that list first, on the page Sign-on.",
        ));
    }
    Ok(())
}

fn reason(desk: &Desk) -> String {
    format!("provisioned by {}", desk.source.name)
}

fn taken() -> Error {
    Error::refused(
        Fault::Uniqueness,
        "Somebody here has this userName, and is not this directory's. If it is the same person, an administrator hands them over \
         on the page Provisioning; then the directory finds them.",
    )
}

/// The log-in name that the directory says.
fn user_name(said: &Resource) -> Result<String, Error> {
    let name = required(said, "userName")?;
    if name.len() > 254 || name.chars().any(char::is_whitespace) {
        return Err(Error::value("userName has at most 254 bytes and no spaces."));
    }
    Ok(name.to_owned())
}

/// The name that others see: what the directory says of it, most fitting first.
fn full_name(said: &Resource, user_name: &str) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::trim).unwrap_or_default().to_owned();
    let part = |name: &str| text(said.get("name").and_then(|whole| whole.get(name)));
    let parts = format!("{} {}", part("givenName"), part("familyName"));
    let all = [text(said.get("displayName")), part("formatted"), parts.trim().to_owned()];
    let name = all.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| user_name.to_owned());
    name.chars().take(NAME).collect::<String>().trim().to_owned()
}

fn time_zone(said: &Resource) -> Option<&str> {
    said.get("timezone").and_then(Value::as_str).filter(|zone| identity::is_time_zone(zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_the_directory_says_of_it() {
        let of = |body: Value| full_name(body.as_object().unwrap(), "ada@example.com");
        assert_eq!(of(json!({"displayName": "Ada S.", "name": {"formatted": "x"}})), "Ada S.");
        assert_eq!(of(json!({"name": {"formatted": " Ada Sample "}})), "Ada Sample");
        assert_eq!(of(json!({"name": {"givenName": "Ada", "familyName": "Sample"}})), "Ada Sample");
        assert_eq!(of(json!({"name": {"familyName": "Sample"}})), "Sample");
        assert_eq!(of(json!({"displayName": "  "})), "ada@example.com");
        assert_eq!(of(json!({"displayName": "x".repeat(500)})).len(), NAME);
    }
}
