//! A room's files: their names, the lock on them, and how one is replaced whole.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

use rustix::fs::FlockOperation;
use rustix::fs::flock;

use crate::store::StoreError;

/// The files of one room, locked for as long as this lives.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    room: String,
    /// Holds the lock, which the system lets go of when the process ends in whatever way.
    _lock: File,
}

impl Files {
    /// Makes the directory where it is missing and locks the room's files.
    pub(super) fn lock(directory: PathBuf, room: &str) -> Result<Self, StoreError> {
        fs::create_dir_all(&directory).map_err(|source| disk(&directory, "made", source))?;
        if room.is_empty() || room.starts_with('.') || room.contains(['/', '\0']) {
            return Err(StoreError::File {
                path: directory,
                cause: format!("{room:?} cannot be part of a file's name"),
            });
        }
        let path = directory.join(format!("{room}.lock"));
        let file = open(&path, OpenOptions::new().create(true).truncate(false))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self {
                directory,
                room: room.to_owned(),
                _lock: file,
            }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::Locked { path }),
            Err(errno) => Err(disk(&path, "locked", errno.into())),
        }
    }

    /// The path of one of the files.
    pub(super) fn path(&self, kind: &str) -> PathBuf {
        self.directory.join(format!("{}.{kind}", self.room))
    }

    /// A file's content; `None` when there is no such file.
    pub(super) fn read(&self, kind: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(kind);
        match fs::read(&path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(disk(&path, "read", source)),
        }
    }

    /// Writes a file whole, under a name of its own until [`Files::commit`]; it is on the disk afterwards and stays open
    /// for appending.
    pub(super) fn prepare(
        &self,
        kind: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<File, StoreError> {
        let new = self.path(&format!("{kind}.new"));
        if let Err(error) = fs::remove_file(&new)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(disk(&new, "removed", error));
        }
        let file = open(&new, OpenOptions::new().create_new(true).append(true))?;
        let mut writer = BufWriter::with_capacity(1 << 16, file);
        write(&mut writer)
            .and_then(|()| writer.into_inner().map_err(io::IntoInnerError::into_error))
            .and_then(|file| file.sync_all().map(|()| file))
            .map_err(|source| disk(&new, "written", source))
    }

    /// Puts a prepared file in the place of the old one: whenever the process ends, there is either.
    pub(super) fn commit(&self, kind: &str) -> Result<(), StoreError> {
        let (path, new) = (self.path(kind), self.path(&format!("{kind}.new")));
        fs::rename(&new, &path).map_err(|source| disk(&path, "replaced", source))
    }

    /// Makes what was committed last through a loss of power.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        File::open(&self.directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|source| disk(&self.directory, "written", source))
    }
}

/// Opens a file that only its owner may read.
fn open(path: &Path, options: &mut OpenOptions) -> Result<File, StoreError> {
    options
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| disk(path, "opened", source))
}

/// A failure of the disk's.
pub(super) fn disk(path: &Path, action: &'static str, source: io::Error) -> StoreError {
    StoreError::Disk {
        path: path.to_owned(),
        action,
        source,
    }
}
