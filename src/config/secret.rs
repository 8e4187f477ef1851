//! Secrets: named by the configuration, kept in a file or the environment, never in the configuration itself.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// The environment variable that holds the admin listener's bearer token.
pub const ADMIN_TOKEN_VAR: &str = "ANTEROOM_ADMIN_TOKEN";

/// The environment variable that holds the store's password.
pub const STORE_PASSWORD_VAR: &str = "ANTEROOM_STORE_PASSWORD";

/// The environment variable that holds the sentinels' password.
pub const SENTINEL_PASSWORD_VAR: &str = "ANTEROOM_SENTINEL_PASSWORD";

/// Largest secret file, in bytes.
const SECRET_BYTES_MAX: u64 = 4096;

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In this file; a line break at its end is not part of it.
    File(PathBuf),
    /// In this environment variable.
    Variable(&'static str),
}

/// A secret in memory; its `Debug` form shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file could not be read.
    #[error("cannot read the secret in {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The environment variable is missing or not Unicode.
    #[error("environment variable {0} is not set to readable text")]
    Variable(&'static str),
    /// There is nothing in it, or far too much.
    #[error("the secret in {0} is empty or longer than {SECRET_BYTES_MAX} bytes")]
    Size(String),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Secret {
    /// The secret itself, for the one place that sends or compares it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl SecretSource {
    /// Reads the secret.
    ///
    /// # Errors
    /// When the file or variable cannot be read, is empty, or is longer than 4 KiB.
    pub fn read(&self) -> Result<Secret, SecretError> {
        let text = match self {
            Self::Variable(name) => std::env::var(name).map_err(|_| SecretError::Variable(name))?,
            Self::File(path) => {
                let unreadable = |source| SecretError::Unreadable {
                    path: path.clone(),
                    source,
                };
                let mut text = String::new();
                let file = File::open(path).map_err(unreadable)?;
                file.take(SECRET_BYTES_MAX + 1)
                    .read_to_string(&mut text)
                    .map_err(unreadable)?;
                text
            }
        };
        let secret = text.trim_end_matches(['\n', '\r']);
        let fits = u64::try_from(text.len()).is_ok_and(|len| len <= SECRET_BYTES_MAX);
        if secret.is_empty() || !fits {
            return Err(SecretError::Size(self.to_string()));
        }
        Ok(Secret(secret.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_loses_its_line_break_and_never_shows_in_debug() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        std::fs::write(&path, "hunter2\n").unwrap();
        let secret = SecretSource::File(path).read().unwrap();
        assert_eq!(secret.expose(), "hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
    }

    #[test]
    fn an_empty_or_huge_secret_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for content in [String::from("\n"), "x".repeat(5000)] {
            let path = dir.path().join("password");
            std::fs::write(&path, content).unwrap();
            assert!(matches!(
                SecretSource::File(path).read(),
                Err(SecretError::Size(_))
            ));
        }
    }
}
