use base::{IntegrationId, WorkspaceId};

use super::*;

fn integration(auth: &[Auth]) -> Integration {
    let id = IntegrationId::from(uuid::Uuid::nil());
    Integration {
        id,
        workspace: WorkspaceId::from(uuid::Uuid::nil()),
        name: "prometheus".into(),
        auth: auth.to_vec(),
        user: "prometheus".into(),
        mapping: "generic".into(),
        flow: "page".into(),
        enabled: true,
        rate_per_minute: 600,
        rotation_hours: 24,
        keep_days: 90,
        keep_refused_days: 30,
        credentials: Vec::new(),
        last_signal: None,
    }
}

#[test]
fn each_method_has_an_example_in_each_language() {
    let all = examples(&integration(&Auth::ALL), "https://pages.example.com/", None);
    assert_eq!(all.len(), 15);
    for example in &all {
        assert!(
            example.text.contains("https://pages.example.com/signals/00000000-0000-0000-0000-000000000000"),
            "{}",
            example.text
        );
        assert!(
            example.method == Auth::Certificate || example.text.contains(placeholder(example.method)),
            "{}",
            example.text
        );
    }
    assert_eq!(examples(&integration(&[Auth::ApiKey]), "https://x", None).len(), 3, "only its own methods");
}

/// A secret that was just drawn stands in the examples of its own method, and nowhere else; nothing prints it by accident.
#[test]
fn a_drawn_secret_is_put_in_its_place() {
    let secret = SecretString::from("s3cr3t".to_owned());
    let all = examples(&integration(&Auth::ALL), "https://x", Some((Auth::Basic, &secret)));
    for example in &all {
        assert_eq!(example.text.contains("s3cr3t"), example.method == Auth::Basic);
    }
    assert!(!format!("{all:?}").contains("s3cr3t"));
}

/// What stands in quotes stays in quotes, whatever a sample or a token holds.
#[test]
fn nothing_breaks_out_of_its_quotes() {
    let sample = Sample { content_type: "application/json".into(), body: "it's \"a\" $(b) `c` \\ \u{2019}".into() };
    let secret = "a'b\"c$d";
    let values = Values { url: "https://x/signals/1".into(), user: "u", secret, sample: &sample };
    assert!(curl(Auth::ApiKey, &values).contains(r#"'Authorization: Bearer a'\''b"c$d'"#));
    assert!(curl(Auth::ApiKey, &values).contains("'it'\\''s \"a\" $(b) `c` \\ \u{2019}'"));
    assert!(curl(Auth::UrlToken, &values).contains("?token=a%27b%22c%24d'"));
    assert!(python(Auth::ApiKey, &values).contains(r#""Bearer " + "a'b\"c$d""#));
    assert!(powershell(Auth::ApiKey, &values).contains(r#"'Bearer ' + 'a''b"c$d'"#));
    assert!(powershell(Auth::ApiKey, &values).contains("'it''s \"a\" $(b) `c` \\ \u{2019}\u{2019}'"));
}

/// PowerShell is not at hand where the tests run, so its texts are looked at by people, here.
#[test]
fn powershell_reads_as_intended() {
    let sample = Sample::of(r#"{"title": "Disk full"}"#);
    let values =
        Values { url: "https://x/signals/1".into(), user: "prometheus", secret: "whsec_c2VjcmV0", sample: &sample };
    assert_eq!(
        powershell(Auth::Basic, &values),
        "$url = 'https://x/signals/1'
$body = [Text.Encoding]::UTF8.GetBytes('{\"title\": \"Disk full\"}')
$headers = @{}
$pair = 'prometheus' + ':' + 'whsec_c2VjcmV0'
$headers['Authorization'] = 'Basic ' + [Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes($pair))
Invoke-RestMethod -Method Post -Uri $url -Headers $headers -ContentType 'application/json' -Body $body"
    );
    assert_eq!(
        powershell(Auth::Hmac, &values),
        "$url = 'https://x/signals/1'
$body = [Text.Encoding]::UTF8.GetBytes('{\"title\": \"Disk full\"}')
$headers = @{}
$secret = 'whsec_c2VjcmV0'
$id = 'msg_' + [Guid]::NewGuid().ToString('N')
$now = [DateTimeOffset]::UtcNow.ToUnixTimeSeconds().ToString()
$hmac = New-Object System.Security.Cryptography.HMACSHA256 (,[Convert]::FromBase64String($secret.Substring(6)))
$signed = [Text.Encoding]::UTF8.GetBytes(\"$id.$now.\") + $body
$headers['webhook-id'] = $id
$headers['webhook-timestamp'] = $now
$headers['webhook-signature'] = 'v1,' + [Convert]::ToBase64String($hmac.ComputeHash([byte[]]$signed))
Invoke-RestMethod -Method Post -Uri $url -Headers $headers -ContentType 'application/json' -Body $body"
    );
}
