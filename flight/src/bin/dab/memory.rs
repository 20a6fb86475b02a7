//! Gives memory that a node has freed back to the system.
//!
//! mimalloc keeps freed pages for a second, since whoever is busy needs them again, and looks for those whose second is
//! over when some thread allocates much or ends. A node that falls idle does neither, and would hold for hours what its
//! last query took. So a thread comes by that does nothing but end. A busy node loses nothing by it: its own allocations
//! make mimalloc look as often.

use std::convert::Infallible;
use std::hint::black_box;
use std::thread;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

/// Longer than a person thinks between two questions, who would wait for the pages to come back; an idle node shows its
/// real size within a minute.
const INTERVAL: Duration = Duration::from_secs(30);

/// Gives freed memory back for as long as it is polled.
pub(crate) async fn give_back() -> Infallible {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        // mimalloc knows only threads that have allocated; one that cannot be started is tried again
        let _ = thread::Builder::new()
            .name("dab-give-back".to_owned())
            .spawn(|| drop(black_box(Box::new(0_u8))));
    }
}
