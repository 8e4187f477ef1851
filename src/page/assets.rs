//! The one script and the one style sheet of every page, and the policy that lets in nothing else.

use aws_lc_rs::digest::SHA256;
use aws_lc_rs::digest::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Script, style and policy, made once at load.
#[derive(Debug)]
pub(crate) struct Assets {
    pub(crate) style: String,
    pub(crate) script: String,
    pub(crate) csp: String,
}

impl Assets {
    pub(crate) fn load() -> Self {
        let style = shrink(include_str!("assets/style.css"));
        let script = shrink(include_str!("assets/client.js"));
        // `form-action` names no hosts: Chromium holds every redirect after a form to it as well, and the portal
        // behind the button may send people on to sign in elsewhere.
        let csp = format!(
            "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; connect-src 'self'; \
             form-action 'self' https: http:; base-uri 'none'; frame-ancestors 'none'",
            hash(&script),
            hash(&style),
        );
        Self { style, script, csp }
    }
}

/// Drops comments that fill whole lines, indentation and line ends of `}` and `;`-ended files. Safe for our two files,
/// which keep comments on lines of their own; the browser tests run what comes out.
fn shrink(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut in_comment = false;
    for line in source.lines().map(str::trim) {
        in_comment |= line.starts_with("/*");
        if in_comment {
            in_comment = !line.ends_with("*/");
        } else if !line.is_empty() {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

fn hash(source: &str) -> String {
    STANDARD.encode(digest(&SHA256, source.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::Assets;

    #[test]
    fn nothing_inline_but_our_own_is_allowed() {
        let assets = Assets::load();
        assert!(!assets.csp.contains("unsafe"), "{}", assets.csp);
        assert_eq!(assets.csp.matches("sha256-").count(), 2);
        for text in [&assets.style, &assets.script] {
            assert!(!text.contains("/*") && !text.contains("</"), "{text}");
            assert!(!text.contains("http:") && !text.contains("https:"));
        }
    }
}
