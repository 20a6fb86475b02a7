//! A URL without what it keeps secret.

use url::Url;

/// What stands where a secret stood.
const REDACTED: &str = "redacted";

/// The URL as commits, histories and messages name it: no user, no password, no fragment, and of the query the names
/// only. Which value of a query is a secret nobody can tell from its name.
pub(super) fn redacted(url: &Url) -> String {
    let mut named = url.clone();
    // Both fail only for URLs that can have neither.
    let _ = named.set_username("");
    let _ = named.set_password(None);
    named.set_fragment(None);
    let query = url.query().map(|query| {
        let pieces = query.split('&').map(|piece| match piece.split_once('=') {
            Some((name, _)) => format!("{name}={REDACTED}"),
            // A value without a name.
            None => REDACTED.to_owned(),
        });
        pieces.collect::<Vec<_>>().join("&")
    });
    named.set_query(query.as_deref());
    named.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_named_without_what_it_keeps_secret() {
        for (url, named) in [
            ("https://example.com/a.csv", "https://example.com/a.csv"),
            (
                "https://me:pw@example.com:8443/a.csv#top",
                "https://example.com:8443/a.csv",
            ),
            (
                "https://example.com/a.csv?part=2&X-Amz-Signature=abc",
                "https://example.com/a.csv?part=redacted&X-Amz-Signature=redacted",
            ),
            (
                "https://example.com/?abc&d=e=f",
                "https://example.com/?redacted&d=redacted",
            ),
            ("s3://id:key@bucket/a.csv?sig=abc", "s3://bucket/a.csv?sig=redacted"),
        ] {
            assert_eq!(redacted(&Url::parse(url).unwrap()), named);
        }
    }
}
