//! The frame around every page: where the reader is, who they are, and what else there is.

use access::{Capability, Environment};
use base::Timestamp;

use crate::facts::Choice;
pub use crate::menu::Page;
use crate::menu::{Entry, GROUPS, Group, PAGES};
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
    /// The moment at which the page was made; its stream begins there.
    pub moment: String,
    /// Milliseconds after which the reader's session ends, unused and in any case; none before sign-in.
    pub ends: Option<(u128, u128)>,
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
    /// Messages with an unknown outcome.
    pub unknown: i64,
    /// Whether simulated handsets are there.
    pub handsets: bool,
    /// What was looked for, to stand in the field again.
    pub find: String,
    /// What the reader may do here.
    pub may: Vec<Capability>,
    /// The workspaces in which the reader may do something, this one among them.
    pub workspaces: Vec<Choice>,
    /// Whether single keys are shortcuts: the reader can switch them off (WCAG 2.1.4).
    pub shortcuts: bool,
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

/// The class of an environment's name.
pub fn environment_class(name: &str) -> &'static str {
    match name {
        "production" => "prod",
        "qa" => "qa",
        _ => "dev",
    }
}

impl Place {
    /// The environment's class in the head: production filled, qa outlined, development dashed.
    pub fn class(&self) -> &'static str {
        environment_class(self.environment.name())
    }

    fn group(&self) -> Group {
        self.page.entry().group
    }

    /// Whether the reader may do that here.
    pub fn may(&self, capability: Capability) -> bool {
        self.may.contains(&capability)
    }

    /// Whether the reader may open that page, and it is there.
    pub fn opens(&self, entry: &Entry) -> bool {
        self.may(entry.capability) && (self.handsets || !entry.demo)
    }

    /// The name of the group that is open.
    pub fn group_name(&self) -> &'static str {
        let group = self.group();
        GROUPS.iter().find(|(other, ..)| *other == group).map_or("Workspace", |(_, name, _)| name)
    }

    fn open(&self, group: Group) -> impl Iterator<Item = &'static Entry> {
        PAGES.iter().filter(move |entry| entry.group == group && self.opens(entry))
    }

    fn link(&self, entry: &Entry) -> Link {
        Link {
            href: format!("/w/{}{}", self.slug, entry.path),
            name: entry.name,
            icon: "",
            key: "",
            count: match entry.page {
                Page::Alerts => self.open_alerts,
                Page::Unknown => self.unknown,
                _ => 0,
            },
            current: entry.page == self.page,
        }
    }

    /// The groups in which the reader may open something.
    pub fn groups(&self) -> Vec<Link> {
        let here = self.group();
        GROUPS
            .iter()
            .filter_map(|(group, name, key)| {
                let first = self.open(*group).next()?;
                Some(Link { name, key, count: 0, current: *group == here, ..self.link(first) })
            })
            .collect()
    }

    /// The pages of the group that is open.
    pub fn pages(&self) -> Vec<Link> {
        self.open(self.group()).map(|entry| self.link(entry)).collect()
    }

    /// The bar at the thumb.
    pub fn tabs(&self) -> Vec<Link> {
        let tabs = [
            (Page::Overview, "Now", "watch"),
            (Page::Alerts, "Alerts", "bell"),
            (Page::Groups, "On call", "people"),
            (Page::Messages, "Messages", "sms"),
            (Page::You, "Menu", "menu"),
        ];
        tabs.into_iter()
            .map(|(page, name, icon)| (page.entry(), name, icon))
            .filter(|(entry, ..)| self.opens(entry))
            .map(|(entry, name, icon)| Link { name, icon, ..self.link(entry) })
            .collect()
    }

    /// What stands behind the workspace's name, beside the other workspaces.
    pub fn own(&self) -> Vec<Link> {
        let own = [Page::Settings, Page::Keys, Page::Start];
        own.into_iter()
            .map(Page::entry)
            .filter(|entry| self.opens(entry))
            .map(|entry| Link { name: entry.alone, ..self.link(entry) })
            .collect()
    }

    /// Every page the reader may open, group by group, for the menu on a phone.
    pub fn all(&self) -> Vec<(&'static str, Vec<Link>)> {
        let named = GROUPS.iter().map(|(group, name, _)| (*group, *name));
        named
            .chain([(Group::Own, "Workspace")])
            .map(|(group, name)| {
                let pages = self.open(group).filter(|entry| entry.page != Page::You);
                (name, pages.map(|entry| self.link(entry)).collect::<Vec<_>>())
            })
            .filter(|(_, links)| !links.is_empty())
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
        let all = place(Capability::ALL);
        assert_eq!(names(&all.groups()), ["Watch", "Signals", "Messages", "Carriers", "People", "Govern"]);
        assert_eq!(names(&all.pages()), ["Overview", "Alerts", "On call", "Handsets"]);
        assert_eq!(names(&all.tabs()), ["Now", "Alerts", "On call", "Messages", "Menu"]);
        let viewer = place(&[Capability::OverviewRead, Capability::AlertsRead]);
        assert_eq!(names(&viewer.groups()), ["Watch", "Govern"]);
        assert_eq!(names(&viewer.pages()), ["Overview", "Alerts"]);
        assert_eq!(names(&viewer.tabs()), ["Now", "Alerts", "Menu"]);
        assert!(Place { handsets: false, ..all }.pages().iter().all(|link| link.name != "Handsets"));
    }

    #[test]
    fn the_page_that_is_open_is_marked_with_its_group() {
        let current =
            |links: &[Link]| links.iter().filter(|link| link.current).map(|link| link.name).collect::<Vec<_>>();
        let place = Place { page: Page::Keys, ..place(Capability::ALL) };
        assert_eq!(current(&place.pages()), ["API keys"]);
        assert_eq!(current(&place.groups()), ["Govern"]);
        let place = Place { page: Page::You, ..place };
        assert!(current(&place.groups()).is_empty());
        assert_eq!(place.group_name(), "Workspace");
    }
}
