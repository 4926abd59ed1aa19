//! What a request must say before anything else of it is looked at.

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};

use super::site::Site;
pub(super) use crate::api::body::MOST_BODY_BYTES;
use crate::api::problem::{Kind, Problem};

/// The address the request came to: the one its `Host` names. Whatever else it names is a name that
/// somebody made lead here (DNS rebinding), or another server's.
pub(super) fn site<'a>(parts: &Parts, sites: &'a [Site]) -> Result<&'a Site, Problem> {
    let refuse = |found: &str| {
        let detail = format!(
            "this server is not {found:?}: it is reached under the hosts of [web] in its configuration"
        );
        Err(Problem::new(Kind::WrongHost, detail))
    };
    let Some(host) = only(&parts.headers, header::HOST) else {
        return refuse("without one Host");
    };
    // a request line may name a host, too, and then that is the one that counts
    if let Some(authority) = parts.uri.authority()
        && !authority.as_str().eq_ignore_ascii_case(host)
    {
        return refuse(authority.as_str());
    }
    match sites.iter().find(|site| site.is_named(host)) {
        Some(site) => Ok(site),
        None => refuse(host),
    }
}

/// Refuses what a page of somebody else made the browser ask.
///
/// Browsers say where a request comes from in `Origin` and `Sec-Fetch-Site`, and let no page write
/// these. Reading takes that nothing speaks against it; changing takes both. Another port of this host
/// is `same-site`, and gets the cookie, so that alone would not do.
pub(super) fn origin(parts: &Parts, site: &Site) -> Result<(), Problem> {
    let headers = &parts.headers;
    let refuse = |what: &str| Err(Problem::new(Kind::OtherOrigin, what));
    let origin = match every(headers, header::ORIGIN)[..] {
        [] => None,
        [origin] if origin == site.origin().as_bytes() => Some(()),
        _ => {
            let detail = format!("Origin: expected {} and nothing else", site.origin());
            return refuse(&detail);
        }
    };
    let fetched = match every(headers, SEC_FETCH_SITE)[..] {
        [] => None,
        [fetched] => Some(fetched),
        _ => return refuse("Sec-Fetch-Site: found more than one"),
    };
    let dest = only(headers, "sec-fetch-dest").unwrap_or_default();
    if ["iframe", "frame", "embed", "object", "fencedframe"].contains(&dest) {
        return refuse("this page is not shown inside another one");
    }
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    if !reads || is_upgrade(headers) {
        if origin.is_none() {
            let detail = format!("Origin: found none, expected {}", site.origin());
            return refuse(&detail);
        }
        // a handshake has no Sec-Fetch-Site in some browsers
        let same = fetched == Some(b"same-origin") || (reads && fetched.is_none());
        return if same {
            Ok(())
        } else {
            refuse("Sec-Fetch-Site: expected same-origin")
        };
    }
    // a link to the page, from wherever: it opens it and reads nothing
    let link = dest == "document"
        && only(headers, "sec-fetch-mode") == Some("navigate")
        && parts.uri.path() == "/";
    match fetched {
        None | Some(b"same-origin" | b"none") => Ok(()),
        _ if link => Ok(()),
        _ => refuse("Sec-Fetch-Site: expected same-origin or none"),
    }
}

/// Refuses a body that is no JSON, or announced to be too long.
pub(super) fn body(headers: &HeaderMap) -> Result<(), Problem> {
    let length = only(headers, header::CONTENT_LENGTH);
    let announced = length.is_some_and(|length| length != "0")
        || headers.contains_key(header::TRANSFER_ENCODING);
    if !announced {
        return Ok(());
    }
    if length.is_some_and(|length| length.parse::<usize>().is_ok_and(|it| it > MOST_BODY_BYTES)) {
        return Err(too_large());
    }
    let json = only(headers, header::CONTENT_TYPE).is_some_and(|value| {
        let name = value.split(';').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("application/json")
    });
    if json {
        Ok(())
    } else {
        let detail = "Content-Type: expected application/json";
        Err(Problem::new(Kind::NotJson, detail))
    }
}

pub(super) fn too_large() -> Problem {
    let detail = format!("send at most {MOST_BODY_BYTES} bytes");
    Problem::new(Kind::BodyTooLarge, detail)
}

const SEC_FETCH_SITE: &str = "sec-fetch-site";

fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
}

fn every(headers: &HeaderMap, name: impl header::AsHeaderName) -> Vec<&[u8]> {
    headers
        .get_all(name)
        .iter()
        .map(axum::http::HeaderValue::as_bytes)
        .collect()
}

/// A header that stands there once, in ASCII.
fn only(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(())?;
    value.to_str().ok()
}
