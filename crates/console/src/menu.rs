//! Every page of the console: its group, its path, its name and what a reader must be able to do to open it. The menu, the
//! search and the keys are all drawn from this one table.

use access::Capability;

/// Every page of the console that the menu leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// What waits now.
    Overview,
    /// The alerts.
    Alerts,
    /// Who is paged, group by group.
    Groups,
    /// The demo's phones.
    Handsets,
    /// Inbound requests.
    Signals,
    /// Where signals come in.
    Integrations,
    /// What is done with a signal.
    Flows,
    /// What was done.
    Runs,
    /// Outbound texts.
    Messages,
    /// Messages of which nobody knows whether they arrived.
    Unknown,
    /// Who hears of them.
    Webhooks,
    /// A text written by hand.
    Compose,
    /// Texts that came many at a time.
    Batches,
    /// Texts as files.
    Exports,
    /// Southbound connections.
    Carriers,
    /// Which carrier a text takes.
    Routes,
    /// Applications that bind.
    Smpp,
    /// People.
    Users,
    /// Who may do what.
    Access,
    /// Identity providers.
    SignOn,
    /// The audit log.
    Audit,
    /// Everything that is configured, as text with its history.
    Configuration,
    /// API keys.
    Keys,
    /// Programs that fetch tokens.
    Oauth,
    /// The API's own description.
    ApiDocs,
    /// Settings of the workspace.
    Settings,
    /// The way to the first text.
    Start,
    /// What was looked for.
    Find,
    /// The reader's own page.
    You,
    /// The demo's parts and states.
    Styleguide,
}

/// The groups of pages, in the order of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// What is now.
    Watch,
    /// What comes in.
    Signals,
    /// What goes out.
    Messages,
    /// Over which ways.
    Carriers,
    /// To whom.
    People,
    /// Who may, and who did.
    Govern,
    /// The workspace and the reader: behind their names in the head.
    Own,
}

/// A row of the menu.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The page.
    pub page: Page,
    /// Where it stands.
    pub group: Group,
    /// Its path below the workspace's.
    pub path: &'static str,
    /// Its name below its group's.
    pub name: &'static str,
    /// Its name where no group stands above it.
    pub alone: &'static str,
    /// Other words that a reader may look for it with.
    pub words: &'static str,
    /// What a reader must be able to do.
    pub capability: Capability,
    /// Whether only the demo has it.
    pub demo: bool,
}

const fn entry(
    page: Page,
    group: Group,
    path: &'static str,
    names: (&'static str, &'static str),
    words: &'static str,
    capability: Capability,
) -> Entry {
    let demo = matches!(page, Page::Handsets | Page::Styleguide);
    Entry { page, group, path, name: names.0, alone: names.1, words, capability, demo }
}

/// The pages in the order of the menu.
pub const PAGES: &[Entry] = &[
    entry(Page::Overview, Group::Watch, "", ("Overview", "Overview"), "now home start", Capability::OverviewRead),
    entry(Page::Alerts, Group::Watch, "/alerts", ("Alerts", "Alerts"), "acknowledge resolve", Capability::AlertsRead),
    entry(
        Page::Groups,
        Group::Watch,
        "/groups",
        ("On call", "On call"),
        "groups people paged escalation",
        Capability::OnCallRead,
    ),
    entry(
        Page::Handsets,
        Group::Watch,
        "/handsets",
        ("Handsets", "Handsets"),
        "phones simulator demo",
        Capability::HandsetsUse,
    ),
    entry(
        Page::Signals,
        Group::Signals,
        "/signals",
        ("Activity", "Signals"),
        "activity inbound webhook",
        Capability::SignalsRead,
    ),
    entry(
        Page::Integrations,
        Group::Signals,
        "/integrations",
        ("Integrations", "Integrations"),
        "sources webhook token mapping curl",
        Capability::IntegrationsRead,
    ),
    entry(Page::Flows, Group::Signals, "/flows", ("Flows", "Flows"), "steps automation", Capability::FlowsRead),
    entry(Page::Runs, Group::Signals, "/runs", ("Runs", "Runs"), "steps executions", Capability::RunsRead),
    entry(
        Page::Messages,
        Group::Messages,
        "/messages",
        ("Log", "Messages"),
        "log sms texts receipts",
        Capability::MessagesRead,
    ),
    entry(
        Page::Compose,
        Group::Messages,
        "/messages/new",
        ("Write a text", "Write a text"),
        "compose send sms preview parts",
        Capability::MessagesSend,
    ),
    entry(
        Page::Batches,
        Group::Messages,
        "/batches",
        ("Batches", "Batches"),
        "bulk many cancel",
        Capability::MessagesRead,
    ),
    entry(
        Page::Exports,
        Group::Messages,
        "/exports",
        ("Exports", "Exports"),
        "csv files download report",
        Capability::MessagesRead,
    ),
    entry(
        Page::Unknown,
        Group::Messages,
        "/unknown",
        ("Unknown outcomes", "Unknown outcomes"),
        "doubt held resend lost link decide",
        Capability::MessagesRead,
    ),
    entry(
        Page::Webhooks,
        Group::Messages,
        "/webhooks",
        ("Webhooks", "Webhooks"),
        "callbacks receipts dlr replay endpoints signature",
        Capability::IntegrationsRead,
    ),
    entry(
        Page::Carriers,
        Group::Carriers,
        "/carriers",
        ("Carriers", "Carriers"),
        "smpp bind sessions health",
        Capability::CarriersRead,
    ),
    entry(
        Page::Routes,
        Group::Carriers,
        "/routes",
        ("Routes", "Routes"),
        "routing sender cost explain",
        Capability::CarriersRead,
    ),
    entry(
        Page::Smpp,
        Group::Messages,
        "/smpp",
        ("SMPP accounts", "SMPP accounts"),
        "bind esme smpp password applications gateway",
        Capability::MessagesRead,
    ),
    entry(
        Page::Users,
        Group::People,
        "/users",
        ("Users", "Users"),
        "people devices roles phones",
        Capability::PeopleRead,
    ),
    entry(
        Page::Access,
        Group::Govern,
        "/access",
        ("Access", "Who may do what"),
        "roles rights permissions capabilities matrix who can",
        Capability::AccessRead,
    ),
    entry(
        Page::SignOn,
        Group::Govern,
        "/sign-on",
        ("Single sign-on", "Single sign-on"),
        "sso oidc openid identity provider idp break glass password only groups",
        Capability::SignInManage,
    ),
    entry(
        Page::Audit,
        Group::Govern,
        "/audit",
        ("Audit", "Audit log"),
        "history who changed verify export",
        Capability::AuditRead,
    ),
    entry(
        Page::Configuration,
        Group::Govern,
        "/config",
        ("Configuration", "Configuration"),
        "yaml text history versions restore delete resources kinds",
        Capability::ResourcesRead,
    ),
    entry(
        Page::Keys,
        Group::Govern,
        "/keys",
        ("API keys", "API keys"),
        "tokens secrets credentials",
        Capability::ApiKeysManage,
    ),
    entry(
        Page::Oauth,
        Group::Govern,
        "/oauth",
        ("OAuth", "OAuth clients"),
        "tokens clients secrets certificates programs issuers jwt",
        Capability::ApiKeysManage,
    ),
    entry(
        Page::ApiDocs,
        Group::Govern,
        "/api-docs",
        ("API", "API"),
        "rest openapi documentation curl python",
        Capability::OverviewRead,
    ),
    entry(
        Page::Settings,
        Group::Own,
        "/settings",
        ("Workspace", "Settings of the workspace"),
        "environment retention time zone",
        Capability::WorkspaceRead,
    ),
    entry(
        Page::Start,
        Group::Own,
        "/start",
        ("First text", "First text"),
        "set-up guide steps begin",
        Capability::OverviewRead,
    ),
    entry(Page::Find, Group::Own, "/find", ("Find", "Find"), "search look", Capability::OverviewRead),
    entry(
        Page::You,
        Group::Own,
        "/you",
        ("You", "Your page"),
        "appearance keys dark light sign out time zone menu",
        Capability::OverviewRead,
    ),
    entry(
        Page::Styleguide,
        Group::Own,
        "/styleguide",
        ("Styleguide", "Styleguide"),
        "components states design",
        Capability::OverviewRead,
    ),
];

/// The groups with their name and their key after `g`.
pub const GROUPS: &[(Group, &str, &str)] = &[
    (Group::Watch, "Watch", "w"),
    (Group::Signals, "Signals", "s"),
    (Group::Messages, "Messages", "m"),
    (Group::Carriers, "Carriers", "c"),
    (Group::People, "People", "p"),
    (Group::Govern, "Govern", "v"),
];

/// Something to do that a reader may look for by its name.
#[derive(Clone, Copy, Debug)]
pub struct Act {
    /// What is done.
    pub name: &'static str,
    /// Where, below the workspace's path.
    pub path: &'static str,
    /// Other words for it.
    pub words: &'static str,
    /// What a reader must be able to do.
    pub capability: Capability,
}

/// What can be done from a page of its own.
pub const ACTS: &[Act] = &[
    Act {
        name: "Send yourself a text",
        path: "/start",
        words: "first test sms guide set-up",
        capability: Capability::MessagesSend,
    },
    Act {
        name: "Draw a token for the command line",
        path: "/you",
        words: "apply export cli loudhailer",
        capability: Capability::ResourcesApply,
    },
    Act { name: "Make an API key", path: "/keys", words: "create new token", capability: Capability::ApiKeysManage },
    Act {
        name: "Verify the audit log",
        path: "/audit",
        words: "check chain intact",
        capability: Capability::AuditVerify,
    },
    Act {
        name: "Switch shortcuts or appearance",
        path: "/you",
        words: "dark light theme keys keyboard",
        capability: Capability::OverviewRead,
    },
    Act {
        name: "See failed messages",
        path: "/messages?state=failed",
        words: "undelivered errors texts",
        capability: Capability::MessagesRead,
    },
];

impl Page {
    /// Its row of the menu.
    ///
    /// # Panics
    /// Never: a test holds that each page has a row.
    pub fn entry(self) -> &'static Entry {
        PAGES.iter().find(|entry| entry.page == self).unwrap_or(&PAGES[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_stands_in_the_menu_once() {
        for (at, entry) in PAGES.iter().enumerate() {
            assert_eq!(entry.page.entry().path, entry.path);
            assert!(PAGES[..at].iter().all(|other| other.page != entry.page && other.path != entry.path), "{entry:?}");
        }
    }
}
