//! How a node is started: over which data, where it listens, and where it shall stop.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::binary;
use crate::command;
use crate::log::Log;
use crate::server::Server;

/// The longest that a node may take to be ready.
pub const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The environment variable that names the crash point at which a node stops (feature `crash_points` of `dab-flight`).
const CRASH_POINT: &str = "DAB_CRASH_POINT";
/// The environment variable that names the file whose existence arms the crash point.
const CRASH_ARMED: &str = "DAB_CRASH_ARMED";
/// The environment variable with which a thread panics at the crash point, instead of stopping there.
const CRASH_PANIC: &str = "DAB_CRASH_PANIC";

/// How a node is to be started.
#[derive(Debug, Clone)]
pub struct Launch {
    data: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    wrapper: Vec<String>,
}

impl Launch {
    /// A node over this data directory, on free ports of the loopback address, with TLS.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            arguments: vec![],
            environment: vec![],
            wrapper: vec![],
        }
    }

    /// With a further argument of `dab serve`.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Under another program, which runs its last arguments and keeps their process id.
    pub fn under(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Stopping at a crash point, once [`Server::arm`] has been called.
    pub fn crash_point(mut self, point: &str) -> Self {
        let armed = armed_file(&self.data);
        let _ = fs::remove_file(&armed);
        self.environment.push((CRASH_POINT.to_owned(), point.to_owned()));
        self.environment
            .push((CRASH_ARMED.to_owned(), armed.display().to_string()));
        self
    }

    /// With a thread that panics at a crash point, once [`Server::arm`] has been called: a fault of the part of the node that
    /// it belongs to, while the others go on.
    pub fn panicking_at(mut self, point: &str) -> Self {
        self = self.crash_point(point);
        self.environment.push((CRASH_PANIC.to_owned(), "1".to_owned()));
        self
    }

    /// Starts the process and waits until it says in `DIR/endpoint` where it listens.
    ///
    /// # Panics
    /// When it ends before that, or takes longer than [`START_TIMEOUT`].
    pub fn start(self) -> Server {
        let endpoint = self.data.join("endpoint");
        // One that a killed node left would be taken for the new one's.
        let _ = fs::remove_file(&endpoint);
        let mut server = self.spawn();
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            // The line is whole once its end is there.
            if let Ok(text) = fs::read_to_string(&endpoint)
                && let Some((url, _)) = text.split_once('\n')
            {
                server.url = url.to_owned();
                return server;
            }
            if let Some(status) = server.process.try_wait().expect("a child can be waited for") {
                panic!(
                    "dab serve ended with {status} before it was ready:\n{}",
                    server.log.text()
                );
            }
            assert!(
                Instant::now() < deadline,
                "dab serve is not ready after {START_TIMEOUT:?}:\n{}",
                server.log.text()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts the process with its crash point armed, so that it stops there while it starts: nothing is waited for.
    pub fn start_armed(self) -> Server {
        fs::write(armed_file(&self.data), "").expect("the tests may write beside the data directory");
        self.spawn()
    }

    /// Starts the process without waiting for it.
    fn spawn(self) -> Server {
        let mut words: Vec<String> = self.wrapper;
        words.push(binary::dab().display().to_string());
        let mut command = command::without_settings(Command::new(&words[0]));
        command.args(&words[1..]).arg("serve").arg("--data").arg(&self.data);
        command.args(["--listen", "127.0.0.1:0", "--audit-listen", "127.0.0.1:0"]);
        command.args(&self.arguments).envs(self.environment);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let log = Log::default();
        log.follow(process.stdout.take().expect("the output is a pipe"));
        log.follow(process.stderr.take().expect("the output is a pipe"));
        Server {
            process,
            data: self.data,
            log,
            url: String::new(),
        }
    }
}

/// The file whose existence arms a node's crash point: beside its data directory.
pub(crate) fn armed_file(data: &Path) -> PathBuf {
    data.with_extension("armed")
}
