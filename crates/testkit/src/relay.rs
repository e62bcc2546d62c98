//! A network that can be cut: a relay before a database.

use std::path::Path;

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;

/// PostgreSQL's name for its socket in a directory.
const SOCKET: &str = ".s.PGSQL.5432";

/// Passes connections on, until it is cut. Ends with the test.
#[derive(Debug)]
pub struct Relay {
    open: watch::Sender<bool>,
    _home: TempDir,
}

impl Relay {
    /// A relay before the server of a PostgreSQL URL (`scheme://user@host/database`, the host perhaps the percent-encoded directory of a
    /// socket), and the URL that leads over it.
    pub fn before_postgres(url: &str) -> (Self, String) {
        let (start, rest) = url.split_once("://").expect("a URL has a scheme");
        let (authority, path) = rest.split_once('/').expect("a URL has a path");
        let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        let target = host.replace("%2F", "/").replace("%2f", "/");
        let home = tempfile::tempdir().expect("a temporary directory");
        let listener = UnixListener::bind(home.path().join(SOCKET)).expect("a socket");
        let (open, state) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(pass(near, target.clone(), state.clone()));
            }
        });
        let user = user.map(|user| format!("{user}@")).unwrap_or_default();
        let host = home.path().display().to_string().replace('/', "%2F");
        (Self { open, _home: home }, format!("{start}://{user}{host}/{path}"))
    }

    /// Ends every connection, and passes none on.
    pub fn cut(&self) {
        self.open.send_replace(false);
    }

    /// Passes on again.
    pub fn mend(&self) {
        self.open.send_replace(true);
    }
}

/// One connection. Who comes while the relay is cut is turned away, and so is whoever was passed on before.
async fn pass(near: UnixStream, target: String, mut open: watch::Receiver<bool>) {
    if !*open.borrow_and_update() {
        return;
    }
    if target.starts_with('/') {
        let Ok(far) = UnixStream::connect(Path::new(&target).join(SOCKET)).await else { return };
        join(near, far, open).await;
    } else {
        let address = if target.contains(':') { target } else { format!("{target}:5432") };
        let Ok(far) = TcpStream::connect(address).await else { return };
        join(near, far, open).await;
    }
}

async fn join(mut near: UnixStream, mut far: impl AsyncRead + AsyncWrite + Unpin, mut open: watch::Receiver<bool>) {
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        _ = open.changed() => {}
    }
}
