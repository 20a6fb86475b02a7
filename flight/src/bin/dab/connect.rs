//! Finds a node to talk to: by `--url`, by the data directory's `endpoint`, or by starting one here.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use dab_flight::Client;
use dab_flight::client::{ConnectOptions, Credentials};
use dab_query::{CATALOG, SCHEMA, SYSTEM_SCHEMA};

use crate::cli::{LimitArgs, ListenArgs, NodeArgs, ReplicaArgs};
use crate::data_dir::DataDir;
use crate::program::program;
use crate::running_node::RunningNode;

/// What becomes of a command where no data directory is yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MissingData {
    /// One is made, and that is said.
    IsMade,
    /// It is refused: whoever asks for what is there has mistaken the directory.
    IsRefused,
}

/// A session with a node, which may run in this very process.
pub(crate) struct Connection {
    /// The session.
    pub(crate) client: Client,
    node: Option<RunningNode>,
}

impl Connection {
    /// Connects as the arguments say.
    pub(crate) async fn open(args: &NodeArgs, missing: MissingData) -> Result<Self> {
        let dir = DataDir::of_client(&args.data.data);
        if let Some(url) = &args.url {
            return Ok(Self {
                client: connect(args, &dir, url).await?,
                node: None,
            });
        }
        if let Some(url) = dir.endpoint()? {
            let client = connect(args, &dir, &url).await?;
            return Ok(Self { client, node: None });
        }
        if !dir.is_made() {
            match missing {
                MissingData::IsMade => eprintln!("making a data directory in {}", dir.path().display()),
                MissingData::IsRefused => return Err(no_data(&dir)),
            }
        }
        if dir.is_replica() {
            bail!(
                "{} is a replica's, and none runs there: `{} serve{}` starts it, --url names another node",
                dir.path().display(),
                program(),
                dir.option()
            );
        }
        let node = start_here(&dir).await?;
        let client = connect(args, &dir, &node.url).await?;
        Ok(Self {
            client,
            node: Some(node),
        })
    }

    /// Ends the session, and the node if it is ours.
    pub(crate) async fn close(self) -> Result<()> {
        let _ = self.client.close().await;
        match self.node {
            Some(node) => node.stop().await,
            None => Ok(()),
        }
    }
}

/// Starts a node on free loopback ports, for the time of one command.
async fn start_here(dir: &DataDir) -> Result<RunningNode> {
    let dir = DataDir::open(dir.path())?;
    let any_port = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let listen = ListenArgs {
        listen: any_port,
        audit_listen: any_port,
        hosts: Vec::new(),
        insecure_loopback: false,
    };
    RunningNode::start(&dir, &listen, &LimitArgs::of_environment(), &ReplicaArgs::default()).await
}

fn no_data(dir: &DataDir) -> anyhow::Error {
    let (dab, data) = (program(), dir.option());
    anyhow::anyhow!(
        "there is no data in {}: `{dab} quickstart{data}` or `{dab} serve{data}` make a node there; --data names another \
         directory, --url a running node",
        dir.path().display()
    )
}

async fn connect(args: &NodeArgs, dir: &DataDir, url: &str) -> Result<Client> {
    let ca_pem = match url.starts_with("grpc+tls://") {
        true => Some(read(
            args.ca.clone().unwrap_or_else(|| dir.ca()),
            "certificate authority",
            "--ca",
        )?),
        false => None,
    };
    let password = match (&args.password_file, std::env::var("DAB_PASSWORD")) {
        (Some(file), _) => read(file.clone(), "password", "--password-file")?,
        (None, Ok(password)) => password,
        (None, Err(_)) => read(dir.admin_token(), "password", "--password-file or DAB_PASSWORD")?,
    };
    let credentials = Credentials::Password {
        user: args.user.clone(),
        password: password.trim_end().to_owned(),
    };
    let options = ConnectOptions {
        url: url.to_owned(),
        ca_pem,
        credentials,
    };
    Client::connect(&options).await.map_err(|error| match error {
        // these name the address themselves
        dab_flight::Error::Unreachable { .. } | dab_flight::Error::Url { .. } => error.into(),
        error => anyhow::Error::from(error).context(format!("cannot connect to {url}")),
    })
}

fn read(path: PathBuf, what: &str, option: &str) -> Result<String> {
    std::fs::read_to_string(&path).with_context(|| {
        format!(
            "cannot read the {what} from {}; say where it is with {option}",
            path.display()
        )
    })
}

/// The name of a table as SQL reads it: folded to lower case, unless it stands in double quotes.
fn table_name(text: &str) -> String {
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    quoted.map_or_else(|| text.to_lowercase(), |name| name.replace("\"\"", "\""))
}

/// The name of a table with commits of its own, as SQL would find it: its schema and catalog may stand before it.
pub(crate) fn user_table(text: &str) -> Result<String> {
    let names: Vec<String> = text.split('.').map(table_name).collect();
    let (schema, table) = match &names[..] {
        [table] => (SCHEMA, table),
        [schema, table] => (schema.as_str(), table),
        [catalog, schema, table] if catalog == CATALOG => (schema.as_str(), table),
        _ => bail!("{text} is no name of a table: that is TABLE or {SCHEMA}.TABLE"),
    };
    match schema {
        SCHEMA => Ok(table.clone()),
        SYSTEM_SCHEMA => {
            bail!("{text} is a system table: it tells of the commits of all tables and has none of its own")
        }
        _ => bail!("there is no schema {schema}: tables are in {SCHEMA}"),
    }
}

/// Splits `TABLE@VERSION`.
pub(crate) fn table_and_version(text: &str) -> Result<(String, Option<u64>)> {
    match text.split_once('@') {
        None => Ok((user_table(text)?, None)),
        Some((table, version)) => match version.parse() {
            Ok(version) => Ok((user_table(table)?, Some(version))),
            Err(_) => bail!("{version:?} is no version: TABLE@VERSION takes a number, as in orders@3"),
        },
    }
}

/// A text as an SQL literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name as an SQL identifier, upper and lower case as they are.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tables_fold_as_in_sql() {
        for (text, name) in [
            ("LineItem", "lineitem"),
            ("\"LineItem\"", "LineItem"),
            ("\"a\"\"b\"", "a\"b"),
            ("\"", "\""),
        ] {
            assert_eq!(table_name(text), name);
        }
        assert_eq!(table_and_version("ORDERS@3").unwrap(), ("orders".to_owned(), Some(3)));
    }

    #[test]
    fn a_table_may_be_named_with_its_schema_and_only_users_tables_have_commits() {
        for (text, name) in [
            ("Orders", "orders"),
            ("public.Orders", "orders"),
            ("PUBLIC.\"Orders\"", "Orders"),
            ("lake.public.orders", "orders"),
        ] {
            assert_eq!(user_table(text).unwrap(), name, "{text}");
        }
        for (text, words) in [
            ("dab.commits", "dab.commits is a system table"),
            ("lake.dab.receipts", "system table"),
            ("sales.orders", "no schema sales"),
            ("other.public.orders", "no name of a table"),
        ] {
            let refused = user_table(text).unwrap_err().to_string();
            assert!(refused.contains(words), "{refused}");
        }
    }
}
