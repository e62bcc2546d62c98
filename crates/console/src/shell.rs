//! The frame around every page: where the reader is, who they are, and what else there is.

use access::{Capability, Environment};
use base::Timestamp;

use crate::zone::Zone;

/// What the frame shows.
#[derive(Clone, Debug)]
pub struct Shell {
    /// The name of the reader; empty before sign-in.
    pub name: String,
    /// Token for the forms of this page.
    pub csrf: String,
    /// `light` or `dark` when the reader chose one.
    pub theme: Option<&'static str>,
    /// The reader's zone.
    pub zone: Zone,
    /// When the page was made.
    pub now: Timestamp,
    /// The stream that this page listens to; none for a page that does not change by itself.
    pub stream: Option<String>,
    /// The workspace and page, once signed in.
    pub place: Option<Place>,
}

impl Shell {
    /// Listens to changes of these topics of the workspace, and to the server's clock.
    #[must_use]
    pub fn listening(mut self, topics: &[&str]) -> Self {
        self.stream = self.place.as_ref().map(|place| format!("/w/{}/events?topics={}", place.slug, topics.join(",")));
        self
    }
}

/// Where the reader is.
#[derive(Clone, Debug)]
pub struct Place {
    /// The workspace.
    pub slug: String,
    /// Its environment.
    pub environment: Environment,
    /// The page.
    pub page: Page,
    /// Alerts that nobody has answered.
    pub open_alerts: i64,
    /// Whether simulated handsets are there.
    pub handsets: bool,
    /// What was looked for, to stand in the field again.
    pub find: String,
    /// What the reader may do here.
    pub may: Vec<Capability>,
}

/// Every page of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// What waits now.
    Overview,
    /// The alerts.
    Alerts,
    /// The demo's phones.
    Handsets,
    /// Inbound requests.
    Signals,
    /// Outbound texts.
    Messages,
    /// Settings of the workspace.
    Settings,
    /// API keys.
    Keys,
    /// The audit log.
    Audit,
    /// The reader's own page.
    You,
}

/// The groups of pages, in the order of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Watch,
    Signals,
    Messages,
    Govern,
    Own,
}

/// A link of the frame.
#[derive(Clone, Debug)]
pub struct Link {
    /// Where it goes.
    pub href: String,
    /// What it says.
    pub name: &'static str,
    /// Its icon, where icons stand.
    pub icon: &'static str,
    /// Its key after `g`.
    pub key: &'static str,
    /// A number beside it; none when zero.
    pub count: i64,
    /// Whether it is the page that is shown.
    pub current: bool,
}

/// Each page with its group, path, name and what a reader must be able to do to open it.
const PAGES: &[(Page, Group, &str, &str, Capability)] = &[
    (Page::Overview, Group::Watch, "", "Overview", Capability::OverviewRead),
    (Page::Alerts, Group::Watch, "/alerts", "Alerts", Capability::AlertsRead),
    (Page::Handsets, Group::Watch, "/handsets", "Handsets", Capability::HandsetsUse),
    (Page::Signals, Group::Signals, "/signals", "Activity", Capability::SignalsRead),
    (Page::Messages, Group::Messages, "/messages", "Log", Capability::MessagesRead),
    (Page::Audit, Group::Govern, "/audit", "Audit", Capability::AuditRead),
    (Page::Settings, Group::Own, "/settings", "Workspace", Capability::WorkspaceRead),
    (Page::Keys, Group::Own, "/keys", "API keys", Capability::ApiKeysManage),
    (Page::You, Group::Own, "/you", "You", Capability::OverviewRead),
];

/// What pages ask of a reader: each of these decides whether a link is shown.
pub const READ_BY_PAGES: &[Capability] = &[
    Capability::OverviewRead,
    Capability::AlertsRead,
    Capability::HandsetsUse,
    Capability::SignalsRead,
    Capability::MessagesRead,
    Capability::AuditRead,
    Capability::WorkspaceRead,
    Capability::ApiKeysManage,
];

const GROUPS: &[(Group, &str, &str)] = &[
    (Group::Watch, "Watch", "w"),
    (Group::Signals, "Signals", "s"),
    (Group::Messages, "Messages", "m"),
    (Group::Govern, "Govern", "v"),
];

impl Place {
    /// The environment's class in the head: production filled, qa outlined, development dashed.
    pub fn class(&self) -> &'static str {
        match self.environment {
            Environment::Development => "dev",
            Environment::Qa => "qa",
            Environment::Production => "prod",
        }
    }

    fn group(&self) -> Group {
        PAGES.iter().find(|(page, ..)| *page == self.page).map_or(Group::Own, |(_, group, ..)| *group)
    }

    /// Whether the reader may look for anything.
    pub fn may_find(&self) -> bool {
        self.may.contains(&Capability::AlertsRead) || self.may.contains(&Capability::MessagesRead)
    }

    /// The name of the group that is open.
    pub fn group_name(&self) -> &'static str {
        let group = self.group();
        GROUPS.iter().find(|(other, ..)| *other == group).map_or("Workspace", |(_, name, _)| name)
    }

    fn open(
        &self,
        group: Group,
    ) -> impl Iterator<Item = &'static (Page, Group, &'static str, &'static str, Capability)> {
        let (may, handsets) = (self.may.clone(), self.handsets);
        PAGES.iter().filter(move |(page, of, _, _, capability)| {
            *of == group && may.contains(capability) && (handsets || *page != Page::Handsets)
        })
    }

    /// The groups in which the reader may open something.
    pub fn groups(&self) -> Vec<Link> {
        let here = self.group();
        GROUPS
            .iter()
            .filter_map(|(group, name, key)| {
                let (_, _, path, ..) = self.open(*group).next()?;
                let href = format!("/w/{}{path}", self.slug);
                Some(Link { href, name, icon: "", key, count: 0, current: *group == here })
            })
            .collect()
    }

    /// The pages of the group that is open.
    pub fn pages(&self) -> Vec<Link> {
        self.open(self.group())
            .map(|(page, _, path, name, _)| Link {
                href: format!("/w/{}{path}", self.slug),
                name,
                icon: "",
                key: "",
                count: if *page == Page::Alerts { self.open_alerts } else { 0 },
                current: *page == self.page,
            })
            .collect()
    }

    /// The bar at the thumb.
    pub fn tabs(&self) -> Vec<Link> {
        let tabs = [
            (Page::Overview, "", "Now", "watch", Capability::OverviewRead),
            (Page::Alerts, "/alerts", "Alerts", "bell", Capability::AlertsRead),
            (Page::Signals, "/signals", "Signals", "signal", Capability::SignalsRead),
            (Page::Messages, "/messages", "Messages", "sms", Capability::MessagesRead),
            (Page::You, "/you", "Menu", "menu", Capability::OverviewRead),
        ];
        tabs.into_iter()
            .filter(|(.., capability)| self.may.contains(capability))
            .map(|(page, path, name, icon, _)| Link {
                href: format!("/w/{}{path}", self.slug),
                name,
                icon,
                key: "",
                count: 0,
                current: page == self.page,
            })
            .collect()
    }

    /// Every page the reader may open, for the menu on a phone.
    pub fn all(&self) -> Vec<Link> {
        let groups = [Group::Watch, Group::Signals, Group::Messages, Group::Govern, Group::Own];
        groups
            .into_iter()
            .flat_map(|group| self.open(group))
            .filter(|(page, ..)| *page != Page::You)
            .map(|(page, _, path, name, _)| Link {
                href: format!("/w/{}{path}", self.slug),
                name: match page {
                    Page::Signals => "Signals",
                    Page::Messages => "Messages",
                    Page::Audit => "Audit log",
                    Page::Settings => "Settings of the workspace",
                    _ => name,
                },
                icon: "",
                key: "",
                count: 0,
                current: *page == self.page,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::shell;

    fn place(may: &[Capability]) -> Place {
        Place { may: may.to_vec(), ..shell().place.unwrap() }
    }

    fn names(links: &[Link]) -> Vec<&str> {
        links.iter().map(|link| link.name).collect()
    }

    #[test]
    fn links_are_shown_to_those_who_may_open_them() {
        let all = place(READ_BY_PAGES);
        assert_eq!(names(&all.groups()), ["Watch", "Signals", "Messages", "Govern"]);
        assert_eq!(names(&all.pages()), ["Overview", "Alerts", "Handsets"]);
        let viewer = place(&[Capability::OverviewRead, Capability::AlertsRead]);
        assert_eq!(names(&viewer.groups()), ["Watch"]);
        assert_eq!(names(&viewer.pages()), ["Overview", "Alerts"]);
        assert_eq!(names(&viewer.tabs()), ["Now", "Alerts", "Menu"]);
        assert!(Place { handsets: false, ..all }.pages().iter().all(|link| link.name != "Handsets"));
    }

    #[test]
    fn the_page_that_is_open_is_marked_with_its_group() {
        let place = Place { page: Page::Keys, ..place(READ_BY_PAGES) };
        let current =
            |links: &[Link]| links.iter().filter(|link| link.current).map(|link| link.name).collect::<Vec<_>>();
        assert_eq!(current(&place.pages()), ["API keys"]);
        assert!(current(&place.groups()).is_empty());
        assert_eq!(place.group_name(), "Workspace");
    }
}
