//! The layout of a data directory.
//!
//! ```text
//! DIR/format        the layout's version
//! DIR/endpoint      where the running node serves; gone when it stops
//! DIR/tables/       Delta tables, 0700; its _ledger/ is a copy of the public files
//! DIR/public/       checkpoint, tiles, entries: the ledger's public files
//! DIR/trust/        policy, writers, ledger, ca.pem: what an auditor needs
//! DIR/tls/ca.pem    the certificate authority that clients need
//! DIR/admin.token   the first user's password, 0600
//! DIR/private/      keys, raft log, state
//! ```

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use dab_ledger::durable::{self, Access};
use dab_ledger::node::NodeConfig;

use crate::cli::DATA_DEFAULT;
use crate::program::shell_word;

/// The version of the layout above.
const FORMAT: &str = "1";

/// A data directory.
#[derive(Debug, Clone)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// Opens a directory for a node, making it where it is missing. Refuses a layout of another version, and a folder
    /// that holds something else.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("cannot make the data directory {}", path.display()))?;
        let format = path.join("format");
        match fs::read_to_string(&format) {
            Ok(text) if text.trim_end() == FORMAT => {}
            Ok(text) => bail!(
                "{} has layout {}, this release knows {FORMAT}",
                path.display(),
                text.trim_end()
            ),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let hidden = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with('.');
                if fs::read_dir(path)?.flatten().any(|entry| !hidden(&entry)) {
                    bail!(
                        "{} is no data directory of dab, and not empty: choose another with --data",
                        path.display()
                    );
                }
                // the first file of a directory, and durable before any other: a directory with tables and without it
                // would be taken for somebody else's
                durable::write(&format, format!("{FORMAT}\n").as_bytes(), Access::Everyone)?;
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", format.display())),
        }
        Ok(Self(path.to_owned()))
    }

    /// Names a directory that a client reads: nothing is made.
    pub(crate) fn of_client(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Whether a node has made it.
    pub(crate) fn is_made(&self) -> bool {
        self.0.join("format").exists()
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// What a command line needs to mean this directory: nothing where commands look for it anyway.
    pub(crate) fn option(&self) -> String {
        match self.0 == Path::new(DATA_DEFAULT) {
            true => String::new(),
            false => format!(" --data {}", shell_word(&self.0)),
        }
    }

    /// The folder of tables.
    pub(crate) fn tables(&self) -> PathBuf {
        self.0.join("tables")
    }

    /// Makes the folder of tables, for its owner alone: what is in them is not everybody's to read, however open the data
    /// directory is. An owner who lets others in finds it left that way.
    pub(crate) fn make_tables(&self) -> Result<()> {
        match fs::DirBuilder::new().mode(0o700).create(self.tables()) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            result => result.with_context(|| format!("cannot make {}", self.tables().display())),
        }
    }

    /// The ledger's public files.
    pub(crate) fn public(&self) -> PathBuf {
        self.0.join("public")
    }

    /// What an auditor needs.
    pub(crate) fn trust(&self) -> PathBuf {
        self.0.join("trust")
    }

    /// Keys, raft log and state.
    pub(crate) fn private(&self) -> PathBuf {
        self.0.join("private")
    }

    /// Whether the directory is made for a ledger of several replicas.
    pub(crate) fn is_replica(&self) -> bool {
        let config = NodeConfig::in_dir(&self.0);
        dab_ledger::founding::is_replica(&config)
    }

    /// The certificate authority.
    pub(crate) fn ca(&self) -> PathBuf {
        self.0.join("tls").join("ca.pem")
    }

    /// The first user's password.
    pub(crate) fn admin_token(&self) -> PathBuf {
        self.0.join("admin.token")
    }

    /// The file that names the running node.
    pub(crate) fn endpoint_file(&self) -> PathBuf {
        self.0.join("endpoint")
    }

    /// Where the running node serves, if one runs. A node that was killed leaves its address behind, and whoever listens
    /// there now must not be sent a password: the ledger's lock tells whether the node lives.
    pub(crate) fn endpoint(&self) -> Result<Option<String>> {
        if !self.endpoint_file().exists() {
            return Ok(None);
        }
        // Asked before the address is read: a node that has the lock has taken back what an earlier one left.
        let lives = dab_ledger::node::is_running(&self.private());
        if !lives.context("cannot tell whether the node of this directory runs; name it with --url")? {
            return Ok(None);
        }
        let text = fs::read_to_string(self.endpoint_file()).unwrap_or_default();
        Ok(text.lines().next().map(str::to_owned).filter(|line| !line.is_empty()))
    }

    /// Says where the node serves; in one rename, so that nobody reads half an address.
    pub(crate) fn announce(&self, url: &str) -> Result<()> {
        let temporary = self.0.join(".endpoint.new");
        fs::write(&temporary, format!("{url}\n"))
            .and_then(|()| fs::rename(&temporary, self.endpoint_file()))
            .with_context(|| format!("cannot write {}", self.endpoint_file().display()))
    }

    /// Says that the node is gone.
    pub(crate) fn retract(&self) {
        let _ = fs::remove_file(self.endpoint_file());
    }
}
