//! What the user reads when something is wrong, and the exit code: 2 if the request is wrong, 130 after Ctrl-C, 1 for anything else.

use axtrain_sim::config::ConfigError;
use clap::ColorChoice;
use miette::{Diagnostic, MietteHandlerOpts, NamedSource, Report, SourceSpan};
use std::fmt::Display;
use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;

/// A message with its place and remedy.
#[derive(Debug, Diagnostic, thiserror::Error)]
#[error("{message}")]
struct Problem {
    message: String,
    #[help]
    help: Option<String>,
    #[source_code]
    file: Option<NamedSource<String>>,
    #[label("here")]
    span: Option<SourceSpan>,
}

/// Why the program stops.
#[derive(Debug)]
pub(crate) struct Failure {
    report: Report,
    code: u8,
}

/// Chooses how failures are drawn: colours as asked for, lines of at most 80 columns.
pub(crate) fn install(color: ColorChoice) {
    // Only the first call can succeed, and this is it.
    let _ = miette::set_hook(Box::new(move |_| {
        let options = MietteHandlerOpts::new().width(80);
        Box::new(match color {
            ColorChoice::Auto => options.build(),
            ColorChoice::Always => options.color(true).build(),
            ColorChoice::Never => options.color(false).build(),
        })
    }));
}

impl Failure {
    fn new(code: u8, problem: Problem) -> Self {
        Self { report: Report::new(problem), code }
    }

    /// Exit code after Ctrl-C, as shells have it: 128 and the signal's number.
    pub(crate) const INTERRUPTED: u8 = 130;

    /// Somebody pressed Ctrl-C.
    pub(crate) fn interrupted() -> Self {
        let message = "interrupted; finished epochs, networks and records are kept".to_owned();
        let help = Some("run the same command again: it goes on from there, to the same results".to_owned());
        Self::new(Self::INTERRUPTED, Problem { message, help, file: None, span: None })
    }

    /// The request cannot be met as it stands.
    pub(crate) fn request(message: impl Display, help: impl Display) -> Self {
        let (message, help) = (message.to_string(), Some(help.to_string()));
        Self::new(2, Problem { message, help, file: None, span: None })
    }

    /// A file is wrong at `span`.
    pub(crate) fn in_file(
        (name, text): (&str, &str),
        span: Option<Range<usize>>,
        message: impl Display,
        help: Option<String>,
    ) -> Self {
        let source = NamedSource::new(name, text.to_owned());
        // A message about the whole file still shows which file it is.
        let message = if span.is_none() { format!("{name}: {message}") } else { message.to_string() };
        Self::new(2, Problem { message, help, file: Some(source), span: span.map(SourceSpan::from) })
    }

    /// A configuration file is wrong.
    pub(crate) fn config(file: (&str, &str), error: ConfigError) -> Self {
        let ConfigError { message, span, help, other_file } = error;
        let file = other_file.as_ref().map_or(file, |(name, text)| (name, text));
        Self::in_file(file, span, message, help)
    }

    /// The request is sound, but something else went wrong.
    pub(crate) fn other(message: impl Display) -> Self {
        Self::new(1, Problem { message: message.to_string(), help: None, file: None, span: None })
    }

    /// The request is sound, but what it needs is not there yet.
    pub(crate) fn incomplete(message: impl Display, help: impl Display) -> Self {
        let (message, help) = (message.to_string(), Some(help.to_string()));
        Self::new(1, Problem { message, help, file: None, span: None })
    }

    /// The file system refused to write.
    pub(crate) fn write(path: &Path, error: impl Display) -> Self {
        Self::other(format!("cannot write {}: {error}", path.display()))
    }

    /// Prints the message to standard error.
    pub(crate) fn report(self) -> ExitCode {
        eprintln!("{:?}", self.report);
        ExitCode::from(self.code)
    }
}
