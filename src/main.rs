//! The `anteroom` binary: reads the command line, runs the command, ends with its code.

use std::process::ExitCode;

use anteroom::cli;
use clap::Parser;

/// Faster than the system's for many small, short-lived pieces on several threads: measured on the admitted request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(&cli::Cli::parse()).into()
}
