//! Messages to one peer: connect, write what waits, ping, and connect again.

use std::sync::Arc;

use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::backoff::Backoff;
use super::dial::dial;
use super::ended::{Ended, within};
use super::frame::{self, Kind};
use super::hello::Purpose;
use super::limits::PeerLimits;
use super::remote::Remote;
use super::transport::Parts;

/// Bytes of a ping's number.
pub(super) const PING_BYTES: usize = 8;

/// Sends what is queued for a peer, for ever.
pub(super) async fn keep_sending(parts: Arc<Parts>, remote: Arc<Remote>) {
    let mut backoff = Backoff::new(&parts.limits);
    loop {
        let ended = match dial(&parts, &remote, Purpose::Messages).await {
            Ok(stream) => {
                remote.connected();
                remote.heard();
                let began = Instant::now();
                let ended = send(stream, &remote, &parts.limits).await;
                // a peer that accepts connections only to end them is not to be asked without pause
                if began.elapsed() > parts.limits.reconnect_pause_max {
                    backoff.reset();
                }
                ended
            }
            Err(ended) => ended,
        };
        remote.disconnected(&ended);
        parts.inbox.unreachable(remote.peer.id);
        sleep(backoff.pause()).await;
    }
}

/// Uses one connection until it ends.
async fn send(stream: impl AsyncRead + AsyncWrite, remote: &Remote, limits: &PeerLimits) -> Ended {
    let (reader, writer) = tokio::io::split(stream);
    let ping = Mutex::new(Ping::default());
    // reading must not wait for writing: that the peer takes nothing shows in its missing pongs
    tokio::select! {
        ended = hear_pongs(BufReader::new(reader), remote, limits, &ping) => ended,
        ended = write_messages(writer, remote, limits, &ping) => ended,
    }
}

/// The ping under way. There is one at a time.
#[derive(Debug, Default)]
struct Ping {
    number: u64,
    asked: Option<Instant>,
}

impl Ping {
    /// Asks anew, unless an answer is still due.
    fn ask(&mut self) -> Option<[u8; PING_BYTES]> {
        if self.asked.is_some() {
            return None;
        }
        self.number += 1;
        self.asked = Some(Instant::now());
        Some(self.number.to_le_bytes())
    }

    /// When the ping was asked that `pong` answers.
    fn answered(&mut self, pong: &[u8]) -> Option<Instant> {
        match pong == self.number.to_le_bytes() {
            true => self.asked.take(),
            false => None,
        }
    }
}

async fn write_messages(
    mut writer: impl AsyncWrite + Unpin,
    remote: &Remote,
    limits: &PeerLimits,
    ping: &Mutex<Ping>,
) -> Ended {
    let mut pings = interval(limits.ping_interval);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batch = BytesMut::new();
    loop {
        tokio::select! {
            _ = pings.tick() => {
                if let Some(number) = ping.lock().ask() {
                    frame::put(&mut batch, Kind::Ping, &number);
                }
            }
            () = remote.queue.filled() => {}
        }
        for message in remote.queue.take(limits.write_bytes_target) {
            frame::put(&mut batch, Kind::Message, &message);
        }
        let written = async {
            writer.write_all(&batch).await?;
            writer.flush().await
        };
        if let Err(error) = written.await {
            return error.into();
        }
        batch.clear();
    }
}

async fn hear_pongs(
    mut reader: impl AsyncRead + Unpin,
    remote: &Remote,
    limits: &PeerLimits,
    ping: &Mutex<Ping>,
) -> Ended {
    loop {
        let pong = frame::read(&mut reader, &[(Kind::Pong, PING_BYTES)]);
        let pong = match within(limits.silence_max, "an answer to a ping", pong).await {
            Ok(pong) => pong,
            Err(ended) => return ended,
        };
        let Some(asked) = ping.lock().answered(&pong.payload) else {
            return Ended::Broken("a pong without a ping".to_owned());
        };
        remote.heard();
        remote.answered_after(asked.elapsed());
    }
}
