//! A PostgreSQL server over the network is reached by TLS, and its certificate is verified (controls ).

use base::ExposeSecret as _;
use store::{DatabaseUrl, Db, Error, Options};

/// The cluster's certificate authority, its TCP port, and a role with a password on a database of our own.
async fn encrypted(fresh: &testdb::Fresh) -> (tempfile::NamedTempFile, u16) {
    let db = fresh.open().await;
    let (authority, port) = db
        .write(|tx| {
            let on = tx.query_one("SELECT current_setting('ssl') AS on", &[], |row| row.get::<String>(0))?;
            assert_eq!(on, "on", "the test cluster has no TLS; start one with scripts/test-postgres");
            tx.execute("DO $do$ BEGIN CREATE ROLE tls_test LOGIN PASSWORD 'sample-Passw0rd'; EXCEPTION WHEN duplicate_object THEN NULL; END $do$", &[])?;
            let authority = tx.query_one("SELECT pg_read_file('ca.crt') AS ca", &[], |row| row.get::<String>(0))?;
            let port = tx.query_one("SELECT CAST(current_setting('port') AS BIGINT) AS port", &[], |row| row.get::<u16>(0))?;
            Ok::<_, Error>((authority, port))
        })
        .await
        .unwrap();
    db.close().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority).unwrap();
    (file, port)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_on_the_network_is_reached_by_verified_tls_x_07_x_21() {
    let fresh = testdb::postgres_url().await;
    let (authority, port) = encrypted(&fresh).await;
    let DatabaseUrl::Postgres(url) = fresh.url() else { unreachable!() };
    let name = url.expose_secret().rsplit('/').next().unwrap();
    let options = |host: &str, query: &str| {
        let url = format!("postgres://tls_test:sample-Passw0rd@{host}:{port}/{name}{query}");
        let mut options = Options::new(url.parse().unwrap());
        options.tls_ca = Some(authority.path().to_owned());
        options
    };
    let db = Db::open(options("localhost", "?sslmode=require"), testdb::context()).await.unwrap();
    let encrypted = db
        .read(|tx| {
            tx.query_one("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[], |row| {
                Ok((row.get::<bool>(0)?, row.get::<String>(1)?))
            })
        })
        .await;
    assert_eq!(encrypted.unwrap(), (true, "TLSv1.3".to_owned()));
    db.close().await;
    // The certificate is made out to localhost: another name for the same machine is refused.
    let refused = Db::open(options("127.0.0.1", "?sslmode=require"), testdb::context()).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    // So is a certificate of an authority that we do not know.
    let mut strangers = options("localhost", "?sslmode=require");
    strangers.tls_ca = None;
    assert!(Db::open(strangers, testdb::context()).await.is_err());
    // And the server refuses clear text.
    assert!(Db::open(options("localhost", "?sslmode=disable"), testdb::context()).await.is_err());
}
