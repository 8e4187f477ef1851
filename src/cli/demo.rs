//! `anteroom demo`: a portal that breaks, anteroom in front of it, and a crowd.

use std::io;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;

use clap::Args;
use tokio::sync::oneshot;

use crate::app;
use crate::app::cause;
use crate::cli::exit::Exit;
use crate::config;
use crate::config::Loaded;
use crate::config::Surroundings;
use crate::config::units::Rate;
use crate::demo;
use crate::demo::Options;
use crate::demo::Screen;
use crate::demo::StartError;
use crate::demo::Wanted;
use crate::server::Handed;
use crate::server::raise_descriptor_limit;
use crate::telemetry::logs::LogFormat;
use crate::telemetry::logs::Logs;

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// How many visitors come; by default 500, or 1500 in a terminal
    #[arg(long, value_name = "N")]
    pub visitors: Option<u32>,
    /// How many to let in
    #[arg(long, value_name = "RATE", default_value = "15/s")]
    pub rate: Rate,
    /// Leave the waiting room out: the same crowd straight at the portal
    #[arg(long)]
    pub without: bool,
    /// Play the same crowd again
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Where the site answers
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
}

impl Demo {
    /// Plays the demonstration until it is over.
    ///
    /// # Errors
    /// When what is wrong cannot be written.
    pub fn run(&self, err: &mut dyn Write) -> io::Result<Exit> {
        Logs::try_init(LogFormat::Text, "warn").ok();
        // Less than wanted shows in the crowd's failures.
        let _limit = raise_descriptor_limit();
        let screen = Screen::of_stdout();
        let options = Options {
            visitors: self.visitors,
            rate_per_hour: self.rate.per_hour(),
            without: self.without,
            seed: self.seed,
            listen: self.listen,
        };
        let folder = tempfile::tempdir()?;
        let played = demo::run(&options, screen, |wanted| start(wanted, folder.path()));
        match played {
            Ok(_summary) => Ok(Exit::Ok),
            Err(error) => {
                writeln!(err, "the demonstration cannot go on: {}", cause(&error))?;
                Ok(Exit::Failed)
            }
        }
    }
}

/// Starts anteroom on a thread of its own, with its files in this folder.
fn start(wanted: &Wanted, folder: &Path) -> Result<demo::Running, StartError> {
    let loaded = configure(wanted, folder)?;
    let (ready, started) = std::sync::mpsc::channel();
    let (stop, stopping) = oneshot::channel::<()>();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let thread = thread::Builder::new()
        .name("anteroom".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                match app::start(loaded, None, None, Handed::default()).await {
                    Ok(running) => {
                        ready
                            .send(Ok((running.addrs().first().copied(), running.admin())))
                            .ok();
                        // Told to stop, or the demonstration is gone: either way it is over.
                        stopping.await.ok();
                        running.stop(std::future::ready(())).await;
                    }
                    Err(error) => {
                        ready.send(Err(error)).ok();
                    }
                }
            });
        })?;
    let (addr, admin) = started.recv()??;
    let stop = Box::new(move || {
        stop.send(()).ok();
        thread.join().ok();
    });
    Ok(demo::Running {
        addr: addr.ok_or("anteroom listens nowhere")?,
        admin,
        stop,
    })
}

/// The configuration the demonstration wants.
fn configure(wanted: &Wanted, folder: &Path) -> Result<Loaded, StartError> {
    let text = format!(
        r#"
[server]
listen = "{listen}"
[admin]
listen = "127.0.0.1:0"
[store]
url = "memory:"
[origin.portal]
url = "http://{origin}"
[room.{room}]
origin = "portal"
name = "Book a vaccination"
paths = ["{paths}"]
rate = "{rate}/h"
phone = "00 000 0000"
"#,
        listen = wanted.listen,
        origin = wanted.origin,
        room = wanted.room,
        paths = wanted.paths,
        rate = wanted.rate_per_hour,
    );
    config::parse(
        Path::new("demonstration"),
        folder,
        &text,
        &Surroundings::elsewhere(),
    )
    .map_err(|report| report.to_string().into())
}
