//! Shows that long work goes on: a bar in a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often plain lines are printed.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// The progress of one piece of work, on standard error so that results stay clean. Clones show the same.
#[derive(Clone)]
pub(crate) struct Progress {
    shown: Shown,
}

#[derive(Clone)]
enum Shown {
    Bar(ProgressBar),
    Plain {
        label: String,
        unit: &'static str,
        done: u64,
        last: Instant,
    },
}

impl Progress {
    /// `total` is the amount of work, where it is known.
    pub(crate) fn new(label: &str, total: Option<u64>, unit: &'static str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self {
                shown: Shown::Plain {
                    label: label.into(),
                    unit,
                    done: 0,
                    last: Instant::now(),
                },
            };
        }
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = match total {
            Some(_) => format!("  {{prefix:<12}} {{bar:28}} {{human_pos}} {unit}  {{eta}}"),
            None => format!("  {{prefix:<12}} {{spinner}} {{human_pos}} {unit}"),
        };
        bar.set_style(ProgressStyle::with_template(&template).expect("the template is constant"));
        bar.set_prefix(label.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { shown: Shown::Bar(bar) }
    }

    /// Notes that `amount` more is done.
    pub(crate) fn advance(&mut self, amount: u64) {
        match &mut self.shown {
            Shown::Bar(bar) => bar.inc(amount),
            Shown::Plain {
                label,
                unit,
                done,
                last,
            } => {
                *done += amount;
                if last.elapsed() >= PLAIN_INTERVAL {
                    eprintln!("  {label}: {done} {unit}");
                    *last = Instant::now();
                }
            }
        }
    }

    /// Prints something, and the bar not across it.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(print),
            Shown::Plain { .. } => print(),
        }
    }

    /// Clears the bar; whoever called says what came of it.
    pub(crate) fn finish(self) {
        if let Shown::Bar(bar) = self.shown {
            bar.finish_and_clear();
        }
    }
}
