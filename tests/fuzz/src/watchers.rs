//! What a monitor keeps, and what a ledger and its witnesses say to each other.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use dab_ledger::clock::Clock;
use dab_ledger::witness::{AddCheckpoint, HttpAnswer, WitnessClient, WitnessHttp};
use dab_proof::monitor::Heads;
use dab_proof::testing::TIME_UNIX_S;
use tokio::runtime::Runtime;

use crate::laws::{one_spelling, settles};
use crate::papers::papers;
use crate::{Bound, Target};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "monitor_heads",
        decode: monitor_heads,
        bound: Bound::SMALL,
    },
    Target {
        name: "witness_request",
        decode: witness_request,
        bound: Bound::SMALL,
    },
    Target {
        name: "witness_answer",
        decode: witness_answer,
        // the tree's tiles, too, and up to four requests
        bound: Bound {
            base: 256 << 10,
            per_byte: 32,
        },
    },
];

fn monitor_heads(bytes: &[u8]) -> bool {
    let root = &papers().root;
    settles(bytes, |bytes| Some(Heads::parse(bytes, root).ok()??.to_text(root)))
}

fn witness_request(bytes: &[u8]) -> bool {
    one_spelling(
        bytes,
        AddCheckpoint::parse(bytes).ok().map(|request| request.to_bytes()),
    )
}

/// A witness that gives one answer to everything: the first two bytes are the status.
fn witness_answer(bytes: &[u8]) -> bool {
    let Some((status, body)) = bytes.split_first_chunk() else {
        return false;
    };
    let answer = HttpAnswer {
        status: u16::from_be_bytes(*status),
        body: body.to_vec(),
    };
    let (papers, clock) = (papers(), Arc::new(Fixed));
    let key = papers.ledger.cosigners[0].verifier();
    let mut client = WitnessClient::new(key.clone(), Arc::new(Always(answer)), clock);
    let (checkpoint, tiles) = (papers.ledger.checkpoint(), papers.ledger.public());
    let Ok(lines) = RUNTIME.block_on(client.cosign(&checkpoint, &tiles)) else {
        return false;
    };
    for line in lines {
        let time = checkpoint.checkpoint().verify_cosignature(key, &line);
        time.expect("a cosignature of this very checkpoint");
    }
    true
}

/// Runs the client, which reads tiles beside it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime of one thread")
});

#[derive(Debug)]
struct Always(HttpAnswer);

#[async_trait]
impl WitnessHttp for Always {
    async fn add_checkpoint(&self, _body: Vec<u8>) -> Result<HttpAnswer, String> {
        Ok(self.0.clone())
    }
}

/// A clock that stands.
#[derive(Debug)]
pub(crate) struct Fixed;

impl Clock for Fixed {
    fn unix_ms(&self) -> u64 {
        (TIME_UNIX_S + 3600) * 1000
    }
}
