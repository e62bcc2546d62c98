//! The kind `groups` and its projection.

use access::{Capability, Permit, cap};
use base::{GroupId, Timestamp, UserId, WorkspaceId};
use resources::{Check, Class, Field, KindScope, Projection, Shape, TypedKind};
use store::{Row, Tx, params};

use crate::Error;
use crate::definition::{DELAY_MAX, Definition, INTERVAL_MIN, REPEAT_MAX};
use crate::people::{OnCall, fold};
use crate::plan::{Plan, Reachable, plan};

/// The kind `groups`.
#[derive(Clone, Copy, Debug, Default)]
pub struct GroupsKind;

const MEMBER: &[Field] = &[
    Field::new("user", Class::Confidential, Shape::Reference("users")).required().about("the person’s login"),
    Field::new("delay_seconds", Class::Internal, Shape::Integer(0, DELAY_MAX as i64))
        .about("how long those before have had to answer when this person is paged; 0 when left out"),
];

const REPEAT: &[Field] = &[
    Field::new("times", Class::Internal, Shape::Integer(0, REPEAT_MAX as i64))
        .about("further rounds after the first; 2 when left out"),
    Field::new("interval_seconds", Class::Internal, Shape::Integer(INTERVAL_MIN as i64, DELAY_MAX as i64))
        .about("how long the last person has had to answer when the next round begins; 300 when left out"),
];

impl TypedKind for GroupsKind {
    type Body = Definition;
    const NAME: &'static str = "groups";
    const SCOPE: KindScope = KindScope::Workspace;
    const CAPABILITY: Capability = Capability::GroupsWrite;
    const FIELDS: &'static [Field] = &[
        Field::new("name", Class::Internal, Shape::Text).required().about("what flows call it"),
        Field::new("description", Class::Internal, Shape::Text).about("what it is for"),
        Field::new("supervisors", Class::Confidential, Shape::List(&Shape::Reference("users")))
            .about("logins of those who may change this group, if they have the role supervisor"),
        Field::new("members", Class::Internal, Shape::List(&Shape::Object(MEMBER))).about("the people, first to last"),
        Field::new("repeat", Class::Internal, Shape::Object(REPEAT)).about("what happens after the last of them"),
        Field::new("fallback", Class::Internal, Shape::Text)
            .about("the group that is paged when nobody in this one can be reached"),
    ];

    fn key(&self, body: &Definition) -> String {
        body.name.clone()
    }

    fn validate(&self, body: &Definition, check: &mut Check<'_, '_>) -> Result<(), resources::Error> {
        for breach in body.breaches() {
            check.problem(breach.field, "group-invalid", breach.detail);
        }
        // Who supervises is said by those who change all groups: a supervisor would make others, or be the last.
        if !check.held().contains(Capability::GroupsWrite) {
            let group: GroupId = check.id();
            let held = access::supervisors_of(check.tx(), group)?;
            let mut wanted: Vec<UserId> =
                body.supervisors.iter().filter_map(|login| check.reference("users", login)).collect();
            wanted.sort_unstable();
            if wanted != held {
                check.problem(
                    "supervisors",
                    "beyond-your-rights",
                    "who supervises a group is changed by those who may change every group",
                );
            }
        }
        Ok(())
    }

    fn project(&self, tx: &mut Tx<'_>, change: &Projection<'_, Definition>) -> Result<(), resources::Error> {
        let id: GroupId = change.id();
        let Some(definition) = change.new else {
            tx.execute("DELETE FROM oncall_groups WHERE id = $1", &params![id])?;
            if let Some(workspace) = change.workspace {
                access::set_supervisors(tx, workspace, id, &[])?;
            }
            return Ok(());
        };
        if let Some(workspace) = change.workspace {
            let supervisors: Vec<UserId> = definition
                .supervisors
                .iter()
                .map(|login| change.reference("users", login))
                .collect::<Result<_, resources::Error>>()?;
            access::set_supervisors(tx, workspace, id, &supervisors)?;
        }
        let body = serde_json::to_string(definition).unwrap_or_default();
        tx.execute(
            "INSERT INTO oncall_groups (id, workspace, name, name_folded, definition, changed_at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_folded = excluded.name_folded,
                 definition = excluded.definition, changed_at = excluded.changed_at",
            &params![id, change.workspace, &definition.name, fold(&definition.name), body, change.now],
        )?;
        Ok(())
    }
}

/// A group with what its plan would be now.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// What is configured.
    pub definition: Definition,
    /// Who would be paged when, and who would not and why.
    pub plan: Plan,
    /// The plan in words.
    pub policy: String,
}

fn read(row: &Row<'_>) -> Result<(GroupId, String), store::Error> {
    Ok((row.get("id")?, row.get("definition")?))
}

fn parse(text: &str) -> Result<Definition, Error> {
    serde_json::from_str(text).map_err(|_| Error::Corrupt("group"))
}

/// What is configured about a group.
pub(crate) fn definition(tx: &mut Tx<'_>, workspace: WorkspaceId, name: &str) -> Result<Option<Definition>, Error> {
    let row = tx.query_opt(
        "SELECT id, definition FROM oncall_groups WHERE workspace = $1 AND name_folded = $2",
        &params![workspace, fold(name)],
        read,
    )?;
    row.map(|(_, text)| parse(&text)).transpose()
}

impl OnCall {
    /// Every group of the permit's workspace with its plan at `at`, by name.
    pub fn groups(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::OnCallRead>,
        at: Timestamp,
    ) -> Result<Vec<Group>, Error> {
        let rows = tx.query(
            "SELECT id, definition FROM oncall_groups WHERE workspace = $1 ORDER BY name_folded",
            &params![permit.workspace()],
            read,
        )?;
        let mut out = Vec::with_capacity(rows.len());
        for (id, text) in rows {
            out.push(self.group_at(tx, id, parse(&text)?, at)?.0);
        }
        Ok(out)
    }

    /// One group of the permit's workspace, and what happens round by round when nobody answers an alert that opens at `at`: the
    /// first round and its repeats, `most` at most. Each round is planned as the escalation plans it, when the one before ends.
    pub fn course(
        &self,
        tx: &mut Tx<'_>,
        permit: &Permit<cap::OnCallRead>,
        id: GroupId,
        at: Timestamp,
        most: usize,
    ) -> Result<Option<Course>, Error> {
        let row = tx.query_opt(
            "SELECT id, definition FROM oncall_groups WHERE workspace = $1 AND id = $2",
            &params![permit.workspace(), id],
            read,
        )?;
        let Some((id, text)) = row else { return Ok(None) };
        let (group, people) = self.group_at(tx, id, parse(&text)?, at)?;
        let all = group.definition.repeat.times as usize + 1;
        let mut rounds = vec![group.plan.clone()];
        while group.plan.reaches_anybody() && rounds.len() < all.min(most) {
            let begins = rounds.last().map_or(at, |round| round.ends);
            rounds.push(plan(&group.definition, &people, begins));
        }
        // The pause between rounds is the same each time, however many are shown.
        let pause = group.plan.ends.since(at);
        let ends = at.plus(pause.saturating_mul(u32::try_from(all).unwrap_or(u32::MAX)));
        Ok(Some(Course { group, rounds, all, ends }))
    }

    fn group_at(
        &self,
        tx: &mut Tx<'_>,
        id: GroupId,
        definition: Definition,
        at: Timestamp,
    ) -> Result<(Group, Vec<Reachable>), Error> {
        let people = self.people_of(tx, &definition)?;
        let plan = plan(&definition, &people, at);
        let name_of = |login: &str| {
            people.iter().find(|person| person.login.eq_ignore_ascii_case(login)).map(|person| person.who.name.clone())
        };
        let policy = crate::policy_words(&definition, name_of);
        Ok((Group { id, definition, plan, policy }, people))
    }
}

/// What happens when nobody answers.
#[derive(Clone, Debug)]
pub struct Course {
    /// The group with its first round.
    pub group: Group,
    /// The first rounds.
    pub rounds: Vec<Plan>,
    /// How many there are.
    pub all: usize,
    /// When the last one is over and the alert counts as unanswered.
    pub ends: Timestamp,
}
