//! Who is calling: user and password, a session, or a token, on every call.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use dab_ledger::notary::Once;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tonic::{Status, codegen::http::HeaderMap};

use crate::{
    Error,
    credentials::{self, Users},
    idempotency::IdempotencyKey,
    limits::Limits,
    secret::ProcessKey,
};

pub(crate) mod sessions;
mod throttle;
mod waiting;

use sessions::{SessionKey, Sessions};
use throttle::Throttle;
use waiting::Waiting;

/// Password verifications at once: each takes [`credentials::ARGON2_MEMORY_KIB`] and a core.
pub(crate) const VERIFICATIONS_MAX: usize = 2;
/// Logins from one address that wait to be verified: a flood from one leaves room for others.
pub(crate) const VERIFICATIONS_PER_ADDRESS_MAX: usize = 16;
/// Time a login waits for its turn to be verified.
pub(crate) const VERIFICATION_WAIT_MAX: Duration = Duration::from_secs(10);
/// Time for which a verified password is not verified again, for clients that send it with every call.
pub(crate) const VERIFIED_TTL: Duration = Duration::from_secs(300);
/// Verified passwords remembered.
pub(crate) const VERIFIED_MAX: usize = 1024;

/// Go clients encode credentials without padding, others with it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The caller of one call, established before anything of the call was decoded.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The user.
    pub(crate) user: Arc<str>,
    /// The session, where the call carried one.
    pub(crate) session: Option<SessionKey>,
    /// The bearer token, where the call carried one: Handshake hands it back.
    pub(crate) bearer: Option<Arc<str>>,
    /// The key by which the caller may repeat this call.
    pub(crate) key: Option<IdempotencyKey>,
}

impl Caller {
    /// The request that the caller makes, where they gave it a key; see [`IdempotencyKey::once`].
    pub(crate) fn once(&self, part: u64, statement: &[&[u8]]) -> Option<Once> {
        self.key.as_ref().map(|key| key.once(&self.user, part, statement))
    }
}

/// Checks the `authorization` header of calls. One per node: what it has learned of wrong passwords at one port holds at
/// the other.
#[derive(Debug)]
pub struct Authenticator {
    users: Arc<Users>,
    sessions: Sessions,
    throttle: Throttle,
    /// Keyed digests of verified passwords and when they have to be verified again.
    verified: Mutex<HashMap<[u8; 32], Instant>>,
    key: ProcessKey,
    turns: Arc<Semaphore>,
    waiting: Waiting,
}

impl Authenticator {
    /// Lets these users in. Fails where the system gives no random bytes.
    pub fn new(users: Arc<Users>, limits: &Limits) -> Result<Self, Error> {
        Ok(Self {
            users,
            sessions: Sessions::new(limits),
            throttle: Throttle::default(),
            verified: Mutex::default(),
            key: ProcessKey::generate()?,
            turns: Arc::new(Semaphore::new(VERIFICATIONS_MAX)),
            waiting: Waiting::default(),
        })
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The caller whom the headers name. `UNAUTHENTICATED`, with one message for every reason, if they name nobody or the
    /// secret is wrong; `RESOURCE_EXHAUSTED` with the pause to make after repeated failures.
    pub(crate) async fn authenticate(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<Caller, Status> {
        let caller = self.caller(headers, peer).await?;
        let key = IdempotencyKey::of(headers)?;
        Ok(Caller { key, ..caller })
    }

    async fn caller(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<Caller, Status> {
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let header = headers
            .get("authorization")
            .ok_or_else(missing)?
            .to_str()
            .map_err(|_| refused())?;
        let (scheme, value) = header.trim().split_once(' ').ok_or_else(refused)?;
        let value = value.trim();
        if scheme.eq_ignore_ascii_case("basic") {
            let decoded = BASE64.decode(value).map_err(|_| refused())?;
            let decoded = String::from_utf8(decoded).map_err(|_| refused())?;
            let (user, password) = decoded.split_once(':').ok_or_else(refused)?;
            self.verify(user, password, peer).await?;
            return Ok(Caller {
                user: user.into(),
                session: None,
                bearer: None,
                key: None,
            });
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(refused());
        }
        let bearer = Some(Arc::from(value));
        if let Some(user) = credentials::token_user(value) {
            self.verify(user, value, peer).await?;
            return Ok(Caller {
                user: user.into(),
                session: None,
                bearer,
                key: None,
            });
        }
        let (session, user) = self.sessions.enter(value, Instant::now()).ok_or_else(refused)?;
        Ok(Caller {
            user,
            session: Some(session),
            bearer,
            key: None,
        })
    }

    /// Opens a session for a user and returns its token.
    pub(crate) fn open_session(&self, user: &Arc<str>) -> Result<String, Status> {
        match self.sessions.open(user, Instant::now()) {
            Ok(Some(token)) => Ok(token),
            Ok(None) => Err(Status::resource_exhausted(
                "too many sessions are open on this node, try again later",
            )),
            Err(error) => {
                tracing::error!(%error, "cannot open a session");
                Err(Status::internal("cannot open a session"))
            }
        }
    }

    async fn verify(&self, user: &str, password: &str, peer: IpAddr) -> Result<(), Status> {
        let digest = self.key.mac(&[user.as_bytes(), password.as_bytes()]);
        if self
            .verified
            .lock()
            .get(&digest)
            .is_some_and(|until| Instant::now() < *until)
        {
            return Ok(());
        }
        if user.len() > credentials::USER_NAME_BYTES_MAX || password.len() > credentials::PASSWORD_BYTES_MAX {
            return Err(refused());
        }
        if let Some(wait) = self.throttle.wait(peer, user, Instant::now()) {
            let wait_s = wait.as_secs_f64().ceil();
            return Err(Status::resource_exhausted(format!(
                "too many failed logins, try again in {wait_s} s"
            )));
        }
        let crowd = || Status::unavailable("too many logins at once, try again");
        let _waiting = self.waiting.enter(peer).ok_or_else(crowd)?;
        let turn = tokio::time::timeout(VERIFICATION_WAIT_MAX, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(crowd());
        };
        let (users, name, secret) = (Arc::clone(&self.users), user.to_owned(), password.to_owned());
        let verified = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            users.verify(&name, &secret)
        });
        if !verified.await.unwrap_or(false) {
            self.throttle.failed(peer, user, Instant::now());
            tracing::warn!(user, %peer, "login failed");
            return Err(refused());
        }
        self.throttle.succeeded(peer, user);
        self.remember(digest);
        Ok(())
    }

    fn remember(&self, digest: [u8; 32]) {
        let now = Instant::now();
        let mut verified = self.verified.lock();
        if verified.len() >= VERIFIED_MAX {
            verified.retain(|_, until| now < *until);
        }
        if verified.len() >= VERIFIED_MAX {
            // forgetting costs a verification each, no more
            verified.clear();
        }
        verified.insert(digest, now + VERIFIED_TTL);
    }
}

fn missing() -> Status {
    Status::unauthenticated("authentication required: send user and password (Basic) or a token (Bearer)")
}

fn refused() -> Status {
    Status::unauthenticated("user, password or token not accepted, or the session has ended")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::{Code, codegen::http::HeaderValue};

    fn authenticator() -> Authenticator {
        let token = format!("dab_admin_{}", "7".repeat(64));
        let users = Users::in_memory([("admin", token.as_str()), ("ann", "pass:w?rd>ü")]).unwrap();
        Authenticator::new(Arc::new(users), &Limits::default()).unwrap()
    }

    async fn login(authenticator: &Authenticator, header: &str) -> Result<Caller, Code> {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(header).unwrap());
        authenticator
            .authenticate(&headers, Some([127, 0, 0, 1].into()))
            .await
            .map_err(|status| status.code())
    }

    fn basic(user: &str, password: &str) -> String {
        format!(
            "Basic {}",
            base64::prelude::BASE64_STANDARD.encode(format!("{user}:{password}"))
        )
    }

    #[tokio::test]
    async fn basic_is_accepted_with_and_without_padding_in_any_case_of_the_scheme() {
        let authenticator = authenticator();
        let padded = basic("ann", "pass:w?rd>ü");
        assert!(padded.ends_with('='));
        for header in [
            padded.clone(),
            padded.trim_end_matches('=').to_owned(),
            padded.replace("Basic", "basic"),
        ] {
            let caller = login(&authenticator, &header).await.unwrap();
            assert_eq!((&*caller.user, caller.session), ("ann", None));
        }
    }

    #[tokio::test]
    async fn a_token_is_accepted_as_bearer_and_as_password() {
        let authenticator = authenticator();
        let token = format!("dab_admin_{}", "7".repeat(64));
        assert_eq!(
            &*login(&authenticator, &format!("Bearer {token}")).await.unwrap().user,
            "admin"
        );
        assert_eq!(
            &*login(&authenticator, &basic("admin", &token)).await.unwrap().user,
            "admin"
        );
        let session = authenticator.open_session(&"ann".into()).unwrap();
        let caller = login(&authenticator, &format!("Bearer {session}")).await.unwrap();
        assert!(&*caller.user == "ann" && caller.session.is_some());
    }

    #[tokio::test]
    async fn everything_else_is_refused_with_one_message() {
        let authenticator = authenticator();
        let mut messages = std::collections::BTreeSet::new();
        for header in [
            basic("ann", "wrong"),
            basic("nobody", "pass"),
            "Basic !!!".into(),
            "Basic".into(),
            format!("Bearer dab_admin_{}", "8".repeat(64)),
            format!("Bearer dabs_{}", "0".repeat(64)),
            "Digest x".into(),
            basic(&"u".repeat(100), "p"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", HeaderValue::from_str(&header).unwrap());
            let status = authenticator.authenticate(&headers, None).await.unwrap_err();
            assert_eq!(status.code(), Code::Unauthenticated, "{header}");
            messages.insert(status.message().to_owned());
        }
        assert_eq!(messages.len(), 1, "{messages:?}");
        let status = authenticator.authenticate(&HeaderMap::new(), None).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
    }

    #[tokio::test]
    async fn repeated_failures_pause_logins_but_not_open_sessions_or_remembered_passwords() {
        let authenticator = authenticator();
        let session = authenticator.open_session(&"ann".into()).unwrap();
        login(&authenticator, &basic("ann", "pass:w?rd>ü")).await.unwrap();
        for _ in 0..=throttle::FREE_FAILURES {
            assert_eq!(
                login(&authenticator, &basic("ann", "wrong")).await.unwrap_err(),
                Code::Unauthenticated
            );
        }
        assert_eq!(
            login(&authenticator, &basic("ann", "other")).await.unwrap_err(),
            Code::ResourceExhausted
        );
        assert!(login(&authenticator, &format!("Bearer {session}")).await.is_ok());
        assert!(login(&authenticator, &basic("ann", "pass:w?rd>ü")).await.is_ok());
    }

    #[tokio::test]
    async fn a_verified_password_is_not_verified_again() {
        let authenticator = authenticator();
        let header = basic("ann", "pass:w?rd>ü");
        login(&authenticator, &header).await.unwrap();
        let start = Instant::now();
        for _ in 0..100 {
            login(&authenticator, &header).await.unwrap();
        }
        assert!(
            start.elapsed() < Duration::from_millis(500),
            "{:?} for 100 calls",
            start.elapsed()
        );
    }
}
