//! Those who are no peers.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::*;
use crate::peer::tls::anonymous_connector;

/// Two replicas that are well, and stay so.
async fn pair() -> (Replica, Replica) {
    let (mut one, mut two) = (Replica::start(1, limits()).await, Replica::start(2, limits()).await);
    introduce(&[&one, &two], &[]);
    reaches(&mut one, &mut two).await;
    (one, two)
}

async fn are_well(one: &mut Replica, two: &mut Replica) {
    reaches(one, two).await;
    reaches(two, one).await;
}

/// The refusal that the far side of a handshake tells, if it is one.
async fn refusal(mut stream: TlsStream<TcpStream>) -> Option<rustls::Error> {
    let hello = hello(2, 1, Purpose::Messages).to_bytes();
    let _ = frame::write(&mut stream, Kind::Hello, &hello).await;
    match answer(&mut stream).await {
        Err(frame::FrameError::Io(error)) => error.downcast().ok(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_key_of_no_peer_is_refused_in_the_handshake() {
    let (mut one, mut two) = pair().await;
    let refused = refusal(one.dial_as(&new_identity()).await.unwrap()).await;
    let expected = rustls::Error::AlertReceived(rustls::AlertDescription::AccessDenied);
    assert_eq!(refused, Some(expected));
    are_well(&mut one, &mut two).await;
}

#[tokio::test]
async fn whoever_shows_a_peers_key_without_holding_it_is_refused() {
    let (mut one, mut two) = pair().await;
    let impostor = new_identity().pretending_to_be(&two.identity);
    let refused = refusal(one.dial_as(&impostor).await.unwrap()).await;
    assert!(matches!(refused, Some(rustls::Error::AlertReceived(_))), "{refused:?}");

    // and so is one who sits where a peer should be
    let puppet = Puppet::new().await;
    let seat = Puppet {
        identity: puppet.identity.pretending_to_be(&new_identity()),
        ..puppet
    };
    one.transport.set_peers(vec![two.as_peer(), seat.as_peer(3)]);
    let tls = Tls::new(seat.identity.clone(), Arc::new(Everybody)).unwrap();
    let (stream, _) = soon(seat.listener.accept()).await.unwrap();
    soon(tls.acceptor().accept(stream)).await.unwrap_err();
    until(|| {
        one.status_of(3)
            .trouble
            .is_some_and(|trouble| trouble.contains("BadSignature"))
    })
    .await;
    assert!(!one.status_of(3).connected);
    are_well(&mut one, &mut two).await;
}

/// Certificates are not asked for, so not even a peer's key gets in with one, nor does TLS 1.2, nor no key at all.
#[tokio::test]
async fn certificates_tls_1_2_and_clients_without_a_key_are_refused() {
    let (mut one, mut two) = pair().await;
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(certificate.pem().as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        for shows_certificate in [true, false] {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let builder = rustls::ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(versions)
                .unwrap()
                .with_root_certificates(rustls::RootCertStore::empty());
            let config = match shows_certificate {
                true => builder.with_client_auth_cert(chain.clone(), key.clone_key()).unwrap(),
                false => builder.with_no_client_auth(),
            };
            let stream = TcpStream::connect(one.address()).await.unwrap();
            let connector = TlsConnector::from(Arc::new(config));
            let error = soon(connector.connect(server_name(), stream)).await.unwrap_err();
            // it is the replica that refuses
            let told = error.downcast::<rustls::Error>().expect("a refusal by TLS");
            assert!(matches!(told, rustls::Error::AlertReceived(_)), "{told:?}");
        }
    }
    // one who takes a bare key from the replica, and shows none
    let stream = TcpStream::connect(one.address()).await.unwrap();
    let connector = anonymous_connector(one.identity.key()).unwrap();
    let connected = soon(connector.connect(server_name(), stream)).await;
    let told = match connected {
        Ok(stream) => refusal(stream).await,
        Err(error) => error.downcast().ok(),
    };
    assert!(matches!(told, Some(rustls::Error::AlertReceived(_))), "{told:?}");
    are_well(&mut one, &mut two).await;
}

#[tokio::test]
async fn garbage_before_tls_is_closed_and_the_rest_goes_on() {
    let (mut one, mut two) = pair().await;
    let mut seeded = Seeded::new();
    let random = seeded.bytes(10_000);
    let endless_hello = [&[0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..], &[0; 70_000]].concat();
    for garbage in [
        b"GET /checkpoint HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        vec![0; 10_000],
        vec![0xff; 10_000],
        random,
        endless_hello,
    ] {
        let mut stream = TcpStream::connect(one.address()).await.unwrap();
        let _ = stream.write_all(&garbage).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        // an alert or nothing, then the end
        let _ = soon(stream.read_to_end(&mut answer)).await;
        assert!(answer.len() < 100, "{answer:?}");
    }
    // and one who leaves at once
    drop(TcpStream::connect(one.address()).await.unwrap());
    are_well(&mut one, &mut two).await;
}

/// Slowloris: those who connect and stay silent hold places that peers need.
#[tokio::test]
async fn silent_connections_keep_nobody_out_and_end_in_time() {
    let limits = PeerLimits {
        handshakes_max: 4,
        ..limits()
    };
    let mut one = Replica::start(1, limits.clone()).await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(one.address()).await.unwrap());
    }
    let mut two = Replica::start(2, limits).await;
    introduce(&[&one, &two], &[]);
    are_well(&mut one, &mut two).await;
    assert_eq!(
        soon(silent[0].read(&mut [0; 1])).await.unwrap_or(0),
        0,
        "the oldest was ended"
    );

    let limits = PeerLimits {
        handshake_max: Duration::from_millis(500),
        ..super::limits()
    };
    let hasty = Replica::start(3, limits).await;
    let mut silent = TcpStream::connect(hasty.address()).await.unwrap();
    assert_eq!(soon(silent.read(&mut [0; 1])).await.unwrap_or(0), 0);
    // a peer that proves its key has no longer than that for its hello
    let known = new_identity();
    hasty.transport.set_peers(vec![peer(4, one.address(), &known)]);
    let saying_nothing = async {
        loop {
            // where even TLS took too long, it is tried again
            if let Ok(stream) = hasty.dial_as(&known).await {
                return stream;
            }
        }
    };
    assert!(is_ended(&mut soon(saying_nothing).await).await);
}
