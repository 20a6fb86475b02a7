//! A replica that has nothing takes over the ledger from the others.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::lasting_group::{EMPTY, LastingGroup};

/// Pause between two looks at the replica.
const LOOK: Duration = Duration::from_millis(10);

pub(crate) async fn measure(dir: &Path) -> Value {
    let group = LastingGroup::in_dir(dir);
    group.empty_again();
    let nodes = group.start_filled().await;
    let leaves = nodes[0].status().certified_size;
    let began = Instant::now();
    let empty = group.start(EMPTY).await;
    while empty.status().certified_size < leaves {
        tokio::time::sleep(LOOK).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    json!({
        "leaves": leaves.0,
        "seconds": seconds,
        "per_s": leaves.0 as f64 / seconds,
    })
}
