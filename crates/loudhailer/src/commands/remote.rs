//! Talking to a running server.

use std::path::{Path, PathBuf};

use base::SecretString;
use outbound::{Answer, HttpMethod, OperatorClient};
use serde_json::{Map, Value as Json, json};

use crate::cli::{Send, Signal};
use crate::error::{Error, Result};

/// The token in `file`, or in `LOUDHAILER_TOKEN`.
pub fn token(file: Option<&Path>) -> Result<Option<SecretString>> {
    match file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|source| Error::file(path, source))?;
            Ok(Some(text.trim().to_owned().into()))
        }
        None => Ok(std::env::var("LOUDHAILER_TOKEN").ok().map(SecretString::from)),
    }
}

/// A client that trusts the authority in `ca`.
pub fn client(ca: Option<&Path>, token: Option<SecretString>) -> Result<OperatorClient> {
    let pem = ca.map(|path| std::fs::read_to_string(path).map_err(|source| Error::file(path, source))).transpose()?;
    Ok(OperatorClient::new(pem.as_deref(), token)?)
}

/// The answer's body, or the server's own words about why not.
pub fn accepted(answer: Answer) -> Result<Json> {
    if answer.is_success() {
        return Ok(answer.json());
    }
    let body = answer.json();
    let said = ["detail", "message", "title"].iter().find_map(|name| body[name].as_str());
    let field = body["field"].as_str().map(|field| format!("{field}: ")).unwrap_or_default();
    let problems: Vec<String> = body["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|problem| {
            format!("\n  {}: {}", problem["field"].as_str().unwrap_or("?"), problem["detail"].as_str().unwrap_or("?"))
        })
        .collect();
    let said = said.map_or_else(|| "the server gave no reason".to_owned(), str::to_owned);
    Err(Error::told(format!("refused with {}: {field}{said}{}", answer.status, problems.concat())))
}

/// `loudhailer send`.
pub async fn send(options: &Send) -> Result<()> {
    let token = token(options.target.token_file.as_deref())?
        .ok_or_else(|| Error::told("no access token: set LOUDHAILER_TOKEN or give --token-file"))?;
    let client = client(options.target.ca.as_deref(), Some(token))?;
    let mut body = json!({ "destination": options.to, "text": options.text });
    if let Some(source) = &options.source {
        body["source"] = json!(source);
    }
    let url = format!("{}/api/v1/subaccounts/{}/messages", options.target.url.trim_end_matches('/'), options.workspace);
    let answer = accepted(client.send(HttpMethod::POST, &url, Some(&body)).await?)?;
    let status = &answer["status"];
    if status["code"] == "REJECTED" {
        return Err(Error::told(format!("rejected: {}", status["description"].as_str().unwrap_or("no reason given"))));
    }
    println!("accepted {} ({})", answer["umid"].as_str().unwrap_or("?"), answer["encoding"].as_str().unwrap_or("?"));
    Ok(())
}

/// `loudhailer signal`.
pub async fn signal(options: &Signal) -> Result<()> {
    let token = token(options.token_file.as_deref())?;
    let client = client(options.ca.as_deref(), token)?;
    let body = match &options.body {
        Some(path) => read_body(path)?,
        None => fields(&options.fields)?,
    };
    let answer = accepted(client.send(HttpMethod::POST, &options.url, Some(&body)).await?)?;
    println!("accepted {}", answer["requestId"].as_str().unwrap_or("?"));
    Ok(())
}

fn read_body(path: &PathBuf) -> Result<Json> {
    let text = if path.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())?
    } else {
        std::fs::read_to_string(path).map_err(|source| Error::file(path, source))?
    };
    serde_json::from_str(&text).map_err(|error| Error::told(format!("the body is no JSON: {error}")))
}

fn fields(pairs: &[String]) -> Result<Json> {
    let mut body = Map::new();
    for pair in pairs {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Error::told(format!("{pair}: write a field as NAME=VALUE, such as title='Disk full'")))?;
        body.insert(name.to_owned(), json!(value));
    }
    Ok(Json::Object(body))
}
