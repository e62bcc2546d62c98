//! The behaviour of a connection, over an in-memory stream and paused time: what the peer does, when, and
//! what callers are told.

#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use std::time::Duration;

use bytes::BytesMut;
use smpp::{
    Bind, BindMode, BindResp, Command, CommandId, DeliverSm, DeliverSmResp, EnquireLink, EnquireLinkResp, Framer,
    Password, Pdu, Status, SubmitSm, SubmitSmResp, Tlvs, Unbind, UnbindResp,
};
use smpplink::{AcceptError, Closed, ConnectError, Limits, Link, NoAnswer, NotSent, Unknown, accept, bind_over};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep, timeout};

/// A peer that does exactly what a test tells it.
struct Peer {
    stream: DuplexStream,
    buffer: BytesMut,
}

impl Peer {
    fn new(stream: DuplexStream) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    async fn send(&mut self, command: Command) {
        let mut out = BytesMut::new();
        command.encode(&mut out).unwrap();
        self.stream.write_all(&out).await.unwrap();
    }

    async fn answer(&mut self, to: &Command, pdu: impl Into<Pdu>) {
        self.send(Command::response(to.sequence, Status::ROK, pdu)).await;
    }

    /// The next PDU; `None` when the connection was closed.
    async fn next(&mut self) -> Option<Command> {
        loop {
            if let Some(frame) = Framer::new(smpp::LIMIT_BOUND).next(&mut self.buffer).unwrap() {
                return Some(Command::decode(frame).unwrap());
            }
            if self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    async fn expect(&mut self, id: CommandId) -> Command {
        let command = self.next().await.unwrap();
        assert_eq!(command.pdu.id(), id);
        command
    }
}

fn bind() -> Bind {
    Bind::new("demo", Password::new("secret"))
}

fn accepted(id: &str) -> SubmitSmResp {
    SubmitSmResp { message_id: id.into(), tlvs: Tlvs::EMPTY }
}

/// A bound client and the carrier that a test plays.
async fn client(limits: Limits) -> (Link, Peer) {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let mut peer = Peer::new(theirs);
    let carrier = async {
        let bind = peer.expect(CommandId::BIND_TRANSCEIVER).await;
        peer.answer(&bind, Pdu::BindResp(BindMode::Transceiver, BindResp::default())).await;
        peer
    };
    let (link, peer) = tokio::join!(bind_over(ours, BindMode::Transceiver, bind(), limits), carrier);
    (link.unwrap(), peer)
}

/// A server with a bound application that a test plays.
async fn server(limits: Limits) -> (Link, Peer) {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let mut peer = Peer::new(theirs);
    let application = async {
        peer.send(Command::request(1, Pdu::Bind(BindMode::Transceiver, bind()))).await;
        peer.expect(CommandId::BIND_TRANSCEIVER_RESP).await;
        peer
    };
    let serve = async { accept(ours, limits).await.unwrap().admit("loudhailer").await.unwrap() };
    tokio::join!(serve, application)
}

#[tokio::test(start_paused = true)]
async fn requests_find_their_answers_in_any_order() {
    let (link, mut peer) = client(Limits::default()).await;
    let (one, two) = (link.handle.clone(), link.handle.clone());
    let one = tokio::spawn(async move { one.request(SubmitSm::default()).await });
    let first = peer.expect(CommandId::SUBMIT_SM).await;
    let two = tokio::spawn(async move { two.request(SubmitSm::default()).await });
    let second = peer.expect(CommandId::SUBMIT_SM).await;
    assert_eq!(link.handle.in_flight(), 2);
    peer.answer(&second, accepted("b")).await;
    peer.answer(&first, accepted("a")).await;
    assert_eq!(one.await.unwrap().unwrap().pdu, accepted("a").into());
    assert_eq!(two.await.unwrap().unwrap().pdu, accepted("b").into());
    // A place is free a moment after its answer.
    sleep(Duration::from_millis(1)).await;
    assert_eq!(link.handle.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn requests_of_the_peer_are_handed_on_and_answered() {
    let (mut link, mut peer) = client(Limits::default()).await;
    peer.send(Command::request(7, DeliverSm::default())).await;
    let request = link.incoming.next().await.unwrap();
    assert_eq!(request.pdu().id(), CommandId::DELIVER_SM);
    request.answer(Status::ROK, DeliverSmResp::default()).unwrap();
    let answer = peer.expect(CommandId::DELIVER_SM_RESP).await;
    assert_eq!((answer.sequence, answer.status), (7, Status::ROK));
    // A consumer that dies leaves the peer an error, so that it sends again.
    peer.send(Command::request(8, DeliverSm::default())).await;
    drop(link.incoming.next().await.unwrap());
    assert_eq!(peer.expect(CommandId::DELIVER_SM_RESP).await.status, Status::RX_T_APPN);
    peer.send(Command::request(9, EnquireLink {})).await;
    assert_eq!(peer.expect(CommandId::ENQUIRE_LINK_RESP).await.sequence, 9);
}

/// F-12: the carrier drops after k of n: the k are answered, what was written is unknown, what was not is
/// not sent, and nobody waits for ever.
#[tokio::test(start_paused = true)]
async fn a_lost_connection_tells_written_from_unwritten() {
    let (link, mut peer) = client(Limits { window: 4, ..Limits::default() }).await;
    let callers: Vec<_> = (0..6)
        .map(|_| {
            let handle = link.handle.clone();
            tokio::spawn(async move { handle.request(SubmitSm::default()).await })
        })
        .collect();
    let first = peer.expect(CommandId::SUBMIT_SM).await;
    for _ in 0..3 {
        peer.expect(CommandId::SUBMIT_SM).await;
    }
    peer.answer(&first, accepted("1")).await;
    // The freed place lets a fifth go; the sixth still waits.
    peer.expect(CommandId::SUBMIT_SM).await;
    drop(peer);
    let mut outcomes = Vec::new();
    for caller in callers {
        outcomes.push(caller.await.unwrap());
    }
    let count = |wanted: fn(&Result<_, NoAnswer>) -> bool| outcomes.iter().filter(|outcome| wanted(outcome)).count();
    assert_eq!(count(Result::is_ok), 1);
    assert_eq!(count(|outcome| *outcome == Err(NoAnswer::Unknown(Unknown::Closed))), 4);
    assert_eq!(count(|outcome| *outcome == Err(NoAnswer::NotSent(NotSent::Closed))), 1);
    assert_eq!(link.handle.closed().await, Closed::PeerClosed);
    assert_eq!(link.handle.request(SubmitSm::default()).await, Err(NoAnswer::NotSent(NotSent::Closed)));
}

/// F-13: a carrier that accepts and never answers frees each place after the response timer.
#[tokio::test(start_paused = true)]
async fn an_unanswered_request_gives_its_place_back_in_time() {
    let (link, mut peer) = client(Limits { window: 1, ..Limits::default() }).await;
    let started = Instant::now();
    let silent = link.handle.request(SubmitSm::default()).await;
    assert_eq!(silent, Err(NoAnswer::Unknown(Unknown::TimedOut)));
    assert_eq!(started.elapsed().as_secs(), 10);
    let late = peer.expect(CommandId::SUBMIT_SM).await;
    let next = tokio::spawn({
        let handle = link.handle.clone();
        async move { handle.request(SubmitSm::default()).await }
    });
    let fresh = peer.expect(CommandId::SUBMIT_SM).await;
    // The late answer is nobody's; above all not the next request's.
    peer.answer(&late, accepted("late")).await;
    peer.answer(&fresh, accepted("fresh")).await;
    assert_eq!(next.await.unwrap().unwrap().pdu, accepted("fresh").into());
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_asked_after_30_s_and_left_after_10_more() {
    let (link, mut peer) = client(Limits::default()).await;
    let started = Instant::now();
    let question = peer.expect(CommandId::ENQUIRE_LINK).await;
    assert_eq!(started.elapsed().as_secs(), 30);
    peer.answer(&question, EnquireLinkResp {}).await;
    peer.expect(CommandId::ENQUIRE_LINK).await;
    assert_eq!(started.elapsed().as_secs(), 60);
    assert_eq!(link.handle.closed().await, Closed::Silent);
    assert_eq!(started.elapsed().as_secs(), 70);
}

#[tokio::test(start_paused = true)]
async fn an_idle_peer_is_left_after_90_s_even_when_nobody_asked() {
    let (link, peer) = client(Limits { enquire: Duration::from_mins(10), ..Limits::default() }).await;
    let started = Instant::now();
    assert_eq!(link.handle.closed().await, Closed::Silent);
    assert_eq!(started.elapsed().as_secs(), 90);
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn our_unbind_waits_for_what_is_in_flight() {
    let (link, mut peer) = client(Limits::default()).await;
    let submit = tokio::spawn({
        let handle = link.handle.clone();
        async move { handle.request(SubmitSm::default()).await }
    });
    let request = peer.expect(CommandId::SUBMIT_SM).await;
    let unbound = tokio::spawn({
        let handle = link.handle.clone();
        async move { handle.unbind().await }
    });
    sleep(Duration::from_secs(2)).await;
    // New requests are neither sent nor lost.
    let refused = tokio::spawn({
        let handle = link.handle.clone();
        async move { handle.request(SubmitSm::default()).await }
    });
    peer.answer(&request, accepted("1")).await;
    assert!(submit.await.unwrap().is_ok());
    let goodbye = peer.expect(CommandId::UNBIND).await;
    assert_eq!(refused.await.unwrap(), Err(NoAnswer::NotSent(NotSent::Closed)));
    peer.answer(&goodbye, UnbindResp {}).await;
    assert_eq!(unbound.await.unwrap(), Closed::Unbound);
    assert!(peer.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_peers_unbind_waits_for_its_own_answers() {
    let (mut link, mut peer) = server(Limits::default()).await;
    peer.send(Command::request(2, SubmitSm::default())).await;
    let request = link.incoming.next().await.unwrap();
    peer.send(Command::request(3, Unbind {})).await;
    sleep(Duration::from_secs(1)).await;
    // Nothing new fits a session that ends.
    peer.send(Command::request(4, SubmitSm::default())).await;
    assert_eq!(peer.expect(CommandId::SUBMIT_SM_RESP).await.status, Status::RINVBNDSTS);
    request.answer(Status::ROK, accepted("1")).unwrap();
    assert_eq!(peer.expect(CommandId::SUBMIT_SM_RESP).await.sequence, 2);
    assert_eq!(peer.expect(CommandId::UNBIND_RESP).await.sequence, 3);
    assert_eq!(link.handle.closed().await, Closed::PeerUnbound);
    assert!(link.incoming.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_that_goes_unbinds() {
    let (link, mut peer) = client(Limits::default()).await;
    drop(link);
    let goodbye = peer.expect(CommandId::UNBIND).await;
    peer.answer(&goodbye, UnbindResp {}).await;
    assert!(peer.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_abort_cuts_without_a_word() {
    let (link, mut peer) = client(Limits::default()).await;
    link.handle.abort();
    assert_eq!(link.handle.closed().await, Closed::Aborted);
    assert!(peer.next().await.is_none());
}

/// A consumer that does not keep up makes the peer wait, then refuses; answers to our own requests still arrive.
#[tokio::test(start_paused = true)]
async fn overload_refuses_and_keeps_reading() {
    let (link, mut peer) = client(Limits { incoming: 2, ..Limits::default() }).await;
    let submit = tokio::spawn({
        let handle = link.handle.clone();
        async move { handle.request(SubmitSm::default()).await }
    });
    let request = peer.expect(CommandId::SUBMIT_SM).await;
    for sequence in 1..=4 {
        peer.send(Command::request(sequence, DeliverSm::default())).await;
    }
    peer.answer(&request, accepted("1")).await;
    for sequence in 3..=4 {
        let refused = peer.expect(CommandId::DELIVER_SM_RESP).await;
        assert_eq!((refused.sequence, refused.status), (sequence, Status::RX_T_APPN));
    }
    let answered = timeout(Duration::from_secs(5), submit).await.unwrap().unwrap().unwrap();
    assert!(answered.status.is_ok());
    drop(link);
}

/// F-20: what makes no sense is answered as the specification says, and the stream stays in step.
#[tokio::test(start_paused = true)]
async fn malformed_and_misplaced_pdus_are_answered() {
    let (link, mut peer) = server(Limits::default()).await;
    let raw = |id: u32, sequence: u32, body: &[u8]| {
        let mut out = u32::try_from(16 + body.len()).unwrap().to_be_bytes().to_vec();
        for word in [id, 0, sequence] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        out.extend_from_slice(body);
        out
    };
    peer.stream.write_all(&raw(4, 2, b"x")).await.unwrap();
    peer.stream.write_all(&raw(0x0123_4567, 3, b"whatever")).await.unwrap();
    peer.stream.write_all(&raw(5, 4, &[0; 17])).await.unwrap();
    peer.send(Command::request(5, Pdu::Bind(BindMode::Transceiver, bind()))).await;
    let expected = [
        (CommandId::SUBMIT_SM_RESP, Status::RINVCMDLEN),
        (CommandId::GENERIC_NACK, Status::RINVCMDID),
        (CommandId::DELIVER_SM_RESP, Status::RINVBNDSTS),
        (CommandId::BIND_TRANSCEIVER_RESP, Status::RINVBNDSTS),
    ];
    for (sequence, (id, status)) in (2..).zip(expected) {
        let answer = peer.next().await.unwrap();
        assert_eq!((answer.sequence, answer.pdu.id(), answer.status), (sequence, id, status));
    }
    // A length that cannot be leaves nothing to go on with.
    peer.stream.write_all(&[0, 0, 0, 15]).await.unwrap();
    assert!(matches!(link.handle.closed().await, Closed::OutOfStep(_)));
}

/// F-13 and F-20 on the caller's side: an answer that is a nack, unreadable or another's.
#[tokio::test(start_paused = true)]
async fn answers_that_are_no_answers() {
    let (link, mut peer) = client(Limits::default()).await;
    let ask = || {
        let handle = link.handle.clone();
        tokio::spawn(async move { handle.request(SubmitSm::default()).await })
    };
    let asked = ask();
    let request = peer.expect(CommandId::SUBMIT_SM).await;
    peer.send(Command::response(request.sequence, Status::RINVCMDID, smpp::GenericNack {})).await;
    assert_eq!(asked.await.unwrap().unwrap().status, Status::RINVCMDID);
    let asked = ask();
    let request = peer.expect(CommandId::SUBMIT_SM).await;
    peer.answer(&request, DeliverSmResp::default()).await;
    assert_eq!(asked.await.unwrap(), Err(NoAnswer::Unknown(Unknown::Unreadable)));
    let too_long = SubmitSm { service_type: "too long".into(), ..SubmitSm::default() };
    assert!(matches!(link.handle.request(too_long).await, Err(NoAnswer::NotSent(NotSent::Invalid(_)))));
}

/// F-19, F-20: strangers get 5 s and 1 KiB, drip or not.
#[tokio::test(start_paused = true)]
async fn a_stranger_has_5_s_and_1_kib() {
    let started = Instant::now();
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    let drip = tokio::spawn(async move {
        for octet in [0, 0, 0, 40, 0, 0, 0, 9, 0, 0] {
            if theirs.write_all(&[octet]).await.is_err() {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
    });
    assert!(matches!(accept(ours, Limits::default()).await, Err(AcceptError::TimedOut)));
    assert_eq!(started.elapsed().as_secs(), 5);
    drip.await.unwrap();
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    theirs.write_all(&[0, 0, 4, 1]).await.unwrap();
    assert!(matches!(accept(ours, Limits::default()).await, Err(AcceptError::OutOfStep(_))));
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let mut peer = Peer::new(theirs);
    let strange = async {
        peer.send(Command::request(1, EnquireLink {})).await;
        peer.send(Command::request(2, SubmitSm::default())).await;
        peer.expect(CommandId::ENQUIRE_LINK_RESP).await;
        assert_eq!(peer.expect(CommandId::SUBMIT_SM_RESP).await.status, Status::RINVBNDSTS);
        for sequence in 3..10 {
            peer.send(Command::request(sequence, EnquireLink {})).await;
        }
    };
    let (accepted, ()) = tokio::join!(accept(ours, Limits::default()), strange);
    assert!(matches!(accepted, Err(AcceptError::NoBind)));
}

#[tokio::test(start_paused = true)]
async fn a_refused_bind_is_told_with_its_status() {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let serve = async { accept(theirs, Limits::default()).await.unwrap().refuse(Status::RBINDFAIL).await };
    let (link, refused) = tokio::join!(bind_over(ours, BindMode::Receiver, bind(), Limits::default()), serve);
    refused.unwrap();
    assert!(matches!(link, Err(ConnectError::Refused(Status::RBINDFAIL))));
    // A peer that answers nothing at all is left when the response timer says so.
    let (ours, _theirs) = tokio::io::duplex(1 << 16);
    let link = bind_over(ours, BindMode::Receiver, bind(), Limits::default()).await;
    assert!(matches!(link, Err(ConnectError::TimedOut(_))));
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    theirs.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    assert!(matches!(
        bind_over(ours, BindMode::Receiver, bind(), Limits::default()).await,
        Err(ConnectError::Protocol)
    ));
}

/// A peer that asks and does not read stops being read, and is left in the end: memory stays bounded.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_left() {
    let (ours, theirs) = tokio::io::duplex(1024);
    let mut peer = Peer::new(theirs);
    let application = async {
        peer.send(Command::request(1, Pdu::Bind(BindMode::Transceiver, bind()))).await;
        peer.expect(CommandId::BIND_TRANSCEIVER_RESP).await;
        peer
    };
    let serve = async { accept(ours, Limits::default()).await.unwrap().admit("loudhailer").await.unwrap() };
    let (link, peer) = tokio::join!(serve, application);
    let (_read, mut write) = tokio::io::split(peer.stream);
    let flood = tokio::spawn(async move {
        let mut out = BytesMut::new();
        Command::request(5, EnquireLink {}).encode(&mut out).unwrap();
        let mut sent = 0_u32;
        while write.write_all(&out).await.is_ok() {
            sent += 1;
        }
        sent
    });
    let started = Instant::now();
    assert_eq!(link.handle.closed().await, Closed::Stalled);
    assert_eq!(started.elapsed().as_secs(), 30);
    assert!(flood.await.unwrap() < 2000);
}

#[tokio::test(start_paused = true)]
async fn a_burst_through_a_small_window_is_answered_whole() {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let limits = Limits { window: 50, ..Limits::default() };
    let serve = async { accept(theirs, limits).await.unwrap().admit("loudhailer").await.unwrap() };
    let (client, mut server) = tokio::join!(bind_over(ours, BindMode::Transceiver, bind(), limits), serve);
    let client = client.unwrap();
    assert_eq!((client.handle.peer().to_str(), server.handle.peer().to_str()), ("loudhailer".into(), "demo".into()));
    let serving = tokio::spawn(async move {
        let (mut batch, mut served) = (Vec::new(), 0);
        while server.incoming.next_many(&mut batch, 64).await > 0 {
            for request in batch.drain(..) {
                served += 1;
                request.answer(Status::ROK, accepted("id")).unwrap();
            }
        }
        served
    });
    let callers: Vec<_> = (0..2000)
        .map(|_| {
            let handle = client.handle.clone();
            tokio::spawn(async move { handle.request(SubmitSm::default()).await })
        })
        .collect();
    for caller in callers {
        assert!(caller.await.unwrap().unwrap().status.is_ok());
    }
    assert_eq!(client.handle.unbind().await, Closed::Unbound);
    assert_eq!(serving.await.unwrap(), 2000);
}
