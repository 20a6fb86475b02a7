//! How long nobody is answered when the leader crashes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::clients::{Client, ms};
use crate::load::{REPLICAS, start};

/// Time that the client has before the leader crashes.
const BEFORE: Duration = Duration::from_secs(1);
/// Pause between two looks at a replica.
const LOOK: Duration = Duration::from_millis(10);

pub(crate) async fn measure(rounds: usize) -> Value {
    let mut group = start().await;
    let mut gaps = Vec::new();
    for _ in 0..rounds {
        let leader = group.leader().await;
        let asked = (leader + 1) % REPLICAS;
        let client = Client::new(group.node(asked), "table/failover".to_owned()).await;
        let end = Arc::new(AtomicBool::new(false));
        let answers = tokio::spawn(answers(client, Arc::clone(&end)));
        tokio::time::sleep(BEFORE).await;
        let crashed = Instant::now();
        group.crash(leader);
        // a leaf that comes behind the crash, whatever the client had under way
        let mut behind = Client::new(group.node(asked), "table/behind".to_owned()).await;
        let statement = behind.next();
        behind.notarize(statement).await;
        end.store(true, Ordering::Relaxed);
        gaps.push(ms(longest_gap(&answers.await.expect("the client"), crashed)));
        group.restart(leader).await.expect("the replica starts again");
        let size = group.node(asked).status().certified_size;
        while group.node(leader).status().certified_size < size {
            tokio::time::sleep(LOOK).await;
        }
    }
    json!({ "gaps_ms": gaps })
}

/// When a client that goes on and on was answered.
async fn answers(mut client: Client, end: Arc<AtomicBool>) -> Vec<Instant> {
    let mut answers = Vec::new();
    while !end.load(Ordering::Relaxed) {
        let statement = client.next();
        client.notarize(statement).await;
        answers.push(Instant::now());
    }
    answers
}

/// The longest time between two answers of which the second came behind the crash.
fn longest_gap(answers: &[Instant], crashed: Instant) -> Duration {
    let pairs = answers.windows(2).filter(|pair| pair[1] > crashed);
    pairs
        .map(|pair| pair[1] - pair[0])
        .max()
        .expect("answers behind the crash")
}
