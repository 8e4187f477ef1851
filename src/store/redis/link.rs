//! The bytes between us and one Redis server or sentinel: connected, encrypted, logged in.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use redis::AsyncConnectionConfig;
use redis::RedisConnectionInfo;
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::config::url::Node;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Node(Node),
    Socket(PathBuf),
}

/// Who we are to a server, and how it proves who it is.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) login: RedisConnectionInfo,
    pub(super) tls: Option<Arc<ClientConfig>>,
}

/// One connection, and the task that moves its bytes, which ends with it.
pub(super) struct Link {
    pub(super) commands: MultiplexedConnection,
    _driver: AbortOnDropHandle<()>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => node.fmt(f),
            Self::Socket(path) => path.display().fmt(f),
        }
    }
}

impl fmt::Debug for Access {
    /// Shows nothing of the login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

impl Link {
    /// Connects and logs in. The caller sets the deadline.
    pub(super) async fn open(place: &Place, access: &Access) -> Result<Self, RedisError> {
        let node = match place {
            Place::Socket(path) => {
                return Self::over(UnixStream::connect(path).await?, access).await;
            }
            Place::Node(node) => node,
        };
        let stream = TcpStream::connect((node.host.as_str(), node.port)).await?;
        stream.set_nodelay(true)?;
        match &access.tls {
            None => Self::over(stream, access).await,
            Some(config) => {
                let name = ServerName::try_from(node.host.clone()).map_err(io::Error::other)?;
                let connector = TlsConnector::from(Arc::clone(config));
                Self::over(connector.connect(name, stream).await?, access).await
            }
        }
    }

    async fn over<S>(stream: S, access: &Access) -> Result<Self, RedisError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // The deadlines are ours: they cover whole steps, and nothing goes on behind them.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let (commands, driver) =
            MultiplexedConnection::new_with_config(&access.login, stream, config).await?;
        Ok(Self {
            commands,
            _driver: AbortOnDropHandle::new(tokio::spawn(driver)),
        })
    }
}
