//! Why a connection ended, or never came to be.

use std::io;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};

use super::frame::FrameError;

/// Why a connection ended, or never came to be.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("cannot connect: {0}")]
    Unreachable(io::Error),
    #[error("{}", told(.0))]
    Io(#[from] io::Error),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("{what} took longer than {max:?}")]
    TooSlow { what: &'static str, max: Duration },
    #[error("it refuses: {0}")]
    Refused(String),
    #[error("refused: {0}")]
    Refusing(String),
    #[error("it breaks the protocol: {0}")]
    Broken(String),
    #[error("it is no peer any more")]
    Removed,
}

impl From<FrameError> for Ended {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(error) => Ended::Io(error),
            error => Ended::Broken(error.to_string()),
        }
    }
}

/// Bounds the time of a step that leads to a connection or uses one.
pub(super) async fn within<T, E: Into<Ended>>(
    max: Duration,
    what: &'static str,
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, Ended> {
    match tokio::time::timeout(max, step).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(Ended::TooSlow { what, max }),
    }
}

/// What a failed connection means to an operator.
fn told(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::AlertReceived(AlertDescription::AccessDenied)) => {
            "it does not know this replica's key as a peer's".to_owned()
        }
        Some(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) => {
            "the key over there is not the peer's".to_owned()
        }
        _ if error.kind() == io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        _ => error.to_string(),
    }
}
