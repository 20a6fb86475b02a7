//! The certificate authority of a data directory and the server's certificate.
//!
//! The first start makes both; a client needs `DIR/tls/ca.pem` and nothing else. The server's certificate is short-lived
//! and replaced before it expires, by the same authority, so that no client notices.
//!
//! | file | content | mode |
//! | --- | --- | --- |
//! | `DIR/tls/ca.pem`, `DIR/trust/ca.pem` | the authority's certificate, for clients | 0644 |
//! | `DIR/private/tls/ca.key` | its key, PKCS#8 PEM | 0600 |
//! | `DIR/private/tls/server.json` | the server's certificate and key, their names and expiry | 0600 |

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use dab_ledger::durable::{self, Access};
use parking_lot::RwLock;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use serde::{Deserialize, Serialize};

use crate::{Error, secret};

/// Life of the authority's certificate.
pub const CA_LIFETIME: Duration = Duration::from_secs(3650 * DAY_S);
/// Life of the server's certificate.
pub const SERVER_LIFETIME: Duration = Duration::from_secs(365 * DAY_S);
/// The server's certificate is replaced when it has less than this left.
pub const RENEW_BEFORE_EXPIRY: Duration = Duration::from_secs(60 * DAY_S);
/// Names that every server certificate carries.
pub const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

const DAY_S: u64 = 24 * 3600;
/// Certificates are valid from a day before they are made: clocks differ.
const CLOCK_SKEW: Duration = Duration::from_secs(DAY_S);

/// Makes aws-lc-rs the process's TLS provider. Call it first in every binary and test: both aws-lc-rs and ring are linked,
/// and rustls panics when it has to choose. Calling it again does nothing.
pub fn install_crypto() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// A rustls configuration that serves the certificate chain in one PEM file with the key in another, for HTTP/1.1.
pub fn config_of_files(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, Error> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| damaged(certificate, error))?;
    durable::require_owner_only(key)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| damaged(key, error))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(tls_error)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| damaged(certificate, error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The TLS identity of a data directory.
#[derive(Debug)]
pub struct Tls {
    files: Files,
    names: Vec<String>,
    ca_pem: String,
    current: RwLock<Current>,
}

impl Tls {
    /// Reads the identity in `dir`, making what is missing. The server's certificate is made anew if it nears its expiry
    /// or lacks one of `host_names` (DNS names or IP addresses beside [`LOCAL_NAMES`]).
    pub fn open(dir: &Path, host_names: &[String]) -> Result<Arc<Self>, Error> {
        let files = Files::below(dir);
        let mut names: Vec<String> = LOCAL_NAMES.iter().map(ToString::to_string).collect();
        names.extend(
            host_names
                .iter()
                .filter(|name| !LOCAL_NAMES.contains(&name.as_str()))
                .cloned(),
        );
        let authority = Authority::open(&files)?;
        let stored = match read_server(&files)? {
            Some(stored) if stored.serves(&names, &authority) => stored,
            _ => issue(&files, &authority, &names)?,
        };
        let current = RwLock::new(Current::load(stored, &files)?);
        Ok(Arc::new(Self {
            ca_pem: authority.certificate_pem,
            files,
            names,
            current,
        }))
    }

    /// The authority's certificate, PEM: what clients trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The path of the authority's certificate for clients.
    pub fn ca_path(&self) -> &Path {
        &self.files.ca_pem
    }

    /// Replaces the server's certificate if it nears its expiry; whether it did. New connections get the new one.
    pub fn renew(&self) -> Result<bool, Error> {
        if self.current.read().expires_unix_s > now_unix_s() + RENEW_BEFORE_EXPIRY.as_secs() {
            return Ok(false);
        }
        let stored = issue(&self.files, &Authority::open(&self.files)?, &self.names)?;
        *self.current.write() = Current::load(stored, &self.files)?;
        Ok(true)
    }

    /// A rustls configuration that serves this identity, TLS 1.2 and 1.3, offering the application protocols `alpn`.
    pub fn server_config(self: &Arc<Self>, alpn: &[&str]) -> Result<Arc<ServerConfig>, Error> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(tls_error)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Tls {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().key))
    }
}

#[derive(Debug)]
struct Files {
    ca_pem: PathBuf,
    trust_ca_pem: PathBuf,
    ca_key: PathBuf,
    server: PathBuf,
}

impl Files {
    fn below(dir: &Path) -> Self {
        let private = dir.join("private").join("tls");
        Self {
            ca_pem: dir.join("tls").join("ca.pem"),
            trust_ca_pem: dir.join("trust").join("ca.pem"),
            ca_key: private.join("ca.key"),
            server: private.join("server.json"),
        }
    }
}

/// The authority. Its name is made from its key, so that the key alone is enough to issue certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    key_id: String,
}

impl Authority {
    fn open(files: &Files) -> Result<Self, Error> {
        let key = match durable::read(&files.ca_key)? {
            Some(pem) => {
                durable::require_owner_only(&files.ca_key)?;
                let pem = String::from_utf8(pem).map_err(|_| damaged(&files.ca_key, "not text"))?;
                KeyPair::from_pem(&pem).map_err(|error| damaged(&files.ca_key, error))?
            }
            None => {
                let key = KeyPair::generate().map_err(tls_error)?;
                durable::write(&files.ca_key, key.serialize_pem().as_bytes(), Access::Owner)?;
                key
            }
        };
        let key_id = hex::encode(&secret::sha256(key.public_key_raw())[..4]);
        let params = ca_params(&key_id)?;
        // a crash between key and certificate, or a lost certificate, leaves the key: a certificate made anew from it is
        // accepted by clients that hold an older one, since name and key are the same
        let certificate_pem = match durable::read(&files.ca_pem)?.map(String::from_utf8) {
            Some(Ok(pem)) if CertificateDer::from_pem_slice(pem.as_bytes()).is_ok() => pem,
            _ => {
                let pem = params.self_signed(&key).map_err(tls_error)?.pem();
                durable::write(&files.ca_pem, pem.as_bytes(), Access::Everyone)?;
                pem
            }
        };
        if durable::read(&files.trust_ca_pem)?.as_deref() != Some(certificate_pem.as_bytes()) {
            durable::write(&files.trust_ca_pem, certificate_pem.as_bytes(), Access::Everyone)?;
        }
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate_pem,
            key_id,
        })
    }
}

fn ca_params(key_id: &str) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(Vec::new()).map_err(tls_error)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("DAB local authority {key_id}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_lifetime(&mut params, CA_LIFETIME);
    Ok(params)
}

/// `private/tls/server.json`: one file, so that certificate and key always belong together.
#[derive(Serialize, Deserialize)]
struct StoredServer {
    certificate_pem: String,
    key_pem: String,
    names: Vec<String>,
    issuer: String,
    expires_unix_s: u64,
}

impl StoredServer {
    fn serves(&self, names: &[String], authority: &Authority) -> bool {
        self.issuer == authority.key_id
            && names.iter().all(|name| self.names.contains(name))
            && self.expires_unix_s > now_unix_s() + RENEW_BEFORE_EXPIRY.as_secs()
    }
}

struct Current {
    key: Arc<CertifiedKey>,
    expires_unix_s: u64,
}

impl Current {
    fn load(stored: StoredServer, files: &Files) -> Result<Self, Error> {
        let certificate = CertificateDer::from_pem_slice(stored.certificate_pem.as_bytes())
            .map_err(|error| damaged(&files.server, error))?;
        let key =
            PrivateKeyDer::from_pem_slice(stored.key_pem.as_bytes()).map_err(|error| damaged(&files.server, error))?;
        let key =
            rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).map_err(|error| damaged(&files.server, error))?;
        let key = Arc::new(CertifiedKey::new(vec![certificate], key));
        key.keys_match().map_err(|error| damaged(&files.server, error))?;
        Ok(Self {
            key,
            expires_unix_s: stored.expires_unix_s,
        })
    }
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current")
            .field("expires_unix_s", &self.expires_unix_s)
            .finish_non_exhaustive()
    }
}

fn read_server(files: &Files) -> Result<Option<StoredServer>, Error> {
    let Some(bytes) = durable::read(&files.server)? else {
        return Ok(None);
    };
    durable::require_owner_only(&files.server)?;
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| damaged(&files.server, error))
}

fn issue(files: &Files, authority: &Authority, names: &[String]) -> Result<StoredServer, Error> {
    let key = KeyPair::generate().map_err(tls_error)?;
    let mut params = CertificateParams::new(names.to_vec()).map_err(tls_error)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "DAB node");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let expires_unix_s = set_lifetime(&mut params, SERVER_LIFETIME);
    let certificate = params.signed_by(&key, &authority.issuer).map_err(tls_error)?;
    let stored = StoredServer {
        certificate_pem: certificate.pem(),
        key_pem: key.serialize_pem(),
        names: names.to_vec(),
        issuer: authority.key_id.clone(),
        expires_unix_s,
    };
    let json = serde_json::to_vec_pretty(&stored).map_err(|error| Error::Tls(error.to_string()))?;
    durable::write(&files.server, &json, Access::Owner)?;
    Ok(stored)
}

fn set_lifetime(params: &mut CertificateParams, lifetime: Duration) -> u64 {
    let now = UNIX_EPOCH + Duration::from_secs(now_unix_s());
    params.not_before = (now - CLOCK_SKEW).into();
    params.not_after = (now + lifetime).into();
    now_unix_s() + lifetime.as_secs()
}

fn now_unix_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn tls_error(error: impl std::fmt::Display) -> Error {
    Error::Tls(error.to_string())
}

fn damaged(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Damaged {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(tls: &Tls) -> CertificateDer<'static> {
        tls.current.read().key.cert[0].clone()
    }

    #[test]
    fn a_second_start_serves_the_same_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let first = Tls::open(dir.path(), &[]).unwrap();
        let second = Tls::open(dir.path(), &[]).unwrap();
        assert_eq!(served(&first), served(&second));
        assert_eq!(first.ca_pem(), second.ca_pem());
        assert_eq!(
            std::fs::read_to_string(dir.path().join("trust/ca.pem")).unwrap(),
            first.ca_pem()
        );
        assert!(!first.renew().unwrap());
    }

    #[test]
    fn a_new_host_name_or_a_near_expiry_gives_a_new_certificate_of_the_same_authority() {
        let dir = tempfile::tempdir().unwrap();
        let first = Tls::open(dir.path(), &[]).unwrap();
        let named = Tls::open(dir.path(), &["db.example.com".to_owned(), "192.0.2.7".to_owned()]).unwrap();
        assert_ne!(served(&first), served(&named));
        assert_eq!(first.ca_pem(), named.ca_pem());

        named.current.write().expires_unix_s = now_unix_s() + RENEW_BEFORE_EXPIRY.as_secs() - 1;
        let before = served(&named);
        assert!(named.renew().unwrap());
        assert_ne!(before, served(&named));
        assert!(!named.renew().unwrap());
    }

    #[test]
    fn a_lost_authority_certificate_is_made_anew_from_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let first = Tls::open(dir.path(), &[]).unwrap();
        std::fs::remove_file(dir.path().join("tls/ca.pem")).unwrap();
        let second = Tls::open(dir.path(), &[]).unwrap();
        assert_eq!(
            served(&first),
            served(&second),
            "the server's certificate stays: the authority is the same"
        );
    }

    #[test]
    fn damaged_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        Tls::open(dir.path(), &[]).unwrap();
        let path = dir.path().join("private/tls/server.json");
        durable::write(&path, b"{", Access::Owner).unwrap();
        let error = Tls::open(dir.path(), &[]).unwrap_err().to_string();
        assert!(error.contains("server.json is damaged"), "{error}");
    }
}
