//! The cookie header.

use super::secret::Secret;

/// The secret in the cookie of this name; `None` where there is none, where it cannot be one, and where
/// two differ: one of them was set by somebody else on this host (cookies are the same for all ports).
pub(super) fn secret<'a>(
    headers: impl IntoIterator<Item = &'a [u8]>,
    name: &str,
) -> Option<Secret> {
    let mut found: Option<&str> = None;
    for header in headers {
        for pair in header.split(|byte| *byte == b';') {
            let Some((key, value)) = std::str::from_utf8(pair)
                .ok()
                .and_then(|pair| pair.split_once('='))
            else {
                continue;
            };
            if key.trim_matches([' ', '\t']) != name {
                continue;
            }
            let value = value.trim_matches([' ', '\t']);
            if found.is_some_and(|found| found != value) {
                return None;
            }
            found = Some(value);
        }
    }
    found.and_then(Secret::from_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_of_our_port_is_found_and_no_other() {
        let name = "ecg-gateway-8292";
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        for (headers, expected) in [
            (vec![format!("{name}={one}")], Some(&one)),
            (vec![format!("a=b; {name}={one};c")], Some(&one)),
            (vec!["x=y".to_owned(), format!("{name}={one}")], Some(&one)),
            (vec![format!("{name}={one}; {name}={one}")], Some(&one)),
            (vec![format!("{name}={one}; {name}={two}")], None),
            (vec![format!("{name}={one}"), format!("{name}=")], None),
            (vec![format!("ecg-gateway-8293={one}")], None),
            (vec![format!("xecg-gateway-8292={one}")], None),
            (vec![format!("{name}=\"{one}\"")], None),
            (vec![format!("{name}={one}0")], None),
            (vec![name.to_owned(), String::new()], None),
        ] {
            let bytes = headers.iter().map(String::as_bytes);
            let found = secret(bytes, name);
            assert_eq!(
                found.as_ref().map(Secret::text),
                expected.map(String::as_str),
                "{headers:?}"
            );
        }
        assert!(secret([&b"\xff=\xff; \xfe"[..]], name).is_none());
    }
}
