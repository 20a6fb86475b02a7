use datafusion::prelude::SessionContext;

use crate::engine::template;
use crate::{Error, Limits};

async fn check(sql: &str) -> std::result::Result<(), Error> {
    let limits = Limits {
        function_bytes_max: 1 << 20,
        ..Limits::default()
    };
    let context = SessionContext::new_with_state(template(&limits)?);
    context.sql(sql).await?.collect().await?;
    Ok(())
}

#[tokio::test]
async fn results_beyond_the_bound_are_refused_before_they_are_made() {
    for sql in [
        "SELECT repeat('x', 2000000000)",
        "SELECT repeat(s, n) FROM (VALUES ('abc', 1), ('abcd', 2000000000)) AS t(s, n)",
        "SELECT lpad('x', 2000000000)",
        "SELECT rpad(s, 2000000000, 'ab') FROM (VALUES ('x')) AS t(s)",
        "SELECT range(10000000000)",
        "SELECT generate_series(1, 10000000000)",
        "SELECT generate_series(1, 9223372036854775807, n) FROM (VALUES (1), (1000)) AS t(n)",
        "SELECT generate_series(-9223372036854775807, 9223372036854775807)",
        "SELECT range(10000000000, 0, -1)",
        "SELECT range(DATE '1900-01-01', DATE '9000-01-01', INTERVAL '1 day')",
        "SELECT range(TIMESTAMP '2000-01-01', TIMESTAMP '2020-01-01', INTERVAL '1 nanosecond')",
        "SELECT array_repeat(1, 2000000000)",
        "SELECT list_repeat(repeat('x', 1000), 2000)",
        "SELECT array_resize([1], 2000000000)",
    ] {
        let error = check(sql).await.expect_err(sql);
        assert!(
            matches!(
                error,
                Error::ResourceExhausted {
                    what: "the result of a function",
                    ..
                }
            ),
            "{sql}: {error}"
        );
    }
}

#[tokio::test]
async fn ordinary_results_pass() {
    for sql in [
        "SELECT repeat('ab', 3), lpad('x', 10, 'ab'), rpad('x', 10), range(10), generate_series(1, 10, 3)",
        "SELECT repeat(s, n), range(n), array_repeat(n, n) FROM (VALUES ('a', 1), (NULL, 2), ('b', NULL)) AS t(s, n)",
        "SELECT range(5, 0, -2), range(0, 5, -1), range(NULL, 5, 1), array_resize([1], 3, 0)",
        "SELECT generate_series(DATE '2026-01-01', DATE '2026-02-01', INTERVAL '1 day')",
        "SELECT generate_series(TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-02', INTERVAL '1 hour')",
        "SELECT repeat('x', -5), lpad('x', -1)",
    ] {
        check(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}
