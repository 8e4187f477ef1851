//! TLS towards the origins, made from its files at start and at every reload.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;

use crate::app::build;
use crate::app::build::BuildError;
use crate::config::Config;
use crate::config::Origin;
use crate::config::certificate::Print;
use crate::config::reload::Change;
use crate::proxy;
use crate::proxy::OriginSettings;
use crate::proxy::OriginTls;

/// Largest file of a private key that is read (bytes).
const KEY_BYTES_MAX: u64 = 64 * 1024;

/// By the names of origins.
pub(crate) type ByName = BTreeMap<String, Arc<OriginTls>>;

/// TLS to every origin that is spoken to over it.
pub(crate) fn all(config: &Config) -> Result<ByName, BuildError> {
    let made = config
        .origins
        .values()
        .map(|origin| Ok(made(origin)?.map(|tls| (origin.name.clone(), tls))));
    made.filter_map(Result::transpose).collect()
}

fn made(origin: &Origin) -> Result<Option<Arc<OriginTls>>, BuildError> {
    if !origin.urls.iter().any(|url| url.tls) {
        return Ok(None);
    }
    let mut read = Vec::new();
    let mut config = ClientConfig::clone(&*match &origin.ca_file {
        Some(path) => {
            let authorities = build::certificates(path)?;
            read.extend(authorities.iter().cloned());
            proxy::tls::with_authorities(authorities)?
        }
        None => proxy::tls::platform()?,
    });
    if let Some((cert, key)) = &origin.certificate {
        let chain = build::certificates(cert)?;
        // The key belongs with it.
        read.extend(chain.iter().cloned());
        let identified = proxy::tls::identify(&mut config, chain, private_key(key)?);
        identified.map_err(|error| build::pem(key, &error))?;
    }
    // The configuration has checked that it is a name.
    let name = origin.server_name.clone();
    let name = name.and_then(|name| ServerName::try_from(name).ok());
    let print = Print::of(&read);
    Ok(Some(OriginTls::of_files(&config, name, Some(print))))
}

/// A private key, unless others could have copied it.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, BuildError> {
    let unreadable = |error: std::io::Error| build::pem(path, &error);
    let file = File::open(path).map_err(unreadable)?;
    // Asked of the open file, so that nobody can exchange it in between.
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        let cause = format!(
            "it can be read or changed by others (mode {mode:04o}): make it private with chmod 600, and if others use \
             this machine, get another one"
        );
        return Err(build::pem(path, &cause));
    }
    let mut text = Vec::new();
    file.take(KEY_BYTES_MAX)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| build::pem(path, &error))
}

/// What origins go on with that were there before: new connections use what is in the files now. What has changed.
pub(crate) fn follow(before: &[OriginSettings], now: &ByName) -> Vec<Change> {
    let followed = before.iter().filter(|origin| {
        let now = now.get(&origin.name);
        let tls = origin.tls.as_ref().zip(now);
        tls.is_some_and(|(tls, now)| tls.follow(now))
    });
    followed
        .map(|origin| Change {
            key: format!("origin.{}", origin.name),
            before: Some(String::from("its certificates as they were")),
            after: Some(String::from("as its files have them now")),
        })
        .collect()
}

/// The connections of an origin outlive a reload, and so does what [`follow`] changes.
pub(crate) fn keep(before: &[OriginSettings], now: &mut [OriginSettings]) {
    for origin in now {
        let known = before.iter().find(|known| known.name == origin.name);
        let known = known.and_then(|known| known.tls.as_ref());
        if let (Some(known), Some(tls)) = (known, &mut origin.tls)
            && known.has_name_of(tls)
        {
            *tls = Arc::clone(known);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_that_others_can_read_is_refused_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.key");
        let key = rcgen::KeyPair::generate().unwrap();
        fs::write(&path, key.serialize_pem()).unwrap();
        for (mode, is_private) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let read = private_key(&path);
            assert_eq!(read.is_ok(), is_private, "{mode:o}");
            if let Err(error) = read {
                let text = error.to_string();
                assert!(
                    text.contains("client.key") && text.contains("chmod 600"),
                    "{text}"
                );
            }
        }
    }
}
