//! What a user and a group of a directory are: the attributes that are kept here, and no others, as RFC 7643 describes them. A
//! directory reads this at `/Schemas`, and everything that comes in is read by it.

use serde_json::{Map, Value, json};

/// The schema of users.
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// What companies say of users besides.
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// The schema of groups.
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// What an attribute holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Text,
    Boolean,
    /// A link, to these types of resource.
    Reference(&'static [&'static str]),
    Parts(&'static [Attribute]),
}

/// Who may change an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Free,
    /// Ours: the directory reads it.
    Never,
    /// Said once, with the value that it belongs to.
    Once,
}

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a characteristic that RFC 7643 section 7 names")]
pub(crate) struct Attribute {
    pub name: &'static str,
    pub holds: Holds,
    pub many: bool,
    pub required: bool,
    pub exact: bool,
    pub change: Change,
    pub unique: bool,
    pub words: &'static [&'static str],
    pub about: &'static str,
}

const fn text(name: &'static str, about: &'static str) -> Attribute {
    Attribute {
        name,
        holds: Holds::Text,
        many: false,
        required: false,
        exact: false,
        change: Change::Free,
        unique: false,
        words: &[],
        about,
    }
}

const fn parts(name: &'static str, holds: &'static [Attribute], about: &'static str) -> Attribute {
    Attribute { holds: Holds::Parts(holds), ..text(name, about) }
}

const fn flag(name: &'static str, about: &'static str) -> Attribute {
    Attribute { holds: Holds::Boolean, ..text(name, about) }
}

const NAME: &[Attribute] = &[
    text("formatted", "The whole name, as it is shown."),
    text("familyName", "The family name."),
    text("givenName", "The given name."),
    text("middleName", "Names between the two."),
    text("honorificPrefix", "A title before the name."),
    text("honorificSuffix", "A title behind the name."),
];

const EMAIL: &[Attribute] = &[
    text("value", "The address."),
    text("display", "The address, as it is shown."),
    Attribute { words: &["work", "home", "other"], ..text("type", "What the address is for.") },
    flag("primary", "Whether it is the first one."),
];

const PHONE: &[Attribute] = &[
    text("value", "The number."),
    text("display", "The number, as it is shown."),
    Attribute {
        words: &["work", "home", "mobile", "fax", "pager", "other"],
        ..text("type", "What the number is for.")
    },
    flag("primary", "Whether it is the first one."),
];

const OF_GROUP: &[Attribute] = &[
    Attribute { change: Change::Never, exact: true, ..text("value", "The group's id.") },
    Attribute {
        change: Change::Never,
        holds: Holds::Reference(&["Group"]),
        exact: true,
        ..text("$ref", "The group's address.")
    },
    Attribute { change: Change::Never, ..text("display", "The group's name.") },
    Attribute { change: Change::Never, words: &["direct"], ..text("type", "How the person is in it.") },
];

const MANAGER: &[Attribute] = &[
    Attribute { exact: true, ..text("value", "The id of the manager.") },
    Attribute { exact: true, holds: Holds::Reference(&["User"]), ..text("$ref", "The manager's address.") },
    Attribute { change: Change::Never, ..text("displayName", "The manager's name.") },
];

const MEMBER: &[Attribute] = &[
    Attribute { change: Change::Once, exact: true, ..text("value", "The id of the person.") },
    Attribute {
        change: Change::Once,
        exact: true,
        holds: Holds::Reference(&["User"]),
        ..text("$ref", "The person's address. It follows from the id.")
    },
];

const USERS: &[Attribute] = &[
    Attribute {
        required: true,
        unique: true,
        ..text(
            "userName",
            "The log-in name. It is given to one person once, and never to another, also after deletion.",
        )
    },
    parts("name", NAME, "The parts of the name."),
    text("displayName", "The name that others see."),
    text("nickName", "What friends say."),
    text("title", "The position, such as Vice President."),
    text("userType", "The relation to the organisation, such as Employee."),
    text("preferredLanguage", "The language that the person prefers."),
    text("locale", "Where the person is, for dates and numbers."),
    text("timezone", "An IANA time zone such as Europe/Zurich. Others are kept, and have no effect."),
    // True where nobody says it, and never without a value: it cannot be removed.
    Attribute {
        required: true,
        ..flag("active", "Whether the account is in use: false ends everything that the person has open, at once.")
    },
    Attribute { many: true, ..parts("emails", EMAIL, "E-mail addresses.") },
    Attribute {
        many: true,
        ..parts("phoneNumbers", PHONE, "Telephone numbers. They are kept, and nobody is called by them.")
    },
    Attribute {
        many: true,
        change: Change::Never,
        ..parts("groups", OF_GROUP, "The directory's groups that the person is in.")
    },
];

const COMPANY: &[Attribute] = &[
    text("employeeNumber", "The number that the organisation gave."),
    text("costCenter", "The cost centre."),
    text("organization", "The organisation."),
    text("division", "The division."),
    text("department", "The department."),
    parts("manager", MANAGER, "Whom the person reports to."),
];

const GROUPS: &[Attribute] = &[
    Attribute { required: true, unique: true, ..text("displayName", "The name, by which it may give roles.") },
    Attribute { many: true, ..parts("members", MEMBER, "The people in it.") },
];

/// What every resource has besides.
pub(crate) const EXTERNAL_ID: Attribute =
    Attribute { exact: true, ..text("externalId", "What the directory calls it.") };

/// A type of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A person.
    User,
    /// A directory's group.
    Group,
}

impl Sort {
    /// Every type.
    pub const ALL: [Self; 2] = [Self::User, Self::Group];

    /// Its name in the protocol.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// Its name in addresses.
    pub const fn endpoint(self) -> &'static str {
        match self {
            Self::User => "Users",
            Self::Group => "Groups",
        }
    }

    pub(crate) const fn core(self) -> &'static str {
        match self {
            Self::User => USER,
            Self::Group => GROUP,
        }
    }

    pub(crate) const fn extension(self) -> Option<&'static str> {
        match self {
            Self::User => Some(ENTERPRISE),
            Self::Group => None,
        }
    }

    pub(crate) const fn attributes(self) -> &'static [Attribute] {
        match self {
            Self::User => USERS,
            Self::Group => GROUPS,
        }
    }

    /// The attributes of a schema of this type.
    pub(crate) fn of_schema(self, urn: &str) -> Option<&'static [Attribute]> {
        if urn.eq_ignore_ascii_case(self.core()) {
            return Some(self.attributes());
        }
        self.extension().filter(|own| urn.eq_ignore_ascii_case(own)).map(|_| COMPANY)
    }

    /// An attribute of the core schema, or the one that every resource has.
    pub(crate) fn attribute(self, name: &str) -> Option<&'static Attribute> {
        if name.eq_ignore_ascii_case(EXTERNAL_ID.name) { Some(&EXTERNAL_ID) } else { find(self.attributes(), name) }
    }
}

/// An attribute by its name, in any case (RFC 7643 section 2.1).
pub(crate) fn find(all: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    all.iter().find(|one| one.name.eq_ignore_ascii_case(name))
}

impl Attribute {
    pub(crate) fn parts(&self) -> &'static [Self] {
        match self.holds {
            Holds::Parts(parts) => parts,
            _ => &[],
        }
    }

    fn json(&self) -> Value {
        let kind = match self.holds {
            Holds::Text => "string",
            Holds::Boolean => "boolean",
            Holds::Reference(_) => "reference",
            Holds::Parts(_) => "complex",
        };
        let mut out = json!({
            "name": self.name,
            "type": kind,
            "multiValued": self.many,
            "description": self.about,
            "required": self.required,
            "mutability": match self.change {
                Change::Free => "readWrite",
                Change::Never => "readOnly",
                Change::Once => "immutable",
            },
            "returned": "default",
        });
        match self.holds {
            Holds::Text | Holds::Reference(_) => {
                out["caseExact"] = self.exact.into();
                out["uniqueness"] = if self.unique { "server" } else { "none" }.into();
            }
            Holds::Parts(_) | Holds::Boolean => {}
        }
        if let Holds::Reference(types) = self.holds {
            out["referenceTypes"] = types.into();
        }
        if !self.words.is_empty() {
            out["canonicalValues"] = self.words.into();
        }
        if let Holds::Parts(parts) = self.holds {
            out["subAttributes"] = parts.iter().map(Self::json).collect();
        }
        out
    }
}

/// Every schema, with the address of the directory's door in front.
pub fn schemas(base: &str) -> Vec<Value> {
    let all = [
        (USER, "User", "A person.", USERS),
        (ENTERPRISE, "EnterpriseUser", "What companies say of a person besides.", COMPANY),
        (GROUP, "Group", "A group of the directory.", GROUPS),
    ];
    all.iter()
        .map(|(urn, name, about, attributes)| {
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
                "id": urn,
                "name": name,
                "description": about,
                "attributes": attributes.iter().map(Attribute::json).collect::<Vec<_>>(),
                "meta": {"resourceType": "Schema", "location": format!("{base}/Schemas/{urn}")},
            })
        })
        .collect()
}

/// The types of resource.
pub fn resource_types(base: &str) -> Vec<Value> {
    let one = |sort: Sort| {
        let mut out = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "id": sort.name(),
            "name": sort.name(),
            "endpoint": format!("/{}", sort.endpoint()),
            "description": if sort == Sort::User { "People" } else { "Groups of the directory" },
            "schema": sort.core(),
            "meta": {"resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{}", sort.name())},
        });
        if let Some(extension) = sort.extension() {
            out["schemaExtensions"] = json!([{"schema": extension, "required": false}]);
        }
        out
    };
    Sort::ALL.into_iter().map(one).collect()
}

/// Resources on one page of an answer at most.
pub const PAGE: usize = 200;

/// What can be done here.
pub fn service_provider_config(base: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": PAGE},
        "changePassword": {"supported": false},
        "sort": {"supported": false},
        "etag": {"supported": true},
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "An API key with the scope people:provision, or an access token of an OAuth client with that scope.",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": {"resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig")},
    })
}

/// A list of these, as answers wrap them.
pub fn list(resources: Vec<Value>, total: usize, start: usize) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}

/// A resource with its attributes by their own names.
pub(crate) type Resource = Map<String, Value>;
