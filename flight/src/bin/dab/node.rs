//! `dab node`: makes machines the replicas of one ledger, and shows how they are doing.

mod members;
mod witnesses;

use std::fs;

use anyhow::{Context, Result, bail};
use arrow::util::display::array_value_to_string;
use dab_flight::client::Answer;
use dab_flight::{Client, WitnessUrl};
use dab_ledger::durable::{self, Access};
use dab_ledger::epoch::WitnessAt;
use dab_ledger::founding::{Founding, candidate, join};
use dab_ledger::invitation::{Invitation, accept, is_invitation};
use dab_ledger::members::Candidate;
use dab_ledger::node::NodeConfig;
use dab_proof::report::escape;

use crate::cli::{NodeFoundArgs, NodeJoinArgs, NodeKeysArgs, NodeStatusArgs, NodeVerb};
use crate::connect::{Connection, MissingData};
use crate::data_dir::DataDir;
use crate::format::Format;
use crate::output::print_line;
use crate::program::{program, shell_word};
use crate::sql::run_one;

/// What fits into 80 columns.
const FOR_A_TERMINAL: &str = "id, name, address, \
    CASE WHEN leads THEN 'leads' WHEN answers THEN 'answers' WHEN connected THEN 'connected' ELSE 'away' END AS state, \
    heard_ms_ago AS heard_ms";

/// Replicas that messages do not reach, and why.
const TROUBLES: &str =
    "SELECT coalesce(name, CAST(id AS VARCHAR)), trouble FROM dab.replicas WHERE trouble IS NOT NULL ORDER BY id";

pub(crate) async fn run(verb: NodeVerb) -> Result<()> {
    match verb {
        NodeVerb::Keys(args) => keys(&args),
        NodeVerb::Found(args) => found(&args),
        NodeVerb::Join(args) => take_in(&args),
        NodeVerb::Status(args) => status(args).await,
        NodeVerb::List(args) => members::list(&args),
        NodeVerb::Add(args) => members::add(&args),
        NodeVerb::Remove(args) => members::remove(&args),
        NodeVerb::Witness(verb) => witnesses::run(verb).await,
        NodeVerb::Approve(args) => members::sign(args).await,
        NodeVerb::Apply(args) => members::apply(args).await,
    }
}

fn keys(args: &NodeKeysArgs) -> Result<()> {
    let dir = DataDir::open(&args.data.data)?;
    let config = NodeConfig::in_dir(dir.path());
    let candidate = candidate(&config, &args.origin, &args.name, &args.address)?;
    print_line!("{candidate}");
    Ok(())
}

fn found(args: &NodeFoundArgs) -> Result<()> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for path in &args.lines {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let parsed = line.parse();
            candidates.push(parsed.with_context(|| format!("{}, line {number}", path.display()))?);
        }
    }
    if args.output.exists() {
        bail!(
            "{} is there already, and may be another ledger's key",
            args.output.display()
        );
    }
    let witnesses = args.witnesses.chunks_exact(2).map(|pair| {
        let key = pair[0]
            .parse()
            .with_context(|| format!("{} is no witness's key", pair[0]))?;
        // the same rules as when it is asked
        WitnessUrl::new(&pair[1], None)?;
        let url = pair[1].clone();
        anyhow::Ok(WitnessAt { key, url })
    });
    let founding = Founding::new(&args.origin, candidates, witnesses.collect::<Result<_>>()?)?;
    durable::write(&args.output, founding.to_text().as_bytes(), Access::Owner)?;
    let members = founding.members();
    print_line!(
        "{} is founded by {} replicas; {} of them certify",
        founding.origin(),
        members.count(),
        members.quorum()
    );
    for member in members.iter() {
        print_line!("{:>4}  {:<12}  {}", member.id, member.is.name, member.is.address);
    }
    for witness in founding.witnesses() {
        print_line!("  and  {}  {}", escape(witness.key.name()), escape(&witness.url));
    }
    if founding.witnesses().is_empty() {
        print_line!("no witness outside has to cosign: those who run the replicas could, together,");
        print_line!("  show somebody another history. Recommended: one of another organisation,");
        print_line!("  by --witness now or by {} node witness add later", program());
    }
    print_line!(
        "on each machine, with a copy of this file: {} node join {}",
        program(),
        shell_word(&args.output)
    );
    print_line!("it holds the ledger's key: keep it secret, remove it when all have joined");
    say_fingerprint(&founding)?;
    Ok(())
}

fn take_in(args: &NodeJoinArgs) -> Result<()> {
    let dir = DataDir::open(&args.data.data)?;
    let path = &args.founding;
    durable::require_owner_only(path)?;
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    if is_invitation(&text) {
        return take_invitation(&dir, &text).with_context(|| format!("{} is no invitation", path.display()));
    }
    let founding = Founding::from_text(&text).with_context(|| format!("{} is no founding", path.display()))?;
    let member = join(&NodeConfig::in_dir(dir.path()), &founding)?;
    print_line!("{} is replica {} of {}", member.is.name, member.id, founding.origin());
    for other in founding.members().iter() {
        print_line!("{:>4}  {:<12}  {}", other.id, other.is.name, other.is.address);
    }
    say_fingerprint(&founding)?;
    print_line!("start it: {} serve{} --tables FOLDER", program(), dir.option());
    Ok(())
}

fn take_invitation(dir: &DataDir, text: &str) -> Result<()> {
    let invitation = Invitation::from_text(text)?;
    let member = accept(&NodeConfig::in_dir(dir.path()), &invitation)?;
    print_line!("{} is replica {} of {}", member.is.name, member.id, invitation.origin());
    for other in invitation.members().iter() {
        print_line!("{:>4}  {:<12}  {}", other.id, other.is.name, other.is.address);
    }
    print_line!("start it: {} serve{} --tables FOLDER", program(), dir.option());
    Ok(())
}

/// Whoever hands over a founding could hand over another one, with keys of their own.
fn say_fingerprint(founding: &Founding) -> Result<()> {
    print_line!(
        "fingerprint {}: the same on every machine, or it is another ledger",
        founding.fingerprint()
    );
    Ok(())
}

async fn status(args: NodeStatusArgs) -> Result<()> {
    let connection = Connection::open(&args.node, MissingData::IsRefused).await?;
    let outcome = match args.format {
        Format::Table => status_for_a_terminal(&connection.client).await,
        format => run_one(&connection.client, "SELECT * FROM dab.replicas ORDER BY id", format).await,
    };
    let closed = connection.close().await;
    outcome.and(closed)
}

/// The table, and below it why replicas are away: reasons are too long for a column.
async fn status_for_a_terminal(client: &Client) -> Result<()> {
    let sql = format!("SELECT {FOR_A_TERMINAL} FROM dab.replicas ORDER BY id");
    run_one(client, &sql, Format::Table).await?;
    let Answer::Rows(rows) = client.execute(TROUBLES).await? else {
        bail!("the node answers a query without rows");
    };
    for batch in rows.collect().await? {
        let text = |column: usize, row: usize| array_value_to_string(batch.column(column), row);
        for row in 0..batch.num_rows() {
            // may quote what the other replica said
            print_line!("{}", escape(&format!("{}: {}", text(0, row)?, text(1, row)?)));
        }
    }
    Ok(())
}
