//! Writing a text by hand: what it will be is shown while it is written, and again before it goes.

use access::{Capability, cap};
use askama::Template;
use axum::extract::State;
use base::{Explain, Timestamp};
use http::{Answer, Form, HeaderMap, InWorkspace, Query, Refusal, Response, StatusCode};
use messaging::{Class, New, Sender};
use serde::Deserialize;
use sms::{Choice as Alphabet, Look, MAX_PARTS, Number, Region, look};

use crate::Console;
use crate::facts::{Choice, choices};
use crate::message_words::alphabet;
use crate::page::{Wrong, page, page_with, see_other, sentence};
use crate::shell::{Page, Shell};

/// Characters that the field takes: more than ten parts, so that whoever writes too much is told and not cut.
const TEXT: usize = 2_000;
/// How far ahead a text may be scheduled.
const AHEAD: std::time::Duration = std::time::Duration::from_hours(7 * 24);

/// A stretch of the text; one that makes it UCS-2 is marked.
struct Piece {
    marked: bool,
    text: String,
}

/// A character that makes the text UCS-2.
struct Forcing {
    character: String,
    times: String,
}

/// What the text will be.
#[derive(Default)]
struct Preview {
    /// Parts and alphabet.
    headline: String,
    /// What still fits.
    detail: String,
    good: bool,
    forcing: Vec<Forcing>,
    /// The text with what forces marked; empty when nothing does.
    pieces: Vec<Piece>,
    /// Number, country and way.
    to: Option<String>,
    way: Option<String>,
    way_good: bool,
}

#[derive(Template)]
#[template(path = "compose.html")]
struct ComposePage {
    shell: Shell,
    slug: String,
    wrong: Wrong,
    form: ComposeForm,
    classes: Vec<Choice>,
    most: usize,
    preview: Preview,
}

impl ComposePage {
    const FIELDS: &'static [&'static str] = &["to", "country", "sender", "class", "at", "text"];
}

/// What the form sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ComposeForm {
    to: String,
    country: String,
    sender: String,
    class: String,
    /// The reader's clock, as the browser's field writes it; at once when empty.
    at: String,
    text: String,
    /// `send`, or anything else to look.
    act: String,
}

/// The form as it is understood.
struct Meant {
    to: Option<Number>,
    sender: Option<Sender>,
    class: Class,
    scheduled: Option<Timestamp>,
}

impl ComposeForm {
    fn meant(&self, shell: &Shell, may_alert: bool) -> (Meant, Vec<(&'static str, String)>) {
        let mut wrong = Vec::new();
        let region = match self.country.trim() {
            "" => None,
            text => {
                let region: Option<Region> = text.to_ascii_uppercase().parse().ok();
                match region {
                    None => wrong.push(("country", "Two letters such as GB are expected.".to_owned())),
                    Some(_) if text.eq_ignore_ascii_case("uk") => {
                        wrong.push(("country", "The United Kingdom is GB here, as in ISO 3166.".to_owned()));
                    }
                    Some(_) => {}
                }
                region
            }
        };
        let to = match self.to.trim() {
            "" => {
                wrong.push(("to", "Write the number it goes to.".to_owned()));
                None
            }
            text => Number::parse(text, region)
                .map_err(|error| {
                    let remedy =
                        if region.is_none() { "; one without its country code wants the country too" } else { "" };
                    wrong.push(("to", sentence(&format!("this is {error}{remedy}"))));
                })
                .ok(),
        };
        let sender = match self.sender.trim() {
            "" => None,
            text => text.parse::<Sender>().map_err(|error| wrong.push(("sender", sentence(&error.to_string())))).ok(),
        };
        let class = if self.class.is_empty() { Ok(Class::Transactional) } else { self.class.parse() };
        let class = class.unwrap_or_else(|_| {
            wrong.push(("class", "Choose one of the classes.".to_owned()));
            Class::Transactional
        });
        if class == Class::Alert && !may_alert {
            wrong.push(("class", "Your role does not send messages of class alert.".to_owned()));
        }
        let scheduled = match self.at.trim() {
            "" => None,
            text => {
                let at = shell.zone.instant(text);
                match at {
                    None => wrong.push(("at", "Write a day and a time, such as 2026-10-23T08:00.".to_owned())),
                    Some(at) if at > shell.now.plus(AHEAD) => {
                        wrong.push(("at", "At most 7 days ahead.".to_owned()));
                    }
                    Some(at) if at <= shell.now => wrong.push(("at", "That time is past.".to_owned())),
                    Some(_) => {}
                }
                at
            }
        };
        if self.text.is_empty() {
            wrong.push(("text", "Write a text.".to_owned()));
        }
        (Meant { to, sender, class, scheduled }, wrong)
    }
}

fn looked(text: &str, look: &Look) -> Preview {
    let long = look.parts > MAX_PARTS;
    let parts = if look.parts == 1 { "1 part".to_owned() } else { format!("{} parts", look.parts) };
    let headline = match text {
        "" => "Nothing yet".to_owned(),
        _ => format!("{parts} of {}", alphabet(look.encoding)),
    };
    let detail = if long {
        format!("At most {MAX_PARTS} parts are sent. Shorten it.")
    } else if text.is_empty() {
        "160 characters fit into one part of GSM-7, 70 into one of UCS-2.".to_owned()
    } else {
        format!("{} characters; {} more fit into the last part.", look.characters, look.left)
    };
    let forcing: Vec<_> = look
        .forcing
        .iter()
        .map(|one| Forcing {
            character: one.character.to_string(),
            times: if one.times == 1 { String::new() } else { format!("{} times", one.times) },
        })
        .collect();
    let mut pieces: Vec<Piece> = Vec::new();
    if !forcing.is_empty() {
        for letter in text.chars() {
            let marked = look.forcing.iter().any(|one| one.character == letter);
            match pieces.last_mut().filter(|last| last.marked == marked) {
                Some(last) => last.text.push(letter),
                None => pieces.push(Piece { marked, text: letter.to_string() }),
            }
        }
    }
    Preview { headline, detail, good: !long && !text.is_empty(), forcing, pieces, ..Preview::default() }
}

/// What a link to this page may fill in.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Given {
    class: String,
}

async fn render(
    console: &Console,
    guard: &InWorkspace<cap::MessagesSend>,
    headers: &HeaderMap,
    form: ComposeForm,
    wrong: Wrong,
) -> Answer<Response> {
    let shell = console.shell(guard, headers, Page::Compose).await?;
    let may_alert = guard.may(Capability::MessagesAlert);
    let mut preview = match look(&form.text, Alphabet::Auto) {
        Ok(look) => looked(&form.text, &look),
        Err(error) => Preview { headline: sentence(&error.to_string()), ..Preview::default() },
    };
    let (meant, _) = form.meant(&shell, may_alert);
    if let Some(to) = &meant.to {
        let country = sms::Country::of_digits(to.digits());
        let country = country.map(|country| format!(", {}", country.as_str())).unwrap_or_default();
        preview.to = Some(format!("To {to}{country}"));
        let (messaging, permit) = (console.messaging.clone(), guard.permit().clone());
        let (to, sender, class) = (to.clone(), meant.sender.clone(), meant.class);
        let decided = console.db.read(move |tx| messaging.foresee(tx, &permit, &to, class, sender.as_ref())).await?;
        let (way, good) = match decided {
            Ok(decision) => (format!("by {} from {}", decision.carrier, decision.sender), true),
            Err(refused) => (refused.explanation(), false),
        };
        (preview.way, preview.way_good) = (Some(sentence(&way)), good);
    }
    let all: &[(&str, &str)] = &[
        ("transactional", "transactional"),
        ("otp", "otp: a code that somebody waits for"),
        ("marketing", "marketing: goes when nothing else does"),
        ("alert", "alert: ahead of everything"),
    ];
    let all = if may_alert { all } else { &all[..3] };
    let current = if form.class.is_empty() { "transactional" } else { &form.class };
    // What htmx asked for is swapped in whatever is wrong; a form that was sent says so with its status.
    let looking = form.act != "send";
    let status = if looking { StatusCode::OK } else { wrong.status() };
    let classes = choices(all, current);
    let most = TEXT;
    let slug = guard.name().to_owned();
    let template = ComposePage { shell, slug, wrong, form, classes, most, preview };
    if status == StatusCode::OK { page(&template) } else { page_with(status, &template) }
}

/// The empty form.
pub async fn show(
    guard: InWorkspace<cap::MessagesSend>,
    State(console): State<Console>,
    headers: HeaderMap,
    Query(given): Query<Given>,
) -> Answer<Response> {
    let form = ComposeForm { class: given.class, ..ComposeForm::default() };
    render(&console, &guard, &headers, form, Wrong::default()).await
}

/// Shows what it will be, or sends it.
pub async fn act(
    guard: InWorkspace<cap::MessagesSend>,
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<ComposeForm>,
) -> Answer<Response> {
    if form.text.chars().count() > TEXT {
        let wrong = Wrong::one("text", format!("At most {TEXT} characters are read here."));
        let form = ComposeForm { text: form.text.chars().take(TEXT).collect(), ..form };
        return render(&console, &guard, &headers, form, wrong).await;
    }
    if form.act != "send" {
        return render(&console, &guard, &headers, form, Wrong::default()).await;
    }
    let shell = console.shell(&guard, &headers, Page::Compose).await?;
    let (meant, mistakes) = form.meant(&shell, guard.may(Capability::MessagesAlert));
    let wrong = mistakes
        .into_iter()
        .map(|(field, detail)| base::Problem::new(base::ProblemKind::Invalid, "invalid", detail).at(field));
    let wrong = Wrong::of(wrong.collect())?;
    let Some(to) = meant.to.filter(|_| !wrong.any()) else {
        return render(&console, &guard, &headers, form, wrong).await;
    };
    // A browser writes line ends as two characters; a text has one.
    let text = form.text.replace("\r\n", "\n");
    let new = New { sender: meant.sender, class: meant.class, scheduled: meant.scheduled, ..New::text(to, text) };
    match console.messaging.submit(guard.permit(), new).await {
        Ok(accepted) => Ok(see_other(&format!("/w/{}/messages/{}", guard.name(), accepted.id))),
        Err(error) => {
            let mut problem = error.problem();
            if matches!(problem.kind, base::ProblemKind::Internal | base::ProblemKind::Unavailable) {
                return Err(Refusal::from(error));
            }
            if problem.field.as_deref().is_none() {
                problem = problem.at("to");
            }
            render(&console, &guard, &headers, form, Wrong::of(vec![problem])?).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HOSTILE, checked, shell};

    fn sample(text: &str) -> ComposePage {
        let preview = looked(text, &look(text, Alphabet::Auto).unwrap());
        ComposePage {
            shell: shell(),
            slug: "demo".into(),
            wrong: Wrong::one("to", "Write the number it goes to."),
            form: ComposeForm { text: text.into(), sender: HOSTILE.into(), ..ComposeForm::default() },
            classes: choices(&[("otp", "otp")], "otp"),
            most: TEXT,
            preview: Preview { to: Some("To +447700900117, GB".into()), way: Some("By sim-1.".into()), ..preview },
        }
    }

    #[test]
    fn what_makes_it_ucs2_is_marked_where_it_stands() {
        let html = checked(&sample("It’s here – now"));
        assert!(html.contains("1 part of UCS-2") && html.contains("<mark>’</mark>s here <mark>–</mark> now"), "{html}");
        let plain = checked(&sample("Hello"));
        assert!(plain.contains("1 part of GSM-7") && plain.contains("155 more fit") && !plain.contains("<mark>"));
        assert!(checked(&sample(HOSTILE)).contains("part"), "a stranger's words stay words");
        assert!(checked(&sample(&"a".repeat(1_600))).contains("At most 10 parts are sent"));
    }

    #[test]
    fn what_is_wrong_is_said_at_its_field() {
        let form = ComposeForm {
            to: "12".into(),
            country: "??".into(),
            sender: "+1".into(),
            class: "alert".into(),
            at: "soon".into(),
            ..ComposeForm::default()
        };
        let (_, wrong) = form.meant(&shell(), false);
        let fields: Vec<_> = wrong.iter().map(|(field, _)| *field).collect();
        assert_eq!(fields, ["country", "to", "sender", "class", "at", "text"]);
        let form = ComposeForm {
            to: "07700900117".into(),
            country: "gb".into(),
            text: "Hi".into(),
            at: "2026-10-24T08:00".into(),
            ..ComposeForm::default()
        };
        let (meant, wrong) = form.meant(&shell(), false);
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!(meant.to.unwrap().to_string(), "+447700900117");
        assert_eq!(meant.scheduled.unwrap().rfc3339(), "2026-10-24T06:00:00.000Z", "the reader's own clock");
        let uk = ComposeForm { country: "uk".into(), ..form.clone() };
        assert_eq!(
            uk.meant(&shell(), false).1[0],
            ("country", "The United Kingdom is GB here, as in ISO 3166.".to_owned())
        );
        let nowhere = ComposeForm { country: String::new(), ..form.clone() };
        assert!(nowhere.meant(&shell(), false).1[0].1.ends_with("wants the country too."));
        let past = ComposeForm { at: "2026-10-22T08:00".into(), ..form };
        assert_eq!(past.meant(&shell(), false).1[0].0, "at");
    }
}
