//! Files for a peer that catches up. They have connections of their own, so that a long file delays no heartbeat.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::dial::{dial, reason};
use super::ended::{Ended, within};
use super::frame::{self, Kind};
use super::hello::Purpose;
use super::limits::{PATH_BYTES_MAX, REASON_BYTES_MAX};
use super::remote::Remote;
use super::transport::Parts;
use crate::peer_path::PeerPath;

/// What is said of a path that leads nowhere.
const NO_PATH: &str = "it is the path of no file that replicas give each other";

/// Reads a file of a peer.
pub(super) async fn fetch(parts: &Parts, remote: &Remote, path: &str) -> Result<Option<Bytes>, Ended> {
    let path = PeerPath::parse(path).ok_or_else(|| Ended::Refusing(NO_PATH.to_owned()))?;
    let asking = ask_over_any(parts, remote, &path);
    tokio::select! {
        () = remote.removed() => Err(Ended::Removed),
        file = within(parts.limits.file_wait_max, "the file", asking) => file,
    }
}

/// Asks over the connection that is there, or over a new one.
async fn ask_over_any(parts: &Parts, remote: &Remote, path: &PeerPath) -> Result<Option<Bytes>, Ended> {
    // taken for as long as an answer is due: after an error, or when nobody waits any more, nobody uses it again
    let mut kept = remote.files.lock().await;
    if let Some(mut stream) = kept.take() {
        // the peer ends it when it was idle for long
        if let Ok(answer) = ask(&mut stream, path).await {
            *kept = Some(stream);
            remote.heard();
            return answer.map_err(Ended::Refused);
        }
    }
    let mut stream = dial(parts, remote, Purpose::Files).await?;
    let answer = ask(&mut stream, path).await?;
    *kept = Some(stream);
    remote.heard();
    answer.map_err(Ended::Refused)
}

/// One question and its answer, which may be a refusal.
async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    path: &PeerPath,
) -> Result<Result<Option<Bytes>, String>, Ended> {
    frame::write(stream, Kind::Ask, path.path.as_bytes()).await?;
    let expected = [
        (Kind::File, path.limit),
        (Kind::NoFile, 0),
        (Kind::Refused, REASON_BYTES_MAX),
    ];
    let answer = frame::read(stream, &expected).await?;
    Ok(match answer.kind {
        Kind::File => Ok(Some(answer.payload)),
        Kind::NoFile => Ok(None),
        _ => Err(reason(&answer)),
    })
}

/// Answers over a connection whose hello was accepted, until it ends.
pub(super) async fn serve(parts: Arc<Parts>, remote: Arc<Remote>, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let Err(ended) = serve_files(&parts, &remote, stream).await;
    tracing::debug!(peer = %remote.peer.id, %ended, "a peer's connection for files ended");
}

async fn serve_files(
    parts: &Parts,
    remote: &Remote,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
) -> Result<std::convert::Infallible, Ended> {
    let limits = &parts.limits;
    within(
        limits.silence_max,
        "a welcome",
        frame::write(&mut stream, Kind::Welcome, &[]),
    )
    .await?;
    loop {
        let asked = frame::read(&mut stream, &[(Kind::Ask, PATH_BYTES_MAX)]);
        let asked = within(limits.file_idle_max, "the next request", asked).await?;
        remote.heard();
        let (kind, payload) = match look(parts, remote, &asked.payload).await {
            Ok(Some(file)) => (Kind::File, file),
            Ok(None) => (Kind::NoFile, Vec::new()),
            Err(reason) => (Kind::Refused, reason.as_bytes().to_vec()),
        };
        let answer = frame::write(&mut stream, kind, &payload);
        within(limits.file_wait_max, "taking the file", answer).await?;
    }
}

/// The file, or why it is not given out.
async fn look(parts: &Parts, remote: &Remote, asked: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    let path = std::str::from_utf8(asked).ok().and_then(PeerPath::parse);
    let PeerPath { path, limit } = path.ok_or(NO_PATH)?;
    let files = Arc::clone(&parts.files);
    let reading = async move {
        // its own first: one peer's reads must not wait in a row in which others wait for them
        let mut taken = Vec::new();
        for places in [&remote.reads, &parts.file_reads] {
            let place = Arc::clone(places).acquire_owned().await;
            taken.push(place.map_err(|_| "this replica is stopping")?);
        }
        let read = tokio::task::spawn_blocking(move || {
            let _taken = taken;
            files
                .read(&path)
                .inspect_err(|error| tracing::warn!(%error, "cannot read a file for a peer"))
        });
        match read.await {
            Ok(Ok(file)) => Ok(file),
            Ok(Err(_)) | Err(_) => Err("the file cannot be read"),
        }
    };
    let file = tokio::time::timeout(parts.limits.file_wait_max, reading)
        .await
        .unwrap_or(Err("the disk took too long"))?;
    match file {
        Some(file) if file.len() > limit => Err("the file is larger than such a file may be"),
        file => Ok(file),
    }
}
