//! The auditor's page (`ledger/audit`), which checks receipts and head proofs in a browser: the files of that folder, carried in the
//! binary. Any static host can serve the same files; nothing in them knows where it is.

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::Redirect;
use axum::routing::get;

/// What a page cannot say of itself; the rest of its policy stands in `index.html`, for every host.
const POLICY: HeaderValue = HeaderValue::from_static("frame-ancestors 'none'");

/// A page of this release with a script of the last would be neither: browsers ask each time.
const CACHE: HeaderValue = HeaderValue::from_static("no-cache");

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../audit/", $name)))),*]
    };
}

const FILES: [(&str, &str); 17] = files![
    "index.html",
    "style.css",
    "bytes.js",
    "blake3.js",
    "tree.js",
    "note.js",
    "trust.js",
    "receipt.js",
    "heads.js",
    "json.js",
    "commit.js",
    "verify.js",
    "headreport.js",
    "elements.js",
    "drawing.js",
    "files.js",
    "page.js",
];

/// The routes below `/audit/`; `/audit` leads there, so that the page finds its scripts beside it.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let page = Router::new().route("/audit", get(|| async { Redirect::permanent("audit/") }));
    FILES.into_iter().fold(page, |page, (name, text)| {
        let path = if name == "index.html" {
            "/audit/".to_owned()
        } else {
            format!("/audit/{name}")
        };
        page.route(&path, get(move || async move { (headers(name), text) }))
    })
}

fn headers(name: &str) -> [(HeaderName, HeaderValue); 5] {
    let content_type = match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "text/javascript; charset=utf-8",
    };
    [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, CACHE),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_carries_every_file_of_its_folder_and_names_every_script() {
        // asked when it runs: a compiled test outlives the checkout that it was compiled in
        let folder = format!("{}/audit", std::env::var("CARGO_MANIFEST_DIR").unwrap());
        let mut on_disk: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        on_disk.sort();
        let mut carried: Vec<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        carried.sort();
        assert_eq!(carried, on_disk);
        let (_, index) = FILES[0];
        for (name, _) in &FILES[1..] {
            assert!(
                index.contains(&format!("=\"{name}\"")),
                "index.html does not name {name}"
            );
        }
    }
}
