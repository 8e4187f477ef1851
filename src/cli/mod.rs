//! The command line: what there is to call, and how each command ends.
//!
//! Data goes to standard output and everything said about it to standard error, so that output can be piped.

pub mod check;
pub mod demo;
pub mod exit;
pub mod explain;
pub mod keys;
pub mod reload;
pub mod serve;
pub mod verify_draw;

use std::io;
use std::io::Write;

use clap::Parser;
use clap::Subcommand;

use crate::cli::check::Check;
use crate::cli::demo::Demo;
use crate::cli::exit::Exit;
use crate::cli::explain::Explain;
use crate::cli::keys::Keys;
use crate::cli::reload::Reload;
use crate::cli::serve::Serve;
use crate::cli::verify_draw::VerifyDraw;

/// The configuration file where none is named.
pub const CONFIG_FILE: &str = "anteroom.toml";

/// What stands below the list of commands.
const FIRST_STEPS: &str = "\
First steps:
  anteroom demo                                                      watch it work
  anteroom serve --origin http://127.0.0.1:8000 --rate 120/min       in front of your own portal

Exit codes: 0 done, 1 failed, 2 called wrongly, 3 configuration invalid, 4 needs confirmation,
5 not reachable, 6 refused, 10 differences found";

/// A virtual waiting room in front of a booking portal.
#[derive(Debug, Parser)]
#[command(
    name = "anteroom",
    version,
    arg_required_else_help = true,
    after_help = FIRST_STEPS
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the waiting room in front of a portal until told to stop
    Serve(Serve),
    /// Watch it work: a portal that breaks, a room in front of it, and a crowd
    Demo(Demo),
    /// Tell the running anteroom to read its configuration file again
    Reload(Reload),
    /// Check a configuration file: all problems at once, each with its remedy
    Check(Check),
    /// Explain a configuration key, or which room a URL belongs to and why
    Explain(Explain),
    /// List, add and drop the keys that sign tickets and passes
    Keys(Keys),
    /// Check a published draw: that the seed is the one promised, and which number it gives an index
    VerifyDraw(VerifyDraw),
}

/// Runs a command to its end.
pub fn run(cli: &Cli) -> Exit {
    // Not locked: what runs for long writes logs, an access log and a screen meanwhile.
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let ended = match &cli.command {
        Command::Serve(serve) => serve.run(&mut err),
        Command::Demo(demo) => demo.run(&mut err),
        Command::Reload(reload) => reload.run(&mut out, &mut err),
        Command::Check(check) => check.run(&mut out, &mut err),
        Command::Explain(explain) => explain.run(&mut out, &mut err),
        Command::Keys(keys) => keys.run(&mut out, &mut err),
        Command::VerifyDraw(verify) => verify.run(&mut out, &mut err),
    };
    // Whoever read the output has closed it: there is nobody to tell.
    ended
        .and_then(|exit| out.flush().map(|()| exit))
        .unwrap_or(Exit::Failed)
}
