//! `dab serve`: runs a node until it is interrupted.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::cli::ServeArgs;
use crate::data_dir::DataDir;
use crate::memory;
use crate::output::print_line;
use crate::running_node::RunningNode;
use crate::stopping::{StopSignals, stdin_ended};

/// Time that answers have to reach their clients when the node has failed.
const FAREWELL: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: ServeArgs) -> Result<()> {
    let dir = DataDir::open(&args.data.data)?;
    let ended = stdin_ended(args.until_stdin_ends);
    tokio::pin!(ended);
    let node = tokio::select! {
        node = RunningNode::start(&dir, &args.listen, &args.limits, &args.replica) => node?,
        // as a crash would end it, which loses nothing
        () = &mut ended => return Ok(()),
    };
    node.announce()?;
    // The node serves on, whether or not somebody reads this.
    let _ = say_where(&node, &dir);
    until_interrupted(node, ended).await
}

fn say_where(node: &RunningNode, dir: &DataDir) -> Result<()> {
    print_line!("Flight SQL  {}", node.url);
    print_line!("audit       {}", node.audit_url);
    print_line!("data        {}", dir.path().display());
    print_line!("user        admin, password in {}", dir.admin_token().display());
    print_line!("ledger      {}", node.certified_by);
    Ok(())
}

/// Serves until SIGINT, SIGTERM or `ended`, then stops in order; a second signal ends the process at once, which loses
/// nothing that was acknowledged.
pub(crate) async fn until_interrupted(mut node: RunningNode, ended: impl Future<Output = ()>) -> Result<()> {
    let mut stop = StopSignals::new()?;
    tokio::select! {
        () = stop.wait() => {}
        () = ended => {}
        error = node.failed() => {
            // Those who wait for a commit hear that its outcome is unknown; a connection that just breaks would look to
            // them like leave to send it again.
            let _ = tokio::time::timeout(FAREWELL, node.stop()).await;
            return Err(error);
        }
        never = memory::give_back() => match never {},
    }
    eprintln!("stopping: statements under way may finish; once more stops at once");
    tokio::select! {
        stopped = node.stop() => stopped,
        () = stop.wait() => bail!("stopped at once"),
    }
}
