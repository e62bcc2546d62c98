//! The scenes of the story. Each is a deterministic list of beats but for the details that chance fills in, and each brings what it opened to
//! an end; keys come from small sets, so that nothing grows over hours.

use std::time::Duration;

use base::Chance;
use serde_json::{Value as Json, json};

use super::beat::{Beat, CEM, DINA, ELI, FAY, Intent, Mood, What, after, between, pick};

/// A scene: its details are drawn when it begins.
pub type Scene = fn(&dyn Chance) -> Vec<Beat>;

/// What the first minute shows, with the second at which each begins: every page has something to say by its end.
pub const OPENING: &[(u64, Scene)] = &[
    (0, applications),
    (1, replication),
    (3, deploy),
    (5, disk),
    (9, host),
    (12, certificate),
    (16, backup),
    (20, strangers),
    (23, queue),
    (28, stray_answer),
    (32, slow_carrier),
    (70, carrier_away),
];

/// What goes on afterwards, dealt like cards: all of them before any comes again.
pub const DECK: &[Scene] = &[
    applications,
    replication,
    deploy,
    disk,
    host,
    certificate,
    backup,
    strangers,
    queue,
    stray_answer,
    slow_carrier,
    carrier_away,
    rewritten,
    second_thoughts,
    applications,
    deploy,
];

fn intend(who: &'static str, title: &str, act: &'static str, seconds: u64) -> What {
    What::Intend(Intent { who, title: title.to_owned(), act, after: Duration::from_secs(seconds) })
}

fn plain(from: &'static str, key: &str, title: &str, priority: &str, group: &str) -> What {
    let body = json!({ "key": key, "status": "firing", "title": title, "priority": priority, "group": group });
    What::Signal { from, body }
}

/// A source says that what has this key is over.
pub fn over(from: &str, key: &str) -> Option<Json> {
    match from {
        "monitoring" => Some(json!({ "version": "4", "status": "resolved", "receiver": "loudhailer", "alerts": [
            { "status": "resolved", "fingerprint": key, "labels": { "alertname": key }, "annotations": {} }] })),
        "database" | "backups" => Some(json!({ "key": key, "status": "resolved" })),
        "icinga2" => {
            let (host, service) = key.split_once('!').unwrap_or((key, ""));
            let state = if service.is_empty() { "UP" } else { "OK" };
            Some(json!({ "type": "RECOVERY", "host": host, "service": service, "state": state }))
        }
        // A push is never over.
        _ => None,
    }
}

fn ends(from: &'static str, key: &str) -> What {
    What::Signal { from, body: over(from, key).unwrap_or_default() }
}

fn prometheus(key: &str, summary: &str, severity: &str, team: &str) -> What {
    let body = json!({ "version": "4", "status": "firing", "receiver": "loudhailer", "groupKey": key, "alerts": [{
        "status": "firing", "fingerprint": key,
        "labels": { "alertname": key, "severity": severity, "team": team },
        "annotations": { "summary": summary, "runbook_url": "https://runbooks.example.com/" },
    }] });
    What::Signal { from: "monitoring", body }
}

/// A replica falls behind; the first on call has it within seconds, and the source says when it is over.
fn replication(chance: &dyn Chance) -> Vec<Beat> {
    let (host, lag) = (pick(chance, &["db-1", "db-2", "db-3"]), between(chance, 31, 95));
    let (key, title) = (format!("replication/{host}"), format!("Replication lag on {host} is {lag} s"));
    vec![
        after(0, intend(CEM, &title, "acknowledge", between(chance, 5, 14))),
        after(0, plain("database", &key, &title, "high", "on-call")),
        after(between(chance, 60, 140), ends("database", &key)),
    ]
}

/// The same disk is told about again and again: one alert, joined.
fn disk(chance: &dyn Chance) -> Vec<Beat> {
    let host = pick(chance, &["web-1", "web-2", "web-3"]);
    let (key, first) = (format!("disk-{host}"), between(chance, 90, 93));
    let summary = |used: u64| format!("Disk of {host} is {used} % full");
    let mut beats = vec![after(0, intend(DINA, &summary(first), "acknowledge", between(chance, 6, 12)))];
    let burst = (0..between(chance, 5, 9))
        .map(|step| after(step, prometheus(&key, &summary(first + step / 2), "high", "storage")));
    beats.extend(burst);
    beats.push(after(between(chance, 90, 160), ends("monitoring", &key)));
    beats
}

/// A host is down. The first does not hear it, the second does.
fn host(chance: &dyn Chance) -> Vec<Beat> {
    let host = pick(chance, &["cache-1", "cache-2", "mail-1"]);
    let body = json!({ "type": "PROBLEM", "host": host, "state": "DOWN", "output": "PING CRITICAL - Packet loss = 100%", "group": "storage" });
    let title = format!("Host on {host} is DOWN");
    vec![
        after(0, intend(ELI, &title, "acknowledge", between(chance, 3, 8))),
        after(0, What::Signal { from: "icinga2", body }),
        after(between(chance, 170, 240), ends("icinga2", host)),
    ]
}

/// Nobody hurries for a certificate: the second on call takes it, and says when it is done.
fn certificate(chance: &dyn Chance) -> Vec<Beat> {
    let site = pick(chance, &["shop.example.com", "mail.example.com", "www.example.com"]);
    let (key, title) =
        (format!("certificate-{site}"), format!("The certificate of {site} ends in {} days", between(chance, 3, 13)));
    vec![
        after(0, intend(DINA, &title, "acknowledge", between(chance, 8, 20))),
        after(0, prometheus(&key, &title, "low", "on-call")),
        after(between(chance, 200, 300), ends("monitoring", &key)),
    ]
}

/// A backup failed, and that is critical: passed on with the code, taken with the code.
fn backup(chance: &dyn Chance) -> Vec<Beat> {
    let what = pick(chance, &["orders", "invoices", "archive"]);
    let (key, title) = (format!("backup/{what}"), format!("Backup of {what} failed: no space left on device"));
    vec![
        after(0, intend(DINA, &title, "pass on", between(chance, 4, 8))),
        after(0, intend(ELI, &title, "acknowledge", between(chance, 5, 10))),
        after(0, plain("backups", &key, &title, "critical", "storage")),
        after(between(chance, 120, 200), ends("backups", &key)),
    ]
}

/// A queue that drains before anybody answers.
fn queue(chance: &dyn Chance) -> Vec<Beat> {
    let (host, depth) = (pick(chance, &["queue-1", "queue-2"]), between(chance, 2_000, 9_000));
    let body = json!({
        "type": "PROBLEM", "host": host, "service": "depth", "state": "WARNING", "output": format!("{depth} messages wait"),
    });
    vec![
        after(0, What::Signal { from: "icinga2", body }),
        after(between(chance, 9, 20), ends("icinga2", &format!("{host}!depth"))),
    ]
}

/// A deploy: noted, nobody woken.
fn deploy(chance: &dyn Chance) -> Vec<Beat> {
    vec![after(0, push(chance, "pushed"))]
}

/// History was rewritten: somebody looks, and closes it by text.
fn rewritten(chance: &dyn Chance) -> Vec<Beat> {
    const TITLE: &str = "main was rewritten";
    vec![
        after(0, intend(DINA, TITLE, "acknowledge", between(chance, 5, 10))),
        after(0, intend(DINA, TITLE, "resolve", between(chance, 40, 60))),
        after(0, push(chance, "forced")),
    ]
}

fn push(chance: &dyn Chance, action: &str) -> What {
    let repository = pick(chance, &["shop", "billing", "website"]);
    let subject = pick(
        chance,
        &["Pay twice no more", "Faster search", "Update dependencies", "Round to cents", "Fix the footer"],
    );
    let commit: String = (0..40).map(|_| char::from(b"0123456789abcdef"[chance.below(16) as usize])).collect();
    let commits = between(chance, 1, 4).to_string();
    let body = json!({
        "repository": repository, "ref": "refs/heads/main", "name": "main", "action": action, "new": commit, "pusher": "Ada Sample",
        "commits": commits, "subject": subject, "log": format!("{} {subject}", &commit[..7]),
    });
    What::Signal { from: "git", body }
}

/// Somebody without a token tries, and a source sends what cannot be read.
fn strangers(chance: &dyn Chance) -> Vec<Beat> {
    let mut beats = vec![after(0, What::Stranger { at: "database" }), after(2, What::Stranger { at: "backups" })];
    if chance.below(2) == 0 {
        beats.push(after(3, What::Stranger { at: "database" }));
    }
    beats.push(after(4, What::Nonsense { from: "monitoring" }));
    beats
}

/// The shop writes to its customers; one of them is out of reach for a while.
fn applications(chance: &dyn Chance) -> Vec<Beat> {
    let parcel = format!(
        "Your parcel {} is on its way and will be there tomorrow between 9 and 12.",
        between(chance, 10_000, 99_999)
    );
    let table =
        format!("A table for {} is booked for you at {}:30. See you!", between(chance, 2, 6), between(chance, 17, 20));
    let code = format!("{:06} is your code for the shop. It ends in 10 minutes; tell nobody.", chance.below(1_000_000));
    vec![
        after(0, What::Reach { of: FAY, there: false }),
        after(0, What::Text { to: ELI, words: code }),
        after(1, What::Text { to: FAY, words: parcel }),
        after(2, What::Text { to: CEM, words: table }),
        after(3, What::Text { to: DINA, words: "Bestellt & bezahlt: 3 × Kaffee ☕, danke!".to_owned() }),
        after(between(chance, 90, 150), What::Reach { of: FAY, there: true }),
    ]
}

/// A text that answers nothing that is open.
fn stray_answer(chance: &dyn Chance) -> Vec<Beat> {
    let words = *pick(chance, &["On my way, five minutes", "Who has the keys to the rack?", "99"]);
    let from = *pick(chance, &[CEM, DINA, ELI]);
    vec![after(0, What::Say { from, words })]
}

/// Somebody takes an answer back.
fn second_thoughts(chance: &dyn Chance) -> Vec<Beat> {
    let (key, title) = ("login-errors".to_owned(), format!("{} failed sign-ins a minute", between(chance, 80, 400)));
    vec![
        after(0, intend(CEM, &title, "acknowledge", 6)),
        after(0, intend(CEM, &title, "undo", 16)),
        after(0, intend(DINA, &title, "acknowledge", between(chance, 6, 12))),
        after(0, plain("database", &key, &title, "medium", "on-call")),
        after(between(chance, 150, 220), ends("database", &key)),
    ]
}

/// The carrier answers late for a while.
fn slow_carrier(chance: &dyn Chance) -> Vec<Beat> {
    vec![
        after(0, What::Carrier(Mood::Slow)),
        after(2, What::Text { to: ELI, words: "Your order is ready to collect.".to_owned() }),
        after(between(chance, 20, 35), What::Carrier(Mood::Good)),
    ]
}

/// The carrier is away, and what waits goes out when it returns.
fn carrier_away(chance: &dyn Chance) -> Vec<Beat> {
    let text = |to: &'static str, words: &str| What::Text { to, words: words.to_owned() };
    vec![
        after(0, What::Carrier(Mood::Away)),
        after(1, text(CEM, "Your invoice for October is in your account.")),
        after(2, text(ELI, "Your appointment is tomorrow at 10:00.")),
        after(6, text(DINA, "Your bicycle is repaired.")),
        after(between(chance, 18, 30), What::Carrier(Mood::Good)),
    ]
}

#[cfg(test)]
mod tests {
    use base::SeededChance;

    use super::*;

    /// Every scene of either list, with many draws.
    fn every(check: impl Fn(&[Beat])) {
        for seed in 0..50 {
            let chance = SeededChance::new(seed);
            for scene in OPENING.iter().map(|(_, scene)| scene).chain(DECK) {
                check(&scene(&chance));
            }
        }
    }

    #[test]
    fn every_scene_ends_what_it_began() {
        every(|beats| {
            for beat in beats {
                let later =
                    |found: &dyn Fn(&What) -> bool| beats.iter().any(|other| other.at > beat.at && found(&other.what));
                match &beat.what {
                    What::Signal { from, body }
                        if *from != "git" && !body.to_string().contains("esolved") && body["type"] != "RECOVERY" =>
                    {
                        assert!(
                            later(&|what| matches!(what, What::Signal { from: other, body } if other == from
                            && (body.to_string().contains("resolved") || body["type"] == "RECOVERY"))),
                            "{body}"
                        );
                    }
                    What::Reach { of, there: false } => {
                        assert!(later(&|what| matches!(what, What::Reach { of: other, there: true } if other == of)));
                    }
                    What::Carrier(Mood::Slow | Mood::Away) => {
                        assert!(later(&|what| matches!(what, What::Carrier(Mood::Good))));
                    }
                    _ => {}
                }
            }
        });
    }

    #[test]
    fn people_make_up_their_minds_before_the_page_comes() {
        every(|beats| {
            let first = beats.iter().position(|beat| matches!(beat.what, What::Signal { .. })).unwrap_or(beats.len());
            assert!(!beats[first..].iter().any(|beat| matches!(beat.what, What::Intend(_))));
        });
    }

    #[test]
    fn only_the_family_of_the_design_has_phones() {
        every(|beats| {
            for beat in beats {
                let number = match &beat.what {
                    What::Text { to, .. } => *to,
                    What::Say { from, .. } => *from,
                    What::Reach { of, .. } => *of,
                    What::Intend(intent) => intent.who,
                    _ => continue,
                };
                assert!(number.starts_with("+4477009001"), "{number}");
            }
        });
    }
}
