//! Public files of a peer.

use dab_proof::source::limit_of;

use super::*;

#[tokio::test]
async fn files_of_a_peer_are_read_as_they_are_and_missing_ones_are_missing() {
    let (one, two) = (Replica::start(1, limits()).await, Replica::start(2, limits()).await);
    introduce(&[&one, &two], &[]);
    let mut seeded = Seeded::new();
    let largest = seeded.bytes(limit_of("tile/entries/000"));
    two.files.put("checkpoint", "a checkpoint");
    two.files.put("tile/0/000.p/7", vec![7; 7 * 32]);
    two.files.put("tile/entries/000", largest.clone());
    two.files.put("tile/0/001", "");
    let read = |path| one.transport.read(two.id, path);
    assert_eq!(
        soon(read("checkpoint")).await.unwrap().as_deref(),
        Some(&b"a checkpoint"[..])
    );
    assert_eq!(
        soon(read("tile/0/000.p/7")).await.unwrap().as_deref(),
        Some(&[7; 7 * 32][..])
    );
    assert!(soon(read("tile/entries/000")).await.unwrap().as_deref() == Some(&largest[..]));
    assert_eq!(soon(read("tile/0/001")).await.unwrap().as_deref(), Some(&b""[..]));
    assert_eq!(soon(read("tile/0/000")).await.unwrap(), None);
    // those who ask at once share the connection, one after the other
    let answers = tokio::join!(read("checkpoint"), read("tile/1/000"), read("checkpoint"));
    assert_eq!(
        (
            answers.0.unwrap().is_some(),
            answers.1.unwrap(),
            answers.2.unwrap().is_some()
        ),
        (true, None, true)
    );
    let error = soon(one.transport.read(ReplicaId(9), "checkpoint")).await.unwrap_err();
    assert_eq!(error.to_string(), "replica 9: it is no peer of this replica");
}

#[tokio::test]
async fn only_files_for_replicas_are_asked_for_and_only_they_are_given_out() {
    let (one, two) = (Replica::start(1, limits()).await, Replica::start(2, limits()).await);
    introduce(&[&one, &two], &[]);
    for path in [
        "../private/log.key",
        "private/log.key",
        "/checkpoint",
        "tile/0/../../x",
        "",
        "tile/0/0",
    ] {
        two.files.put(path, "a secret");
        let error = soon(one.transport.read(two.id, path)).await.unwrap_err().to_string();
        assert!(error.contains("the path of no file that replicas"), "{error}");
        // somebody who asks all the same
        let mut stream = two.greet_as(1, &one.identity, Purpose::Files).await;
        frame::write(&mut stream, Kind::Ask, path.as_bytes()).await.unwrap();
        let refused = answer(&mut stream).await.unwrap();
        assert_eq!(refused.kind, Kind::Refused, "{path}");
        // the connection goes on
        frame::write(&mut stream, Kind::Ask, b"checkpoint").await.unwrap();
        assert_eq!(answer(&mut stream).await.unwrap().kind, Kind::NoFile);
    }
    let mut stream = two.greet_as(1, &one.identity, Purpose::Files).await;
    frame::write(&mut stream, Kind::Ask, &[0xff; 10]).await.unwrap();
    assert_eq!(answer(&mut stream).await.unwrap().kind, Kind::Refused);
    frame::write(&mut stream, Kind::Ask, &[b'a'; 129]).await.unwrap();
    assert!(is_ended(&mut stream).await);
}

#[tokio::test]
async fn a_file_that_is_too_large_or_cannot_be_read_is_refused_by_its_owner() {
    let (one, two) = (Replica::start(1, limits()).await, Replica::start(2, limits()).await);
    introduce(&[&one, &two], &[]);
    two.files.put("tile/0/000", vec![0; limit_of("tile/0/000") + 1]);
    two.files.put("checkpoint", "a checkpoint");
    let error = soon(one.transport.read(two.id, "tile/0/000"))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("larger than such a file may be"), "{error}");
    // the source panics
    let error = soon(one.transport.read(two.id, PANICS)).await.unwrap_err().to_string();
    assert!(error.contains("cannot be read"), "{error}");
    assert!(soon(one.transport.read(two.id, "checkpoint")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_peer_that_answers_with_too_much_costs_one_error() {
    let one = Replica::start(1, limits()).await;
    let two = Puppet::new().await;
    one.transport.set_peers(vec![two.as_peer(2)]);
    let mut asking = two.serve_files();
    let too_much = async {
        let mut stream = next_asking(&mut asking).await;
        let promised = limit_of("tile/0/000") as u32 + 1;
        let header = [&promised.to_le_bytes()[..], &[Kind::File as u8]].concat();
        tokio::io::AsyncWriteExt::write_all(&mut stream, &header).await.unwrap();
        tokio::io::AsyncWriteExt::flush(&mut stream).await.unwrap();
        stream
    };
    let (_stream, read) = tokio::join!(too_much, one.transport.read(ReplicaId(2), "tile/0/000"));
    let error = read.unwrap_err().to_string();
    assert!(error.contains("more than the limit of 8192"), "{error}");

    // over a new connection, which is kept for the next question, and made again where the peer ended it
    for ended in [false, true] {
        let answering = async {
            let mut stream = next_asking(&mut asking).await;
            frame::write(&mut stream, Kind::File, b"at last").await.unwrap();
            if !ended {
                soon(frame::read(&mut stream, &[(Kind::Ask, 128)])).await.unwrap();
                frame::write(&mut stream, Kind::NoFile, &[]).await.unwrap();
            }
        };
        let reading = async {
            let file = one.transport.read(ReplicaId(2), "checkpoint").await.unwrap();
            assert_eq!(file.as_deref(), Some(&b"at last"[..]));
            if !ended {
                assert_eq!(one.transport.read(ReplicaId(2), "checkpoint").await.unwrap(), None);
            }
        };
        soon(async { tokio::join!(answering, reading) }).await;
    }
}

/// The next connection for files, over which something was asked.
async fn next_asking(
    asking: &mut mpsc::UnboundedReceiver<tokio_rustls::server::TlsStream<TcpStream>>,
) -> tokio_rustls::server::TlsStream<TcpStream> {
    let mut stream = soon(asking.recv()).await.expect("a connection");
    soon(frame::read(&mut stream, &[(Kind::Ask, 128)])).await.unwrap();
    stream
}

#[tokio::test]
async fn a_peer_that_never_answers_costs_no_more_than_the_time_for_a_file() {
    let limits = PeerLimits {
        file_wait_max: Duration::from_millis(300),
        ..limits()
    };
    let one = Replica::start(1, limits).await;
    let two = Puppet::new().await;
    one.transport.set_peers(vec![two.as_peer(2)]);
    let _unanswered = two.serve_files();
    for _ in 0..2 {
        let error = soon(one.transport.read(ReplicaId(2), "checkpoint")).await.unwrap_err();
        let expected = "replica 2: cannot read \"checkpoint\": the file took longer than 300ms";
        assert_eq!(error.to_string(), expected);
    }
}

/// A read that hangs cannot be cancelled: whoever connects anew must not get another place for each attempt.
#[tokio::test]
async fn a_peer_whose_reads_hang_takes_no_more_than_its_own_places_at_the_disk() {
    let limits = PeerLimits {
        file_connections_max: 2,
        file_reads_max: 3,
        ..limits()
    };
    let one = Replica::start(1, limits).await;
    let (greedy, modest) = (Puppet::new().await, Puppet::new().await);
    one.transport.set_peers(vec![greedy.as_peer(2), modest.as_peer(3)]);
    let hung = one.files.hang();
    let mut asking = Vec::new();
    for asked in 1..=6 {
        let mut stream = one.greet_as(2, &greedy.identity, Purpose::Files).await;
        frame::write(&mut stream, Kind::Ask, HANGS.as_bytes()).await.unwrap();
        asking.push(stream);
        until(|| one.files.hanging_reads.load(Ordering::SeqCst) >= asked.min(2)).await;
    }
    let mut stream = one.greet_as(3, &modest.identity, Purpose::Files).await;
    frame::write(&mut stream, Kind::Ask, b"checkpoint").await.unwrap();
    assert_eq!(answer(&mut stream).await.unwrap().kind, Kind::NoFile);
    assert_eq!(one.files.hanging_reads.load(Ordering::SeqCst), 2);
    // the last two are answered once the disk is
    drop(hung);
    for stream in &mut asking[4..] {
        assert_eq!(answer(stream).await.unwrap().kind, Kind::NoFile);
    }
}

#[tokio::test]
async fn a_connection_over_which_nothing_is_asked_ends() {
    let limits = PeerLimits {
        file_idle_max: Duration::from_millis(50),
        ..limits()
    };
    let two = Replica::start(2, limits).await;
    let one = new_identity();
    two.transport.set_peers(vec![peer(1, two.address(), &one)]);
    let mut stream = two.greet_as(1, &one, Purpose::Files).await;
    assert!(is_ended(&mut stream).await);
}

#[tokio::test]
async fn whoever_waits_for_a_file_learns_that_its_owner_was_removed() {
    let one = Replica::start(1, limits()).await;
    let two = Puppet::new().await;
    one.transport.set_peers(vec![two.as_peer(2)]);
    let mut asking = two.serve_files();
    let removing = async {
        let stream = next_asking(&mut asking).await;
        one.transport.set_peers(Vec::new());
        stream
    };
    let (_stream, read) = tokio::join!(removing, one.transport.read(ReplicaId(2), "checkpoint"));
    let error = read.unwrap_err().to_string();
    assert!(error.contains("it is no peer any more"), "{error}");
}
