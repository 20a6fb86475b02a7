//! Peers that break the protocol: refused or cut off, nothing delivered, everything else goes on.

use tokio::io::AsyncWriteExt;

use super::*;
use crate::peer::hello::PROTOCOL_VERSION;

/// A replica and a peer of it that is about to misbehave.
async fn scene() -> (Replica, Puppet) {
    let one = Replica::start(1, limits()).await;
    let two = Puppet::new().await;
    one.transport.set_peers(vec![two.as_peer(2)]);
    (one, two)
}

async fn is_well(one: &mut Replica, two: &Puppet) {
    let mut stream = one.greet_as(2, &two.identity, Purpose::Messages).await;
    frame::write(&mut stream, Kind::Message, b"as agreed").await.unwrap();
    assert_eq!(one.received().await, (ReplicaId(2), Bytes::from_static(b"as agreed")));
    frame::write(&mut stream, Kind::Ping, &[7; 8]).await.unwrap();
    let pong = answer(&mut stream).await.unwrap();
    assert_eq!((pong.kind, &pong.payload[..]), (Kind::Pong, &[7; 8][..]));
}

#[tokio::test]
async fn a_hello_that_is_newer_of_another_ledger_or_claims_another_id_is_refused_with_the_reason() {
    let (mut one, two) = scene().await;
    let hello = |from, to| hello(from, to, Purpose::Messages);
    let mut newer = hello(2, 1).to_bytes();
    let elsewhere = Hello {
        origin: "dab/another".to_owned(),
        ..hello(2, 1)
    };
    newer[..2].copy_from_slice(&(PROTOCOL_VERSION + 1).to_le_bytes());
    for (hello, reason) in [
        (newer, "this replica speaks version 1 of the peer protocol, not 2"),
        (
            elsewhere.to_bytes(),
            "this is a replica of \"dab/test\", not of \"dab/another\"",
        ),
        (hello(3, 1).to_bytes(), "this key is that of replica 2, not 3"),
        (hello(1, 1).to_bytes(), "this key is that of replica 2, not 1"),
        (hello(2, 3).to_bytes(), "this is replica 1, not 3"),
    ] {
        let mut stream = one.dial_as(&two.identity).await.unwrap();
        frame::write(&mut stream, Kind::Hello, &hello).await.unwrap();
        let refused = answer(&mut stream).await.unwrap();
        assert_eq!(refused.kind, Kind::Refused);
        assert_eq!(String::from_utf8_lossy(&refused.payload), reason);
        assert!(is_ended(&mut stream).await);
    }
    is_well(&mut one, &two).await;
}

#[tokio::test]
async fn a_refusal_is_told_to_the_operator_without_control_characters() {
    let (one, two) = scene().await;
    let tls = Tls::new(two.identity.clone(), Arc::new(Everybody)).unwrap();
    let (stream, _) = soon(two.listener.accept()).await.unwrap();
    let mut stream = soon(tls.acceptor().accept(stream)).await.unwrap();
    soon(frame::read(&mut stream, &[(Kind::Hello, 512)])).await.unwrap();
    frame::write(&mut stream, Kind::Refused, b"no\x1b[2J\n\xff")
        .await
        .unwrap();
    until(|| one.status_of(2).trouble.is_some()).await;
    let trouble = one.status_of(2).trouble.unwrap();
    assert_eq!(trouble, "it refuses: no\\u{1b}[2J\\n\u{fffd}");
}

fn framed(kind: u8, length: u32, payload: &[u8]) -> Vec<u8> {
    [&length.to_le_bytes()[..], &[kind], payload].concat()
}

#[tokio::test]
async fn frames_that_are_too_long_unknown_out_of_place_or_cut_end_the_connection_and_deliver_nothing() {
    let (mut one, two) = scene().await;
    let message = Kind::Message as u8;
    let too_long = limits().message_bytes_max as u32 + 1;
    for bad in [
        framed(message, too_long, b"begins"),
        framed(message, u32::MAX, &[]),
        framed(Kind::Ping as u8, 9, &[0; 9]),
        framed(Kind::Pong as u8, 8, &[0; 8]),
        framed(Kind::Welcome as u8, 0, &[]),
        framed(Kind::Hello as u8, 0, &[]),
        framed(Kind::Ask as u8, 10, b"checkpoint"),
        framed(0, 0, &[]),
        framed(10, 0, &[]),
        framed(255, 0, &[]),
    ] {
        let mut stream = one.greet_as(2, &two.identity, Purpose::Messages).await;
        stream.write_all(&bad).await.unwrap();
        stream.flush().await.unwrap();
        assert!(is_ended(&mut stream).await, "{bad:?}");
    }
    for cut in [framed(message, 100, b"less than promised"), vec![1, 2, 3]] {
        let mut stream = one.greet_as(2, &two.identity, Purpose::Messages).await;
        stream.write_all(&cut).await.unwrap();
        stream.shutdown().await.unwrap();
        assert!(is_ended(&mut stream).await, "{cut:?}");
    }
    // before the hello, too
    for bad in [framed(message, 3, b"hey"), framed(Kind::Hello as u8, 513, &[0; 513])] {
        let mut stream = one.dial_as(&two.identity).await.unwrap();
        stream.write_all(&bad).await.unwrap();
        stream.flush().await.unwrap();
        assert!(is_ended(&mut stream).await, "{bad:?}");
    }
    assert!(one.messages.try_recv().is_err());
    is_well(&mut one, &two).await;
}

#[tokio::test]
async fn a_frame_that_does_not_come_in_time_ends_the_connection() {
    let limits = PeerLimits {
        frame_wait_max: Duration::from_millis(100),
        ..limits()
    };
    let one = Replica::start(1, limits).await;
    let two = Puppet::new().await;
    one.transport.set_peers(vec![two.as_peer(2)]);
    let mut silent = one.greet_as(2, &two.identity, Purpose::Messages).await;
    assert!(is_ended(&mut silent).await);
    let mut slow = one.greet_as(2, &two.identity, Purpose::Messages).await;
    let _ = slow.write_all(&framed(Kind::Message as u8, 100, b"a beginning")).await;
    let _ = slow.flush().await;
    assert!(is_ended(&mut slow).await);
}

/// Whatever a peer writes, the replica takes whole frames until the first bad one, and stays well.
#[tokio::test]
async fn random_frames_deliver_what_is_well_formed_and_harm_nothing() {
    let (mut one, two) = scene().await;
    let mut seeded = Seeded::new();
    for round in 0..150 {
        let purpose = [Purpose::Messages, Purpose::Files][round % 2];
        let mut stream = one.greet_as(2, &two.identity, purpose).await;
        let (mut due, mut bytes, mut broken) = (Vec::new(), Vec::new(), false);
        for _ in 0..1 + seeded.below(6) {
            let length = seeded.below(300);
            let payload = seeded.bytes(length);
            let kind = match seeded.below(3) {
                0 => seeded.below(256) as u8,
                1 => seeded.below(11) as u8,
                _ => Kind::Message as u8,
            };
            let promised = match seeded.below(10) {
                0 => seeded.below(1 << 31) as u32,
                _ => payload.len() as u32,
            };
            bytes.extend(framed(kind, promised, &payload));
            broken |= kind != Kind::Message as u8 || promised as usize != payload.len();
            if !broken && purpose == Purpose::Messages {
                due.push(payload);
            }
        }
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        for payload in due {
            assert_eq!(one.received().await, (ReplicaId(2), Bytes::from(payload)));
        }
        while answer(&mut stream).await.is_ok() {}
        // behind a wrong length, what follows is anybody's guess: only that it is a peer's message, and harmless
        while one.messages.try_recv().is_ok() {}
    }
    is_well(&mut one, &two).await;
}

#[tokio::test]
async fn the_reader_of_frames_survives_any_bytes() {
    let mut seeded = Seeded::new();
    let expected = [(Kind::Message, 64), (Kind::Ping, 8)];
    for _ in 0..20_000 {
        let length = seeded.below(80);
        let mut bytes = seeded.bytes(length);
        if seeded.below(2) == 0 && bytes.len() >= 5 {
            bytes[1..4].fill(0);
            bytes[4] = Kind::Message as u8;
        }
        let mut reader = &bytes[..];
        match frame::read(&mut reader, &expected).await {
            Ok(frame) => {
                let taken = frame.payload.len() + frame::HEADER_BYTES;
                assert_eq!(reader.len(), bytes.len() - taken, "not a byte more than the frame's");
                assert!(frame.payload.len() <= 64);
            }
            Err(frame::FrameError::TooLong { bytes, bytes_max, .. }) => assert!(bytes > bytes_max),
            Err(_) => {}
        }
    }
}
