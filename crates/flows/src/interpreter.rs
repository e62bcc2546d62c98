//! The interpreter: a run as a pure state machine. It asks for evaluations, which happen in the sandbox outside of any
//! transaction, and for effects, which happen in the transaction that also writes down that they did.
//!
//! ```text
//! advance() ─► Evaluate(task) ─► take(rows) ─┐
//!     ▲   └──► Effect(effect) ─► settle(…) ──┤
//!     └──────────────────────────────────────┘──► End
//! ```
//!
//! What cannot be evaluated never stops a page (rule 10 of the house): a text is replaced by the event's own, and where no
//! way on can be found, [`OnError`] decides.

use std::sync::Arc;

use alerts::Priority;
use sandbox::{Error as SandboxError, Rows, Task};
use serde_json::{Value as Json, json};

use crate::check::minutes;
use crate::document::{Action, CreateAlert, Document, Next, OnError, Step};
use crate::memory::Memory;
use crate::pieces::{Made, Said, pieces};
use crate::types::{Status, StepState};

/// One step as it went, before it has a time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub step: String,
    pub kind: &'static str,
    pub state: StepState,
    pub said: Vec<String>,
    pub next: Option<String>,
}

/// What a run wants next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Need {
    /// Evaluate this and [`Progress::take`] the rows.
    Evaluate(Task),
    /// Do this in a transaction and [`Progress::settle`] it.
    Effect(Effect),
    /// Nothing: it is over.
    End,
}

/// Something a run does to the world.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Open an alert.
    Open(Page),
    /// Resolve what was opened under a key.
    Resolve { key: String, note: Option<String>, close_critical: bool },
}

/// What an alert is opened with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Page {
    pub title: String,
    pub text: String,
    pub sms: Option<String>,
    pub priority: Priority,
    pub key: Option<String>,
    pub group: String,
    pub link: Option<String>,
    pub expires_in: Option<u64>,
    /// It stands in for a step that could not be carried out.
    pub rescue: bool,
}

/// How an effect went.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Settled {
    /// An alert is open. `instead` says why it is not the one that was asked for.
    Opened { id: String, number: i64, joined: bool, instead: Option<String> },
    /// That many alerts were resolved.
    Resolved { count: usize, left: Vec<String> },
    /// It could not be done at all.
    Refused { why: String },
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    Done,
    Degraded(String),
    Failed(String),
}

/// A run between two steps.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pub document: Arc<Document>,
    pub memory: Memory,
    pub at: Next,
    /// Records not written yet.
    pub records: Vec<Record>,
    /// What the step at `at` has been evaluated to, with how that went.
    ready: Option<(Effect, StepState, Vec<String>)>,
    /// Why the run stopped before its end.
    pub failed: Option<String>,
}

impl Progress {
    /// A run at its trigger.
    pub(crate) fn start(document: Arc<Document>, memory: Memory) -> Self {
        Self::resume(document, memory, Next::Step(0))
    }

    /// A run that goes on at `at`.
    pub(crate) const fn resume(document: Arc<Document>, memory: Memory, at: Next) -> Self {
        Self { document, memory, at, records: Vec::new(), ready: None, failed: None }
    }

    /// The id of the step where the run goes on; `None` at the end.
    pub(crate) fn place(&self) -> Option<String> {
        self.name(self.at)
    }

    fn name(&self, next: Next) -> Option<String> {
        match next {
            Next::End => None,
            Next::Step(place) => self.document.steps.get(place).map(|step| step.id.clone()),
        }
    }

    /// How the run ended, once it has.
    pub(crate) fn verdict(&self) -> Verdict {
        match (&self.failed, self.memory.troubles.first()) {
            (Some(why), _) => Verdict::Failed(why.clone()),
            (None, Some(trouble)) => Verdict::Degraded(trouble.clone()),
            (None, None) => Verdict::Done,
        }
    }

    /// Goes on as far as it can without help. Terminates, because a flow has no circles.
    pub(crate) fn advance(&mut self) -> Need {
        loop {
            if let Some((effect, _, _)) = &self.ready {
                return Need::Effect(effect.clone());
            }
            let Some(step) = self.step() else { return Need::End };
            if let Action::Trigger { next } = step.action {
                let said = trigger_words(&self.memory);
                self.record(&step, StepState::Done, said, next);
            } else {
                return Need::Evaluate(Task::new(self.memory.context(&self.document.name), pieces(&step.action)));
            }
        }
    }

    fn step(&self) -> Option<Step> {
        match self.at {
            Next::End => None,
            Next::Step(place) => self.document.steps.get(place).cloned(),
        }
    }

    fn record(&mut self, step: &Step, state: StepState, said: Vec<String>, next: Next) {
        if state != StepState::Done {
            let trouble = said.first().cloned().unwrap_or_default();
            self.memory.troubles.push(format!("Step `{}`: {trouble}", step.id));
        }
        let next_name = self.name(next);
        self.records.push(Record { step: step.id.clone(), kind: step.action.kind(), state, said, next: next_name });
        self.at = next;
    }

    /// Takes in what the sandbox made of the task that [`Self::advance`] asked for.
    pub(crate) fn take(&mut self, outcome: Result<Rows, SandboxError>) {
        let Some(step) = self.step() else { return };
        let mut made = Made::new(outcome);
        match &step.action {
            Action::Trigger { .. } => {}
            Action::Condition { test, then, otherwise } => self.branch(&step, &mut made, test, *then, *otherwise),
            Action::Set { values, next } => {
                let (mut state, mut said) = (StepState::Done, Vec::new());
                for name in values.keys() {
                    match made.value() {
                        Ok(value) => {
                            self.memory.vars.insert(name.clone(), value);
                        }
                        Err(why) => {
                            state = StepState::Replaced;
                            said.push(format!("`vars.{name}` could not be made ({why}); it is the empty text."));
                            self.memory.vars.insert(name.clone(), json!(""));
                        }
                    }
                }
                if said.is_empty() {
                    let names: Vec<String> = values.keys().map(|name| format!("`vars.{name}`")).collect();
                    said.push(format!("Set {}.", names.join(", ")));
                }
                self.record(&step, state, said, *next);
            }
            Action::CreateAlert(create) => {
                let (page, state, said) = self.page(create, &mut made);
                self.ready = Some((Effect::Open(page), state, said));
            }
            Action::ResolveAlert { note, close_critical, .. } => {
                let (mut state, mut said) = (StepState::Done, Vec::new());
                let key = made.text().unwrap_or_else(|why| {
                    state = StepState::Replaced;
                    said.push(format!("`key` could not be made ({why}); the event's own was used."));
                    self.memory.event.key.clone().unwrap_or_default()
                });
                let note = note.as_ref().and_then(|_| match made.text() {
                    Ok(text) => Some(text).filter(|text| !text.is_empty()),
                    Err(why) => {
                        state = StepState::Replaced;
                        said.push(format!("`note` could not be made ({why}); it was left out."));
                        None
                    }
                });
                self.ready = Some((Effect::Resolve { key, note, close_critical: *close_critical }, state, said));
            }
        }
    }

    fn branch(&mut self, step: &Step, made: &mut Made, test: &str, then: Next, otherwise: Next) {
        match made.value() {
            Ok(Json::Bool(holds)) => {
                let next = if holds { then } else { otherwise };
                let whereto = self.name(next).map_or_else(|| "the end".to_owned(), |name| format!("`{name}`"));
                let said = format!("`{test}` is {holds}, so the run goes on at {whereto}.");
                self.record(step, StepState::Done, vec![said], next);
            }
            Ok(_) => self.stop(step, format!("`{test}` is neither true nor false.")),
            Err(why) => self.stop(step, format!("`{test}` could not be evaluated ({why}).")),
        }
    }

    /// A step found no way on. The run fails, but a trouble that is there is not lost (unless the flow says so).
    fn stop(&mut self, step: &Step, why: String) {
        let firing = self.memory.event.status == Status::Firing;
        let (what, rescue) = match (self.document.on_error, firing) {
            (OnError::Alert, true) => {
                ("An alert with the event's own title was opened instead (on_error: alert).", true)
            }
            (OnError::Alert, false) => {
                ("The event says that the trouble is over, so no alert was opened; what is open stays open.", false)
            }
            (OnError::Fail, _) => ("Nothing else was done (on_error: fail).", false),
        };
        self.failed = Some(format!("Step `{}`: {why} {what}", step.id));
        self.record(step, StepState::Failed, vec![why, what.to_owned()], Next::End);
        if rescue {
            self.ready = Some((Effect::Open(self.rescue()), StepState::Done, Vec::new()));
        }
    }

    /// The page that stands in for what could not be carried out: fixed texts only.
    pub(crate) fn rescue(&self) -> Page {
        let event = &self.memory.event;
        Page {
            title: self.own_title(),
            text: event.text.clone(),
            sms: None,
            priority: event.priority.parse().unwrap_or(self.document.priority),
            key: event.key.clone(),
            group: self.document.group.clone(),
            link: event.link.clone(),
            expires_in: None,
            rescue: true,
        }
    }

    fn own_title(&self) -> String {
        match self.memory.event.title.trim() {
            "" => format!("Signal from {}", self.memory.integration),
            title => title.to_owned(),
        }
    }

    /// What a `create_alert` came to. Whatever could not be made is the event's own, and said.
    fn page(&self, create: &CreateAlert, made: &mut Made) -> (Page, StepState, Vec<String>) {
        let event = &self.memory.event;
        let fixed = self.rescue();
        let mut said = Said::default();
        let title = match made.text() {
            Ok(title) if !title.trim().is_empty() => title,
            Ok(_) => said.instead("`title` came out empty; the event's own was used.", self.own_title()),
            Err(why) => {
                said.instead(&format!("`title` could not be made ({why}); the event's own was used."), self.own_title())
            }
        };
        let mut part = |given: &Option<String>, name: &str, otherwise: &str, own: Option<String>| match given {
            None => own,
            Some(_) => match made.text() {
                Ok(text) => {
                    Some(text).filter(|text| !text.trim().is_empty()).or(if name == "key" { None } else { own })
                }
                Err(why) => said.instead(&format!("`{name}` could not be made ({why}); {otherwise}"), own),
            },
        };
        let text =
            part(&create.text, "text", "the event's own was used.", Some(event.text.clone())).unwrap_or_default();
        let sms = part(&create.sms, "sms", "the SMS says the title.", None);
        let word = part(&create.priority, "priority", "the event's own was used.", Some(event.priority.clone()));
        let key = part(&create.key, "key", "the event's own was used.", event.key.clone());
        let group = part(&create.group, "group", "the flow's was used.", Some(fixed.group.clone())).unwrap_or_default();
        let link = part(&create.link, "link", "the event's own was used.", event.link.clone());
        let expires = part(&create.expires_in, "expires_in", "the usual time was used.", None);
        let priority = word.as_deref().map(str::parse).and_then(Result::ok).unwrap_or_else(|| {
            said.instead("`priority` came out as no priority; the event's or the flow's own was used.", fixed.priority)
        });
        let expires_in = expires.and_then(|text| {
            minutes(&text).or_else(|| {
                said.instead("`expires_in` came out as no number of minutes; the usual time was used.", None)
            })
        });
        let page =
            Page { title, text, sms, priority, key, group: group.trim().to_owned(), link, expires_in, rescue: false };
        let state = if said.0.is_empty() { StepState::Done } else { StepState::Replaced };
        (page, state, said.0)
    }

    /// Takes in how the effect went that [`Self::advance`] asked for.
    pub(crate) fn settle(&mut self, settled: &Settled) {
        let Some((effect, mut state, mut said)) = self.ready.take() else { return };
        if let (Effect::Open(page), Settled::Opened { id, number, joined, .. }) = (&effect, settled)
            && page.rescue
        {
            // The record of the step that failed is there already; this is what came of it.
            let line = opened_words(*number, *joined, &page.group);
            if let Some(last) = self.records.last_mut() {
                last.said.push(line);
                self.memory.steps.insert(last.step.clone(), alert_output(id, *number, *joined));
            }
            return;
        }
        let Some(step) = self.step() else {
            if let (Settled::Refused { why }, Some(last)) = (settled, self.records.last_mut()) {
                last.said.push(why.clone());
            }
            return;
        };
        let next = step.action.ways().first().copied().unwrap_or(Next::End);
        match settled {
            Settled::Opened { id, number, joined, instead } => {
                if let Some(why) = instead {
                    state = StepState::Replaced;
                    said.push(why.clone());
                }
                let group = match &effect {
                    Effect::Open(page) if instead.is_none() => page.group.as_str(),
                    _ => self.document.group.as_str(),
                };
                said.push(opened_words(*number, *joined, group));
                self.memory.steps.insert(step.id.clone(), alert_output(id, *number, *joined));
            }
            Settled::Resolved { count, left } => {
                said.push(match count {
                    0 => "No alert of this integration lives under that key, so none was resolved.".to_owned(),
                    1 => "Resolved one alert.".to_owned(),
                    more => format!("Resolved {more} alerts."),
                });
                said.extend(left.iter().cloned());
                self.memory.steps.insert(step.id.clone(), json!({"resolved": count}));
            }
            Settled::Refused { why } => {
                said.insert(0, why.clone());
                self.failed = Some(format!("Step `{}`: {why}", step.id));
                self.record(&step, StepState::Failed, said, Next::End);
                return;
            }
        }
        self.record(&step, state, said, next);
    }
}

fn trigger_words(memory: &Memory) -> Vec<String> {
    let said = format!("{} said “{}”.", memory.integration, memory.event.status.as_str());
    std::iter::once(said).chain(memory.notes.iter().cloned()).collect()
}

fn opened_words(number: i64, joined: bool, group: &str) -> String {
    if joined {
        format!("Joined alert A-{number}, which lives under the same key; nobody is paged again.")
    } else {
        format!("Opened alert A-{number} for the group {group}.")
    }
}

fn alert_output(id: &str, number: i64, joined: bool) -> Json {
    json!({"alert": {"id": id, "number": number, "name": format!("A-{number}"), "joined": joined}})
}
