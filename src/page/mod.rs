//! What visitors read: the page in every state and language, the status it asks for, and problem documents.
//!
//! One renderer makes the whole page and the part of it that the script swaps, so both always agree. The page is
//! complete without script.

mod lang;
mod state;
mod texts;
mod view;

pub use crate::page::lang::Lang;
pub use crate::page::state::State;
pub use crate::page::texts::Localized;
pub use crate::page::texts::Texts;
pub use crate::page::view::Message;
pub use crate::page::view::Turn;
pub use crate::page::view::View;
