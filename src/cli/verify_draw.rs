//! `anteroom verify-draw`: checks a published draw, and tells which number each index was given.

use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;

use crate::cli::exit::Exit;
use crate::seal::Published;

/// Longest document read, in bytes; a published draw has a few hundred.
const DOCUMENT_BYTES_MAX: u64 = 64 * 1024;

/// Arguments of `verify-draw`.
#[derive(Debug, Args)]
pub struct VerifyDraw {
    /// What was published, as a file; - reads standard input
    #[arg(
        help = "What https://…/.anteroom/ROOM/draw answers, saved as a file; or - for standard input"
    )]
    #[arg(default_value = "-")]
    pub file: PathBuf,
    /// Print the number of this index; may be given several times
    #[arg(long, value_name = "N", conflicts_with = "all")]
    pub index: Vec<u64>,
    /// Print every index and its number
    #[arg(long)]
    pub all: bool,
    /// The commitment that was shown before the opening, noted by somebody who does not trust this document
    #[arg(long, value_name = "HEX")]
    pub commitment: Option<String>,
}

impl VerifyDraw {
    /// Checks the draw; ends with 1 if the seed is not the one that was promised.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn run(&self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
        let published = match self.read() {
            Ok(published) => published,
            Err(why) => {
                writeln!(err, "{}: {why}", self.file.display())?;
                return Ok(Exit::Failed);
            }
        };
        if let Some(noted) = &self.commitment
            && published.commitment.as_ref() != Some(&noted.trim().to_ascii_lowercase())
        {
            writeln!(err, "another commitment than {noted} was published")?;
            return Ok(Exit::Failed);
        }
        let drawn = match published.verify() {
            Ok(drawn) => drawn,
            Err(why) => {
                writeln!(err, "{why}")?;
                return Ok(Exit::Failed);
            }
        };
        let (first, last) = (published.first, published.last.unwrap_or(0));
        let count = (last + 1).saturating_sub(first);
        writeln!(
            err,
            "the seed matches the commitment; {count} took part in the draw of room {}",
            // Somebody else wrote it: nothing in it is to speak to a terminal.
            published.room.escape_debug()
        )?;
        if self.all {
            for index in first..=last {
                writeln!(out, "{index} {}", drawn.number(index))?;
            }
            return Ok(Exit::Ok);
        }
        for &index in &self.index {
            if !(first..=last).contains(&index) {
                writeln!(
                    err,
                    "index {index} took no part: it is none of {first} to {last}"
                )?;
                return Ok(Exit::Failed);
            }
            writeln!(out, "{index} {}", drawn.number(index))?;
        }
        Ok(Exit::Ok)
    }

    /// The document, from wherever it is.
    fn read(&self) -> Result<Published, String> {
        let mut text = Vec::new();
        let read = if self.file == Path::new("-") {
            let mut input = io::stdin().lock().take(DOCUMENT_BYTES_MAX);
            input.read_to_end(&mut text)
        } else {
            File::open(&self.file).and_then(|file| {
                let mut input = file.take(DOCUMENT_BYTES_MAX);
                input.read_to_end(&mut text)
            })
        };
        read.map_err(|error| error.to_string())?;
        serde_json::from_slice(&text).map_err(|error| format!("not a published draw: {error}"))
    }
}
