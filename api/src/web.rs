//! The dashboard under `/ui/`, out of the binary.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use hashbrown::HashMap;
use sha2::{Digest as _, Sha256};

/// One file of the dashboard, with what it is packed to.
pub struct Asset {
    path: &'static str,
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/web_assets.rs"));

/// Nothing from elsewhere, no inline script, no eval, no frame around us.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What is shown where the dashboard was not built in.
const ABSENT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tellee</title>\
     <p>The dashboard is not part of this build. Build it with <code>make build</code>. \
     The API works without it.</p></html>";

struct Entry {
    asset: &'static Asset,
    etag: String,
}

static BY_PATH: LazyLock<HashMap<&'static str, Entry>> = LazyLock::new(|| {
    ASSETS
        .iter()
        .map(|asset| {
            let etag = format!("\"{}\"", hex::encode(&Sha256::digest(asset.plain)[..12]));
            (asset.path, Entry { asset, etag })
        })
        .collect()
});

/// Whether the dashboard was built in.
pub fn is_built_in() -> bool {
    !ASSETS.is_empty()
}

pub fn router() -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/ui/") }))
        .route("/ui", get(|| async { Redirect::temporary("/ui/") }))
        .route("/ui/", get(index))
        .route("/ui/{*path}", get(file))
}

async fn index(headers: HeaderMap) -> Response {
    serve("index.html", &headers)
}

/// A file, or the page for one of its own addresses.
async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    let is_file = path
        .rsplit('/')
        .next()
        .is_some_and(|name| name.contains('.'));
    if is_file {
        serve(&path, &headers)
    } else {
        serve("index.html", &headers)
    }
}

fn serve(path: &str, headers: &HeaderMap) -> Response {
    let Some(entry) = BY_PATH.get(path) else {
        if path == "index.html" {
            return page(ABSENT);
        }
        return StatusCode::NOT_FOUND.into_response();
    };
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|value| value == entry.etag.as_str());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        body(entry, headers)
    };
    let head = response.headers_mut();
    insert(head, header::ETAG, &entry.etag);
    insert(head, header::VARY, "accept-encoding");
    // Names under assets/ carry a hash of their content.
    let cache = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    insert(head, header::CACHE_CONTROL, cache);
    insert(
        head,
        header::CONTENT_SECURITY_POLICY,
        CONTENT_SECURITY_POLICY,
    );
    response
}

fn body(entry: &Entry, headers: &HeaderMap) -> Response {
    let accepts = |encoding: &str| {
        headers
            .get(header::ACCEPT_ENCODING)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| {
                value
                    .split(',')
                    .any(|part| part.trim().split(';').next() == Some(encoding))
            })
    };
    let asset = entry.asset;
    let (bytes, encoding) = match (asset.brotli, asset.gzip) {
        (Some(brotli), _) if accepts("br") => (brotli, Some("br")),
        (_, Some(gzip)) if accepts("gzip") => (gzip, Some("gzip")),
        _ => (asset.plain, None),
    };
    let mut response = bytes.into_response();
    insert(
        response.headers_mut(),
        header::CONTENT_TYPE,
        content_type(asset.path),
    );
    if let Some(encoding) = encoding {
        insert(response.headers_mut(), header::CONTENT_ENCODING, encoding);
    }
    response
}

fn page(html: &'static str) -> Response {
    let mut response = html.into_response();
    insert(
        response.headers_mut(),
        header::CONTENT_TYPE,
        "text/html; charset=utf-8",
    );
    insert(
        response.headers_mut(),
        header::CONTENT_SECURITY_POLICY,
        CONTENT_SECURITY_POLICY,
    );
    response
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_address_of_the_dashboard_leads_to_its_page() {
        for path in ["", "alarms", "assets-of-the-plant/p-101"] {
            let response = file(Path(path.to_owned()), HeaderMap::new()).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            let policy = response
                .headers()
                .get(header::CONTENT_SECURITY_POLICY)
                .unwrap();
            assert!(!policy.to_str().unwrap().contains("unsafe"));
        }
        let missing = file(Path("assets/none.js".to_owned()), HeaderMap::new()).await;
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    }
}
