//! How much energy a neural network saves on approximate, low-voltage arithmetic before its accuracy suffers, and how
//! to train it to save more.

mod arguments;
mod assign;
mod behaviour;
mod catalogue;
mod characterize;
mod characterize_tables;
mod check;
mod compare;
mod cycles;
mod diff;
mod export;
mod failure;
mod faulty_memory;
mod fidelity;
mod figures;
mod interrupt;
mod layer_energy;
mod layer_figures;
mod list;
mod memory_figures;
mod new;
mod operating_points;
mod output;
mod page;
mod profile_figures;
mod progress;
mod run_lock;
mod savings;
mod sensitivity;
mod shelf;
mod simulate;
mod simulate_memory;
mod start;
mod store;
mod study;
mod summary;
mod summary_memory;
mod trace;
mod trace_figures;
mod trace_operands;
mod trace_summary;
mod transition_cache;
mod waveforms;
mod weights;

#[cfg(feature = "train")]
mod run;
#[cfg(feature = "train")]
mod sweep;
#[cfg(feature = "train")]
mod train;

use arguments::{Arguments, Verb};
use clap::Parser;
use failure::Failure;
use progress::Console;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    failure::install(arguments.color);
    match dispatch(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Whether a verb, stopped by Ctrl-C, goes on where it was when it is called again.
fn goes_on_later(verb: &Verb) -> bool {
    match verb {
        #[cfg(feature = "train")]
        Verb::Run(_) | Verb::Train(_) | Verb::Sweep(_) => true,
        Verb::Simulate(_) => true,
        _ => false,
    }
}

fn dispatch(arguments: Arguments) -> Result<(), Failure> {
    if let Some(threads) = arguments.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get());
        pool.build_global().map_err(|error| Failure::other(format!("cannot start {threads} threads: {error}")))?;
    }
    let console = Console::new(arguments.quiet, arguments.verbose);
    if goes_on_later(&arguments.verb) {
        interrupt::listen()?;
    }
    match arguments.verb {
        #[cfg(feature = "train")]
        Verb::Run(options) => run::run(&options, arguments.seed, &console),
        #[cfg(feature = "train")]
        Verb::Train(options) => train::run(&options, &console),
        #[cfg(feature = "train")]
        Verb::Sweep(options) => sweep::run(&options, arguments.seed, &console),
        #[cfg(feature = "train")]
        Verb::Merge(options) => sweep::merge(&options, arguments.seed, &console),
        Verb::Simulate(options) => simulate::run(&options, arguments.seed, &console),
        Verb::Assign(options) => assign::run(&options, arguments.seed, &console),
        Verb::Sensitivity(options) => sensitivity::run(&options, &console),
        Verb::Characterize(options) => characterize::run(&options, arguments.seed, &console),
        Verb::Trace(options) => trace::run(&options, arguments.seed, &console),
        Verb::Cycles(options) => cycles::run(&options, arguments.seed),
        Verb::Export(options) => export::run(&options, arguments.seed, &console),
        Verb::Plot(options) => figures::run(&options),
        Verb::Diff(options) => diff::run(&options),
        Verb::List(options) => list::run(&options),
        Verb::New(options) => new::run(&options),
        Verb::Check(options) => check::run(&options),
    }
}
