//! Peers that come, change and go.

use super::*;

#[tokio::test]
async fn a_removed_peer_is_cut_off_at_once_and_let_in_again_when_it_is_back() {
    let (mut one, mut two, mut three) = (
        Replica::start(1, limits()).await,
        Replica::start(2, limits()).await,
        Replica::start(3, limits()).await,
    );
    introduce(&[&one, &two, &three], &[]);
    reaches(&mut one, &mut two).await;
    reaches(&mut two, &mut one).await;
    let mut messages = one.greet_as(2, &two.identity, Purpose::Messages).await;
    let mut files = one.greet_as(2, &two.identity, Purpose::Files).await;

    one.transport.set_peers(vec![three.as_peer()]);
    assert!(!one.transport.send(ReplicaId(2), Bytes::from_static(b"to nobody")));
    assert!(is_ended(&mut messages).await && is_ended(&mut files).await);
    one.transport.read(ReplicaId(2), "checkpoint").await.unwrap_err();
    // it still has this replica for a peer, and is told why nothing comes of it
    until(|| {
        two.status_of(1)
            .trouble
            .is_some_and(|trouble| trouble.contains("does not know this replica's key"))
    })
    .await;
    reaches(&mut one, &mut three).await;
    reaches(&mut three, &mut one).await;

    introduce(&[&one, &two, &three], &[]);
    reaches(&mut two, &mut one).await;
    reaches(&mut one, &mut two).await;
}

#[tokio::test]
async fn frames_of_a_removed_peer_are_not_delivered() {
    let mut one = Replica::start(1, limits()).await;
    let two = new_identity();
    let nowhere = Puppet::new().await.as_peer(2);
    one.transport.set_peers(vec![Peer {
        key: two.key(),
        ..nowhere
    }]);
    let mut stream = one.greet_as(2, &two, Purpose::Messages).await;
    one.transport.set_peers(Vec::new());
    let mut batch = bytes::BytesMut::new();
    for _ in 0..1000 {
        frame::put(&mut batch, Kind::Message, b"too late");
    }
    let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &batch).await;
    assert!(is_ended(&mut stream).await);
    assert!(one.messages.try_recv().is_err());
}

#[tokio::test]
async fn a_replica_with_a_new_key_is_refused_on_both_sides_until_the_new_key_is_pinned() {
    let (mut one, two) = (Replica::start(1, limits()).await, Replica::start(2, limits()).await);
    introduce(&[&one, &two], &[]);
    let (_, address) = two.stop().await;
    let listener = TcpListener::bind(address).await.unwrap();
    let mut two = Replica::start_as(2, new_identity(), listener, limits()).await;
    two.transport.set_peers(vec![one.as_peer()]);
    until(|| {
        one.status_of(2)
            .trouble
            .is_some_and(|trouble| trouble.contains("is not the peer's"))
    })
    .await;
    until(|| {
        two.status_of(1)
            .trouble
            .is_some_and(|trouble| trouble.contains("does not know this replica's key"))
    })
    .await;
    assert!(two.messages.try_recv().is_err() && one.messages.try_recv().is_err());

    introduce(&[&one, &two], &[]);
    reaches(&mut one, &mut two).await;
    reaches(&mut two, &mut one).await;
}

#[tokio::test]
async fn the_newest_connection_of_a_peer_counts() {
    let mut one = Replica::start(1, limits()).await;
    let two = Puppet::new().await;
    one.transport.set_peers(vec![two.as_peer(2)]);
    let mut first = one.greet_as(2, &two.identity, Purpose::Messages).await;
    let mut second = one.greet_as(2, &two.identity, Purpose::Messages).await;
    assert!(is_ended(&mut first).await);
    frame::write(&mut second, Kind::Message, b"from the second")
        .await
        .unwrap();
    assert_eq!(
        one.received().await,
        (ReplicaId(2), Bytes::from_static(b"from the second"))
    );

    let mut files = Vec::new();
    for _ in 0..=limits().file_connections_max {
        files.push(one.greet_as(2, &two.identity, Purpose::Files).await);
    }
    let (oldest, kept) = files.split_first_mut().unwrap();
    assert!(is_ended(oldest).await);
    for stream in kept {
        frame::write(stream, Kind::Ask, b"checkpoint").await.unwrap();
        assert_eq!(answer(stream).await.unwrap().kind, Kind::NoFile);
    }
}
