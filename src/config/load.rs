//! Reading a file, or the command line's few words instead of one, into a configuration.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;

use crate::config::Config;
use crate::config::check::check;
use crate::config::fault::Code;
use crate::config::fault::Fault;
use crate::config::keys::quote;
use crate::config::read::Reading;
use crate::config::reload::FileMark;
use crate::config::report::Problem;
use crate::config::report::Report;
use crate::config::secret::ADMIN_TOKEN_VAR;
use crate::config::secret::SENTINEL_PASSWORD_VAR;
use crate::config::secret::STORE_PASSWORD_VAR;

/// Largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What outside the file a check may look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// Whether files the configuration names must be there.
    pub files: bool,
    /// Environment variables for secrets that are set.
    pub variables: Vec<&'static str>,
}

/// A configuration that was read, with what is needed to compare it with the next one.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Arc<Config>,
    /// What is worth knowing about it; no errors.
    pub report: Report,
    /// Every value in force, by section and key, as one would write it.
    pub(super) effective: Effective,
    /// SHA-256 over the file's bytes.
    pub hash: [u8; 32],
    /// The file's mark, taken before it was read; `None` when there is no file.
    pub mark: Option<FileMark>,
}

/// Every value in force, by section and key, as one would write it.
pub(super) type Effective = BTreeMap<String, BTreeMap<&'static str, String>>;

/// What `serve` is told instead of a file: one origin behind one room named `main`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WithoutFile<'a> {
    /// The origin's address.
    pub origin: &'a str,
    /// The room's rate.
    pub rate: &'a str,
    /// Where visitors connect, instead of the default.
    pub listen: Option<&'a str>,
    /// Where operators connect, instead of the default.
    pub admin: Option<&'a str>,
    /// The store's address, instead of the embedded one.
    pub store: Option<&'a str>,
}

impl Surroundings {
    /// This machine: its files and its environment.
    #[must_use]
    pub fn here() -> Self {
        let set =
            |name: &&'static str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Self {
            files: true,
            variables: [ADMIN_TOKEN_VAR, STORE_PASSWORD_VAR, SENTINEL_PASSWORD_VAR]
                .into_iter()
                .filter(set)
                .collect(),
        }
    }

    /// Nothing: the file is judged by itself, as for a machine that is not this one.
    #[must_use]
    pub fn elsewhere() -> Self {
        Self {
            files: false,
            variables: Vec::new(),
        }
    }
}

impl Loaded {
    /// The warnings as text, if there are any.
    #[must_use]
    pub fn warnings(&self) -> Option<String> {
        (self.report.warnings() > 0).then(|| self.report.to_string())
    }
}

impl WithoutFile<'_> {
    /// The configuration these words mean.
    ///
    /// # Errors
    /// Everything that is wrong with them, as for a file.
    pub fn load(&self, surroundings: &Surroundings) -> Result<Loaded, Report> {
        let mut text = String::new();
        for (section, key, value) in [
            ("server", "listen", self.listen),
            ("admin", "listen", self.admin),
            ("store", "url", self.store),
            ("origin.main", "url", Some(self.origin)),
            ("room.main", "origin", Some("main")),
        ] {
            if let Some(value) = value {
                text.push_str(&format!("[{section}]\n{key} = {}\n", quote(value)));
            }
        }
        text.push_str(&format!("rate = {}\n", quote(self.rate)));
        let loaded = parse(
            Path::new("command line"),
            Path::new(""),
            &text,
            surroundings,
        )?;
        // There is no word to give the number with.
        let report = loaded.report.without(Code::NoPhone);
        Ok(Loaded { report, ..loaded })
    }
}

/// Reads and checks a file.
///
/// # Errors
/// Everything that is wrong with it; also when it cannot be read, is not UTF-8, or is larger than 1 MiB.
pub fn load(path: &Path, surroundings: &Surroundings) -> Result<Loaded, Report> {
    let unreadable = |error: std::io::Error| Report::unreadable(path, error.to_string());
    // The mark comes first: a change in between is then seen as one by the next look.
    let mark = FileMark::of(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(Report::unreadable(path, "it is larger than 1 MiB"));
    }
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => return Err(not_utf8(path, &bytes, error.valid_up_to())),
    };
    let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let mut loaded = parse(path, &base, text, surroundings)?;
    loaded.mark = Some(mark);
    Ok(loaded)
}

/// Checks a text as if it were a file's: `file` is what it is called, `base` the folder its paths start from.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(
    file: &Path,
    base: &Path,
    text: &str,
    surroundings: &Surroundings,
) -> Result<Loaded, Report> {
    // A byte order mark is what some editors write; TOML has none. Spaces keep every place where it was.
    let hash = hash_of(text.as_bytes());
    let text = text
        .strip_prefix('\u{feff}')
        .map_or_else(|| text.to_owned(), |rest| format!("   {rest}"));
    let mut reading = Reading::read(&text);
    let broken = reading
        .problems
        .iter()
        .any(|problem| problem.fault.code == Code::Syntax);
    let (config, mut problems) = check(&reading, base, surroundings);
    if broken {
        // Between the parts of a broken file nothing certain can be said.
        problems.clear();
    }
    problems.append(&mut reading.problems);
    let report = Report::new(file, &text, problems);
    let Some(config) = config.filter(|_| report.errors() == 0) else {
        return Err(report);
    };
    let effective = reading
        .sections
        .iter()
        .map(|values| (values.path.clone(), values.effective()))
        .collect();
    Ok(Loaded {
        config: Arc::new(config),
        report,
        effective,
        hash,
        mark: None,
    })
}

/// SHA-256 over a file's bytes.
pub(super) fn hash_of(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    for (to, from) in hash
        .iter_mut()
        .zip(digest::digest(&digest::SHA256, bytes).as_ref())
    {
        *to = *from;
    }
    hash
}

/// A report at the first byte that is not text.
fn not_utf8(path: &Path, bytes: &[u8], at: usize) -> Report {
    let text = String::from_utf8_lossy(bytes);
    let remedy = "save the file as UTF-8";
    let fault = Fault::new(Code::Syntax, "not text", "a byte that is not UTF-8", remedy);
    Report::new(
        path,
        &text,
        vec![Problem {
            fault,
            key: String::new(),
            span: at..at + 1,
        }],
    )
}
