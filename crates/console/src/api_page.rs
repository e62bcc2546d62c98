//! The API's own description: drawn from the same document that programs fetch, with commands that work here.

use std::collections::BTreeMap;

use access::{Cap, Permit, cap};
use askama::Template;
use axum::extract::State;
use base::PageRequest;
use http::doc::Document;
use http::{Answer, HeaderMap, InWorkspace, Path, Refusal, Response};
use serde::Deserialize;

use crate::Console;
use crate::api_examples::{Example, example};
use crate::api_reading::{Heading, Operation, Paragraph, Reading, Shape};
use crate::page::page;
use crate::shell::{Page, Shell};

#[derive(Template)]
#[template(path = "api.html")]
struct ContentsPage {
    shell: Shell,
    slug: String,
    overview: Vec<Paragraph>,
    headings: Vec<Heading>,
}

struct Entry {
    operation: Operation,
    example: Option<Example>,
}

#[derive(Template)]
#[template(path = "api-chapter.html")]
struct ChapterPage {
    shell: Shell,
    slug: String,
    heading: Heading,
    headings: Vec<Heading>,
    entries: Vec<Entry>,
    shapes: Vec<Shape>,
}

/// Which chapter.
#[derive(Debug, Deserialize)]
pub struct Named {
    chapter: String,
}

/// The list of contents.
pub async fn show(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    headers: HeaderMap,
    document: Document,
) -> Answer<Response> {
    let reading = Reading::of(document.json());
    let (overview, headings) = (reading.overview(), reading.headings());
    let shell = console.shell(&guard, &headers, Page::ApiDocs).await?;
    page(&ContentsPage { shell, slug: guard.name().to_owned(), overview, headings })
}

/// One chapter.
pub async fn chapter(
    guard: InWorkspace<cap::OverviewRead>,
    State(console): State<Console>,
    Path(named): Path<Named>,
    headers: HeaderMap,
    document: Document,
) -> Answer<Response> {
    let reading = Reading::of(document.json());
    let headings = reading.headings();
    let values = console.known(&guard).await?;
    let entries = headings.iter().find(|heading| heading.slug == named.chapter).map(|heading| {
        let entry = |(method, path, one)| Entry {
            example: example(document.public_url(), method, path, one, &values),
            operation: reading.operation(method, path, one),
        };
        (reading.raw(&heading.name).map(entry).collect::<Vec<_>>(), reading.shapes(&heading.name))
    });
    let (entries, shapes) = entries.ok_or_else(Refusal::not_found)?;
    let (own, headings): (Vec<_>, Vec<_>) = headings.into_iter().partition(|heading| heading.slug == named.chapter);
    let heading = own.into_iter().next().ok_or_else(Refusal::not_found)?;
    let shell = console.shell(&guard, &headers, Page::ApiDocs).await?;
    page(&ChapterPage { shell, slug: guard.name().to_owned(), heading, headings, entries, shapes })
}

impl Console {
    /// What is really there, for examples that work: the newest of each sort that the reader may see.
    async fn known<C: Cap>(&self, guard: &InWorkspace<C>) -> Answer<BTreeMap<&'static str, String>> {
        let newest = || PageRequest::new(1, None);
        let mut known = BTreeMap::from([("workspace", guard.name().to_owned())]);
        let organisation = self.db.read(access::organisation).await?;
        known.extend(organisation.map(|organisation| ("organisation", organisation.id.to_string())));
        if let Some(permit) = guard.also::<cap::AlertsRead>() {
            let found = self.alerts.list(permit, alerts::Filter::default(), newest()).await?;
            known.extend(found.items.first().map(|alert| ("alert", alert.name())));
        }
        if let Some(permit) = guard.also::<cap::SignalsRead>() {
            let filter = signals::Filter { state: Some(signals::SignalState::Handled), ..signals::Filter::default() };
            let found = self.signals.list(&permit, filter, newest()).await?;
            known.extend(found.items.first().map(|signal| ("signal", signal.id.to_string())));
        }
        if let Some(permit) = guard.also::<cap::IntegrationsRead>() {
            let found = self.signals.integrations(&permit).await?;
            known.extend(found.first().map(|integration| ("integration", integration.id.to_string())));
            known.extend(self.known_callbacks(permit).await?);
        }
        if let Some(permit) = guard.also::<cap::RunsRead>() {
            let found = self.flows.runs(&permit, flows::RunFilter::default(), newest()).await?;
            known.extend(found.items.first().map(|run| ("run", run.id.to_string())));
        }
        if let Some(permit) = guard.also::<cap::MessagesRead>() {
            known.extend(self.known_messages(permit).await?);
        }
        if let Some(permit) = guard.also::<cap::PeopleRead>() {
            let identity = self.identity.clone();
            let read = move |tx: &mut store::Tx<'_>| {
                let (filter, request) = (identity::PeopleFilter::default(), PageRequest::new(200, None));
                identity.people(tx, &permit, &filter, &request)
            };
            let newest = self.db.read(read).await?.items.into_iter().map(|person| person.id).max();
            known.extend(newest.into_iter().flat_map(|id| [("user", id.to_string()), ("id", id.to_string())]));
        }
        if let Ok(permit) = guard.caller().grants().permit_organisation::<cap::SignInManage>() {
            let scim = self.scim.clone();
            let source = self.db.read(move |tx| scim.sources(tx, &permit)).await?;
            known.extend(source.first().map(|source| ("source", source.source.id.to_string())));
        }
        Ok(known)
    }

    /// Messages, what was asked for with many of them, and who is bound.
    async fn known_messages(&self, permit: Permit<cap::MessagesRead>) -> Answer<Vec<(&'static str, String)>> {
        let (messaging, smppd) = (self.messaging.clone(), self.smppd.clone());
        let read = move |tx: &mut store::Tx<'_>| {
            let newest = PageRequest::new(1, None);
            let message = messaging.list(tx, &permit, &messaging::Filter::default(), &newest)?.items;
            let message = message.first().map(|message| message.id.to_string());
            let batch = messaging.batches(tx, &permit, None, &newest)?.items;
            let export = messaging.exports(tx, &permit, &newest)?.items;
            let account = smppd.accounts(tx, &permit)?;
            let bind = smppd.binds(&permit);
            let bind = bind.first();
            let account = bind.map(|bind| bind.account).or_else(|| account.first().map(|account| account.id));
            Ok::<_, smppd::Error>([
                ("umid", message.clone()),
                ("message", message),
                ("batch", batch.first().map(|batch| batch.id.to_string())),
                ("job", export.first().map(|export| export.id.to_string())),
                ("account", account.map(|account| account.to_string())),
                ("bind", bind.map(|bind| bind.id.to_string())),
            ])
        };
        let found = self.db.read(read).await?;
        Ok(found.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }

    /// Where callbacks go, and one of them.
    async fn known_callbacks(&self, permit: Permit<cap::IntegrationsRead>) -> Answer<Vec<(&'static str, String)>> {
        let webhooks = self.webhooks.clone();
        let read = move |tx: &mut store::Tx<'_>| {
            let webhook = webhooks.list(tx, &permit)?;
            let webhook = webhook.iter().map(|listed| &listed.webhook).find(|webhook| !webhook.own);
            let callback = webhooks.callbacks(tx, &permit, &webhooks::Filter::default(), &PageRequest::new(1, None))?;
            Ok::<_, webhooks::Error>([
                ("webhook", webhook.map(|webhook| webhook.id.to_string())),
                ("callback", callback.items.first().map(|callback| callback.id.to_string())),
            ])
        };
        let found = self.db.read(read).await?;
        Ok(found.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}
