//! A real `dab serve` process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use crate::binary;
use crate::client::Client;
use crate::command::{self, Output};
use crate::launch::armed_file;
use crate::log::Log;

pub use crate::launch::{Launch, START_TIMEOUT};

/// The longest that a node may take to stop when it is asked to.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A running node. It is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    pub(crate) process: Child,
    pub(crate) data: PathBuf,
    pub(crate) log: Log,
    pub(crate) url: String,
}

impl Server {
    /// Starts a node over this data directory.
    ///
    /// # Panics
    /// As [`Launch::start`].
    pub fn start(data: impl Into<PathBuf>) -> Self {
        Launch::new(data).start()
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Where it serves Flight SQL, as its `endpoint` file says: `grpc+tls://127.0.0.1:<port>`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it serves the ledger's public files, as it says itself.
    ///
    /// # Panics
    /// When it does not say so within [`START_TIMEOUT`].
    pub fn audit_url(&self) -> String {
        let line = self.log.wait_for("audit  ", START_TIMEOUT);
        let line = line.unwrap_or_else(|| panic!("dab serve says nothing of its audit port:\n{}", self.log.text()));
        line.trim_start_matches("audit").trim().to_owned()
    }

    /// What it has printed.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The folder of a table: its name, or `NAME-<8 hex>` where the name was taken, by a table of before or by a
    /// creation that was cut off. The newest one with a commit counts.
    pub fn table(&self, name: &str) -> PathBuf {
        let tables = self.data.join("tables");
        let is_its = |folder: &str| match folder.strip_prefix(name) {
            Some("") => true,
            Some(rest) => rest.len() == 9 && rest.starts_with('-'),
            None => false,
        };
        let made = |folder: &Path| fs::metadata(folder.join("_delta_log").join(format!("{:020}.json", 0)))?.modified();
        let folders = fs::read_dir(&tables).into_iter().flatten().flatten();
        let folders = folders.filter(|folder| is_its(&folder.file_name().to_string_lossy()));
        let with_commits = folders.filter_map(|folder| Some((made(&folder.path()).ok()?, folder.path())));
        with_commits
            .max()
            .map_or_else(|| tables.join(name), |(_, folder)| folder)
    }

    /// The password of the user `admin`.
    ///
    /// # Panics
    /// When the first start did not write it.
    pub fn password(&self) -> String {
        let token = fs::read_to_string(self.data.join("admin.token")).expect("the first start writes admin.token");
        token.trim().to_owned()
    }

    /// A connection as `admin`.
    ///
    /// # Panics
    /// When the node refuses it.
    pub async fn connect(&self) -> Client {
        Client::connect(
            &self.url,
            &self.data.join("tls").join("ca.pem"),
            "admin",
            &self.password(),
        )
        .await
        .unwrap_or_else(|error| panic!("cannot connect: {error}\n{}", self.log.text()))
    }

    /// Runs a verb of `dab` against this node.
    pub fn dab(&self, arguments: &[&str]) -> Output {
        command::dab_at(&self.data, arguments)
    }

    /// Arms the crash point of [`Launch::crash_point`]: the node stops there when it next comes by.
    ///
    /// # Panics
    /// When the file that arms it cannot be written.
    pub fn arm(&self) {
        fs::write(armed_file(&self.data), "").expect("the tests may write beside the data directory");
    }

    /// Waits until the node stands at its crash point.
    ///
    /// # Panics
    /// When it does not come there within [`START_TIMEOUT`].
    pub fn wait_for_crash_point(&self, point: &str) {
        let line = self.log.wait_for(&format!("at crash point {point}"), START_TIMEOUT);
        assert!(
            line.is_some(),
            "the node did not come to {point}; a binary without crash points? `{}`\n{}",
            binary::BUILD_COMMAND,
            self.log.text()
        );
    }

    /// Whether the process is running.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub fn is_alive(&mut self) -> bool {
        self.process.try_wait().expect("a child can be waited for").is_none()
    }

    /// Kills the process, as a power cut or the kernel would: SIGKILL.
    pub fn kill(mut self) {
        self.end_by_force();
    }

    /// Asks the process to stop (SIGTERM) and waits for it.
    ///
    /// # Panics
    /// When it had ended by itself, does not stop within [`STOP_TIMEOUT`], stops with an error, had panicked, or leaves
    /// its `endpoint` file behind.
    pub fn stop(mut self) {
        assert!(self.is_alive(), "the node had ended by itself:\n{}", self.log.text());
        command::signal(self.pid(), "TERM");
        let status = self.wait_for_its_end();
        assert!(status.success(), "the node stopped with {status}:\n{}", self.log.text());
        assert!(
            !self.log.text().contains("panicked at"),
            "a panic in the node:\n{}",
            self.log.text()
        );
        assert!(
            !self.data.join("endpoint").exists(),
            "a stopped node removes its endpoint file"
        );
    }

    /// Waits until the process has ended by itself; how it ended, and what it had printed.
    ///
    /// # Panics
    /// When it does not end within [`STOP_TIMEOUT`].
    pub fn ended(mut self) -> (ExitStatus, String) {
        (self.wait_for_its_end(), self.log.text())
    }

    fn wait_for_its_end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + STOP_TIMEOUT;
        loop {
            if let Some(status) = self.process.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "the node did not stop in {STOP_TIMEOUT:?}:\n{}",
                self.log.text()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn end_by_force(&mut self) {
        // Both fail only where the process has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end_by_force();
    }
}
