//! Sessions: what a bearer token from Handshake stands for.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{Error, limits::Limits, secret};

/// Sessions made by Handshake. Tokens are 256 random bits; only their SHA-256 is kept, which also makes the look-up
/// independent of how many of a guess's bytes are right.
#[derive(Debug)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<SessionKey, Session>>,
    idle_max: Duration,
    age_max: Duration,
    per_user_max: usize,
    total_max: usize,
}

/// Names a session inside the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionKey([u8; 32]);

#[derive(Debug)]
struct Session {
    user: Arc<str>,
    opened: Instant,
    used: Instant,
}

impl Sessions {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            open: Mutex::default(),
            idle_max: limits.session_idle_max,
            age_max: limits.session_age_max,
            per_user_max: limits.sessions_per_user_max,
            total_max: limits.sessions_max,
        }
    }

    /// Opens a session and returns its token. Beyond the limits the session of this user that was unused for longest
    /// ends (JDBC clients do not always close theirs); `None` if the node is full with sessions of others.
    pub(crate) fn open(&self, user: &Arc<str>, now: Instant) -> Result<Option<String>, Error> {
        let token = format!("dabs_{}", hex::encode(secret::random::<32>()?));
        let mut open = self.open.lock();
        open.retain(|_, session| !self.ended(session, now));
        let own = open.iter().filter(|(_, session)| session.user == *user);
        let (count, oldest) = own.fold((0, None::<(SessionKey, Instant)>), |(count, oldest), (key, session)| {
            let older = oldest.is_none_or(|(_, used)| session.used < used);
            (count + 1, if older { Some((*key, session.used)) } else { oldest })
        });
        if count >= self.per_user_max || open.len() >= self.total_max {
            match oldest {
                Some((key, _)) => open.remove(&key),
                None => return Ok(None),
            };
        }
        let session = Session {
            user: Arc::clone(user),
            opened: now,
            used: now,
        };
        open.insert(SessionKey::of(&token), session);
        Ok(Some(token))
    }

    /// The session of a token and its user, now used; `None` if there is none or it has ended.
    pub(crate) fn enter(&self, token: &str, now: Instant) -> Option<(SessionKey, Arc<str>)> {
        let key = SessionKey::of(token);
        let mut open = self.open.lock();
        let session = open.get_mut(&key)?;
        if self.ended(session, now) {
            open.remove(&key);
            return None;
        }
        session.used = now;
        Some((key, Arc::clone(&session.user)))
    }

    /// Ends a session; whether it was open.
    pub(crate) fn close(&self, key: SessionKey) -> bool {
        self.open.lock().remove(&key).is_some()
    }

    fn ended(&self, session: &Session, now: Instant) -> bool {
        now.duration_since(session.used) >= self.idle_max || now.duration_since(session.opened) >= self.age_max
    }
}

impl SessionKey {
    fn of(token: &str) -> Self {
        Self(secret::sha256(token.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(per_user_max: usize, total_max: usize) -> Sessions {
        let limits = Limits {
            sessions_per_user_max: per_user_max,
            sessions_max: total_max,
            ..Limits::default()
        };
        Sessions::new(&limits)
    }

    #[test]
    fn a_session_ends_when_unused_too_old_or_closed() {
        let sessions = sessions(9, 9);
        let (start, ann) = (Instant::now(), Arc::<str>::from("ann"));
        let limits = Limits::default();
        let token = sessions.open(&ann, start).unwrap().unwrap();
        let mut now = start;
        while now + limits.session_idle_max / 2 < start + limits.session_age_max {
            now += limits.session_idle_max / 2;
            assert!(sessions.enter(&token, now).is_some(), "kept open by use");
        }
        assert!(
            sessions.enter(&token, start + limits.session_age_max).is_none(),
            "too old"
        );

        let token = sessions.open(&ann, now).unwrap().unwrap();
        assert!(
            sessions.enter(&token, now + limits.session_idle_max).is_none(),
            "unused"
        );

        let token = sessions.open(&ann, now).unwrap().unwrap();
        let (key, user) = sessions.enter(&token, now).unwrap();
        assert_eq!(&*user, "ann");
        assert!(sessions.close(key) && !sessions.close(key));
        assert!(sessions.enter(&token, now).is_none(), "closed");
    }

    #[test]
    fn beyond_the_limit_a_user_loses_only_their_own_oldest_session() {
        let sessions = sessions(2, 3);
        let (now, ann, bob) = (Instant::now(), Arc::<str>::from("ann"), Arc::<str>::from("bob"));
        let first = sessions.open(&ann, now).unwrap().unwrap();
        let second = sessions.open(&ann, now + Duration::from_secs(1)).unwrap().unwrap();
        sessions.enter(&first, now + Duration::from_secs(2)).unwrap();
        sessions.open(&ann, now + Duration::from_secs(3)).unwrap().unwrap();
        assert!(sessions.enter(&second, now).is_none() && sessions.enter(&first, now).is_some());
        sessions.open(&bob, now + Duration::from_secs(3)).unwrap().unwrap();
        let carl = Arc::<str>::from("carl");
        assert_eq!(
            sessions.open(&carl, now + Duration::from_secs(4)).unwrap(),
            None,
            "full with sessions of others"
        );
    }

    #[test]
    fn only_the_whole_token_opens_the_session() {
        let sessions = sessions(9, 9);
        let now = Instant::now();
        let token = sessions.open(&Arc::from("ann"), now).unwrap().unwrap();
        assert!(sessions.enter(&token[..token.len() - 1], now).is_none());
        assert!(sessions.enter("", now).is_none());
    }
}
