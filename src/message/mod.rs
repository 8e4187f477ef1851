//! HTTP pieces with no opinion about lines: bodies, headers, cookies, paths, and who is asking.
//!
//! Nothing here does I/O. What arrives is bounded by the server's limits before it gets here; loops over lists that
//! a client can make long have their own named bounds besides.

pub mod accept;
pub mod asked;
pub mod body;
pub mod bound;
pub mod cookies;
pub mod forwarded;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod headers;
pub mod network;
pub mod peer;
pub(crate) mod pieces;
pub mod target;
pub mod told;

pub use asked::Asked;
pub use asked::Fault;
pub use asked::Handler;
pub use asked::Note;
pub use asked::Record;
pub use asked::Refusal;
pub use asked::Trouble;
pub use asked::Unheard;
pub use body::Body;
pub use body::BodyError;
pub use bound::Ended;
pub use network::Network;
pub use peer::Client;
pub use peer::ForwardingHeader;
pub use peer::Peer;
pub use peer::TrustedProxies;
pub use target::NormalPath;
pub use target::PathError;
pub use told::Forwarding;
