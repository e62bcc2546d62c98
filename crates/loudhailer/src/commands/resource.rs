//! `apply`, `export`, `history`, `restore-version`: against a running server, or on the machine while none runs.

use access::{Grants, OrganisationPermit, cap};
use outbound::{HttpMethod, OperatorClient};
use resources::{ApplyOptions, Difference, Document, Filter, Ground, Parsed, Registry, Resources};
use serde_json::Value as Json;

use crate::cli::{Apply, Export, History, RestoreVersion, Target};
use crate::commands::{FromHere, machine, remote};
use crate::error::{Error, Result};
use crate::product::{self, Product};

/// Where the command works.
enum Place {
    Here(Box<Product>, Grants),
    There(OperatorClient, String),
}

async fn place(target: &Target) -> Result<Place> {
    if let Some(config) = &target.config {
        return Ok(Place::Here(Box::new(machine::open(config).await?), machine::operator()));
    }
    let url = target.url.as_deref().ok_or_else(|| {
        Error::told("say where: --url URL of a running server (or LOUDHAILER_URL), or --config FILE on this machine")
    })?;
    let token = remote::token(target.token_file.as_deref())?
        .ok_or_else(|| Error::told("no access token: set LOUDHAILER_TOKEN or give --token-file"))?;
    let client = remote::client(target.ca.as_deref(), Some(token))?;
    Ok(Place::There(client, format!("{}/api/v1/resources", url.trim_end_matches('/'))))
}

/// Reads a file of resources with the secrets it names.
pub fn document(text: &str, registry: &Registry) -> Result<Document> {
    let resolved = Parsed::yaml(text, registry).and_then(|parsed| parsed.resolve(&FromHere));
    resolved.map_err(told)
}

/// All problems of a file, a line each.
pub fn told(error: resources::Error) -> Error {
    match &error {
        resources::Error::Invalid(problems) => {
            let lines: Vec<String> = problems
                .iter()
                .map(|problem| match &problem.field {
                    Some(field) => format!("{field}: {}", problem.detail),
                    None => problem.detail.to_string(),
                })
                .collect();
            Error::told(lines.join("\n  "))
        }
        _ => error.into(),
    }
}

/// `loudhailer apply`.
pub async fn apply(options: &Apply) -> Result<()> {
    let text = std::fs::read_to_string(&options.file).map_err(|source| Error::file(&options.file, source))?;
    match place(&options.target).await? {
        Place::Here(product, grants) => {
            let document = document(&text, product.resources.registry())?;
            let ground = options.break_glass.clone().map_or(Ground::None, Ground::BreakGlass);
            let how = ApplyOptions { reason: options.reason.clone(), ground };
            let applied = apply_here(&product.resources, &grants, document, how, options.dry_run).await?;
            print!("{applied}");
            for drawn in &applied.drawn {
                let secret = base::ExposeSecret::expose_secret(&drawn.secret);
                print_drawn(drawn.kind, drawn.workspace.as_deref(), &drawn.key, secret);
                if drawn.kind == "integrations" {
                    let found = integration(&product, &grants, drawn.workspace.as_deref(), &drawn.key).await?;
                    println!("    {}", how_to_send(&drawn.field, &found, secret));
                }
            }
            product.close().await;
        }
        Place::There(client, url) => {
            let document = document(&text, &product::reading_registry()?)?;
            let body: Json = serde_json::from_str(&document.to_wire())?;
            let verb = if options.dry_run { "plan" } else { "apply" };
            let mut url = format!("{url}/{verb}");
            if let Some(reason) = &options.reason {
                url = format!("{url}?reason={}", encode(reason));
            }
            let answer = remote::accepted(client.send(HttpMethod::POST, &url, Some(&body)).await?)?;
            print_applied(&answer, options.dry_run);
            for drawn in answer["drawn"].as_array().into_iter().flatten() {
                let text = |name: &str| drawn[name].as_str().unwrap_or_default();
                print_drawn(text("kind"), drawn["workspace"].as_str(), text("key"), text("secret"));
            }
        }
    }
    Ok(())
}

/// An integration that was just applied.
async fn integration(
    product: &Product,
    grants: &Grants,
    workspace: Option<&str>,
    name: &str,
) -> Result<signals::Integration> {
    let slug = workspace.unwrap_or_default().to_owned();
    let permit: OrganisationPermit<cap::IntegrationsRead> = grants.permit_organisation()?;
    let found = product.db.read(move |tx| access::workspace_by_slug(tx, &slug)).await?;
    let workspace = found.ok_or_else(|| Error::told("the workspace is gone"))?;
    let all = product.signals.integrations(&permit.in_workspace(workspace.id)).await?;
    all.into_iter().find(|one| one.name == name).ok_or_else(|| Error::told("the integration is gone"))
}

/// Where a sender takes what was drawn for it.
fn how_to_send(field: &str, integration: &signals::Integration, secret: &str) -> String {
    let (id, user) = (&integration.id, &integration.user);
    match field {
        "password" => format!("POST /signals/{id} with HTTP Basic, user {user}"),
        "signing_secret" => format!("POST /signals/{id}, signed with it (Standard Webhooks)"),
        _ => format!("POST /signals/{id}?token={secret}"),
    }
}

/// Applies on this machine.
pub async fn apply_here(
    resources: &Resources,
    grants: &Grants,
    document: Document,
    how: ApplyOptions,
    dry_run: bool,
) -> Result<resources::Applied> {
    let permit: OrganisationPermit<cap::ResourcesApply> = grants.permit_organisation()?;
    let done = if dry_run {
        resources.plan(&permit, document, how).await
    } else {
        resources.apply(&permit, document, how).await
    };
    done.map_err(told)
}

/// A server's answer to `apply`, as [`resources::Applied`] prints itself.
fn print_applied(answer: &Json, dry_run: bool) {
    let changes = answer["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    if changes.is_empty() {
        println!("nothing to change ({} as they should be)", answer["unchanged"]);
        return;
    }
    for change in changes {
        let text = |name: &str| change[name].as_str().unwrap_or_default();
        let sign = match text("outcome") {
            "created" => '+',
            "deleted" => '-',
            _ => '~',
        };
        let name = change["workspace"].as_str().map(|slug| format!("{slug}/")).unwrap_or_default();
        let would = if dry_run { "would be " } else { "" };
        println!("{sign} {} {name}{} {would}{}", text("kind"), text("key"), text("outcome"));
        print_difference(&change["difference"]);
    }
    println!("{} changed, {} unchanged", changes.len(), answer["unchanged"]);
}

fn print_difference(json: &Json) {
    let difference: Difference = serde_json::from_value(json.clone()).unwrap_or_default();
    for line in &difference.0 {
        println!("    {line}");
    }
}

fn print_drawn(kind: &str, workspace: Option<&str>, key: &str, secret: &str) {
    let name = workspace.map_or_else(|| key.to_owned(), |workspace| format!("{workspace}/{key}"));
    println!("{kind} {name}: {secret}   (shown this once)");
}

/// `loudhailer export`.
pub async fn export(options: &Export) -> Result<()> {
    match place(&options.target).await? {
        Place::Here(product, grants) => {
            let (resources, kinds, slug) = (product.resources.clone(), options.kind.clone(), options.workspace.clone());
            let permit: OrganisationPermit<cap::ResourcesRead> = grants.permit_organisation()?;
            let text = product
                .db
                .write(move |tx| {
                    let workspace = match &slug {
                        Some(slug) => Some(resources.workspace(tx, slug)?.ok_or(resources::Error::NotFound)?),
                        None => None,
                    };
                    resources.export(tx, &permit, &Filter { kinds: kinds.clone(), workspace })
                })
                .await
                .map_err(told)?;
            product.close().await;
            print!("{text}");
        }
        Place::There(client, url) => {
            let mut query: Vec<String> = options.kind.iter().map(|kind| format!("kind={}", encode(kind))).collect();
            query.extend(options.workspace.iter().map(|slug| format!("workspace={}", encode(slug))));
            let answer = client.send(HttpMethod::GET, &format!("{url}/export?{}", query.join("&")), None).await?;
            if !answer.is_success() {
                remote::accepted(answer)?;
                return Ok(());
            }
            print!("{}", answer.text());
        }
    }
    Ok(())
}

/// `WORKSPACE/NAME` or `NAME`.
fn split(name: &str) -> (Option<&str>, &str) {
    name.split_once('/').map_or((None, name), |(workspace, name)| (Some(workspace), name))
}

/// `loudhailer history`.
pub async fn history(options: &History) -> Result<()> {
    match place(&options.target).await? {
        Place::Here(product, grants) => {
            let permit: OrganisationPermit<cap::ResourcesRead> = grants.permit_organisation()?;
            let (resources, kind, name) = (product.resources.clone(), options.kind.clone(), options.name.clone());
            let found = product
                .db
                .read(move |tx| {
                    let (slug, key) = split(&name);
                    let workspace = match slug {
                        Some(slug) => Some(resources.workspace(tx, slug)?.ok_or(resources::Error::NotFound)?),
                        None => None,
                    };
                    resources.history(tx, &permit, &kind, workspace, key)
                })
                .await
                .map_err(told)?;
            product.close().await;
            for version in found {
                println!(
                    "version {} {} by {} at {}",
                    version.version,
                    version.outcome.name(),
                    version.actor,
                    version.at
                );
                if let Some(reason) = &version.reason {
                    println!("    because {reason}");
                }
                for line in &version.difference.0 {
                    println!("    {line}");
                }
            }
        }
        Place::There(client, url) => {
            let (workspace, name) = split(&options.name);
            let query = workspace.map(|slug| format!("?workspace={}", encode(slug))).unwrap_or_default();
            let url = format!("{url}/{}/{}/history{query}", encode(&options.kind), encode(name));
            let answer = remote::accepted(client.send(HttpMethod::GET, &url, None).await?)?;
            for version in answer["items"].as_array().into_iter().flatten() {
                let text = |name: &str| version[name].as_str().unwrap_or_default();
                println!("version {} {} by {} at {}", version["version"], text("outcome"), text("actor"), text("at"));
                if let Some(reason) = version["reason"].as_str() {
                    println!("    because {reason}");
                }
                print_difference(&version["difference"]);
            }
        }
    }
    Ok(())
}

/// `loudhailer restore-version`.
pub async fn restore_version(options: &RestoreVersion) -> Result<()> {
    match place(&options.target).await? {
        Place::Here(product, grants) => {
            let permit: OrganisationPermit<cap::ResourcesApply> = grants.permit_organisation()?;
            let (resources, kind, name) = (product.resources.clone(), options.kind.clone(), options.name.clone());
            let (version, reason) = (options.version, options.reason.clone());
            let written = product
                .db
                .write(move |tx| {
                    let (slug, key) = split(&name);
                    let workspace = match slug {
                        Some(slug) => Some(resources.workspace(tx, slug)?.ok_or(resources::Error::NotFound)?),
                        None => None,
                    };
                    let clearance = resources.clear(tx, &permit, workspace, &Ground::None)?;
                    resources.restore_version(
                        tx,
                        &permit,
                        &kind,
                        workspace,
                        key,
                        version,
                        reason.as_deref(),
                        &clearance,
                    )
                })
                .await
                .map_err(told)?;
            product.close().await;
            println!(
                "{} {}: version {} is as version {} was",
                options.kind, options.name, written.version, options.version
            );
        }
        Place::There(client, url) => {
            let (workspace, name) = split(&options.name);
            let url = format!("{url}/{}/{}/restore", encode(&options.kind), encode(name));
            let body =
                serde_json::json!({ "version": options.version, "reason": options.reason, "workspace": workspace });
            let answer = remote::accepted(client.send(HttpMethod::POST, &url, Some(&body)).await?)?;
            println!(
                "{} {}: version {} is as version {} was",
                options.kind, options.name, answer["version"], options.version
            );
        }
    }
    Ok(())
}

/// Percent-encodes a part of a path or query.
fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_carry_its_workspace() {
        assert_eq!(split("demo/on-call"), (Some("demo"), "on-call"));
        assert_eq!(split("carrier-a"), (None, "carrier-a"));
        assert_eq!(encode("demo/on call"), "demo%2Fon%20call");
    }
}
