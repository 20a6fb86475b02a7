//! What peers send to each other.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_between_three_replicas_arrive_whole_and_in_order() {
    const MESSAGES: usize = 300;
    let mut replicas = Vec::new();
    for id in 1..=3 {
        replicas.push(Replica::start(id, limits()).await);
    }
    introduce(&replicas.iter().collect::<Vec<_>>(), &[]);
    // what is sent before may be lost: one may have dialled another that did not know it yet
    until(|| {
        let mut status = replicas.iter().flat_map(|replica| replica.transport.status());
        status.all(|status| status.connected)
    })
    .await;
    let mut seeded = Seeded::new();
    let mut due: HashMap<(ReplicaId, ReplicaId), Vec<Bytes>> = HashMap::new();
    for number in 0..MESSAGES {
        for from in &replicas {
            for to in replicas.iter().filter(|to| to.id != from.id) {
                let bytes = match number {
                    0 => 0,
                    1 => limits().message_bytes_max,
                    _ => seeded.below(20_000),
                };
                let message = Bytes::from(seeded.bytes(bytes));
                assert!(from.transport.send(to.id, message.clone()));
                due.entry((from.id, to.id)).or_default().push(message);
            }
        }
    }
    for to in &mut replicas {
        let mut arrived: HashMap<ReplicaId, Vec<Bytes>> = HashMap::new();
        for _ in 0..2 * MESSAGES {
            let (from, message) = to.received().await;
            arrived.entry(from).or_default().push(message);
        }
        for (from, messages) in arrived {
            assert!(messages == due[&(from, to.id)], "from {from} to {}", to.id);
        }
    }
    for replica in &replicas {
        for status in replica.transport.status() {
            assert_eq!(
                (status.connected, status.dropped, status.queued),
                (true, 0, 0),
                "{status:?}"
            );
        }
        until(|| {
            replica
                .transport
                .status()
                .iter()
                .all(|status| status.round_trip.is_some())
        })
        .await;
    }
}

#[tokio::test]
async fn a_replica_that_restarts_is_found_again_and_its_peers_were_told_that_it_was_gone() {
    let (mut one, mut two) = (Replica::start(1, limits()).await, Replica::start(2, limits()).await);
    introduce(&[&one, &two], &[]);
    reaches(&mut one, &mut two).await;
    reaches(&mut two, &mut one).await;
    let (identity, address) = two.stop().await;
    until(|| !one.status_of(2).connected && one.status_of(2).trouble.is_some()).await;
    until(|| one.inbox.unreachable.lock().contains(&ReplicaId(2))).await;

    let listener = TcpListener::bind(address).await.expect("its port is free");
    let mut two = Replica::start_as(2, identity, listener, limits()).await;
    introduce(&[&one, &two], &[]);
    reaches(&mut one, &mut two).await;
    reaches(&mut two, &mut one).await;
    let status = one.status_of(2);
    assert_eq!((status.connected, status.trouble), (true, None));
}

/// What waited for a peer that was away is old news; raft's newer messages must not stand behind it.
#[tokio::test]
async fn messages_for_a_peer_that_is_away_are_dropped_and_counted() {
    let one = Replica::start(1, limits()).await;
    let away = Puppet::new().await;
    let peer = away.as_peer(2);
    drop(away);
    one.transport.set_peers(vec![peer]);
    until(|| {
        one.transport.send(ReplicaId(2), Bytes::from_static(b"heartbeat"));
        one.status_of(2).dropped > 0
    })
    .await;
    until(|| one.status_of(2).queued == 0).await;
    let trouble = one.status_of(2).trouble.expect("a reason");
    assert!(trouble.contains("cannot connect"), "{trouble}");
}

#[tokio::test]
async fn a_peer_that_reads_nothing_fills_its_own_queue_and_delays_nobody() {
    let limits = PeerLimits {
        queued_max: 50,
        queued_bytes_max: 3 << 20,
        ..limits()
    };
    let mut one = Replica::start(1, limits.clone()).await;
    let mut three = Replica::start(3, limits).await;
    let deaf = Puppet::new().await;
    introduce(&[&one, &three], &[deaf.as_peer(2)]);
    let (_unread, hello) = deaf.accept().await;
    assert_eq!((hello.from, hello.to), (ReplicaId(1), ReplicaId(2)));
    let message = Bytes::from(vec![7; 1 << 20]);
    // more than the system takes for somebody who does not read
    until(|| {
        one.transport.send(ReplicaId(2), message.clone());
        let status = one.status_of(2);
        assert!(status.queued <= 50 && status.queued_bytes <= 3 << 20, "{status:?}");
        status.dropped > 50
    })
    .await;
    for _ in 0..10 {
        reaches(&mut one, &mut three).await;
        reaches(&mut three, &mut one).await;
    }
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_noticed_and_dialled_again() {
    let limits = PeerLimits {
        silence_max: Duration::from_millis(200),
        ..limits()
    };
    let one = Replica::start(1, limits).await;
    let mute = Puppet::new().await;
    one.transport.set_peers(vec![mute.as_peer(2)]);
    let (_silent, _) = mute.accept().await;
    until(|| one.status_of(2).trouble.is_some()).await;
    let trouble = one.status_of(2).trouble.expect("a reason");
    assert!(
        trouble.contains("an answer to a ping took longer than 200ms"),
        "{trouble}"
    );
    let (_dialled_again, _) = mute.accept().await;
}

#[tokio::test]
async fn a_peer_that_answers_pings_stays_connected() {
    let one = Replica::start(1, limits()).await;
    let well = Puppet::new().await;
    one.transport.set_peers(vec![well.as_peer(2)]);
    let (mut answering, _) = well.accept().await;
    for _ in 0..20 {
        let ping = soon(frame::read(&mut answering, &[(Kind::Ping, 8)])).await.unwrap();
        frame::write(&mut answering, Kind::Pong, &ping.payload).await.unwrap();
    }
    until(|| one.status_of(2).round_trip.is_some()).await;
    assert!(one.status_of(2).connected);
}

#[tokio::test]
async fn a_pong_that_answers_nothing_ends_the_connection() {
    let one = Replica::start(1, limits()).await;
    let liar = Puppet::new().await;
    one.transport.set_peers(vec![liar.as_peer(2)]);
    let (mut stream, _) = liar.accept().await;
    frame::write(&mut stream, Kind::Pong, &[0xff; 8]).await.unwrap();
    until(|| one.status_of(2).trouble.is_some()).await;
    let trouble = one.status_of(2).trouble.expect("a reason");
    assert!(trouble.contains("a pong without a ping"), "{trouble}");
}

#[tokio::test]
async fn a_message_that_is_too_long_or_for_nobody_is_not_sent() {
    let limits = PeerLimits {
        message_bytes_max: 10,
        ..limits()
    };
    let (mut one, mut two) = (Replica::start(1, limits.clone()).await, Replica::start(2, limits).await);
    introduce(&[&one, &two], &[]);
    assert!(!one.transport.send(ReplicaId(2), Bytes::from_static(b"eleven byte")));
    assert!(one.transport.send(ReplicaId(2), Bytes::from_static(b"only ten b")));
    assert_eq!(one.status_of(2).dropped, 1);
    assert_eq!(two.received().await, (ReplicaId(1), Bytes::from_static(b"only ten b")));
    assert!(!one.transport.send(ReplicaId(9), Bytes::new()));
    assert!(!one.transport.send(ReplicaId(1), Bytes::new()), "to itself");
    drop(two.transport);
    one.messages.close();
}

#[tokio::test]
async fn dropping_a_transport_ends_its_connections_in_both_directions() {
    let one = Replica::start(1, limits()).await;
    let two = Puppet::new().await;
    one.transport.set_peers(vec![two.as_peer(2)]);
    let mut inward = one.greet_as(2, &two.identity, Purpose::Messages).await;
    let (mut outward, _) = two.accept().await;
    drop(one.transport);
    assert!(is_ended(&mut inward).await);
    let ended = async { while frame::read(&mut outward, &[(Kind::Ping, 8)]).await.is_ok() {} };
    soon(ended).await;
}
