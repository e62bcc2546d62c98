//! Commands on the machine itself: they hold the database and the key file.

use std::os::unix::fs::PermissionsExt as _;

use access::{Actor, Grants, OrganisationPermit, cap};
use outbound::HttpMethod;
use store::{Db, Options};

use crate::cli::{Local, Target};
use crate::commands::remote;
use crate::error::{Error, Result};
use crate::product::{self, Product};
use crate::serve::{configuration, database_options};

/// Who acts: the operating system's user on this machine, with every right, since the database and the keys are theirs.
pub fn operator() -> Grants {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "root".into());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Grants::of_operator(Actor::os(&user, &host))
}

/// The product on the configured database, with nothing running.
pub async fn open(config: &std::path::Path) -> Result<Product> {
    let config = configuration(config)?;
    Product::open(database_options(&config)?, &config.keys.file).await
}

/// `loudhailer setup-link`. Works beside a running server on PostgreSQL; on the embedded database the server is asked to stop
/// first, since it holds the file.
pub async fn setup_link(options: &Local) -> Result<()> {
    let config = configuration(&options.config)?;
    let product = Product::open(database_options(&config)?, &config.keys.file).await?;
    let (identity, grants) = (product.identity.clone(), operator());
    let link = product.db.write(move |tx| identity.setup_link(tx, grants.actor())).await?;
    product.close().await;
    println!("{}/setup#{}", config.public_url(), base::ExposeSecret::expose_secret(&link.secret));
    eprintln!("Good for one use until {}.", link.expires_at);
    Ok(())
}

/// `loudhailer migrate`.
pub async fn migrate(options: &Local) -> Result<()> {
    let config = configuration(&options.config)?;
    let db = Db::open(database_options(&config)?, product::context()).await?;
    let report = db.migrate(product::MIGRATIONS).await?;
    db.close().await;
    for step in &report.applied {
        println!("applied {step}");
    }
    println!("{} steps applied, {} were there", report.applied.len(), report.present);
    Ok(())
}

/// `loudhailer check`: each line says what is so; the first fault decides the exit code.
pub async fn check(options: &Local) -> Result<()> {
    let config = configuration(&options.config)?;
    println!("ok  configuration {}", options.config.display());
    let mode = std::fs::metadata(&config.keys.file)
        .map_err(|source| Error::file(&config.keys.file, source))?
        .permissions()
        .mode();
    let keys = vault::KeyFile::load(&config.keys.file)?;
    println!("ok  key file, version {}, mode {:03o}", keys.newest_version(), mode & 0o777);
    let read = |path: &std::path::Path| std::fs::read_to_string(path).map_err(|source| Error::file(path, source));
    let (cert, key) = (read(&config.tls.cert)?, read(&config.tls.key)?);
    crate::web::tls(&cert, &key, crypto::tls::Clients::Unasked)?;
    let until = crypto::tls::not_after_pem(&cert).map_or_else(|| "an unknown time".into(), base::Timestamp::rfc3339);
    println!("ok  certificate, good until {until}");
    crate::serve::settings(&config)?;
    let db = Db::open(Options { shared: true, ..database_options(&config)? }, product::context()).await?;
    let report = db.pending(product::MIGRATIONS).await?;
    println!("ok  database answers; {} schema steps there, {} to come", report.present, report.applied.len());
    db.close().await;
    Ok(())
}

/// `loudhailer audit verify`.
pub async fn audit_verify(target: &Target) -> Result<()> {
    let verdict = if let Some(path) = &target.config {
        let config = configuration(path)?;
        // Only looks, so it may stand beside a server that holds the database.
        let db = Db::open(Options { shared: true, ..database_options(&config)? }, product::context()).await?;
        let permit: OrganisationPermit<cap::AuditVerify> = operator().permit_organisation()?;
        let verdict = audit::verify_all(&db, &permit).await?;
        db.close().await;
        match &verdict {
            audit::Verdict::Intact { .. } => verdict.to_string(),
            audit::Verdict::Broken(_) => return Err(Error::told(verdict.to_string())),
        }
    } else {
        let url = target
            .url
            .as_deref()
            .ok_or_else(|| Error::told("say which: --config FILE here, or --url URL of a server"))?;
        let client = remote::client(target.ca.as_deref(), remote::token(target.token_file.as_deref())?)?;
        let url = format!("{}/api/v1/audit/verify", url.trim_end_matches('/'));
        let answer = remote::accepted(client.send(HttpMethod::POST, &url, Some(&serde_json::json!({}))).await?)?;
        if answer["verdict"] != "intact" {
            let text = |name: &str| answer[name].as_str().unwrap_or("unknown");
            return Err(Error::told(format!(
                "broken at entry {} ({}): {}",
                answer["seq"],
                text("what"),
                text("detail")
            )));
        }
        let head = answer["head"]["hash"].as_str().unwrap_or("none");
        format!("intact: {} entries sealed, {} waiting, head {head}", answer["entries"], answer["unsealed"])
    };
    println!("{verdict}");
    Ok(())
}
