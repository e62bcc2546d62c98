//! A schema of its own on a PostgreSQL server, for trying something out beside other data: made empty, used through its own address,
//! and removed with all that is in it.

use base::{Context, ExposeSecret as _, SecretString};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connect;
use crate::options::{DatabaseUrl, Options};
use crate::{Dialect, Error};

/// What every scratch schema's name begins with.
const PREFIX: &str = "loudhailer_scratch_";

/// A scratch schema. It goes when this does: by [`Scratch::remove`], or in the background when it is dropped.
pub struct Scratch {
    server: DatabaseUrl,
    url: SecretString,
    schema: String,
    /// Whether it is removed, or shall stay.
    done: bool,
}

impl Scratch {
    /// Makes a schema in the database at `url`, whose user must be allowed to. With `keep` it stays.
    ///
    /// # Errors
    /// When the server does not answer or the user may not make a schema; [`Error::Options`] for the embedded database.
    pub async fn make(url: &DatabaseUrl, context: &Context, keep: bool) -> Result<Self, Error> {
        let DatabaseUrl::Postgres(address) = url else {
            return Err(Error::Options(format!("{} has no schemas to try something in", Dialect::Sqlite)));
        };
        let schema = format!("{PREFIX}{:016x}", u64::from_be_bytes(context.random()));
        let join = if address.expose_secret().contains('?') { '&' } else { '?' };
        let inside = format!("{}{join}options=-c%20search_path%3D{schema}", address.expose_secret());
        tell(url, &format!("CREATE SCHEMA {schema}")).await?;
        Ok(Self { server: url.clone(), url: SecretString::from(inside), schema, done: keep })
    }

    /// The schema's name.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The address that leads into the schema; may hold a password.
    pub const fn url(&self) -> &SecretString {
        &self.url
    }

    /// Removes the schema with everything in it.
    ///
    /// # Errors
    /// When the server does not answer; then the schema is left, and its name begins with `loudhailer_scratch_`.
    pub async fn remove(mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(());
        }
        tell(&self.server, &removal(&self.schema)).await
    }
}

fn removal(schema: &str) -> String {
    format!("DROP SCHEMA IF EXISTS {schema} CASCADE")
}

/// One statement on a connection of its own.
async fn tell(url: &DatabaseUrl, statement: &str) -> Result<(), Error> {
    let DatabaseUrl::Postgres(address) = url else { return Ok(()) };
    let (config, tls) = connect::settings(address, &Options::new(url.clone()))?;
    let (client, connection) = config.connect(MakeRustlsConnect::new(tls)).await.map_err(unavailable)?;
    let driven = tokio::spawn(connection);
    let told = client.batch_execute(statement).await.map_err(unavailable);
    drop(client);
    // It ends with its client; how is no news.
    let _ = driven.await;
    told
}

fn unavailable(error: tokio_postgres::Error) -> Error {
    Error::Unavailable(std::sync::Arc::new(error))
}

impl Drop for Scratch {
    /// On a thread with a runtime of its own: the one that is dropping this may be ending.
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let (server, schema) = (self.server.clone(), std::mem::take(&mut self.schema));
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let removed = runtime.map(|runtime| runtime.block_on(tell(&server, &removal(&schema))));
            if !matches!(removed, Ok(Ok(()))) {
                tracing::warn!(schema, "a scratch schema was left behind");
            }
        });
        let _ = removal.join();
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").field("schema", &self.schema).finish_non_exhaustive()
    }
}
