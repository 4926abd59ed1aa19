//! The addresses a page may be reached under.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What a configuration expects of one.
pub const HOST_EXPECTED: &str = "a loopback address or localhost with a port, such as \
     \"localhost:8292\", or \"https://\" and a host that a proxy serves with TLS";

/// One address: `http://` and a loopback host, or `https://` and any host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// As a browser puts it into `Origin`.
    origin: String,
    /// As a browser puts it into `Host`.
    authority: String,
    secure: bool,
    port: u16,
}

impl Site {
    /// From the configuration: `HOST:PORT` for HTTP on this machine, or `https://HOST[:PORT]`.
    /// `None` for anything else: what a browser sends over plain HTTP through a network could be read
    /// by anybody.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (secure, authority) = match text.split_once("://") {
            None => (false, text),
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some(_) => return None,
        };
        let authority = authority.to_ascii_lowercase();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let digits = port.bytes().all(|byte| byte.is_ascii_digit());
                let port = port.parse().ok().filter(|port| digits && *port > 0)?;
                (host, Some(port))
            }
            _ => (authority.as_str(), None),
        };
        if !is_host(host) || !(secure || is_loopback(host)) || authority.len() > 255 {
            return None;
        }
        let default = if secure { 443 } else { 80 };
        // browsers leave the default port out
        let authority = if port == Some(default) {
            host.to_owned()
        } else {
            authority.clone()
        };
        Some(Self {
            origin: format!("{}://{authority}", if secure { "https" } else { "http" }),
            authority,
            secure,
            port: port.unwrap_or(default),
        })
    }

    /// The three addresses of a loopback port.
    #[must_use]
    pub fn of_port(port: u16) -> Vec<Self> {
        ["127.0.0.1", "localhost", "[::1]"]
            .iter()
            .filter_map(|host| Self::parse(&format!("{host}:{port}")))
            .collect()
    }

    /// `http://HOST:PORT`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn is_named(&self, host: &str) -> bool {
        self.authority.eq_ignore_ascii_case(host)
    }

    /// Browsers do not tell ports apart in cookies: so the port is in the name. `__Host-` holds a cookie
    /// to its host, and takes TLS.
    pub(super) fn cookie_name(&self) -> String {
        let prefix = if self.secure { "__Host-" } else { "" };
        format!("{prefix}ecg-gateway-{}", self.port)
    }

    /// `Set-Cookie` with this value; an empty one forgets it.
    pub(super) fn cookie(&self, value: &str, seconds: u64) -> String {
        format!(
            "{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{}",
            self.cookie_name(),
            if self.secure { "; Secure" } else { "" }
        )
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    !host.is_empty()
        && !host.starts_with(['.', '-'])
        && !host.ends_with('.')
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || host
            .parse()
            .is_ok_and(|address: Ipv4Addr| address.is_loopback())
        || address
            .parse()
            .is_ok_and(|address: Ipv6Addr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_loopback_or_behind_tls() {
        for (text, origin, cookie) in [
            (
                "127.0.0.1:8292",
                "http://127.0.0.1:8292",
                "ecg-gateway-8292",
            ),
            ("http://LocalHost:80", "http://localhost", "ecg-gateway-80"),
            ("ecg.localhost:9", "http://ecg.localhost:9", "ecg-gateway-9"),
            ("[::1]:8292", "http://[::1]:8292", "ecg-gateway-8292"),
            (
                "https://[2001:db8::1]",
                "https://[2001:db8::1]",
                "__Host-ecg-gateway-443",
            ),
            (
                "https://ecg.example.org:443",
                "https://ecg.example.org",
                "__Host-ecg-gateway-443",
            ),
            (
                "https://ecg:8443",
                "https://ecg:8443",
                "__Host-ecg-gateway-8443",
            ),
        ] {
            let site = Site::parse(text).unwrap();
            assert_eq!(
                (site.origin(), &*site.cookie_name()),
                (origin, cookie),
                "{text}"
            );
        }
        for text in [
            "",
            ":8292",
            "ecg.example.org",
            "ecg.example.org:8292",
            "192.168.1.5:8292",
            "0.0.0.0:8292",
            "localhost.:8292",
            "127.0.0.1:0",
            "127.0.0.1:65536",
            "127.0.0.1:+80",
            "ftp://127.0.0.1",
            "https://a/b",
            "https://user@host",
            "https://",
            "[::1",
            "https://a b",
            "[127.0.0.1]:80",
            "localhost.evil.example:8292",
            "127.0.0.1.evil.example:8292",
            "https://\u{e9}x",
        ] {
            assert_eq!(Site::parse(text), None, "{text}");
        }
        assert_eq!(Site::of_port(8292).len(), 3);
    }
}
