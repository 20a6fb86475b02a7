//! `dab quickstart`: the whole of DAB in one tour.

mod connect_lines;
mod insider;
mod queries;

use std::path::Path;

use anyhow::{Context, Result, bail};
use dab_proof::files::{ArtefactFiles, verify_file};
use dab_query::IngestMode;

use crate::cli::{DataArg, NodeArgs, QuickstartArgs, ReplicaArgs};
use crate::connect::{Connection, MissingData};
use crate::data_dir::DataDir;
use crate::format::Format;
use crate::load::tpch::TpchTable;
use crate::load::{existing_tables, load_tpch};
use crate::output::{print, print_line};
use crate::program::{program, shell_word};
use crate::prove::receipt;
use crate::running_node::RunningNode;
use crate::serve::until_interrupted;
use crate::sql::run_one;

/// The table whose commit is proved and whose copy is forged, and its column with amounts.
const SHOWN_TABLE: &str = "orders";
const FORGED_COLUMN: &str = "o_totalprice";

pub(crate) async fn run(args: QuickstartArgs) -> Result<()> {
    let dir = DataDir::open(&args.data.data)?;
    if dir.is_replica() {
        bail!(
            "{} is a replica's directory: the tour makes a node of its own, elsewhere",
            dir.path().display()
        );
    }
    heading("1. A node")?;
    let node = RunningNode::start(&dir, &args.listen, &args.limits, &ReplicaArgs::default()).await?;
    node.announce()?;
    if let Err(error) = show(&args, &dir, &node).await {
        node.stop().await?;
        return Err(error);
    }
    if args.no_serve {
        return node.stop().await;
    }
    until_interrupted(node, std::future::pending()).await
}

async fn show(args: &QuickstartArgs, dir: &DataDir, node: &RunningNode) -> Result<()> {
    print_line!("serving Flight SQL on {}, data in {}", node.url, dir.path().display());
    print_line!("one node, so it certifies alone: its own signature and nobody else's");
    let connection = Connection::open(&client_of(&args.data, node), MissingData::IsRefused).await?;
    let tour = tour(&connection, dir, args.scale).await;
    connection.close().await?;
    tour?;
    heading("6. Connect")?;
    connect_lines::print(dir, &node.url)?;
    if !args.no_serve {
        print_line!("\nserving until Ctrl-C; audit port {}", node.audit_url);
    }
    Ok(())
}

async fn tour(connection: &Connection, dir: &DataDir, scale: f64) -> Result<()> {
    heading("2. Tables")?;
    load(connection, scale).await?;
    heading("3. Questions")?;
    for query in queries::ALL {
        print_line!("\n{}", query.title);
        run_one(&connection.client, query.sql, Format::Table).await?;
    }
    heading("4. A proof")?;
    prove(connection, dir).await?;
    heading("5. An insider")?;
    catch_a_forgery(dir).await
}

/// Loads what is missing; a second run finds everything there.
async fn load(connection: &Connection, scale: f64) -> Result<()> {
    let existing = existing_tables(&connection.client).await?;
    if existing.len() == TpchTable::ALL.len() {
        print_line!("the eight tables of TPC-H are there already");
        return Ok(());
    }
    print_line!("loading TPC-H at scale {scale}, each table in one notarized commit");
    let mut missing = TpchTable::ALL.to_vec();
    missing.retain(|table| existing.iter().all(|name| name != table.name()));
    load_tpch(&connection.client, &missing, scale, IngestMode::Create, |loaded| {
        print_line!("{:>8} rows  {}", loaded.rows, loaded.commit_line());
        Ok(())
    })
    .await
}

/// Writes the receipt of a commit to a file and checks it as an auditor would: from files alone.
async fn prove(connection: &Connection, dir: &DataDir) -> Result<()> {
    let (version, proof) = receipt(connection, SHOWN_TABLE, None).await?;
    let file = dir.path().join(format!("{SHOWN_TABLE}.tlog-proof"));
    std::fs::write(&file, &proof).with_context(|| format!("cannot write {}", file.display()))?;
    let commit = table_folder(dir)
        .join("_delta_log")
        .join(format!("{version:0>20}.json"));
    let dab = program();
    print_line!(
        "{dab} prove {SHOWN_TABLE}@{version}{} -o {}",
        dir.option(),
        shell_word(&file)
    );
    print_line!(
        "{dab} verify {} --trust {} \\\n    --commit {}\n",
        shell_word(&file),
        shell_word(&dir.trust()),
        shell_word(&commit)
    );
    let commit_file = ArtefactFiles {
        body: Some(&commit),
        ..ArtefactFiles::default()
    };
    let report = verify_file(&file, &dir.trust(), &commit_file);
    print(&report)?;
    if report.exit_code() != 0 {
        bail!("the proof of {SHOWN_TABLE}@{version} does not verify");
    }
    Ok(())
}

async fn catch_a_forgery(dir: &DataDir) -> Result<()> {
    let copy = dir.path().join("forged").join(SHOWN_TABLE);
    print_line!("somebody with access to the disk adds a million to one order, in a copy of the");
    print_line!("table: valid Parquet, with size and statistics corrected in the commit file");
    let forgery = insider::forge(&table_folder(dir), &copy, FORGED_COLUMN, &dir.trust(), &dir.public()).await?;
    print_line!("\n  sum({FORGED_COLUMN}) before   {:>20}", forgery.honest_total);
    print_line!(
        "  sum({FORGED_COLUMN}) after    {:>20}   to a plain Delta reader\n",
        forgery.forged_total
    );
    print_line!(
        "{} audit table {} \\\n    --trust {} --deep\n",
        program(),
        shell_word(&forgery.folder),
        shell_word(&dir.trust())
    );
    print(&forgery.audit)?;
    let named = forgery.audit.to_string();
    if forgery.audit.exit_code() != 1 || !named.contains(&forgery.file) {
        bail!(
            "the audit did not name version {} and {}",
            forgery.version,
            forgery.file
        );
    }
    Ok(())
}

fn table_folder(dir: &DataDir) -> std::path::PathBuf {
    dir.tables().join(SHOWN_TABLE)
}

fn client_of(data: &DataArg, node: &RunningNode) -> NodeArgs {
    NodeArgs {
        data: data.clone(),
        url: Some(node.url.clone()),
        ca: None,
        user: "admin".into(),
        password_file: Some(DataDir::of_client(Path::new(&data.data)).admin_token()),
    }
}

fn heading(text: &str) -> Result<()> {
    print_line!("\n{text}\n{}", "-".repeat(text.len()));
    Ok(())
}
