//! Every limit of the peer protocol, by name.

use std::time::Duration;

/// Bytes of the longest hello that is read: an origin has up to 255 of them, and a later protocol's may be longer.
pub(super) const HELLO_BYTES_MAX: usize = 512;

/// Bytes of the longest reason for a refusal that is written or read; it may name two origins.
pub(super) const REASON_BYTES_MAX: usize = 1024;

/// Bytes of the longest path that is asked for. The longest proper one has less than half of it.
pub(super) const PATH_BYTES_MAX: usize = 128;

/// Bytes that are read from a connection at once, and the first room for what a frame promises to hold.
pub(super) const READ_BYTES: usize = 64 << 10;

/// Pause after the system refuses to accept a connection, for want of file descriptors for instance.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The bounds of a transport; the defaults suit replicas that are up to some 100 ms apart.
///
/// Replicas must agree on `message_bytes_max`, and each `silence_max` must be a few of the others' `ping_interval`. What
/// was written before a ping travels before it: a link that carries less than some MiB a second is too slow for the
/// defaults. A number of places that is zero is taken for one.
#[derive(Clone, Debug)]
pub struct PeerLimits {
    /// Bytes of the longest message. A longer one is dropped by its sender and ends the connection at its receiver.
    /// Default 4 MiB: raft packs up to 1 MiB of entries into a message, and one entry is at most that again; a raft snapshot has
    /// all changes of the epoch, which are held to less (`state_machine/members.rs`).
    pub message_bytes_max: usize,
    /// Messages that may wait for one peer; one more is dropped. Default 4096.
    pub queued_max: usize,
    /// Bytes of messages that may wait for one peer; a message beyond is dropped. Default 32 MiB.
    pub queued_bytes_max: usize,
    /// Bytes at which waiting messages are cut into separate writes, so that a ping does not wait for all of them.
    /// Default 256 KiB.
    pub write_bytes_target: usize,
    /// Time for a TCP connection to a peer. Default 2 s: the system asks twice within it.
    pub connect_max: Duration,
    /// Time for TLS and hello, on both sides. Default 5 s.
    pub handshake_max: Duration,
    /// Connections of which nobody knows yet who they are. Another one ends the oldest of the network that has most of
    /// them, so those who connect and stay silent, or come in floods, keep out only their neighbours. Default 64.
    pub handshakes_max: usize,
    /// Pause between two pings. Default 500 ms.
    pub ping_interval: Duration,
    /// Time without an answer after which a peer counts as dead and its connection ends. Default 4 s.
    pub silence_max: Duration,
    /// Time within which the next frame must have come whole; pings come all the while. Default 10 s.
    pub frame_wait_max: Duration,
    /// Pause before the first attempt to connect again; it doubles with every failure. Default 50 ms.
    pub reconnect_pause_min: Duration,
    /// Longest pause between two attempts to connect, of which chance takes off up to a half. Default 1 s.
    pub reconnect_pause_max: Duration,
    /// Connections over which one peer may ask for files; another one ends the oldest. Default 2.
    pub file_connections_max: usize,
    /// Time without a request after which such a connection ends. Default 30 s.
    pub file_idle_max: Duration,
    /// Time for one file, from the request to the last byte. Default 30 s.
    pub file_wait_max: Duration,
    /// Files that are read from the disk for all peers at once; for one peer, `file_connections_max`. Default 8.
    pub file_reads_max: usize,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self {
            message_bytes_max: 4 << 20,
            queued_max: 4096,
            queued_bytes_max: 32 << 20,
            write_bytes_target: 256 << 10,
            connect_max: Duration::from_secs(2),
            handshake_max: Duration::from_secs(5),
            handshakes_max: 64,
            ping_interval: Duration::from_millis(500),
            silence_max: Duration::from_secs(4),
            frame_wait_max: Duration::from_secs(10),
            reconnect_pause_min: Duration::from_millis(50),
            reconnect_pause_max: Duration::from_secs(1),
            file_connections_max: 2,
            file_idle_max: Duration::from_secs(30),
            file_wait_max: Duration::from_secs(30),
            file_reads_max: 8,
        }
    }
}

impl PeerLimits {
    /// The same where they make sense; the nearest that do where not, since a limit of zero is a transport that stands
    /// still, or that panics in the middle of a connection.
    pub(super) fn made_sense_of(mut self) -> Self {
        let places = 1..=tokio::sync::Semaphore::MAX_PERMITS;
        for count in [
            &mut self.handshakes_max,
            &mut self.file_connections_max,
            &mut self.file_reads_max,
        ] {
            *count = (*count).clamp(*places.start(), *places.end());
        }
        // a frame's length is a u32
        self.message_bytes_max = self.message_bytes_max.min(u32::MAX as usize);
        self.ping_interval = self.ping_interval.max(Duration::from_millis(1));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn limits_of_nothing_and_without_limit_are_brought_to_what_works() {
        for extreme in [0, usize::MAX] {
            let limits = PeerLimits {
                handshakes_max: extreme,
                file_connections_max: extreme,
                file_reads_max: extreme,
                message_bytes_max: extreme,
                ping_interval: Duration::ZERO,
                ..PeerLimits::default()
            };
            let limits = limits.made_sense_of();
            assert!(limits.handshakes_max >= 1 && limits.file_connections_max >= 1);
            // these panic on what they cannot do
            let _ = tokio::sync::Semaphore::new(limits.file_reads_max);
            let _ = tokio::time::interval(limits.ping_interval);
            u32::try_from(limits.message_bytes_max).unwrap();
        }
    }
}
