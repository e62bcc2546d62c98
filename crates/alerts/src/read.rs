//! What pages and programs read.

use base::{AlertId, Cursor, Page, PageRequest, WorkspaceId};
use store::Tx;

use crate::Error;
use crate::alerts::{Inner, number_cursor};
use crate::escalate::planned;
use crate::rows::{self, AlertRow};
use crate::state::Life;
use crate::types::{Alert, Filter, alert_name};
use crate::views::{Entry, Knot};
use crate::words;

/// Alerts looked at for one page of a search.
const SEARCHED: i64 = 1_000;

/// The words of a search.
struct Sought(Vec<String>);

impl Sought {
    fn new(text: &str) -> Self {
        let text: String = text.chars().take(Filter::SEARCH_LIMIT).collect();
        Self(text.to_lowercase().split_whitespace().map(str::to_owned).collect())
    }

    /// Whether each word stands in one of the texts.
    fn stands_in(&self, texts: &[&str]) -> bool {
        let texts: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
        self.0.iter().all(|word| texts.iter().any(|text| text.contains(word.as_str())))
    }
}

impl Inner {
    pub(crate) fn list(
        &self,
        tx: &mut Tx<'_>,
        workspace: WorkspaceId,
        filter: &Filter,
        page: &PageRequest,
    ) -> Result<Page<Alert>, Error> {
        let before = number_cursor(page.after.as_ref())?;
        if let Some(search) = filter.search.as_deref().filter(|search| !search.trim().is_empty()) {
            return self.search(tx, workspace, filter, &Sought::new(search), before, page.limit());
        }
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

    /// Titles are sealed, so a search opens them: a bounded stretch for each page, which then says where to go on.
    fn search(
        &self,
        tx: &mut Tx<'_>,
        workspace: WorkspaceId,
        filter: &Filter,
        sought: &Sought,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<Alert>, Error> {
        let rows = rows::list(tx, workspace, filter, before, SEARCHED)?;
        let whole = rows.len() < usize::try_from(SEARCHED).unwrap_or(usize::MAX);
        let (mut items, mut last) = (Vec::new(), None);
        for row in rows {
            if items.len() == limit as usize {
                return Ok(Page { items, next: last.map(|number: i64| Cursor(number.to_string())) });
            }
            last = Some(row.number);
            let content = self.content(tx, &row)?;
            let name = alert_name(row.number);
            if sought.stands_in(&[&name, &content.title, row.key.as_deref().unwrap_or_default(), &row.group]) {
                let mut alert = self.view(tx, row)?;
                alert.text = None;
                items.push(alert);
            }
        }
        let next = last.filter(|_| !whole).map(|number| Cursor(number.to_string()));
        Ok(Page { items, next })
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
