//! What a running process prints, line by line, for tests that wait for a line.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Lines of one process, both outputs together. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    /// Outputs that have ended.
    ended: usize,
}

/// Outputs of one process.
const OUTPUTS: usize = 2;

impl Log {
    /// Follows an output until it ends.
    pub fn follow(&self, output: impl Read + Send + 'static) {
        let log = self.clone();
        thread::spawn(move || {
            let mut lines = BufReader::new(output);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                log.change(|state| state.lines.push(String::from_utf8_lossy(&line).trim_end().to_owned()));
                line.clear();
            }
            log.change(|state| state.ended += 1);
        });
    }

    /// Waits for a line that contains `words`. `None` when the process ended or `timeout` passed without one.
    pub fn wait_for(&self, words: &str, timeout: Duration) -> Option<String> {
        let deadline = Instant::now() + timeout;
        let mut state = self.0.state.lock().expect("no holder panics");
        loop {
            if let Some(line) = state.lines.iter().find(|line| line.contains(words)) {
                return Some(line.clone());
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            if state.ended == OUTPUTS {
                return None;
            }
            state = self.0.changed.wait_timeout(state, left).expect("no holder panics").0;
        }
    }

    /// All lines so far.
    pub fn text(&self) -> String {
        self.0.state.lock().expect("no holder panics").lines.join("\n")
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.state.lock().expect("no holder panics"));
        self.0.changed.notify_all();
    }
}
