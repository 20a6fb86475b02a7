//! TLS between replicas: version 1.3, both sides prove a key, and there is no authority and no certificate. A key counts
//! when it is the one that the membership names, and for nothing else.
//!
//! Each side shows its public key alone (RFC 7250). So there is no X.509 to parse, no name to compare, and no date after
//! which replicas that are well stop talking to each other. Sessions are never resumed: a resumed one would not be asked
//! for its key again, and a removed peer could come back with it.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, ServerConfig,
    SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::identity::{PeerIdentity, PeerKey};

/// Tells which keys are peers' at the moment.
pub(super) trait Pins: std::fmt::Debug + Send + Sync {
    /// Whether `key` is a peer's.
    fn is_pinned(&self, key: &PeerKey) -> bool;
}

/// What connects and accepts in the name of this replica.
pub(super) struct Tls {
    identity: PeerIdentity,
    provider: Arc<CryptoProvider>,
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Accepts those whose keys are in `pins` when they connect.
    pub(super) fn new(identity: PeerIdentity, pins: Arc<dyn Pins>) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let resolver = rustls::server::AlwaysResolvesServerRawPublicKeys::new(identity.certified());
        let verifier = AnyPeer {
            pins,
            signatures: Signatures::of(&provider),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::new(resolver));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self {
            identity,
            provider,
            acceptor,
        })
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Connects to the holder of `key` and to nobody else.
    pub(super) fn connector(&self, key: PeerKey) -> Result<TlsConnector, Error> {
        let resolver = rustls::client::AlwaysResolvesClientRawPublicKeys::new(self.identity.certified());
        let verifier = OnePeer {
            key,
            signatures: Signatures::of(&self.provider),
        };
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(resolver));
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// Connects to the holder of `key` without showing one.
#[cfg(test)]
pub(super) fn anonymous_connector(key: PeerKey) -> Result<TlsConnector, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = OnePeer {
        key,
        signatures: Signatures::of(&provider),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The key that the other side proved to hold. The handshake made sure that there is one.
pub(super) fn proven_key(shown: Option<&[CertificateDer<'_>]>) -> Option<PeerKey> {
    shown?.first().map(|key| PeerKey::of(key))
}

/// The name that rustls wants to have for a server. It is neither sent nor compared.
pub(super) fn server_name() -> ServerName<'static> {
    ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into())
}

/// How the proof is checked that somebody holds the key they show.
#[derive(Debug)]
struct Signatures(WebPkiSupportedAlgorithms);

impl Signatures {
    fn of(provider: &CryptoProvider) -> Self {
        Self(provider.signature_verification_algorithms)
    }

    fn check(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let public_key_info = SubjectPublicKeyInfoDer::from(shown.as_ref());
        verify_tls13_signature_with_raw_key(message, &public_key_info, signed, &self.0)
    }

    /// TLS 1.2 is not offered, so nobody asks for this.
    fn refuse_tls12() -> Error {
        Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13)
    }
}

fn not_pinned() -> Error {
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

/// On the side that connects: exactly one key.
#[derive(Debug)]
struct OnePeer {
    key: PeerKey,
    signatures: Signatures,
}

impl ServerCertVerifier for OnePeer {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match PeerKey::of(shown) == self.key {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(not_pinned()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _shown: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Signatures::refuse_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.check(message, shown, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.0.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// On the side that accepts: the key of any peer of this moment.
#[derive(Debug)]
struct AnyPeer {
    pins: Arc<dyn Pins>,
    signatures: Signatures,
}

impl ClientCertVerifier for AnyPeer {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.pins.is_pinned(&PeerKey::of(shown)) {
            true => Ok(ClientCertVerified::assertion()),
            false => Err(not_pinned()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _shown: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Signatures::refuse_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.check(message, shown, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.0.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
