//! The formats that collectors of security events read: CEF lines, and events of the Open Cybersecurity Schema Framework.

use serde_json::{Value, json};

use crate::Outcome;
use crate::canonical::to_text;
use crate::read::Recorded;

const PRODUCT: &str = "Loudhailer";
/// The version of the schema that the events keep to.
const OCSF: &str = "1.3.0";

impl Recorded {
    /// The entry as a line of ArcSight's Common Event Format (version 0), without the line's end.
    pub fn to_cef_line(&self) -> String {
        let severity = match self.outcome {
            Outcome::Success => 3,
            Outcome::Failure => 6,
            Outcome::Denied => 8,
        };
        let head = [PRODUCT, PRODUCT, env!("CARGO_PKG_VERSION"), &self.action, &self.sentence(), &severity.to_string()];
        let mut line = String::from("CEF:0");
        for part in head {
            line.push('|');
            line.push_str(&part.replace('\\', "\\\\").replace('|', "\\|").replace(['\r', '\n'], " "));
        }
        line.push('|');
        let mut fields = Fields(Vec::new());
        fields.add("rt", Some(self.time.as_millis().to_string()));
        fields.add("externalId", Some(self.id.to_string()));
        fields.add("cat", Some("audit".to_owned()));
        fields.add("act", Some(self.action.clone()));
        fields.add("outcome", Some(self.outcome.name().to_owned()));
        fields.add("suid", Some(self.actor_id.clone()));
        fields.add("suser", self.actor_name.clone());
        fields.add("spriv", Some(self.actor_type.clone()));
        match self.source_ip.as_deref() {
            Some(address) if address.contains(':') => {
                fields.labelled("c6a2", "Source IPv6 Address", Some(address.to_owned()));
            }
            address => fields.add("src", address.map(ToOwned::to_owned)),
        }
        fields.add("spt", self.source_port.map(|port| port.to_string()));
        fields.add("requestClientApplication", self.user_agent.clone());
        fields.add("reason", self.reason.clone());
        fields.labelled("cn1", "seq", self.seq.map(|seq| seq.to_string()));
        fields.labelled("cs1", "workspace", self.workspace.map(|id| id.to_string()));
        fields.labelled("cs2", "target", Some(format!("{}:{}", self.target_type, self.target_id)));
        fields.labelled("cs3", "request", self.request.map(|id| id.to_string()));
        fields.labelled("cs4", "changes", self.changes.as_ref().map(to_text));
        fields.labelled("cs5", "prev_hash", self.prev_hash.clone());
        fields.labelled("cs6", "hash", self.hash.clone());
        fields.labelled("flexString1", "ticket", self.ticket.clone());
        fields.labelled("flexString2", "auth", Some(self.auth.clone()));
        line.push_str(&fields.0.join(" "));
        line
    }

    /// The entry as an event of OCSF 1.3, without the line's end: Authentication (3002) where somebody came or went, API
    /// Activity (6003) for everything else.
    pub fn to_ocsf_line(&self) -> String {
        let come = matches!(self.action.as_str(), "session.start" | "smpp.bind" | "setup_link.use" | "invite.use");
        let gone = matches!(self.action.as_str(), "session.end" | "session.end_all" | "smpp.disconnect");
        let (class, name, category, category_name) = if come || gone {
            (3002, "Authentication", 3, "Identity & Access Management")
        } else {
            (6003, "API Activity", 6, "Application Activity")
        };
        let (activity, activity_name) = if come {
            (1, "Logon")
        } else if gone {
            (2, "Logoff")
        } else {
            self.activity()
        };
        let (severity, severity_name) = match self.outcome {
            Outcome::Success => (1, "Informational"),
            Outcome::Failure => (2, "Low"),
            Outcome::Denied => (3, "Medium"),
        };
        let (status, status_name) = if self.outcome == Outcome::Success { (1, "Success") } else { (2, "Failure") };
        let kind = match self.actor_type.as_str() {
            "user" => 1,
            "os" => 2,
            "engine" => 3,
            _ => 99,
        };
        let user = json!({ "uid": self.actor_id, "name": self.actor_name, "type_id": kind, "type": self.actor_type });
        let mut event = json!({
            "activity_id": activity,
            "activity_name": activity_name,
            "category_uid": category,
            "category_name": category_name,
            "class_uid": class,
            "class_name": name,
            "type_uid": class * 100 + activity,
            "type_name": format!("{name}: {activity_name}"),
            "time": self.time.as_millis(),
            "severity_id": severity,
            "severity": severity_name,
            "status_id": status,
            "status": status_name,
            "status_detail": self.reason,
            "message": self.sentence(),
            "metadata": {
                "version": OCSF,
                "uid": self.id.to_string(),
                "sequence": self.seq,
                "log_name": "audit",
                "product": { "name": PRODUCT, "vendor_name": PRODUCT, "version": env!("CARGO_PKG_VERSION") },
                "tenant_uid": self.workspace.map(|id| id.to_string()),
                "correlation_uid": self.request.map(|id| id.to_string()),
            },
            "actor": { "user": user.clone(), "session": self.session.map(|id| json!({ "uid": id.to_string() })) },
            "src_endpoint": match &self.source_ip {
                Some(ip) => json!({ "ip": ip, "port": self.source_port }),
                None => json!({ "name": self.actor_type }),
            },
            "unmapped": {
                "outcome": self.outcome.name(),
                "auth": self.auth,
                "ticket": self.ticket,
                "changes": self.changes,
                "user_agent": self.user_agent,
                "prev_hash": self.prev_hash,
                "hash": self.hash,
            },
        });
        if class == 3002 {
            event["user"] = user;
            event["service"] = json!({ "name": PRODUCT });
        } else {
            event["api"] = json!({ "operation": self.action, "service": { "name": PRODUCT } });
            event["resources"] = json!([{ "type": self.target_type, "uid": self.target_id }]);
        }
        to_text(&without_nulls(event))
    }

    fn sentence(&self) -> String {
        let mut words = format!("{} on {}", self.action, self.target_type);
        if self.outcome != Outcome::Success {
            words = format!("{words}: {}", self.outcome);
        }
        words
    }

    fn activity(&self) -> (i64, &'static str) {
        match self.action.rsplit('.').next().unwrap_or_default() {
            "create" | "open" | "start" | "accept" => (1, "Create"),
            "read" | "reveal" | "export" | "verify" | "use" => (2, "Read"),
            "change" | "acknowledge" | "decide" | "pause" | "cancel" => (3, "Update"),
            "delete" | "erase" | "expire" => (4, "Delete"),
            _ => (99, "Other"),
        }
    }
}

/// The extension of a CEF line: backslash and equals sign are escaped, ends of lines are written as `\n`.
struct Fields(Vec<String>);

impl Fields {
    fn add(&mut self, key: &str, value: Option<String>) {
        let Some(value) = value.filter(|value| !value.is_empty()) else { return };
        let value = value.replace('\\', "\\\\").replace('=', "\\=").replace("\r\n", "\\n").replace(['\r', '\n'], "\\n");
        self.0.push(format!("{key}={value}"));
    }

    fn labelled(&mut self, key: &str, label: &str, value: Option<String>) {
        if value.as_ref().is_some_and(|value| !value.is_empty()) {
            self.add(key, value);
            self.add(&format!("{key}Label"), Some(label.to_owned()));
        }
    }
}

/// What is not known is left out: the schema has no nulls.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(all) => all.into_iter().map(without_nulls).collect::<Vec<_>>().into(),
        other => other,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use base::{AuditId, Timestamp};
    use uuid::Uuid;

    use super::*;

    pub(crate) fn recorded() -> Recorded {
        Recorded {
            id: AuditId::from(Uuid::from_u128(7)),
            seq: Some(12),
            time: Timestamp::from_micros(1_792_717_927_000_123),
            workspace: None,
            actor_type: "user".into(),
            actor_id: "01".into(),
            actor_name: Some("Ada | Sample=x\\y\nz".into()),
            session: None,
            auth: "password".into(),
            source_ip: Some("192.0.2.7".into()),
            source_port: Some(4_000),
            user_agent: None,
            request: None,
            action: "resource.change".into(),
            target_type: "groups".into(),
            target_id: "a|b".into(),
            outcome: Outcome::Denied,
            reason: Some("a=b".into()),
            ticket: None,
            changes: Some(json!({ "kind": "groups" })),
            hash: Some("ff".into()),
            prev_hash: Some("00".into()),
        }
    }

    /// Nothing that somebody wrote ends a field or the line, or begins another field.
    #[test]
    fn a_cef_line_escapes_what_people_wrote() {
        let mut entry = recorded();
        entry.action = "x|y".into();
        let line = entry.to_cef_line();
        assert!(line.starts_with("CEF:0|Loudhailer|Loudhailer|"), "{line}");
        assert!(line.contains(r"|x\|y|x\|y on groups: denied|8|"), "{line}");
        assert!(
            line.contains(
                r"suser=Ada | Sample\=x\\y\nz spriv=user src=192.0.2.7 spt=4000 reason=a\=b cn1=12 cn1Label=seq"
            ),
            "{line}"
        );
        assert!(!line.contains('\n') && line.contains("rt=1792717927000 externalId="));
        entry.source_ip = Some("2001:db8::7".into());
        assert!(entry.to_cef_line().contains("c6a2=2001:db8::7 c6a2Label=Source IPv6 Address"));
    }

    #[test]
    fn an_ocsf_event_names_its_class_and_has_no_nulls() {
        let event: Value = serde_json::from_str(&recorded().to_ocsf_line()).unwrap();
        assert_eq!((&event["class_uid"], &event["type_uid"]), (&json!(6003), &json!(600_303)));
        assert_eq!((&event["status"], &event["api"]["operation"]), (&json!("Failure"), &json!("resource.change")));
        assert!(event["actor"].get("session").is_none());
        let start = Recorded { action: "session.start".into(), outcome: Outcome::Success, ..recorded() };
        let event: Value = serde_json::from_str(&start.to_ocsf_line()).unwrap();
        assert_eq!((&event["class_uid"], &event["type_uid"]), (&json!(3002), &json!(300_201)));
        assert_eq!(event["user"]["uid"], "01");
    }
}
