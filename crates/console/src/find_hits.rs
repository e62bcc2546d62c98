//! What is found, kind by kind. Each kind is asked with the reader's own permit for it: without one, it is not asked at all,
//! so that nobody learns from a count what they may not see.

use access::{Capability, cap};
use base::{MessageId, PageRequest, RunId, SignalId};
use http::{Answer, InWorkspace};

use crate::Console;
use crate::meant::{Meant, meant};
use crate::menu::{ACTS, PAGES};
use crate::page::encode;
use crate::shell::Place;
use crate::zone::Zone;

/// Of one kind so many are shown; the rest stands on the kind's own page.
const SHOWN: u32 = 6;

/// One thing that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Where it is.
    pub href: String,
    /// What it is called.
    pub title: String,
    /// What tells it from others of its name.
    pub detail: String,
}

/// What fits of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hits {
    /// The kind, in the plural.
    pub kind: &'static str,
    /// The first of them.
    pub first: Vec<Hit>,
    /// Where the others are, when there are more.
    pub more: Option<String>,
}

impl Hits {
    /// How many, in words.
    pub fn count(&self) -> String {
        format!("{}{}", self.first.len(), if self.more.is_some() { " or more" } else { "" })
    }
}

/// The first that fit of one kind, and whether its room has more.
type Few = (Vec<Hit>, bool);

/// What is found of a kind that the reader may not see, or that is not meant.
const NONE: Few = (Vec::new(), false);

/// Somebody who looks.
pub struct Seeker<'a> {
    console: &'a Console,
    guard: &'a InWorkspace<cap::OverviewRead>,
    place: &'a Place,
    zone: &'a Zone,
    base: String,
}

/// Whether every word of `query` stands in one of `texts`, in any case.
fn fits(query: &str, texts: &[&str]) -> bool {
    let texts: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
    query.to_lowercase().split_whitespace().all(|word| texts.iter().any(|text| text.contains(word)))
}

fn few() -> PageRequest {
    PageRequest::new(SHOWN, None)
}

impl<'a> Seeker<'a> {
    /// Looks with the rights of `guard`.
    pub fn new(
        console: &'a Console,
        guard: &'a InWorkspace<cap::OverviewRead>,
        place: &'a Place,
        zone: &'a Zone,
    ) -> Self {
        Self { console, guard, place, zone, base: format!("/w/{}", place.slug) }
    }

    /// Everything that fits, in the order of the menu, without the kinds of which nothing does.
    pub async fn all(&self, query: &str) -> Answer<Vec<Hits>> {
        let meant = meant(query);
        let (alerts, signals, runs, messages, people, groups, integrations, flows, keys) = futures_util::try_join!(
            self.alerts(query, &meant),
            self.signals(query, &meant),
            self.runs(&meant),
            self.messages(query, &meant),
            self.people(query, &meant),
            self.groups(query),
            self.integrations(query),
            self.flows(query),
            self.keys(query),
        )?;
        let carriers = self.carriers(query);
        let routes = self.routes(query);
        let pages = self.pages(query);
        let all = [
            ("Alerts", alerts, format!("{}/alerts", self.base)),
            ("Signals", signals, format!("{}/signals?q={}", self.base, encode(query))),
            ("Runs", runs, format!("{}/runs", self.base)),
            ("Messages", messages, format!("{}/messages?q={}", self.base, encode(query))),
            ("People", people, format!("{}/users?q={}", self.base, encode(query))),
            ("Groups", groups, format!("{}/groups", self.base)),
            ("Integrations", integrations, format!("{}/integrations", self.base)),
            ("Flows", flows, format!("{}/flows", self.base)),
            ("Carriers", carriers, format!("{}/carriers", self.base)),
            ("Routes", routes, format!("{}/routes", self.base)),
            ("API keys", keys, format!("{}/keys", self.base)),
            ("Pages and acts", pages, format!("{}/you", self.base)),
        ];
        let most = SHOWN as usize;
        let named = all.into_iter().map(|(kind, (mut hits, more), list)| {
            let more = (more || hits.len() > most).then_some(list);
            hits.truncate(most);
            Hits { kind, first: hits, more }
        });
        Ok(named.filter(|kind| !kind.first.is_empty()).collect())
    }

    fn hit(&self, path: &str, title: impl Into<String>, detail: impl Into<String>) -> Hit {
        Hit { href: format!("{}{path}", self.base), title: title.into(), detail: detail.into() }
    }

    async fn alerts(&self, query: &str, meant: &Meant) -> Answer<Few> {
        let Some(permit) = self.guard.also::<cap::AlertsRead>() else { return Ok(NONE) };
        let mut found = Vec::new();
        let mut more = false;
        if let Meant::Alert(number) = meant {
            found.extend(self.console.alerts.by_number(permit.clone(), *number).await?);
        }
        // A name with its letter means that alert and no other.
        if !matches!(meant, Meant::Alert(_)) || !query.starts_with(['A', 'a']) {
            let filter = alerts::Filter { search: Some(query.to_owned()), ..alerts::Filter::default() };
            let page = self.console.alerts.list(permit, filter, few()).await?;
            more = page.next.is_some();
            found.extend(
                page.items
                    .into_iter()
                    .filter(|alert| !found.iter().any(|seen| seen.id == alert.id))
                    .collect::<Vec<_>>(),
            );
        }
        let hits = found.iter().map(|alert| {
            let detail =
                format!("{} · {} · {}", alert.name(), alert.state.as_str(), self.zone.day_clock(&alert.opened));
            self.hit(&format!("/alerts/{}", alert.name()), &*alert.title, detail)
        });
        Ok((hits.collect(), more))
    }

    async fn signals(&self, query: &str, meant: &Meant) -> Answer<Few> {
        let Some(permit) = self.guard.also::<cap::SignalsRead>() else { return Ok(NONE) };
        let (found, more) = match meant {
            Meant::Id(id) => {
                let found = self.console.signals.get(&permit, SignalId::from(*id)).await?;
                (found.into_iter().map(|detail| detail.activity).collect(), false)
            }
            Meant::Words | Meant::Alert(_) => {
                let filter = signals::Filter { search: Some(query.to_owned()), ..signals::Filter::default() };
                let page = self.console.signals.list(&permit, filter, few()).await?;
                (page.items, page.next.is_some())
            }
            Meant::Number(_) => (Vec::new(), false),
        };
        let hits = found.into_iter().map(|signal| {
            let from = signal.integration_name.unwrap_or_else(|| "deleted integration".to_owned());
            let title = signal.summary.unwrap_or_else(|| format!("Signal of {from}"));
            self.hit(&format!("/signals/{}", signal.id), title, format!("{from} · {}", self.zone.day_clock(&signal.at)))
        });
        Ok((hits.collect(), more))
    }

    async fn runs(&self, meant: &Meant) -> Answer<Few> {
        let (Some(permit), Meant::Id(id)) = (self.guard.also::<cap::RunsRead>(), meant) else {
            return Ok(NONE);
        };
        let found = self.console.flows.run(&permit, RunId::from(*id)).await?;
        let hit = found.map(|detail| {
            let started = self.zone.day_clock(&detail.run.started);
            self.hit(&format!("/runs/{id}"), format!("Run of {}", detail.run.flow_name), started)
        });
        Ok((hit.into_iter().collect(), false))
    }

    async fn messages(&self, query: &str, meant: &Meant) -> Answer<Few> {
        let Some(permit) = self.guard.also::<cap::MessagesRead>() else { return Ok(NONE) };
        let messaging = self.console.messaging.clone();
        let (wanted, id) = match meant {
            Meant::Id(id) => (messaging::Filter::default(), Some(MessageId::from(*id))),
            Meant::Number(number) => {
                (messaging::Filter { to: Some(number.clone()), ..messaging::Filter::default() }, None)
            }
            Meant::Words | Meant::Alert(_) => {
                (messaging::Filter { client_ref: Some(query.to_owned()), ..messaging::Filter::default() }, None)
            }
        };
        let (found, more) = self
            .console
            .db
            .read(move |tx| {
                if let Some(id) = id {
                    return Ok((
                        messaging.get(tx, &permit, id)?.into_iter().map(|found| found.summary).collect(),
                        false,
                    ));
                }
                let page = messaging.list(tx, &permit, &wanted, &few())?;
                Ok::<_, messaging::Error>((page.items, page.next.is_some()))
            })
            .await?;
        let found: Vec<messaging::Summary> = found;
        let hits = found.into_iter().map(|message| {
            let at = self.zone.day_clock(&message.created_at);
            let detail = format!("{} · {at}", message.state.name());
            self.hit(&format!("/messages/{}", message.id), format!("Text to {}", message.to), detail)
        });
        Ok((hits.collect(), more))
    }

    async fn people(&self, query: &str, meant: &Meant) -> Answer<Few> {
        let Some(permit) = self.guard.also::<cap::PeopleRead>() else { return Ok(NONE) };
        let (identity, oncall) = (self.console.identity.clone(), self.console.oncall.clone());
        let (query, number) = (
            query.to_owned(),
            match meant {
                Meant::Number(number) => Some(number.clone()),
                _ => None,
            },
        );
        let page = self
            .console
            .db
            .read(move |tx| {
                let Some(number) = &number else { return identity.people(tx, &permit, &query.as_str().into(), &few()) };
                // By the blind index of their phones: the number is not read, and is not shown.
                let owners = oncall.owners(tx, &oncall.handset(number)).unwrap_or_default();
                let mut items = Vec::new();
                for owner in owners {
                    items.extend(identity.person(tx, &permit, owner.id)?);
                }
                Ok(base::Page { items, next: None })
            })
            .await?;
        let more = page.next.is_some();
        let hits = page.items.into_iter().map(|who| self.hit(&format!("/users/{}", who.id), who.name, who.login));
        Ok((hits.collect(), more))
    }

    async fn groups(&self, query: &str) -> Answer<Few> {
        let Some(permit) = self.guard.also::<cap::OnCallRead>() else { return Ok(NONE) };
        let (oncall, now) = (self.console.oncall.clone(), self.console.db.context().now());
        let groups = self.console.db.read(move |tx| oncall.groups(tx, &permit, now)).await?;
        let found = groups.into_iter().filter(|group| {
            let about = group.definition.description.as_deref().unwrap_or_default();
            fits(query, &[&group.definition.name, about, &group.policy])
        });
        let hits = found.map(|group| self.hit(&format!("/groups/{}", group.id), group.definition.name, group.policy));
        Ok((hits.collect(), false))
    }

    async fn integrations(&self, query: &str) -> Answer<Few> {
        let Some(permit) = self.guard.also::<cap::IntegrationsRead>() else { return Ok(NONE) };
        let id = query.parse::<base::IntegrationId>().ok();
        let all = self.console.signals.integrations(&permit).await?;
        let found = all.into_iter().filter(|one| id == Some(one.id) || fits(query, &[&one.name, &one.mapping]));
        let hits = found.map(|one| {
            self.hit(&format!("/integrations/{}", one.id), one.name, format!("starts the flow {}", one.flow))
        });
        Ok((hits.collect(), false))
    }

    async fn flows(&self, query: &str) -> Answer<Few> {
        let Some(permit) = self.guard.also::<cap::FlowsRead>() else { return Ok(NONE) };
        let all = self.console.flows.list(&permit).await?;
        let found = all.into_iter().filter(|flow| fits(query, &[&flow.name, &flow.description]));
        let hits = found.map(|flow| self.hit(&format!("/flows/{}", flow.id), flow.name, flow.description));
        Ok((hits.collect(), false))
    }

    fn carriers(&self, query: &str) -> Few {
        if !self.guard.may(Capability::CarriersRead) {
            return NONE;
        }
        let all = self.console.carriers.status();
        let found = all.into_iter().filter(|one| fits(query, &[&one.name, &one.address]));
        (found.map(|one| self.hit(&format!("/carriers/{}", encode(&one.name)), one.name, one.words)).collect(), false)
    }

    fn routes(&self, query: &str) -> Few {
        let Some(permit) = self.guard.also::<cap::CarriersRead>() else { return NONE };
        let all = self.console.messaging.routes(&permit);
        // Only who may change a route of this workspace has a page of it; for everybody else it stands in the list.
        let may = self.console.may_edit(self.guard, "routes");
        let hit = |route: routing::Route| {
            let (matched, carriers) = (route.matcher.to_string(), route.carriers.join(", then "));
            let sender = route.sender.as_ref().map_or("", routing::Sender::as_str);
            let path = match route.workspace {
                Some(_) if may => format!("/routes/{}", route.id),
                _ => "/routes".to_owned(),
            };
            fits(query, &[&matched, &carriers, sender]).then(|| self.hit(&path, matched, format!("by {carriers}")))
        };
        (all.into_iter().filter_map(hit).collect(), false)
    }

    async fn keys(&self, query: &str) -> Answer<Few> {
        let may = self.guard.may(Capability::ApiKeysManage);
        let (Some(permit), true) = (self.guard.also::<cap::WorkspaceRead>(), may) else {
            return Ok(NONE);
        };
        let (identity, workspace) = (self.console.identity.clone(), self.guard.workspace());
        let all = self.console.db.read(move |tx| identity.api_keys(tx, &permit, workspace)).await?;
        let found = all.into_iter().filter(|key| fits(query, &[&key.name]));
        let hits =
            found.map(|key| self.hit("/keys", key.name, format!("good until {}", self.zone.day(&key.expires_at))));
        Ok((hits.collect(), false))
    }

    fn pages(&self, query: &str) -> Few {
        let pages = PAGES.iter().filter(|entry| self.place.opens(entry));
        let pages = pages.filter(|entry| fits(query, &[entry.name, entry.alone, entry.words]));
        let acts = ACTS.iter().filter(|act| self.place.may(act.capability));
        let acts = acts.filter(|act| fits(query, &[act.name, act.words]));
        let hits = pages.map(|entry| self.hit(entry.path, entry.alone, "page"));
        (hits.chain(acts.map(|act| self.hit(act.path, act.name, "act"))).collect(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_to_stand_somewhere() {
        assert!(fits("LAG db", &["Replication lag", "on db-1"]));
        assert!(!fits("lag web", &["Replication lag", "on db-1"]));
        assert!(fits("Ümlaut", &["ümlaute"]));
    }
}
