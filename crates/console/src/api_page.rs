//! The API's own description: drawn from the same document that programs fetch, with commands that work here.

use std::collections::BTreeMap;

use access::{Cap, cap};
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
        }
        if let Some(permit) = guard.also::<cap::RunsRead>() {
            let found = self.flows.runs(&permit, flows::RunFilter::default(), newest()).await?;
            known.extend(found.items.first().map(|run| ("run", run.id.to_string())));
        }
        if let Some(permit) = guard.also::<cap::MessagesRead>() {
            let messaging = self.messaging.clone();
            let list = move |tx: &mut store::Tx<'_>| {
                messaging.list(tx, &permit, &messaging::Filter::default(), &PageRequest::new(1, None))
            };
            let found = self.db.read(list).await?;
            if let Some(message) = found.items.first() {
                known.insert("message", message.id.to_string());
                known.insert("umid", message.id.to_string());
            }
        }
        Ok(known)
    }
}
