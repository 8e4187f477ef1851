//! A certificate as its files have it: the chain with its key, the names it stands for, and when it ends.

use std::fs::File;
use std::io::Read;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::path::Path;
use std::path::PathBuf;

use aws_lc_rs::digest::Context;
use aws_lc_rs::digest::SHA256;
use aws_lc_rs::digest::SHA256_OUTPUT_LEN;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;

use crate::config::server::CertificateFiles;

/// Largest file of a stapled answer, in bytes; they have one or two thousand.
const OCSP_BYTES_MAX: u64 = 64 * 1024;

/// Most names of one certificate that are looked at.
const NAMES_MAX: usize = 1_000;

/// A certificate and what is worth knowing about it.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// What is shown to clients, and what proves that it is ours.
    pub certified: CertifiedKey,
    /// The names it stands for, in lower case: hosts, `*.` and a domain, or addresses as in a URL.
    pub names: Vec<String>,
    /// When it begins, in seconds since 1970.
    pub begins_s: i64,
    /// When it ends, in seconds since 1970.
    pub ends_s: i64,
}

/// What tells files that were read from others that were read before: a digest of what is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Print([u8; SHA256_OUTPUT_LEN]);

impl Print {
    /// Of these pieces, in this order.
    #[must_use]
    pub fn of<T: AsRef<[u8]>>(pieces: impl IntoIterator<Item = T>) -> Self {
        let mut context = Context::new(&SHA256);
        for piece in pieces {
            let piece = piece.as_ref();
            // With its length, or bytes could move from one to the next.
            context.update(&(piece.len() as u64).to_be_bytes());
            context.update(piece);
        }
        let mut print = [0; SHA256_OUTPUT_LEN];
        print.copy_from_slice(context.finish().as_ref());
        Self(print)
    }
}

/// Files that are no certificate with its key.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be used: {cause}", path.display())]
pub struct CertificateError {
    /// The key of the configuration that names the file.
    pub key: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub cause: String,
}

impl Certificate {
    /// What tells it from another one: its chain, with whose first the key belongs, and the stapled answer.
    #[must_use]
    pub fn print(&self) -> Print {
        let certified = &self.certified;
        let chain = certified.cert.iter().map(AsRef::as_ref);
        Print::of(chain.chain(certified.ocsp.as_deref()))
    }

    /// Reads a certificate's files.
    ///
    /// # Errors
    /// When one cannot be read, is not what it should be, or the key is another certificate's.
    pub fn load(
        files: &CertificateFiles,
        provider: &CryptoProvider,
    ) -> Result<Self, CertificateError> {
        let cert = |cause: String| failed("cert", &files.cert, cause);
        let key = |cause: String| failed("key", &files.key, cause);
        let chain = chain(&files.cert).map_err(cert)?;
        let secret = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| key(e.to_string()))?;
        let facts = chain.first().map(|leaf| facts(leaf));
        let facts = facts.and_then(Result::ok);
        let Some((names, begins_s, ends_s)) = facts else {
            return Err(cert(String::from("its first certificate cannot be read")));
        };
        let certified = CertifiedKey::from_der(chain, secret, provider);
        let mut certified = certified.map_err(|error| {
            if matches!(error, rustls::Error::InconsistentKeys(_)) {
                key(format!("it is not the key of {}", files.cert.display()))
            } else {
                key(error.to_string())
            }
        })?;
        if let Some(path) = &files.ocsp {
            let ocsp = ocsp(path).map_err(|cause| failed("ocsp", path, cause))?;
            certified.ocsp = Some(ocsp);
        }
        Ok(Self {
            certified,
            names,
            begins_s,
            ends_s,
        })
    }
}

/// Whether one of a certificate's names stands for a host, or for all hosts of a pattern like `*.example.org`.
#[must_use]
pub fn covers(names: &[String], host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let above = host.split_once('.').map(|(_, above)| above);
    names.iter().any(|name| {
        *name == host
            || name
                .strip_prefix("*.")
                .is_some_and(|name| above == Some(name))
    })
}

/// The certificates of a PEM file, leaf first.
pub(crate) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(chain) if chain.is_empty() => Err(String::from("there is no certificate in it")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(error.to_string()),
    }
}

/// A stapled answer. Whether it is a good one is the client's to say; it is one piece of DER at least.
fn ocsp(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(OCSP_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > OCSP_BYTES_MAX {
        return Err(String::from("it is larger than 64 KiB"));
    }
    let whole = x509_parser::der_parser::parse_der(&bytes).is_ok_and(|(rest, value)| {
        rest.is_empty() && value.header.is_constructed() && value.as_sequence().is_ok()
    });
    if !whole {
        return Err(String::from("it is no OCSP response in DER"));
    }
    Ok(bytes)
}

type Facts = (Vec<String>, i64, i64);

/// The names of a certificate, and when it begins and ends.
fn facts(leaf: &CertificateDer<'_>) -> Result<Facts, x509_parser::error::X509Error> {
    let (_, read) = x509_parser::parse_x509_certificate(leaf).map_err(|error| match error {
        x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => error,
        x509_parser::nom::Err::Incomplete(_) => x509_parser::error::X509Error::InvalidCertificate,
    })?;
    let names = read.subject_alternative_name()?;
    let names = names.map_or_else(Vec::new, |extension| {
        let names = extension.value.general_names.iter();
        names.filter_map(name).take(NAMES_MAX).collect()
    });
    let validity = read.validity();
    Ok((
        names,
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    ))
}

/// A name that a host can be compared with.
fn name(general: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::DNSName(name) = general {
        return Some(name.to_ascii_lowercase());
    }
    let GeneralName::IPAddress(bytes) = general else {
        return None;
    };
    if let Ok(v4) = <[u8; 4]>::try_from(*bytes) {
        return Some(Ipv4Addr::from(v4).to_string());
    }
    let v6 = <[u8; 16]>::try_from(*bytes).ok()?;
    Some(format!("[{}]", Ipv6Addr::from(v6)))
}

fn failed(key: &'static str, path: &Path, cause: String) -> CertificateError {
    CertificateError {
        key,
        path: path.to_owned(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_star_in_a_certificate_stands_for_one_label() {
        let names = [
            "a.example".to_owned(),
            "*.b.example".to_owned(),
            "[::1]".to_owned(),
        ];
        for host in [
            "a.example",
            "A.Example",
            "x.b.example",
            "*.b.example",
            "[::1]",
        ] {
            assert!(covers(&names, host), "{host}");
        }
        for host in [
            "b.example",
            "x.y.b.example",
            "*.a.example",
            "x.a.example",
            "example",
            "",
        ] {
            assert!(!covers(&names, host), "{host}");
        }
    }
}
