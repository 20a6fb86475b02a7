//! `dab sandbox`: several nodes of one ledger, each a process of its own on this machine.
//!
//! ```text
//! DIR/n1, n2, ...   the nodes' data directories
//! DIR/n1.log, ...   what each said
//! DIR/tables        the folder of tables that all share
//! DIR/founding      what the nodes were made from; holds the ledger's key, 0600
//! DIR/witness       the witness outside, where the sandbox was made with one
//! ```
//!
//! The processes are those that `dab serve` makes, and may be killed and started again like those of any node. One user,
//! password and certificate authority serve at all of them.

mod ports;
mod process;
mod witness;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dab_flight::{Tls, Users};
use dab_ledger::durable::{self, Access};
use dab_ledger::founding::{self, Founding};
use dab_ledger::members::{Candidate, Members};
use dab_ledger::node::NodeConfig;
use futures::future::select_all;

use crate::cli::SandboxArgs;
use crate::data_dir::DataDir;
use crate::output::print_line;
use crate::program::{program, shell_word};
use crate::stopping::StopSignals;
use ports::Ports;
use process::{Launch, Process};
use witness::SandboxWitness;

/// Nodes of a new sandbox: the fewest of which one may be faulty.
const NODES_DEFAULT: u16 = 4;

/// Time that the nodes have to stop in order.
const STOP_WAIT_MAX: Duration = Duration::from_secs(60);

/// How often a node that starts is looked after.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What the nodes of a sandbox share a login by, below their data directories.
const SHARED_FILES: [(&str, Access); 4] = [
    ("private/tls/ca.key", Access::Owner),
    ("tls/ca.pem", Access::Everyone),
    ("private/users.json", Access::Owner),
    ("admin.token", Access::Owner),
];

pub(crate) async fn run(args: SandboxArgs) -> Result<()> {
    let sandbox = Sandbox::open(&args)?;
    let mut running = sandbox.launches().map(Launch::start).collect::<Result<Vec<_>>>()?;
    let mut stop = StopSignals::new()?;
    let ended = sandbox.say_and_watch(&mut running, &mut stop).await;
    for process in &mut running {
        process.stop();
    }
    let all = futures::future::join_all(running.iter_mut().map(|process| process.child.wait()));
    let (stopped, again) = tokio::select! {
        stopped = tokio::time::timeout(STOP_WAIT_MAX, all) => (stopped.is_ok(), false),
        () = stop.wait() => (false, true),
    };
    if !stopped {
        // as after a crash: nothing acknowledged is lost
        for process in &mut running {
            let _ = process.child.kill().await;
        }
    }
    if again {
        bail!("stopped at once");
    }
    ended
}

struct Sandbox {
    dir: PathBuf,
    members: Members,
    nodes: Vec<SandboxNode>,
    witness: Option<SandboxWitness>,
    /// Held for as long as a node may be started again.
    _ports: Ports,
}

/// One node, running or not.
struct SandboxNode {
    dir: DataDir,
    audit_listen: SocketAddr,
    launch: Launch,
}

impl Sandbox {
    /// Opens the sandbox, making what is missing of it.
    fn open(args: &SandboxArgs) -> Result<Self> {
        let dir = &args.dir;
        let begun = |name: &str| dir.join(name).exists();
        if !begun("founding") && !begun("n1") && fs::read_dir(dir).is_ok_and(|mut found| found.next().is_some()) {
            bail!(
                "{} is no sandbox, and not empty: choose another with --dir",
                dir.display()
            );
        }
        durable::create_private_dir(dir)?;
        durable::create_private_dir(&tables_of(dir))?;
        let mut ports = Ports::new(args.base_port);
        let founding = match read_founding(dir)? {
            Some(founding) => {
                let named = founding.members().iter().map(|member| member.is.address.parse().ok());
                let named = named.flatten().chain(witness::listen_of(&founding)?);
                named.for_each(|address| ports.leave_out(address));
                founding
            }
            None => found(dir, args, &mut ports)?,
        };
        let members = founding.members().clone();
        if let Some(nodes) = args.nodes.filter(|nodes| usize::from(*nodes) != members.count()) {
            bail!(
                "the sandbox in {} has {} nodes, not {nodes}: --dir names another",
                dir.display(),
                members.count()
            );
        }
        if args.witness && founding.witnesses().is_empty() {
            bail!(
                "the sandbox in {} was made without a witness: --dir names another",
                dir.display()
            );
        }
        let mut nodes = Vec::new();
        for (number, member) in (0..).zip(members.iter()) {
            let data = DataDir::open(&dir.join(&member.is.name))?;
            founding::join(&NodeConfig::in_dir(data.path()), &founding)?;
            let addresses = [ports.address(number, 0)?, ports.address(number, 1)?];
            nodes.push(SandboxNode::new(dir, &member.is.name, data, addresses));
        }
        let first = nodes[0].dir.path().to_owned();
        let sandbox = Self {
            dir: dir.clone(),
            members,
            nodes,
            witness: SandboxWitness::of(&founding, dir, &first)?,
            _ports: ports.given(),
        };
        sandbox.share_login()?;
        Ok(sandbox)
    }

    /// The nodes', then the witness's.
    fn launches(&self) -> impl Iterator<Item = &Launch> {
        let nodes = self.nodes.iter().map(|node| &node.launch);
        nodes.chain(self.witness.iter().map(|witness| &witness.launch))
    }

    /// Gives every node the first one's certificate authority and users.
    fn share_login(&self) -> Result<()> {
        let first = self.nodes[0].dir.path();
        Tls::open(first, &[])?;
        Users::open(first)?;
        for node in &self.nodes[1..] {
            for (name, access) in SHARED_FILES {
                let target = node.dir.path().join(name);
                if !target.exists() {
                    let bytes =
                        fs::read(first.join(name)).with_context(|| format!("cannot read the first node's {name}"))?;
                    if let Some(folder) = target.parent() {
                        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
                    }
                    durable::write(&target, &bytes, access)?;
                }
            }
        }
        Ok(())
    }

    /// Says where the nodes are once all serve, then which ended, until the user or the last of them ends it.
    async fn say_and_watch(&self, running: &mut Vec<Process>, stop: &mut StopSignals) -> Result<()> {
        tokio::select! {
            serving = self.wait_for_all(running) => serving?,
            () = stop.wait() => return Ok(()),
        }
        self.say_where(running)?;
        while !running.is_empty() {
            let ended = select_all(running.iter_mut().map(|process| Box::pin(process.child.wait())));
            let (status, at) = tokio::select! {
                (status, at, _) = ended => (status, at),
                () = stop.wait() => break,
            };
            let ended = running.remove(at);
            self.say_ended(&ended.name, status.ok(), running)?;
        }
        Ok(())
    }

    async fn wait_for_all(&self, running: &mut [Process]) -> Result<()> {
        loop {
            for (process, launch) in running.iter_mut().zip(self.launches()) {
                // without it the others may wait for a quorum for ever
                if let Some(status) = process.child.try_wait()? {
                    bail!("{} ended ({status}): {}", process.name, launch.last_words());
                }
            }
            let mut all_serve = true;
            for node in &self.nodes {
                all_serve &= node.dir.endpoint()?.is_some();
            }
            if all_serve {
                return Ok(());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    fn say_where(&self, running: &[Process]) -> Result<()> {
        let (dab, members) = (program(), &self.members);
        print_line!(
            "{} nodes hold one ledger; {} of them certify, {} may be faulty",
            members.count(),
            members.quorum(),
            members.faulty_max()
        );
        for (node, process) in self.nodes.iter().zip(running) {
            let url = node.dir.endpoint()?.unwrap_or_default();
            let (name, pid) = (&process.name, process.pid().unwrap_or_default());
            print_line!("  {name:<3} pid {pid:<7} {url}  audit https://{}", node.audit_listen);
        }
        if let (Some(witness), Some(process)) = (&self.witness, running.get(self.nodes.len())) {
            let (pid, listen) = (process.pid().unwrap_or_default(), witness.listen);
            print_line!("  witness pid {pid:<7} http://{listen}, has to cosign too");
        }
        let data = |node: &SandboxNode| shell_word(node.dir.path());
        let (first, last) = (&self.nodes[0], &self.nodes[self.nodes.len() - 1]);
        print_line!("tables  {}, shared by all", tables_of(&self.dir).display());
        print_line!(
            "user    admin at every node, password in {}",
            first.dir.admin_token().display()
        );
        print_line!("query   {dab} sql --data {}", data(first));
        print_line!("look    {dab} node status --data {}", data(last));
        if let Some(pid) = running.first().and_then(Process::pid) {
            print_line!("break   kill -9 {pid}");
        }
        print_line!("Ctrl-C stops them all, once more at once");
        Ok(())
    }

    fn say_ended(&self, name: &str, status: Option<ExitStatus>, running: &[Process]) -> Result<()> {
        let how = status.map_or_else(|| "nobody knows how".to_owned(), |status| status.to_string());
        print_line!("{name} ended ({how})");
        if self.witness.as_ref().is_some_and(|witness| witness.launch.name == name) {
            print_line!("  nothing is certified until it runs again");
        } else {
            let is_node = |process: &&Process| self.nodes.iter().any(|node| node.launch.name == process.name);
            let left = running.iter().filter(is_node).count();
            if left < self.members.quorum() {
                // of those that were started again beside it the sandbox knows nothing
                print_line!(
                    "  {left} of those started here run on: nothing is certified unless {} run in all",
                    self.members.quorum()
                );
            }
        }
        if let Some(launch) = self.launches().find(|launch| launch.name == name) {
            print_line!("  it is started again by: {}", launch.command_line());
        }
        Ok(())
    }
}

impl SandboxNode {
    fn new(sandbox: &Path, name: &str, dir: DataDir, [listen, audit_listen]: [SocketAddr; 2]) -> Self {
        let mut arguments: Vec<PathBuf> = vec!["serve".into(), "--data".into(), dir.path().into()];
        arguments.extend(["--tables".into(), tables_of(sandbox)]);
        arguments.extend(["--listen".into(), listen.to_string().into()]);
        arguments.extend(["--audit-listen".into(), audit_listen.to_string().into()]);
        let launch = Launch::new(sandbox, name, arguments);
        Self {
            dir,
            audit_listen,
            launch,
        }
    }
}

/// The folder of tables that all share.
fn tables_of(sandbox: &Path) -> PathBuf {
    sandbox.join("tables")
}

fn read_founding(dir: &Path) -> Result<Option<Founding>> {
    let path = dir.join("founding");
    let Some(bytes) = durable::read(&path)? else {
        return Ok(None);
    };
    let founding = Founding::from_text(&String::from_utf8_lossy(&bytes));
    founding
        .map(Some)
        .with_context(|| format!("{} is no founding", path.display()))
}

/// Makes every node's keys, and the founding over them. A crash on the way leaves keys that no founding names; the next
/// start refuses them.
fn found(dir: &Path, args: &SandboxArgs, ports: &mut Ports) -> Result<Founding> {
    let nodes = args.nodes.unwrap_or(NODES_DEFAULT);
    let origin = format!("dab/sandbox/{}", uuid::Uuid::new_v4());
    let mut candidates: Vec<Candidate> = Vec::new();
    for number in 0..nodes {
        let name = format!("n{}", number + 1);
        let address = ports.address(number, 2)?.to_string();
        let data = DataDir::open(&dir.join(&name))?;
        let config = NodeConfig::in_dir(data.path());
        let candidate = founding::candidate(&config, &origin, &name, &address);
        candidates.push(candidate.with_context(|| {
            format!(
                "if an earlier start was cut off, remove {} and start again",
                dir.display()
            )
        })?);
    }
    let mut witnesses = Vec::new();
    if args.witness {
        witnesses.push(witness::make(dir, ports.address(nodes, 0)?)?);
    }
    let founding = Founding::new(&origin, candidates, witnesses)?;
    durable::write(&dir.join("founding"), founding.to_text().as_bytes(), Access::Owner)?;
    Ok(founding)
}
