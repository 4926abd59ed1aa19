//! The page's files, which are part of the program.
//!
//! The front end's build writes them with a list, `files.rs`: one array expression of [`File`]s, whose
//! `include_bytes!` are relative to it. Each file is there compressed by gzip, and is served so to all
//! that take it; for others it is unpacked.

use std::borrow::Cow;
use std::io::Read;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// One file of the page.
#[derive(Debug, Clone, Copy)]
pub(super) struct File {
    /// Below the root, such as `index.html` or `assets/app-3f9ab2c1d4e5.js`.
    pub(super) name: &'static str,
    pub(super) content_type: &'static str,
    /// Length of the file as it is, before it was compressed.
    pub(super) bytes: usize,
    /// The file, compressed by gzip.
    pub(super) gzip: &'static [u8],
}

/// The list of the front end's build.
const FILES: &[File] = &include!("../../../web/dist/files.rs");

/// The page itself; it takes a session.
pub(super) const PAGE: &str = "index.html";
/// What is served without a session.
pub(super) const SIGN_IN: &str = "sign-in.html";
pub(super) const WITHOUT_SESSION: [&str; 2] = ["sign-in.js", "sign-in.css"];
/// Below this a file's name holds the hash of its content: whoever has it has it for good.
const HASHED: &str = "assets/";

/// The answer with a file, `None` where there is none of this name.
pub(super) fn serve(name: &str, method: &Method, headers: &HeaderMap) -> Option<Response> {
    let file = FILES.iter().find(|file| file.name == name)?;
    let gzip = takes_gzip(headers);
    let body = match gzip {
        true => Cow::Borrowed(file.gzip),
        false => Cow::Owned(unpacked(file)?),
    };
    let length = body.len();
    let body = match (body, method == Method::HEAD) {
        (_, true) => Body::empty(),
        (Cow::Borrowed(bytes), _) => Body::from(bytes),
        (Cow::Owned(bytes), _) => Body::from(bytes),
    };
    let mut response = (StatusCode::OK, body).into_response();
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static(file.content_type);
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if name.starts_with(HASHED) {
        let for_good = HeaderValue::from_static("private, max-age=31536000, immutable");
        headers.insert(header::CACHE_CONTROL, for_good);
    }
    Some(response)
}

fn unpacked(file: &File) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(file.bytes);
    flate2::read::GzDecoder::new(file.gzip)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

/// Whether `Accept-Encoding` lists gzip, and not with a weight of 0.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter();
    let mut codings = lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','));
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").unwrap_or("0");
        name.trim().eq_ignore_ascii_case("gzip")
            && weight.parse::<f32>().is_ok_and(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_whole_and_those_of_the_contract_are_there() {
        for name in [PAGE, SIGN_IN].into_iter().chain(WITHOUT_SESSION) {
            assert!(FILES.iter().any(|file| file.name == name), "{name}");
        }
        for file in FILES {
            let bytes = unpacked(file).unwrap_or_else(|| panic!("{}: no gzip", file.name));
            assert_eq!(bytes.len(), file.bytes, "{}", file.name);
            assert!(!file.name.starts_with('/') && !file.name.contains(".."));
            assert!(HeaderValue::from_str(file.content_type).is_ok());
            // everything comes from here, and nothing of it stands in the page
            if file.content_type.starts_with("text/html") {
                let text = String::from_utf8(bytes).unwrap();
                for inline in [
                    "<style",
                    " style=",
                    " onclick=",
                    "javascript:",
                    "//cdn",
                    "https://",
                ] {
                    assert!(!text.contains(inline), "{}: {inline}", file.name);
                }
                for script in text.split("<script").skip(1) {
                    let tag = script.split('>').next().unwrap_or_default();
                    assert!(tag.contains("src=\"/"), "{}: <script{tag}>", file.name);
                }
            }
        }
        let mut names: Vec<_> = FILES.iter().map(|file| file.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FILES.len());
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (accepts, gzip) in [
            (None, false),
            (Some("gzip, deflate, br, zstd"), true),
            (Some("br;q=1.0, GZIP;q=0.5"), true),
            (Some("gzip;q=0"), false),
            (Some("gzip;q=0.000, *"), false),
            (Some("identity"), false),
            (Some("xgzip"), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accepts) = accepts {
                let accepts = HeaderValue::from_static(accepts);
                headers.insert(header::ACCEPT_ENCODING, accepts);
            }
            assert_eq!(takes_gzip(&headers), gzip, "{accepts:?}");
        }
    }
}
