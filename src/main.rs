//! The `anteroom` binary: reads the command line, runs the command, ends with its code.

use std::process::ExitCode;

use anteroom::cli;
use clap::Parser;

fn main() -> ExitCode {
    cli::run(&cli::Cli::parse()).into()
}
