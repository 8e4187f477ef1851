//! `anteroom reload`: tells the running anteroom to read its configuration again.

use std::io;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::Request;
use http::StatusCode;
use http::header;
use http_body_util::BodyExt;
use http_body_util::Empty;
use http_body_util::Limited;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cli::CONFIG_FILE;
use crate::cli::exit::Exit;
use crate::config;
use crate::config::Surroundings;

/// How long the running anteroom may take to answer.
const DEADLINE: Duration = Duration::from_secs(35);
/// Longest answer read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Arguments of `reload`.
#[derive(Debug, Args)]
pub struct Reload {
    /// The configuration file of the running anteroom; it says where its admin listener is
    #[arg(long, short, value_name = "FILE", default_value = CONFIG_FILE)]
    pub config: PathBuf,
    /// Where its admin listener is, instead of what the file says
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// What the running anteroom answered.
type Answer = (StatusCode, serde_json::Value);

impl Reload {
    /// Orders a reload; ends with 5 when nothing answers and with 6 when the file was refused.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn run(&self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
        let (addr, token) = match self.desk() {
            Ok(desk) => desk,
            Err(why) => {
                writeln!(err, "{why}")?;
                return Ok(Exit::ConfigInvalid);
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        match runtime.block_on(order(addr, token)) {
            Ok((status, answer)) if self.json => {
                writeln!(out, "{answer:#}")?;
                Ok(exit(status))
            }
            Ok((status, answer)) => {
                tell(&answer, out, err)?;
                Ok(exit(status))
            }
            Err(why) => {
                writeln!(
                    err,
                    "no anteroom answers at {addr}: {why}; is it running, and is this its admin address?"
                )?;
                Ok(Exit::NotReachable)
            }
        }
    }

    /// Where the admin listener is, and the token it wants.
    fn desk(&self) -> Result<(SocketAddr, Option<String>), String> {
        // A file that is to be refused still has to reach the one who refuses it: with an address no file is needed.
        let loaded = config::load(&self.config, &Surroundings::here());
        let admin = match (&loaded, self.admin) {
            (Ok(loaded), given) => given.or(loaded.config.admin.listen),
            (Err(_), Some(given)) => Some(given),
            (Err(report), None) => return Err(report.to_string()),
        };
        let addr = admin.ok_or_else(|| "the admin listener is switched off".to_owned())?;
        let token = loaded
            .ok()
            .and_then(|loaded| loaded.config.admin.token.clone());
        let token = token
            .map(|source| source.read())
            .transpose()
            .map_err(|error| error.to_string())?;
        Ok((addr, token.map(|token| token.expose().to_owned())))
    }
}

async fn order(addr: SocketAddr, token: Option<String>) -> Result<Answer, String> {
    let answered = timeout(DEADLINE, exchange(addr, token)).await;
    answered
        .map_err(|_| "it took too long".to_owned())?
        .map_err(|error| error.to_string())
}

async fn exchange(
    addr: SocketAddr,
    token: Option<String>,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(addr).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::post("/api/v1/reload").header(header::HOST, addr.to_string());
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Empty::<Bytes>::new())?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await?
            .to_bytes();
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((status, serde_json::from_slice(&body)?))
    };
    tokio::select! {
        answer = answer => answer,
        ended = connection => Err(ended.map_or_else(Into::into, |()| "it hung up".into())),
    }
}

fn exit(status: StatusCode) -> Exit {
    if status.is_success() {
        Exit::Ok
    } else if status == StatusCode::UNPROCESSABLE_ENTITY || status == StatusCode::UNAUTHORIZED {
        Exit::Refused
    } else {
        Exit::Failed
    }
}

fn tell(answer: &serde_json::Value, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<()> {
    let lines = |key: &str| answer[key].as_array().cloned().unwrap_or_default();
    match answer["result"].as_str() {
        Some("unchanged") => writeln!(out, "nothing has changed"),
        Some("applied") => {
            if lines("live").is_empty() && lines("needs_restart").is_empty() {
                writeln!(out, "in force: the keys")?;
            }
            for change in lines("live") {
                writeln!(out, "in force: {}", change.as_str().unwrap_or_default())?;
            }
            for change in lines("needs_restart") {
                writeln!(
                    out,
                    "needs a restart: {}",
                    change.as_str().unwrap_or_default()
                )?;
            }
            Ok(())
        }
        Some("refused") => {
            writeln!(err, "{}", answer["why"].as_str().unwrap_or_default())?;
            writeln!(err, "nothing was changed")
        }
        Some(_) | None => writeln!(err, "the answer was not understood: {answer}"),
    }
}
