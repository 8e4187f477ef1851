//! What is for one connection only, what a proxy adds and counts down, and what is expected of it.

use crate::case::Case;
use crate::case::get;
use crate::case::post;
use crate::case::refused;
use crate::case::refused_with;

const CONNECTION: &str = "RFC 9110 §7.6.1";
const FORWARDS: &str = "RFC 9110 §7.6.2";
const EXPECT: &str = "RFC 9110 §10.1.1";

pub(crate) fn cases() -> Vec<Case> {
    [
        connection(),
        known(),
        misleading(),
        ours(),
        forwards(),
        expect(),
        upgrade(),
        own(),
    ]
    .concat()
}

fn connection() -> Vec<Case> {
    vec![
        get(
            "a field that Connection names",
            CONNECTION,
            "Connection: X-Hop\r\nX-Hop: 1\r\n",
        )
        .lacks("x-hop"),
        get(
            "two that it names",
            CONNECTION,
            "Connection: x-a, X-B\r\nX-A: 1\r\nX-B: 1\r\n",
        )
        .lacks("x-a")
        .lacks("x-b"),
        get(
            "in two lines",
            CONNECTION,
            "Connection: x-a\r\nConnection: x-b\r\nX-A: 1\r\nX-B: 1\r\n",
        )
        .lacks("x-a")
        .lacks("x-b"),
        get(
            "empty elements",
            "RFC 9110 §5.6.1",
            "Connection: ,, x-a ,\r\nX-A: 1\r\nX-B: 1\r\n",
        )
        .lacks("x-a")
        .has("x-b", "1"),
        get(
            "named and not there",
            CONNECTION,
            "Connection: x-a\r\nX-B: 1\r\n",
        )
        .has("x-b", "1"),
        get("Host is for all", CONNECTION, "Connection: Host\r\n").has("host", "a.example"),
        get(
            "what we set is not theirs to strip",
            CONNECTION,
            "Connection: x-forwarded-for, x-forwarded-proto, forwarded, via, anteroom-visitor\r\n",
        )
        .has("x-forwarded-for", "127.0.0.1")
        .has("x-forwarded-proto", "http")
        .has("via", "1.1 anteroom"),
        post(
            "Content-Length is for all",
            CONNECTION,
            "Connection: content-length\r\nContent-Length: 5\r\n",
            "hello",
        )
        .body("hello"),
        get(
            "whatever else it names is removed",
            CONNECTION,
            "Connection: cookie, x-a\r\nCookie: a=1\r\nX-A: 1\r\nX-B: 1\r\n",
        )
        .lacks("cookie")
        .lacks("x-a")
        .has("x-b", "1"),
        get(
            "Keep-Alive",
            CONNECTION,
            "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n",
        )
        .lacks("keep-alive"),
    ]
}

/// Names that some origins take for others.
fn misleading() -> Vec<Case> {
    let mut cases = Vec::new();
    for name in [
        "Proxy",
        "Content_Length",
        "Transfer_Encoding",
        "X_Forwarded_For",
        "Host_",
    ] {
        let low = name.to_ascii_lowercase();
        let case = get(
            &format!("{name} is not passed on"),
            "RFC 3875 §4.1.18",
            &format!("{name}: 5\r\n"),
        );
        cases.push(match low.as_str() {
            "host_" => case.has("host", "a.example"),
            "proxy" => case.lacks("proxy"),
            "content_length" => case.lacks("content_length"),
            "transfer_encoding" => case.lacks("transfer_encoding"),
            _ => case.lacks("x_forwarded_for"),
        });
    }
    cases
}

/// Options and fields that have a meaning of their own.
fn known() -> Vec<Case> {
    vec![
        get(
            "Proxy-Connection",
            CONNECTION,
            "Proxy-Connection: keep-alive\r\n",
        )
        .lacks("proxy-connection"),
        get(
            "Proxy-Authorization",
            "RFC 9110 §11.7.2",
            "Proxy-Authorization: Basic YTpi\r\n",
        )
        .lacks("proxy-authorization"),
        get(
            "TE: trailers",
            "RFC 9110 §10.1.4",
            "TE: trailers\r\nConnection: te\r\n",
        )
        .has("te", "trailers")
        .has("connection", "te"),
        get(
            "TE of another coding",
            "RFC 9110 §10.1.4",
            "TE: gzip\r\nConnection: TE\r\n",
        )
        .lacks("te"),
        get(
            "several TE",
            "RFC 9110 §10.1.4",
            "TE: gzip;q=0.5\r\nTE: , trailers\r\nConnection: te\r\n",
        )
        .has("te", "trailers"),
        get(
            "Connection: close",
            "RFC 9112 §9.6",
            "Connection: close\r\n",
        )
        .closes(),
        get(
            "close in upper case",
            "RFC 9112 §9.6",
            "Connection: Close\r\n",
        )
        .closes(),
        get(
            "close and keep-alive",
            "RFC 9112 §9.6",
            "Connection: keep-alive, close\r\n",
        )
        .closes(),
    ]
}

fn ours() -> Vec<Case> {
    let via = "RFC 9110 §7.6.3";
    vec![
        get("Via", via, "").has("via", "1.1 anteroom"),
        get("Via goes on", via, "Via: 1.0 edge\r\n")
            .check_all("via", &["1.0 edge", "1.1 anteroom"]),
        get(
            "Forwarded is rebuilt",
            "RFC 7239 §4",
            "Forwarded: for=1.1.1.1;proto=https\r\n",
        )
        .has("forwarded", "for=127.0.0.1;host=\"a.example\";proto=http"),
        get(
            "X-Forwarded-For is rebuilt",
            "RFC 7239 §7.4",
            "X-Forwarded-For: 1.1.1.1\r\n",
        )
        .has("x-forwarded-for", "127.0.0.1"),
        get(
            "X-Forwarded-Host is rebuilt",
            "RFC 7239 §7.4",
            "X-Forwarded-Host: evil\r\n",
        )
        .has("x-forwarded-host", "a.example"),
        get(
            "X-Forwarded-Prefix is not theirs",
            "RFC 7239 §8.1",
            "X-Forwarded-Prefix: /x\r\n",
        )
        .lacks("x-forwarded-prefix"),
        get(
            "X-Real-IP is not theirs",
            "RFC 7239 §8.1",
            "X-Real-IP: 1.1.1.1\r\n",
        )
        .lacks("x-real-ip"),
        get(
            "Anteroom-Visitor is not theirs",
            "RFC 7239 §8.1",
            "Anteroom-Visitor: 1\r\n",
        )
        .lacks("anteroom-visitor"),
        get(
            "Anteroom-Pass is not the origin's",
            "RFC 7239 §8.1",
            "Anteroom_Pass: x\r\n",
        )
        .lacks("anteroom_pass"),
        get(
            "our cookies are not the origin's",
            "RFC 6265 §4.2",
            "Cookie: a=1; anteroom-main=x\r\n",
        )
        .has("cookie", "a=1"),
    ]
}

fn forwards() -> Vec<Case> {
    let ask = |name: &str, method: &str, lines: &str| {
        let send = format!("{method} {{t}} HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n");
        Case::new(name, FORWARDS, send)
    };
    vec![
        ask("OPTIONS counts down", "OPTIONS", "Max-Forwards: 5\r\n").has("max-forwards", "4"),
        ask(
            "OPTIONS counts down to nothing",
            "OPTIONS",
            "Max-Forwards: 1\r\n",
        )
        .has("max-forwards", "0"),
        ask("OPTIONS ends here", "OPTIONS", "Max-Forwards: 0\r\n").own(204),
        ask("TRACE counts down", "TRACE", "Max-Forwards: 10\r\n").has("max-forwards", "9"),
        ask("TRACE ends here", "TRACE", "Max-Forwards: 0\r\n").own(405),
        ask("GET does not count", "GET", "Max-Forwards: 0\r\n").has("max-forwards", "0"),
        refused(ask("no number", "OPTIONS", "Max-Forwards: x\r\n")),
        refused(ask("a sign", "OPTIONS", "Max-Forwards: -1\r\n")),
        refused(ask(
            "two numbers",
            "OPTIONS",
            "Max-Forwards: 1\r\nMax-Forwards: 2\r\n",
        )),
    ]
}

fn expect() -> Vec<Case> {
    let body = "Content-Length: 5\r\n";
    let to = |target: &str, lines: &str, body: &str| {
        format!("POST {{t}}{target} HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n{body}")
    };
    let asks = format!("Expect: 100-continue\r\n{body}");
    vec![
        post("100-continue", EXPECT, &asks, "hello")
            .body("hello")
            .continues(true),
        post(
            "100-continue in upper case",
            EXPECT,
            &format!("Expect: 100-CONTINUE\r\n{body}"),
            "hello",
        )
        .body("hello"),
        Case::new(
            "what the origin refuses is not asked for",
            EXPECT,
            to("a/refuses", &asks, ""),
        )
        .refuses_body(),
        refused_with(
            post(
                "an unknown expectation",
                EXPECT,
                &format!("Expect: foo\r\n{body}"),
                "hello",
            ),
            &[417],
        ),
        refused_with(
            post(
                "two expectations",
                EXPECT,
                &format!("Expect: 100-continue, foo\r\n{body}"),
                "hello",
            ),
            &[417],
        ),
        refused_with(
            get("an expectation of a GET", EXPECT, "Expect: 200-ok\r\n"),
            &[417],
        ),
        get(
            "100-continue without a body",
            EXPECT,
            "Expect: 100-continue\r\n",
        )
        .continues(false),
        Case::new(
            "100-continue in HTTP/1.0",
            EXPECT,
            format!(
                "POST {{t}} HTTP/1.0\r\nHost: a.example\r\nExpect: 100-continue\r\n{body}\r\nhello"
            ),
        )
        .body("hello")
        .lacks("expect")
        .continues(false)
        .closes(),
    ]
}

fn upgrade() -> Vec<Case> {
    let rfc = "RFC 9110 §7.8";
    let settings = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    vec![
        get("h2c", rfc, settings)
            .lacks("upgrade")
            .lacks("http2-settings"),
        get(
            "h2c, settings not named",
            rfc,
            "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        )
        .lacks("http2-settings"),
        get(
            "an unknown protocol",
            rfc,
            "Connection: upgrade\r\nUpgrade: IRC/6.9\r\n",
        )
        .lacks("upgrade"),
        get(
            "a list of protocols",
            rfc,
            "Connection: upgrade\r\nUpgrade: websocket, h2c\r\n",
        )
        .lacks("upgrade"),
        get("not named by Connection", rfc, "Upgrade: websocket\r\n").lacks("upgrade"),
        post(
            "not a GET",
            rfc,
            "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n",
            "",
        )
        .lacks("upgrade"),
        get(
            "websocket",
            rfc,
            "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        )
        .has("upgrade", "websocket"),
    ]
}

fn own() -> Vec<Case> {
    let ask = |name: &str, line: &str| {
        let send = format!("{line} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n");
        Case::new(name, "RFC 9110 §15.5.6", send).own(405)
    };
    vec![
        ask("POST where GET is for", "POST /.anteroom/main/status").gets("allow", "GET, HEAD"),
        ask("GET where POST is for", "GET /.anteroom/main/join").gets("allow", "POST"),
        ask("DELETE where both are", "DELETE /.anteroom/main/leave")
            .gets("allow", "GET, HEAD, POST"),
        Case::new(
            "nothing there",
            "RFC 9110 §15.5.5",
            "GET /.anteroom/main/x HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .own(404),
        Case::new(
            "a closed room",
            "RFC 9110 §15.6.4",
            "GET /booking/x HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .own(503),
    ]
}
