//! The sections of the replica itself and of origins: listeners, store, keys, logs.

use std::net::SocketAddr;

use ipnet::IpNet;

use crate::config::check::Check;
use crate::config::fault::Code;
use crate::config::fault::Fault;
use crate::config::keys::forms;
use crate::config::read::Reading;
use crate::config::secret::ADMIN_TOKEN_VAR;
use crate::config::secret::SENTINEL_PASSWORD_VAR;
use crate::config::secret::STORE_PASSWORD_VAR;
use crate::config::secret::SecretSource;
use crate::config::server::Access;
use crate::config::server::Admin;
use crate::config::server::Format;
use crate::config::server::Level;
use crate::config::server::Log;
use crate::config::server::Redirect;
use crate::config::server::Server;
use crate::config::server::Tickets;
use crate::config::server::Tls;
use crate::config::store::Store;
use crate::config::url::StoreUrl;
use crate::config::values::Values;

impl Check<'_> {
    /// The listener for cleartext: an address of its own, and hosts.
    pub(super) fn redirect(&mut self, values: &Values, reading: &Reading) -> Option<Redirect> {
        self.not_empty(values, "hosts");
        let listen = forms::address(values.text("listen")?).ok()?;
        let visitors = reading
            .all("server")
            .flat_map(|server| server.list("listen"));
        let mut visitors = visitors.filter_map(|(text, _)| forms::address(text).ok());
        if let Some(other) = visitors.find(|other| is_same(listen, *other)) {
            let reason = format!("visitors connect to {other}");
            let (message, remedy) = ("one address for two listeners", "use another port");
            let fault = Fault::new(Code::Conflict, message, reason, remedy);
            self.note(values, "listen", fault);
        }
        let hosts = values.list("hosts").iter();
        Some(Redirect {
            listen,
            hosts: hosts.map(|(host, _)| host.clone()).collect(),
        })
    }

    pub(super) fn server(
        &mut self,
        values: &Values,
        tls: Option<Tls>,
        redirect: Option<Redirect>,
    ) -> Server {
        self.not_empty(values, "listen");
        let reason = "every visitor could claim any address and scheme";
        let trusted_proxies = self.networks(values, "trusted_proxies", reason);
        let reason = "every visitor could claim any address, and must claim one";
        let proxy_protocol = self.networks(values, "proxy_protocol", reason);
        Server {
            listen: values
                .list("listen")
                .iter()
                .filter_map(|(text, _)| forms::address(text).ok())
                .collect(),
            tls,
            redirect,
            workers: values.count("workers"),
            external_url: values.parsed("external_url"),
            trusted_proxies,
            proxy_protocol,
            exempt_networks: values
                .list("exempt_networks")
                .iter()
                .filter_map(|(text, _)| forms::network(text).ok())
                .collect(),
            prefix: values.text("prefix").unwrap_or_default().to_owned(),
            drain: values.duration("drain"),
            handshake_timeout: values.duration("handshake_timeout"),
            header_timeout: values.duration("header_timeout"),
            body_timeout: values.duration("body_timeout"),
            min_body_rate: values.number("min_body_rate"),
            send_timeout: values.duration("send_timeout"),
            min_send_rate: values.number("min_send_rate"),
            idle_timeout: values.duration("idle_timeout"),
            max_connections: values.count("max_connections"),
            max_unsent_bytes: values.number("max_unsent_bytes"),
            max_connections_per_address: values.count("max_connections_per_address"),
            max_joins_per_address: values.number("max_joins_per_address"),
            max_streams: u32::try_from(values.number("max_streams")).unwrap_or(u32::MAX),
            max_header_bytes: values.count("max_header_bytes"),
            max_body_bytes: values.number("max_body_bytes"),
        }
    }

    /// Networks whose word counts; a warning when they are everybody.
    fn networks(&mut self, values: &Values, name: &str, reason: &str) -> Vec<IpNet> {
        let networks: Vec<_> = values
            .list(name)
            .iter()
            .filter_map(|(text, _)| forms::network(text).ok())
            .collect();
        if networks.iter().any(|network| network.prefix_len() == 0) {
            let (message, remedy) = (
                "everybody is trusted",
                "name only the networks of your load balancers",
            );
            let fault = Fault::new(Code::TrustsEverybody, message, reason, remedy);
            self.note(values, name, fault);
        }
        networks
    }

    pub(super) fn admin(&mut self, values: &Values, server: &Server) -> Admin {
        let listen = values
            .text("listen")
            .and_then(|text| forms::address(text).ok());
        let token = self.secret(values, "token_file", ADMIN_TOKEN_VAR);
        let Some(address) = listen else {
            return Admin { listen, token };
        };
        if !address.ip().is_loopback() {
            let fault = if token.is_none() {
                Fault::new(
                    Code::Unprotected,
                    "operators' listener open to everybody",
                    "it can be reached from other machines and asks for no bearer token",
                    "name a token_file, or listen on 127.0.0.1",
                )
            } else {
                Fault::new(
                    Code::PublicAdmin,
                    "operators' listener on an address other machines reach",
                    "the bearer token travels in cleartext",
                    "keep it on a private network, or listen on 127.0.0.1 behind an SSH tunnel",
                )
            };
            self.note(values, "listen", fault);
        }
        let redirect = server.redirect.iter().map(|redirect| &redirect.listen);
        let mut visitors = server.listen.iter().chain(redirect);
        if let Some(other) = visitors.find(|other| is_same(address, **other)) {
            let reason = format!("visitors connect to {other}");
            let fault = Fault::new(
                Code::Conflict,
                "one address for two listeners",
                reason,
                "use another port",
            );
            self.note(values, "listen", fault);
        }
        Admin { listen, token }
    }

    pub(super) fn store(&mut self, values: &Values) -> Store {
        let url: Option<StoreUrl> = values.parsed("url");
        let [ca_file, cert, key] = ["ca_file", "cert_file", "key_file"].map(|name| {
            let path = self.file(values, name);
            let cleartext = matches!(&url, Some(StoreUrl::Memory))
                || matches!(&url, Some(StoreUrl::Redis(redis)) if !redis.tls);
            if path.is_some() && cleartext {
                let reason = "the store is not spoken to over TLS";
                let remedy = format!("write rediss:// in `url`, or leave `{name}` out");
                let fault = Fault::new(Code::Conflict, "given without TLS", reason, remedy);
                self.note(values, name, fault);
            }
            path
        });
        self.whole_pair(values);
        Store {
            url: url.unwrap_or(StoreUrl::Memory),
            ca_file,
            certificate: cert.zip(key),
            path: self.path(values, "path"),
            prefix: values.text("prefix").unwrap_or_default().to_owned(),
            password: self.secret(values, "password_file", STORE_PASSWORD_VAR),
            sentinel_password: self.secret(values, "sentinel_password_file", SENTINEL_PASSWORD_VAR),
            connect_timeout: values.duration("connect_timeout"),
            command_timeout: values.duration("command_timeout"),
        }
    }

    /// A certificate and its key are named together or not at all.
    pub(super) fn whole_pair(&mut self, values: &Values) {
        for (name, other) in [("cert_file", "key_file"), ("key_file", "cert_file")] {
            if values.written(name) && !values.written(other) {
                let reason = "a certificate and its key are shown together";
                let remedy = format!("name a `{other}`, or leave both out");
                let fault = Fault::new(Code::Conflict, "half of a pair", reason, remedy);
                self.note(values, name, fault);
            }
        }
    }

    pub(super) fn tickets(&mut self, values: &Values) -> Tickets {
        Tickets {
            key_file: self.path(values, "key_file"),
        }
    }

    pub(super) fn log(&mut self, values: &Values) -> Log {
        let level = match values.text("level") {
            Some("error") => Level::Error,
            Some("warn") => Level::Warn,
            Some("debug") => Level::Debug,
            Some("trace") => Level::Trace,
            Some(_) | None => Level::Info,
        };
        let format = if values.text("format") == Some("json") {
            Format::Json
        } else {
            Format::Text
        };
        let access = match values.text("access") {
            Some("off") | None => Access::Off,
            Some("stdout") => Access::Stdout,
            Some(_) => Access::File(self.path(values, "access")),
        };
        Log {
            level,
            format,
            access,
        }
    }

    /// Where a secret is kept: in the file named, else in the environment if it is there.
    fn secret(
        &mut self,
        values: &Values,
        name: &str,
        variable: &'static str,
    ) -> Option<SecretSource> {
        let file = self.file(values, name).map(SecretSource::File);
        let set = self.surroundings.variables.contains(&variable);
        file.or_else(|| set.then_some(SecretSource::Variable(variable)))
    }
}

/// Whether two listeners would be in each other's way.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (everywhere || one.ip() == other.ip())
}
