//! Every page in every language, the status as programs read it, and the texts as translators keep them.

mod matrix;
mod status;
mod texts;

use std::sync::LazyLock;

use crate::page::Pages;

fn pages() -> &'static Pages {
    static PAGES: LazyLock<Pages> = LazyLock::new(|| Pages::load().unwrap());
    &PAGES
}

fn text(bytes: &bytes::Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
