//! The demonstration: a portal that breaks, a crowd over real HTTP, and a view of both.

pub mod crowd;
pub mod dice;
pub mod portal;
