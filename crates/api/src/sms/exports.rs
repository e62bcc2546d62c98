//! Messages as files: the job that makes them, and the files themselves, in that API's columns.

use std::time::Duration;

use ::messaging::{Error, Export, ExportState, Exported, Lines, NewExport};
use ::sms::Number;
use access::cap;
use audit::csv_cell;
use base::{ExportId, Problem, Timestamp};
use http::{
    Answer, InWorkspace, IntoResponse, Json, Path, Raw, Refusal, Response, State, StatusCode, download_stream,
    parse_json,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::details::{masked, words};
use super::fields::wrong;
use crate::Api;
use crate::time::{self, At};

/// How that API's files are written.
pub const LINES: Lines = Lines { head: HEAD, line };

const HEAD: &str = "umid,subaccountid,direction,country,operator,mcc,mnc,status_value,status_details,status_errorcode,status_errormessage,\
    status_timestamp,msisdn,source,encoding,createdat,smscount,price_currency,price_persms,price_total,clientmessageid,clientbatchid,\
    batchid,body\r\n";

/// Countries that one export may name.
const COUNTRIES: usize = 250;

fn line(workspace: &str, message: &Exported<'_>) -> String {
    const BODY: &str = "**MASKED**";
    let text = |text: Option<&str>| text.map(csv_cell).unwrap_or_default();
    // Operator, its codes and prices are not known here; their columns stay, so that readers find the others.
    let cells: [String; 24] = match message {
        Exported::Out(out) => {
            let (state, detail) = words(out.state);
            let at = out.done_at.or(out.submitted_at).unwrap_or(out.created_at);
            let batch = out.batch.as_ref();
            [
                out.id.to_string(),
                csv_cell(workspace),
                "1".into(),
                text(out.country.as_deref()),
                String::new(),
                String::new(),
                String::new(),
                state.into(),
                text(detail),
                text(out.error.as_deref()),
                text(out.reason.as_deref()),
                at.rfc3339(),
                csv_cell(&masked(&out.to)),
                csv_cell(&out.sender),
                out.encoding.label().into(),
                out.created_at.rfc3339(),
                out.parts.to_string(),
                String::new(),
                String::new(),
                String::new(),
                text(out.client_ref.as_deref()),
                text(batch.and_then(|batch| batch.client_ref.as_deref())),
                batch.map(|batch| batch.id.to_string()).unwrap_or_default(),
                BODY.into(),
            ]
        }
        Exported::In(inbound) => [
            inbound.id.to_string(),
            csv_cell(workspace),
            "0".into(),
            text(inbound.country.as_deref()),
            String::new(),
            String::new(),
            String::new(),
            "ok".into(),
            String::new(),
            String::new(),
            String::new(),
            inbound.at.rfc3339(),
            csv_cell(&masked(&inbound.from)),
            csv_cell(&inbound.to),
            inbound.coding.map(::sms::Coding::label).unwrap_or_default().into(),
            inbound.at.rfc3339(),
            inbound.parts.to_string(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            BODY.into(),
        ],
    };
    let mut line = cells.join(",");
    line.push_str("\r\n");
    line
}

/// Which messages are written out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
#[schema(as = SmsExportRequest)]
pub(super) struct Asked {
    /// From this day or instant on (UTC where no offset is given); 7 days ago when left out.
    #[schema(required = false)]
    from: Option<String>,
    /// Up to the end of this day, or up to this instant; today when left out.
    #[schema(required = false)]
    to: Option<String>,
    /// Only those to or from this number, in international form.
    #[schema(required = false)]
    phone_number: Option<String>,
    /// Only of these countries, in two letters.
    #[schema(required = false)]
    countries: Option<Vec<String>>,
    /// At most so many; all when 0 or left out.
    #[schema(required = false)]
    limit: Option<u32>,
}

const DAY: Duration = Duration::from_hours(24);

impl Asked {
    pub(super) fn understood(self, now: Timestamp) -> Result<NewExport, Problem> {
        let today = day_of(now);
        let from = match self.from.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => instant(text).ok_or_else(|| no_time("from"))?.0,
            None => today.minus(DAY * 7),
        };
        let until = match self.to.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => match instant(text).ok_or_else(|| no_time("to"))? {
                (day, true) => day.plus(DAY),
                (at, false) => at,
            },
            None => today.plus(DAY),
        };
        let number = match self.phone_number.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => Some(Number::parse(text, None).map_err(|_| {
                let detail =
                    "The field phoneNumber must be a phone number in international form, such as +447700900117.";
                wrong("phoneNumber", detail)
            })?),
            None => None,
        };
        let countries = self.countries.unwrap_or_default();
        let sound = |country: &String| country.len() == 2 && country.bytes().all(|letter| letter.is_ascii_alphabetic());
        if countries.len() > COUNTRIES || !countries.iter().all(sound) {
            return Err(wrong(
                "countries",
                "The field countries must list countries by their two letters, such as GB.",
            ));
        }
        let countries = countries.into_iter().map(|country| country.to_ascii_uppercase()).collect();
        Ok(NewExport { from, until, number, countries, limit: self.limit.unwrap_or(0) })
    }
}

fn no_time(field: &'static str) -> Problem {
    wrong(field, format!("The field {field} must be a day or a time, such as 2026-10-23 or 2026-10-23T01:12:07Z."))
}

fn day_of(at: Timestamp) -> Timestamp {
    const MICROS: i64 = 24 * 60 * 60 * 1_000_000;
    Timestamp::from_micros(at.as_micros().div_euclid(MICROS) * MICROS)
}

/// A time or a day, and whether it is a day. Without an offset it is meant in UTC.
fn instant(text: &str) -> Option<(Timestamp, bool)> {
    if text.len() == 10 {
        return time::read(&format!("{text}T00:00:00Z")).map(|at| (at, true));
    }
    time::read(text).or_else(|| time::read(&format!("{text}Z"))).map(|at| (at, false))
}

/// The job's id.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SmsExportStarted)]
pub(super) struct StartedView {
    /// Its id.
    #[schema(value_type = Uuid)]
    job_id: ExportId,
}

/// How far the job is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SmsExport)]
pub(super) struct ExportView {
    /// `queued`, `running`, `succeeded`, `failed` or `empty`.
    status: &'static str,
    /// The files, once it succeeded. They want the same authorisation as this answer.
    data: Option<Vec<String>>,
    /// When the files are gone.
    expires: Option<At>,
    /// Messages written so far.
    rows: u32,
    /// Why it failed.
    reason: Option<String>,
}

pub(super) async fn start(
    guard: InWorkspace<cap::MessagesRead>,
    State(api): State<Api>,
    Raw(body): Raw,
) -> Answer<(StatusCode, Json<StartedView>)> {
    api.sub_accounts.admit(&guard).await?;
    let asked: Asked = if body.is_empty() { Asked::default() } else { parse_json(&body).map_err(Refusal::new)? };
    let new = asked.understood(api.db.context().now()).map_err(Refusal::new)?;
    let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
    let job_id = api.db.write(move |tx| messaging.start_export(tx, &permit, &new)).await?;
    Ok((StatusCode::ACCEPTED, Json(StartedView { job_id })))
}

#[derive(Debug, Deserialize)]
pub(super) struct NamedJob {
    job: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct NamedFile {
    job: String,
    file: u32,
}

fn job(text: &str) -> Result<ExportId, Error> {
    text.parse().map_err(|_| Error::NoSuchExport)
}

pub(super) async fn get(
    guard: InWorkspace<cap::MessagesRead>,
    State(api): State<Api>,
    Path(named): Path<NamedJob>,
) -> Answer<Json<ExportView>> {
    api.sub_accounts.admit(&guard).await?;
    let (id, slug) = (job(&named.job)?, guard.name().to_owned());
    let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
    let found = api.db.read(move |tx| messaging.export(tx, &permit, id)).await?;
    let Export { state, files, found, expires_at, reason, .. } = found.ok_or(Error::NoSuchExport)?;
    let done = state == ExportState::Succeeded;
    let base = format!("{}/api/v1/subaccounts/{slug}/messages/exports/{id}/files", api.public_url);
    Ok(Json(ExportView {
        status: state.name(),
        data: done.then(|| (0..files).map(|file| format!("{base}/{file}")).collect()),
        expires: done.then_some(At(expires_at)),
        rows: found,
        reason,
    }))
}

pub(super) async fn file(
    guard: InWorkspace<cap::MessagesRead>,
    State(api): State<Api>,
    Path(named): Path<NamedFile>,
) -> Answer<Response> {
    api.sub_accounts.admit(&guard).await?;
    let id = job(&named.job)?;
    let name = format!("messages-{}-{}.csv", guard.name(), named.file);
    let pieces = api.messaging.export_file(guard.permit(), id, named.file).await?.ok_or(Error::NoSuchExport)?;
    Ok(download_stream(&name, "text/csv; charset=utf-8", pieces))
}

pub(super) async fn delete(
    guard: InWorkspace<cap::MessagesRead>,
    State(api): State<Api>,
    Path(named): Path<NamedJob>,
) -> Answer<Response> {
    api.sub_accounts.admit(&guard).await?;
    let id = job(&named.job)?;
    let (messaging, permit) = (api.messaging.clone(), guard.into_permit());
    api.db.write(move |tx| messaging.delete_export(tx, &permit, id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        time::read(text).unwrap()
    }

    #[test]
    fn days_are_whole_and_times_are_utc_without_an_offset() {
        let now = at("2026-10-23T01:12:07Z");
        let asked = |from: &str, to: &str| {
            let asked = Asked { from: Some(from.into()), to: Some(to.into()), ..Asked::default() };
            asked
                .understood(now)
                .map(|new| (new.from.rfc3339(), new.until.rfc3339()))
                .map_err(|problem| problem.field.unwrap())
        };
        assert_eq!(
            asked("2026-10-01", "2026-10-02").unwrap(),
            ("2026-10-01T00:00:00.000Z".into(), "2026-10-03T00:00:00.000Z".into())
        );
        assert_eq!(
            asked("2026-10-01T02:00:00+02:00", "2026-10-01T10:00:00").unwrap(),
            ("2026-10-01T00:00:00.000Z".into(), "2026-10-01T10:00:00.000Z".into())
        );
        assert_eq!(asked("", "").unwrap(), ("2026-10-16T00:00:00.000Z".into(), "2026-10-24T00:00:00.000Z".into()));
        assert_eq!(asked("yesterday", "").unwrap_err(), "from");
        assert_eq!(asked("", "soon").unwrap_err(), "to");
        let wrong = Asked { countries: Some(vec!["Britain".into()]), ..Asked::default() };
        assert_eq!(wrong.understood(now).unwrap_err().field.as_deref(), Some("countries"));
    }

    #[test]
    fn a_line_has_a_cell_for_each_column() {
        let inbound = ::messaging::InboundSummary {
            id: Uuid::from_u128(1).into(),
            workspace: None,
            carrier: "sim".into(),
            from: base::mask_phone("+447700900117"),
            country: Some("GB".into()),
            to: "=1+1".into(),
            parts: 1,
            missing_parts: 0,
            coding: Some(::sms::Coding::Ucs2),
            at: at("2026-10-23T01:12:07Z"),
        };
        let line = line("demo", &Exported::In(&inbound));
        assert_eq!(line.matches(',').count(), HEAD.matches(',').count());
        assert!(line.contains(",\"'=1+1\",") && line.contains(",4477xxxxxxxx,") && line.contains(",UCS2,"), "{line}");
    }

    use uuid::Uuid;
}
