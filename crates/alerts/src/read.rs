//! What pages and programs read.

use base::{AlertId, Page, PageRequest, WorkspaceId};
use store::Tx;

use crate::Error;
use crate::alerts::{Inner, number_cursor};
use crate::escalate::planned;
use crate::rows::{self, AlertRow};
use crate::state::Life;
use crate::types::{Alert, Filter};
use crate::views::{Entry, Knot};
use crate::words;

impl Inner {
    pub(crate) fn list(
        &self,
        tx: &mut Tx<'_>,
        workspace: WorkspaceId,
        filter: &Filter,
        page: &PageRequest,
    ) -> Result<Page<Alert>, Error> {
        let before = number_cursor(page.after.as_ref())?;
        let rows = rows::list(tx, workspace, filter, before, i64::from(page.limit()) + 1)?;
        let page = Page::from_overread(rows, page, |row| row.number.to_string());
        let mut items = Vec::with_capacity(page.items.len());
        for row in page.items {
            let mut alert = self.view(tx, row)?;
            alert.text = None;
            items.push(alert);
        }
        Ok(Page { items, next: page.next })
    }

    pub(crate) fn get(&self, tx: &mut Tx<'_>, workspace: WorkspaceId, id: AlertId) -> Result<Option<Alert>, Error> {
        let row = rows::find(tx, workspace, id)?;
        row.map(|row| self.view(tx, row)).transpose()
    }

    pub(crate) fn get_by_number(
        &self,
        tx: &mut Tx<'_>,
        workspace: WorkspaceId,
        number: i64,
    ) -> Result<Option<Alert>, Error> {
        let row = rows::by_number(tx, workspace, number)?;
        row.map(|row| self.view(tx, row)).transpose()
    }

    fn view(&self, tx: &mut Tx<'_>, row: AlertRow) -> Result<Alert, Error> {
        let content = self.content(tx, &row)?;
        let note = self.note(tx, &row)?;
        let state = row.state();
        let (acknowledged, acknowledged_by, closed, closed_by) = match row.life {
            Life::Open => (None, None, None, None),
            Life::Acknowledged { at, by } => (Some(at), Some(by), None, None),
            Life::Resolved { at, by } => (None, None, Some(at), Some(by)),
            Life::Expired { at } => (None, None, Some(at), None),
        };
        Ok(Alert {
            id: row.id,
            workspace: row.workspace,
            number: row.number,
            integration: row.integration,
            signal: row.signal,
            run: row.run,
            key: row.key,
            priority: row.priority,
            title: content.title,
            text: Some(content.text),
            link: content.link,
            group: row.group,
            state,
            opened: row.opened,
            changed: row.changed,
            acknowledged,
            acknowledged_by,
            closed,
            closed_by,
            note,
            expires: row.expires,
            joined: row.joined,
            next_page: row.cursor.next_at.filter(|_| row.cursor.next_person.is_some()),
            next_person: row.cursor.next_person,
            unanswered: row.unanswered,
        })
    }

    /// Newest first; what is planned stands at the head, the latest on top.
    pub(crate) fn timeline(&self, tx: &mut Tx<'_>, workspace: WorkspaceId, id: AlertId) -> Result<Vec<Entry>, Error> {
        let Some(alert) = rows::find(tx, workspace, id)? else { return Err(Error::NotFound) };
        let mut out: Vec<Entry> = self
            .lines(tx, &alert)?
            .into_iter()
            .map(|(number, at, happening)| {
                let line = words::line(&happening, at);
                Entry {
                    number,
                    at,
                    after: at.since(alert.opened),
                    kind: happening.kind(),
                    knot: line.knot,
                    headline: line.headline,
                    detail: line.detail,
                    why: line.why,
                    alarming: line.alarming,
                }
            })
            .collect();
        if alert.is_open() {
            for (place, step) in planned(tx, &alert)?.into_iter().enumerate() {
                let place = i64::try_from(place).unwrap_or(i64::MAX - alert.lines - 1);
                out.push(Entry {
                    number: alert.lines + 1 + place,
                    at: step.due,
                    after: step.due.since(alert.opened),
                    kind: "page.planned",
                    knot: Knot::Waiting,
                    headline: format!("{} will be paged by SMS, unless someone answers first.", step.person),
                    detail: None,
                    why: Vec::new(),
                    alarming: false,
                });
            }
        }
        out.reverse();
        Ok(out)
    }
}
