//! What systemd hears on its socket, read by one that is not systemd.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;

use super::{Operated, send};

struct Supervisor(UnixDatagram);

impl Supervisor {
    /// The next message that has `words` in it.
    fn hears(&self, words: &str) -> String {
        let mut seen = Vec::new();
        for _ in 0..200 {
            let mut buffer = [0; 4096];
            let Ok(count) = self.0.recv(&mut buffer) else { break };
            let said = String::from_utf8_lossy(&buffer[..count]).into_owned();
            if said.contains(words) {
                return said;
            }
            seen.push(said);
        }
        panic!("waited in vain for {words}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_hears_ready_reloading_alive_and_stopping() {
    let operated = Operated::make(None).await;
    let path = operated.path("notify");
    let supervisor = Supervisor(UnixDatagram::bind(&path).unwrap());
    supervisor.0.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut server = operated.start(&[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "1000000")]);
    let process = &server;
    tokio::task::block_in_place(|| {
        let ready = supervisor.hears("READY=1");
        assert!(ready.contains("STATUS=serving; "), "{ready}");
        supervisor.hears("STATUS=serving; 1 of 1 carriers bound");
        supervisor.hears("WATCHDOG=1");
        send(process, Signal::HUP);
        let reloading = supervisor.hears("RELOADING=1");
        assert!(reloading.contains("MONOTONIC_USEC="), "systemd 253 insists on it: {reloading}");
        supervisor.hears("READY=1");
        supervisor.hears("WATCHDOG=1");
        send(process, Signal::TERM);
        supervisor.hears("STOPPING=1");
    });
    let ended = tokio::task::block_in_place(|| server.wait(Duration::from_secs(50)));
    assert!(ended.is_some_and(|status| status.success()), "{}", operated.log());
}
