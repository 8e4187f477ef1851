//! The key file: made when missing, refused when others can read it, changed by replacing it whole.
//!
//! Every change is written beside the file and moved over it, so a crash leaves the old keys or the new ones and never
//! half a key. These functions block: they are for starting, reloading and the command line.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

use jiff::Timestamp;
use rustix::fs::FlockOperation;
use rustix::fs::Gid;
use rustix::fs::OFlags;
use rustix::fs::Uid;

use crate::seal::key_text;
use crate::seal::key_text::FILE_BYTES_MAX;
use crate::seal::key_text::HEADER;
use crate::seal::key_text::KEYS_MAX;
use crate::seal::key_text::KeyLine;
use crate::seal::key_text::LineProblem;
use crate::seal::random;
use crate::seal::ring::KeyRing;
use crate::seal::ring::RingError;
use crate::seal::ring::SecretKey;
use crate::seal::value::KeyId;

/// A key file that cannot be used, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("key file {}: {problem}", path.display())]
pub struct KeyFileError {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: KeyProblem,
}

/// What is wrong with a key file.
#[derive(Debug, thiserror::Error)]
pub enum KeyProblem {
    /// The system refused to read it.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// The system refused to write it.
    #[error("cannot be written: {0}")]
    Write(io::Error),
    /// A folder, a pipe or a device.
    #[error("is not a file")]
    NotAFile,
    /// Somebody else could have copied the keys.
    #[error(
        "can be read or changed by others (mode {mode:04o}): make it private with chmod 600, and if others use this \
         machine, change keys with `anteroom keys rotate`"
    )]
    Exposed {
        /// The file's permission bits.
        mode: u32,
    },
    /// Too large to be a key file.
    #[error("is larger than {FILE_BYTES_MAX} bytes, so it is no key file")]
    TooLarge,
    /// A line that cannot be understood.
    #[error("line {line}: {problem}")]
    Line {
        /// 1 for the first line.
        line: usize,
        /// What is wrong with it.
        problem: LineProblem,
    },
    /// The keys do not make a ring.
    #[error(transparent)]
    Ring(RingError),
    /// No room for another key.
    #[error("holds {KEYS_MAX} keys already: drop old ones with `anteroom keys prune` first")]
    Full,
    /// Every key would go.
    #[error("cannot be left without a key")]
    NoneLeft,
    /// Somebody else is changing it right now.
    #[error("is being changed by another process: try again")]
    Busy,
}

/// One key, without its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyInfo {
    /// The key's id.
    pub id: KeyId,
    /// When it was made.
    pub created: Timestamp,
    /// Its line in the file, from 1.
    pub line: usize,
    /// It is the one that signs.
    pub signs: bool,
}

/// A ring, and whether its file had to be made.
#[derive(Debug)]
pub struct Opened {
    /// The keys.
    pub ring: KeyRing,
    /// There was no file, and now there is one with a single new key.
    pub created: bool,
}

/// Reads the keys of a file.
///
/// # Errors
/// When the file is missing, readable by others, or not a key file.
pub fn load(path: &Path) -> Result<KeyRing, KeyFileError> {
    read(path)
        .and_then(|file| ring(&file.keys))
        .map_err(|problem| at(path, problem))
}

/// Reads the keys of a file; makes it, with one new key, when there is none.
///
/// # Errors
/// As [`load`], and when the file cannot be made.
pub fn load_or_create(path: &Path, now_us: u64) -> Result<Opened, KeyFileError> {
    let open = || match read(path) {
        Ok(file) => Ok((file, false)),
        Err(KeyProblem::Read(error)) if error.kind() == io::ErrorKind::NotFound => {
            let created = create(path, now_us)?;
            Ok((read(path)?, created))
        }
        Err(problem) => Err(problem),
    };
    open()
        .and_then(|(file, created)| {
            let ring = ring(&file.keys)?;
            Ok(Opened { ring, created })
        })
        .map_err(|problem| at(path, problem))
}

/// Every key of a file, oldest first, without the secrets.
///
/// # Errors
/// As [`load`].
pub fn list(path: &Path) -> Result<Vec<KeyInfo>, KeyFileError> {
    let file = read(path).map_err(|problem| at(path, problem))?;
    let newest = file.keys.len().saturating_sub(1);
    Ok((0..)
        .zip(&file.keys)
        .map(|(index, key)| KeyInfo {
            id: key.key.id,
            created: key.created,
            line: key.line,
            signs: index == newest,
        })
        .collect())
}

/// Adds a new key, which signs from the next reload on; the older ones go on verifying. Answers its id.
///
/// # Errors
/// As [`load`], and when the file is full or cannot be replaced.
pub fn rotate(path: &Path, now_us: u64) -> Result<KeyId, KeyFileError> {
    change(path, |file| {
        if file.keys.len() >= KEYS_MAX {
            return Err(KeyProblem::Full);
        }
        let key = loop {
            let key = SecretKey::random();
            if file.keys.iter().all(|other| other.key.id != key.id) {
                break key;
            }
        };
        // Not older than the newest, also when the clock was set back: otherwise the new key would not sign.
        let newest = file.keys.last().map_or(Timestamp::MIN, |key| key.created);
        let created = timestamp(now_us).max(newest);
        let mut text = file.text.clone();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&key_text::format(created, &key));
        Ok((text, key.id))
    })
}

/// Drops all keys but the newest `keep`. Answers the ids dropped; what they signed is worth nothing from the next
/// reload on.
///
/// # Errors
/// As [`load`], when `keep` is 0, and when the file cannot be replaced.
pub fn prune(path: &Path, keep: usize) -> Result<Vec<KeyId>, KeyFileError> {
    change(path, |file| {
        if keep == 0 {
            return Err(KeyProblem::NoneLeft);
        }
        let dropped = &file.keys[..file.keys.len().saturating_sub(keep)];
        let lines: Vec<usize> = dropped.iter().map(|key| key.line).collect();
        let ids = dropped.iter().map(|key| key.key.id).collect();
        Ok((key_text::without(&file.text, &lines), ids))
    })
}

/// A key file as it was read.
struct Contents {
    text: String,
    keys: Vec<KeyLine>,
    mode: u32,
    owner: (u32, u32),
}

fn read(path: &Path) -> Result<Contents, KeyProblem> {
    let mut file = OpenOptions::new()
        .read(true)
        // A pipe in its place must not hold us up.
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(KeyProblem::Read)?;
    // Asked of the open file, so that nobody can exchange it in between.
    let metadata = file.metadata().map_err(KeyProblem::Read)?;
    if !metadata.is_file() {
        return Err(KeyProblem::NotAFile);
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyProblem::Exposed { mode });
    }
    let mut text = String::new();
    let bound = FILE_BYTES_MAX as u64 + 1;
    (&mut file)
        .take(bound)
        .read_to_string(&mut text)
        .map_err(KeyProblem::Read)?;
    if text.len() > FILE_BYTES_MAX {
        return Err(KeyProblem::TooLarge);
    }
    let keys =
        key_text::parse(&text).map_err(|(line, problem)| KeyProblem::Line { line, problem })?;
    Ok(Contents {
        text,
        keys,
        mode,
        owner: (metadata.uid(), metadata.gid()),
    })
}

fn ring(keys: &[KeyLine]) -> Result<KeyRing, KeyProblem> {
    let keys: Vec<SecretKey> = keys.iter().map(|key| key.key.clone()).collect();
    KeyRing::try_new(&keys).map_err(KeyProblem::Ring)
}

/// Makes the file with one key; `false` when another process was faster, whose file then counts.
fn create(path: &Path, now_us: u64) -> Result<bool, KeyProblem> {
    let line = key_text::format(timestamp(now_us), &SecretKey::random());
    let beside = Beside::write(path, &format!("{HEADER}{line}"), None)?;
    // A link fails when the name is taken, and shows the file only when it is complete.
    let linked = fs::hard_link(&beside.path, path);
    match linked {
        Ok(()) => sync_folder(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(KeyProblem::Write(error)),
    }
}

/// Replaces the file by what `edit` makes of it, one process at a time.
fn change<T>(
    path: &Path,
    edit: impl FnOnce(&Contents) -> Result<(String, T), KeyProblem>,
) -> Result<T, KeyFileError> {
    let replace = || {
        // Through links, so that the file is replaced and not the link to it.
        let path = fs::canonicalize(path).map_err(KeyProblem::Read)?;
        let folder = File::open(folder(&path)).map_err(KeyProblem::Read)?;
        rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| KeyProblem::Busy)?;
        let contents = read(&path)?;
        let (text, answer) = edit(&contents)?;
        let beside = Beside::write(&path, &text, Some(&contents))?;
        fs::rename(&beside.path, &path).map_err(KeyProblem::Write)?;
        sync_folder(&path)?;
        Ok(answer)
    };
    replace().map_err(|problem| at(path, problem))
}

/// A complete file beside the one it is about to become; removed when dropped, unless it was moved.
struct Beside {
    path: PathBuf,
}

impl Beside {
    fn write(path: &Path, text: &str, like: Option<&Contents>) -> Result<Self, KeyProblem> {
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}.new", random::nonce()));
        let beside = path.with_file_name(name);
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&beside)?;
            let beside = Self {
                path: beside.clone(),
            };
            if let Some(like) = like {
                keep_owner(&file, like)?;
            }
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            Ok(beside)
        };
        write().map_err(KeyProblem::Write)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // After a move there is nothing left to remove.
        fs::remove_file(&self.path).ok();
    }
}

/// Whoever rotates keys as root must not take the file away from the one who runs anteroom.
fn keep_owner(file: &File, like: &Contents) -> io::Result<()> {
    let metadata = file.metadata()?;
    if (metadata.uid(), metadata.gid()) != like.owner {
        let (uid, gid) = (Uid::from_raw(like.owner.0), Gid::from_raw(like.owner.1));
        rustix::fs::fchown(file, Some(uid), Some(gid))?;
    }
    rustix::fs::fchmod(file, rustix::fs::Mode::from_raw_mode(like.mode))?;
    Ok(())
}

/// Makes a new name outlive a power cut.
fn sync_folder(path: &Path) -> Result<(), KeyProblem> {
    File::open(folder(path))
        .and_then(|folder| folder.sync_all())
        .map_err(KeyProblem::Write)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn timestamp(now_us: u64) -> Timestamp {
    i64::try_from(now_us / 1_000_000)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::MAX)
}

fn at(path: &Path, problem: KeyProblem) -> KeyFileError {
    KeyFileError {
        path: path.to_path_buf(),
        problem,
    }
}

#[cfg(test)]
mod tests;
