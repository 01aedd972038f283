//! Progress on standard error.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// What the user wants to see while work goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    quiet: bool,
    verbose: bool,
}

impl Console {
    pub(crate) fn new(quiet: bool, verbose: bool) -> Self {
        Self { quiet, verbose }
    }

    /// The same without a word, for work that others show as a whole.
    #[cfg(feature = "train")]
    pub(crate) fn silent(&self) -> Self {
        Self { quiet: true, verbose: false }
    }

    /// A bar of `steps`; drawn on a terminal only.
    pub(crate) fn stage(&self, name: &str, steps: u64) -> Stage {
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
        if self.quiet {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = ProgressStyle::with_template("{prefix:<12} {bar:28} {percent:>3} % {msg} {eta:>4} left");
        bar.set_style(style.expect("a valid template").progress_chars("━╾─"));
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Stage { bar, name: name.to_owned(), start: Instant::now(), verbose: self.verbose }
    }

    /// A line that is worth reading even if nobody asked for details.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }
}

/// One stage of the work; its bar disappears when it is done.
pub(crate) struct Stage {
    bar: ProgressBar,
    name: String,
    start: Instant,
    verbose: bool,
}

impl Stage {
    /// One step done.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }

    /// So many steps are done.
    #[cfg(feature = "train")]
    pub(crate) fn at(&self, steps: u64) {
        self.bar.set_position(steps);
    }

    /// What is going on.
    pub(crate) fn message(&self, text: String) {
        self.bar.set_message(text);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        if self.verbose {
            eprintln!("{:<12} {:.1} s", self.name, self.start.elapsed().as_secs_f64());
        }
    }
}
