//! An origin's section: what in its values does not go together.

use crate::config::Origin;
use crate::config::check::Check;
use crate::config::fault::Code;
use crate::config::fault::Fault;
use crate::config::keys::forms;
use crate::config::origin::Eject;
use crate::config::origin::Health;
use crate::config::url::OriginUrl;
use crate::config::values::Values;

impl Check<'_> {
    pub(super) fn origin(&mut self, values: &Values) -> Origin {
        self.not_empty(values, "urls");
        let mut urls: Vec<OriginUrl> = values.parsed_list("urls");
        let url: Option<OriginUrl> = values.parsed("url");
        if url.is_some() && values.written("urls") {
            let reason = "`url` names one server and `urls` several";
            let fault = Fault::new(
                Code::Conflict,
                "given together with `url`",
                reason,
                "leave one of them out",
            );
            self.note(values, "urls", fault);
        }
        urls.extend(url);
        let [cert, key] = ["cert_file", "key_file"].map(|name| self.file(values, name));
        self.whole_pair(values);
        self.spoken_in_one_way(values);
        self.tls_of_origin(values, &urls);
        let total = values.duration("total_timeout");
        Origin {
            name: values.name().to_owned(),
            urls,
            eject: Eject {
                after: small(values, "eject_after"),
                longest: values.duration("eject_max"),
                by_status: values.flag("eject_by_status"),
            },
            health: health(values),
            hosts: values.parsed_list("hosts"),
            max_in_flight: values.number("max_in_flight"),
            connect_timeout: values.duration("connect_timeout"),
            first_byte_timeout: values.duration("first_byte_timeout"),
            idle_timeout: values.duration("idle_timeout"),
            total_timeout: Some(total).filter(|total| !total.is_zero()),
            keep_alive: values.duration("keep_alive"),
            keep_alive_max: Some(values.duration("keep_alive_max")).filter(|max| !max.is_zero()),
            http2: values.flag("http2"),
            http2_ping: values.duration("http2_ping"),
            proxy_protocol: values.flag("proxy_protocol"),
            server_name: values.text("server_name").map(str::to_owned),
            certificate: cert.zip(key),
            ca_file: self.file(values, "ca_file"),
            pass_host: values.flag("pass_host"),
            host: values.text("host").map(str::to_owned),
        }
    }

    /// How its connections begin, and which host they ask for.
    fn spoken_in_one_way(&mut self, values: &Values) {
        if values.flag("http2") && values.flag("proxy_protocol") {
            let reason = "the header tells of one visitor for a whole connection, and many share one of HTTP/2";
            let remedy = "leave one of them out";
            let fault = Fault::new(
                Code::Conflict,
                "given together with `http2`",
                reason,
                remedy,
            );
            self.note(values, "proxy_protocol", fault);
        }
        if values.written("host") && values.written("pass_host") && values.flag("pass_host") {
            let reason = "the origin sees one host: the visitor's, or this one";
            let remedy = "leave one of them out";
            let fault = Fault::new(
                Code::Conflict,
                "given together with `pass_host`",
                reason,
                remedy,
            );
            self.note(values, "host", fault);
        }
    }

    /// What is only said over TLS.
    fn tls_of_origin(&mut self, values: &Values, urls: &[OriginUrl]) {
        if urls.is_empty() || urls.iter().any(|url| url.tls) {
            return;
        }
        for name in ["server_name", "cert_file", "key_file"] {
            if values.written(name) {
                let reason = "the origin is not spoken to over TLS";
                let remedy = format!("write https:// in its address, or leave `{name}` out");
                let fault = Fault::new(Code::Conflict, "given without TLS", reason, remedy);
                self.note(values, name, fault);
            }
        }
    }
}

/// How an origin's servers are asked how they are, if there is something to ask for.
fn health(values: &Values) -> Option<Health> {
    Some(Health {
        // What is no path was noted when it was read.
        path: forms::target(values.text("health_path")?).ok()?,
        interval: values.duration("health_interval"),
        timeout: values.duration("health_timeout"),
        fail_after: small(values, "health_fail_after"),
        pass_after: small(values, "health_pass_after"),
    })
}

/// A number that the table of keys keeps small.
fn small(values: &Values, name: &str) -> u32 {
    u32::try_from(values.number(name)).unwrap_or(u32::MAX)
}
