//! Commands that send a signal to an integration, with its own values, ready to be copied: for each way of proving a sender,
//! in curl, Python (standard library alone) and PowerShell.

use base::{ExposeSecret, SecretString};

use crate::mapping::{Sample, built_in};
use crate::types::{Auth, Integration};

/// One command.
#[derive(Clone, PartialEq, Eq)]
pub struct Example {
    /// `curl`, `Python` or `PowerShell`.
    pub language: &'static str,
    /// How it proves its sender.
    pub method: Auth,
    /// The command. Holds the secret when one was given: show it once, like the secret.
    pub text: String,
}

impl std::fmt::Debug for Example {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Example")
            .field("language", &self.language)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// What an example is made of.
struct Values<'v> {
    url: String,
    user: &'v str,
    secret: &'v str,
    sample: &'v Sample,
}

/// The examples of an integration, in the order of its methods. `public_url` is the address that senders use; a secret that was
/// just drawn takes its place in the examples of its method, the others say what to put in.
pub fn examples(integration: &Integration, public_url: &str, secret: Option<(Auth, &SecretString)>) -> Vec<Example> {
    let sample = built_in(&integration.mapping)
        .or_else(|| built_in("generic"))
        .map_or_else(|| Sample::of("{}"), crate::Mapping::sample);
    let mut all = Vec::new();
    for method in Auth::ALL.into_iter().filter(|method| integration.auth.contains(method)) {
        let given = secret.filter(|(of, _)| *of == method).map(|(_, secret)| secret.expose_secret());
        let values = Values {
            url: format!("{}/signals/{}", public_url.trim_end_matches('/'), integration.id),
            user: &integration.user,
            secret: given.unwrap_or(placeholder(method)),
            sample: &sample,
        };
        for (language, text) in [
            ("curl", curl(method, &values)),
            ("Python", python(method, &values)),
            ("PowerShell", powershell(method, &values)),
        ] {
            all.push(Example { language, method, text });
        }
    }
    all
}

/// What stands where a secret goes.
const fn placeholder(method: Auth) -> &'static str {
    match method {
        Auth::UrlToken => "YOUR_URL_TOKEN",
        Auth::ApiKey => "YOUR_API_KEY",
        Auth::Basic => "YOUR_PASSWORD",
        Auth::Hmac => "whsec_YOUR_SIGNING_SECRET",
        Auth::Certificate => "client.pem",
    }
}

/// The address with what belongs into it.
fn address(method: Auth, values: &Values<'_>) -> String {
    let token: String = form_urlencoded::byte_serialize(values.secret.as_bytes()).collect();
    if method == Auth::UrlToken { format!("{}?token={token}", values.url) } else { values.url.clone() }
}

/// For a POSIX shell: nothing in single quotes means anything but the quote itself.
fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn curl(method: Auth, values: &Values<'_>) -> String {
    let Sample { content_type, body } = values.sample;
    let address = shell(&address(method, values));
    let media = shell(&format!("Content-Type: {content_type}"));
    if method == Auth::Hmac {
        return format!(
            "SECRET={secret}
BODY={body}
ID=\"msg_$(openssl rand -hex 16)\"
TIME=\"$(date +%s)\"
KEY=\"$(printf %s \"${{SECRET#whsec_}}\" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \\n')\"
SIGNATURE=\"$(printf '%s.%s.%s' \"$ID\" \"$TIME\" \"$BODY\" | openssl dgst -sha256 -mac HMAC -macopt \"hexkey:$KEY\" -binary | openssl base64 -A)\"
curl --fail-with-body -X POST {address} \\
  -H {media} \\
  -H \"webhook-id: $ID\" -H \"webhook-timestamp: $TIME\" -H \"webhook-signature: v1,$SIGNATURE\" \\
  --data-binary \"$BODY\"",
            secret = shell(values.secret),
            body = shell(body),
        );
    }
    let proof = match method {
        Auth::UrlToken | Auth::Hmac => String::new(),
        Auth::Certificate => "  --cert client.pem --key client.key \\\n".to_owned(),
        Auth::ApiKey => format!("  -H {} \\\n", shell(&format!("Authorization: Bearer {}", values.secret))),
        Auth::Basic => format!("  -u {} \\\n", shell(&format!("{}:{}", values.user, values.secret))),
    };
    format!("curl --fail-with-body -X POST {address} \\\n{proof}  -H {media} \\\n  --data-binary {}", shell(body))
}

/// A Python text: JSON's escapes are Python's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn python(method: Auth, values: &Values<'_>) -> String {
    let Sample { content_type, body } = values.sample;
    let imports = match method {
        Auth::UrlToken | Auth::ApiKey => "import urllib.request",
        Auth::Certificate => "import ssl\nimport urllib.request",
        Auth::Basic => "import base64\nimport urllib.request",
        Auth::Hmac => "import base64\nimport hashlib\nimport hmac\nimport time\nimport urllib.request\nimport uuid",
    };
    let secret = quoted(values.secret);
    let proof = match method {
        Auth::UrlToken => String::new(),
        Auth::Certificate => {
            "context = ssl.create_default_context()\ncontext.load_cert_chain(\"client.pem\", \"client.key\")\n"
                .to_owned()
        }
        Auth::ApiKey => format!("headers[\"Authorization\"] = \"Bearer \" + {secret}\n"),
        Auth::Basic => format!(
            "pair = {user} + \":\" + {secret}
headers[\"Authorization\"] = \"Basic \" + base64.b64encode(pair.encode()).decode()
",
            user = quoted(values.user)
        ),
        Auth::Hmac => format!(
            "secret = {secret}
message_id, now = \"msg_\" + uuid.uuid4().hex, str(int(time.time()))
key = base64.b64decode(secret.removeprefix(\"whsec_\"))
signed = f\"{{message_id}}.{{now}}.\".encode() + body
signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
headers[\"webhook-id\"] = message_id
headers[\"webhook-timestamp\"] = now
headers[\"webhook-signature\"] = \"v1,\" + signature
"
        ),
    };
    format!(
        "{imports}

url = {url}
body = {body}.encode()
headers = {{\"Content-Type\": {media}}}
{proof}request = urllib.request.Request(url, data=body, headers=headers, method=\"POST\")
with urllib.request.urlopen(request{context}) as answer:
    print(answer.status, answer.read().decode())",
        context = if method == Auth::Certificate { ", context=context" } else { "" },
        url = quoted(&address(method, values)),
        body = quoted(body),
        media = quoted(content_type),
    )
}

/// A PowerShell text: in single quotes only the quote is doubled, and nothing else means anything. PowerShell takes the
/// typographic quotes for quotes too.
fn literal(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        if matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
    out
}

fn powershell(method: Auth, values: &Values<'_>) -> String {
    let Sample { content_type, body } = values.sample;
    let secret = literal(values.secret);
    let proof = match method {
        Auth::UrlToken => String::new(),
        Auth::Certificate => "$certificate = Get-PfxCertificate -FilePath 'client.pfx'\n".to_owned(),
        Auth::ApiKey => format!("$headers['Authorization'] = 'Bearer ' + {secret}\n"),
        Auth::Basic => format!(
            "$pair = {user} + ':' + {secret}
$headers['Authorization'] = 'Basic ' + [Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes($pair))
",
            user = literal(values.user)
        ),
        Auth::Hmac => format!(
            "$secret = {secret}
$id = 'msg_' + [Guid]::NewGuid().ToString('N')
$now = [DateTimeOffset]::UtcNow.ToUnixTimeSeconds().ToString()
$hmac = New-Object System.Security.Cryptography.HMACSHA256 (,[Convert]::FromBase64String($secret.Substring(6)))
$signed = [Text.Encoding]::UTF8.GetBytes(\"$id.$now.\") + $body
$headers['webhook-id'] = $id
$headers['webhook-timestamp'] = $now
$headers['webhook-signature'] = 'v1,' + [Convert]::ToBase64String($hmac.ComputeHash([byte[]]$signed))
"
        ),
    };
    format!(
        "$url = {url}
$body = [Text.Encoding]::UTF8.GetBytes({body})
$headers = @{{}}
{proof}Invoke-RestMethod -Method Post -Uri $url{certificate} -Headers $headers -ContentType {media} -Body $body",
        certificate = if method == Auth::Certificate { " -Certificate $certificate" } else { "" },
        url = literal(&address(method, values)),
        body = literal(body),
        media = literal(content_type),
    )
}

#[cfg(test)]
#[path = "examples_tests.rs"]
mod tests;
