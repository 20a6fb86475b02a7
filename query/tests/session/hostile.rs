//! Statements by which somebody with a login would end or block the node, each of which once did.
//!
//! They run on threads with the stack that the service gives its own, in memory that the limits leave. What fails here ends
//! the test's process: an allocation that the machine refuses cannot be caught, nor a stack that overflows.

use std::time::{Duration, Instant};

use dab_query::{Error, ErrorKind, Limits, STACK_BYTES, Statement};
use datafusion::common::ScalarValue;

use crate::world::{World, collect};

/// What an answer may take on a busy machine, compiled without optimisation.
const SOON: Duration = Duration::from_secs(60);

fn limits() -> Limits {
    Limits {
        memory_bytes: 256 << 20,
        function_bytes_max: 64 << 20,
        partitions: 2,
        statement_timeout: Duration::from_secs(30),
        ..Limits::default()
    }
}

/// Runs on threads like the service's own.
fn on_query_threads<F: Future<Output = ()> + Send + 'static>(test: F) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder
        .worker_threads(2)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(runtime.spawn(test)).unwrap();
}

async fn exhausts(world: &World, sql: &str, part: &str) {
    let started = Instant::now();
    let text: String = sql.chars().take(80).collect();
    let error = match world.session.prepare(sql).await {
        Ok(Statement::Write(write)) => write.execute().await.map(drop),
        Ok(query) => collect(&query).await.map(drop),
        Err(error) => Err(error),
    };
    let error = error.expect_err(&text);
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{text}: {error}");
    assert!(error.to_string().contains(part), "{text}: {error}");
    assert!(started.elapsed() < SOON, "{text}: {:?}", started.elapsed());
}

#[test]
fn what_functions_produce_is_bounded_and_the_error_names_them() {
    on_query_threads(async {
        let world = World::with_limits(limits()).await;
        for (sql, name) in [
            ("SELECT range(250000) FROM generate_series(1, 8192)", "range"),
            (
                "SELECT generate_series(1, 250000) FROM generate_series(1, 8192)",
                "generate_series",
            ),
            (
                "SELECT unnest(range(x * 100000)) FROM generate_series(1, 8192) AS s(x)",
                "range",
            ),
            (
                "SELECT replace(repeat('a', 20000), 'a', repeat('b', 1000000))",
                "replace",
            ),
            ("SELECT repeat('a', 100000) FROM generate_series(1, 8192)", "repeat"),
            ("SELECT repeat(repeat('a', 100000), 1000000)", "repeat"),
            (
                "SELECT concat(s, s, s, s) FROM (SELECT repeat('a', x * 40) AS s FROM generate_series(1, 1500) AS t(x))",
                "concat",
            ),
            ("SELECT concat_ws(repeat('-', 60000000), 'a', 'b', 'c')", "concat_ws"),
            (
                "SELECT s || s || s FROM (SELECT repeat('a', 20000) AS s FROM generate_series(1, 2000))",
                "||",
            ),
            (
                "SELECT array_to_string(range(400000), repeat('-', 1000))",
                "array_to_string",
            ),
            ("SELECT array_repeat(range(1000), 1000000)", "array_repeat"),
            (
                "SELECT array_resize([repeat('a', 100000)], 1000000, repeat('a', 100000))",
                "array_resize",
            ),
            (
                "SELECT [l, l, l, l] FROM (SELECT range(x) AS l FROM generate_series(1, 3000) AS t(x))",
                "make_array",
            ),
            (
                "SELECT regexp_replace(repeat('a', 100000), 'a', repeat('b', 100000), 'g')",
                "regexp_replace",
            ),
            (
                "SELECT regexp_match(repeat('a', 1000000), repeat('(', 200) || 'a*' || repeat(')', 200))",
                "regexp_match",
            ),
            (
                "SELECT overlay(s PLACING s FROM 5) FROM (SELECT repeat('a', x * 30) AS s FROM generate_series(1, 2000) AS t(x))",
                "overlay",
            ),
            ("SELECT lpad('a', 100000000, 'b'), rpad('a', 100000000, 'b')", "pad"),
            ("SELECT string_to_array(repeat('a,', 20000000), ',')", "string_to_array"),
            ("SELECT encode(repeat('a', 60000000), 'hex')", "encode"),
            ("SELECT to_char(now(), repeat('%A', 10000000))", "to_char"),
            (
                "SELECT CAST(repeat('a', 60000000) AS VARCHAR) FROM generate_series(1, 100)",
                "CAST",
            ),
            (
                "SELECT (SELECT string_agg('xxxxxxxxxx', '') FROM generate_series(1, 100000)) FROM generate_series(1, 8192)",
                "a subquery",
            ),
            (
                "SELECT CASE WHEN x > 1 THEN repeat('a', 1000000) ELSE '' END FROM generate_series(1, 8192) AS s(x)",
                "repeat",
            ),
            (
                "INSERT INTO t VALUES (1, repeat('a', 50000000)), (2, repeat('b', 50000000))",
                "repeat",
            ),
        ] {
            if sql.starts_with("INSERT") {
                world.write("CREATE TABLE t (n INT, s VARCHAR)").await;
            }
            exhausts(&world, sql, name).await;
        }
        let literal = format!("SELECT '{}' FROM generate_series(1, 8192)", "x".repeat(1_000_000));
        exhausts(&world, &literal, "a constant would take about").await;
        assert_eq!(world.rows("SELECT 1").await, "1");
    });
}

#[test]
fn what_functions_have_produced_counts_towards_memory() {
    on_query_threads(async {
        let world = World::with_limits(limits()).await;
        let columns: Vec<_> = (0..100).map(|at| format!("repeat('{at}', 5000000) AS c{at}")).collect();
        exhausts(&world, &format!("SELECT {}", columns.join(", ")), "memory is limited").await;
        for sql in [
            "SELECT x, count(*) OVER () FROM generate_series(1, 1000000000) AS s(x)",
            "SELECT string_agg(s, '') FROM (SELECT repeat('a', 1000) AS s, x FROM generate_series(1, 1000000) AS t(x))",
        ] {
            exhausts(&world, sql, "memory is limited").await;
        }
        assert_eq!(world.rows("SELECT 1").await, "1");
    });
}

#[test]
fn an_aggregate_for_each_row_of_a_window_is_bounded() {
    on_query_threads(async {
        let world = World::with_limits(limits()).await;
        let texts = "(SELECT CAST(x AS VARCHAR) AS s, x FROM generate_series(1, 100000) AS t(x))";
        for window in ["", "ORDER BY x", "PARTITION BY x % 2"] {
            exhausts(
                &world,
                &format!("SELECT string_agg(s, ',') OVER ({window}) FROM {texts}"),
                "limited to",
            )
            .await;
            exhausts(
                &world,
                &format!("SELECT array_agg(x) OVER ({window}) FROM {texts}"),
                "limited to",
            )
            .await;
        }
        let sql = "SELECT max(s) OVER (PARTITION BY x % 2), array_agg(x) OVER (ORDER BY x ROWS 3 PRECEDING) FROM";
        assert_eq!(world.rows(&format!("{sql} {texts}")).await.lines().count(), 100_000);
    });
}

#[test]
fn functions_that_take_longer_than_in_proportion_are_bounded() {
    on_query_threads(async {
        let world = World::with_limits(limits()).await;
        let (a, b) = ("repeat('a', 1000000)", "repeat('b', 1000000)");
        for (sql, name) in [
            (format!("SELECT levenshtein({a}, {b})"), "levenshtein"),
            (format!("SELECT btrim({a}, {b} || 'a'), ltrim({a}, {b} || 'a')"), "trim"),
            (format!("SELECT regexp_like({a}, '(a?){{10000}}a{{10000}}')"), "pattern"),
            (format!("SELECT {a} ~ '(a?){{10000}}a{{10000}}'"), "pattern"),
            (
                "SELECT array_has_all(range(1000000), range(1000000))".to_owned(),
                "array_has_all",
            ),
            (
                "SELECT regexp_count('a', '(\\w{500}){2}' || x) FROM generate_series(1, 8192) AS t(x)".to_owned(),
                "regexp_count",
            ),
        ] {
            exhausts(&world, &sql, name).await;
        }
        assert_eq!(world.rows("SELECT levenshtein('kitten', 'sitting')").await, "3");
    });
}

#[test]
fn ordinary_expressions_over_whole_batches_pass() {
    on_query_threads(async {
        let world = World::with_limits(limits()).await;
        world
            .write(
                "CREATE TABLE t AS SELECT x AS id, 'customer number ' || x AS name, [x, x + 1] AS l \
                 FROM generate_series(1, 20000) AS s(x)",
            )
            .await;
        for (sql, expected) in [
            ("SELECT max(length(concat(name, '-', id, '-', name))) FROM t", "49"),
            ("SELECT name || '/' || id FROM t WHERE id = 7", "customer number 7/7"),
            (
                "SELECT regexp_replace(name, '(\\w+) number', '\\1') FROM t WHERE id = 7",
                "customer 7",
            ),
            (
                "SELECT count(*) FROM t WHERE name ~ 'number \\d7$' AND name LIKE 'c%'",
                "9",
            ),
            ("SELECT count(DISTINCT replace(name, 'o', 'oo')) FROM t", "20000"),
            ("SELECT array_to_string(l, ',') FROM t WHERE id = 3", "3,4"),
            ("SELECT count(*) FROM t WHERE array_has(range(1000), id)", "999"),
            (
                "SELECT length(repeat('x', 1000000)), array_length(range(100000))",
                "1000000|100000",
            ),
            ("SELECT max(levenshtein(name, 'customer number 1')) FROM t", "5"),
            ("SELECT count(*) FROM (SELECT unnest(l) FROM t)", "40000"),
            ("SELECT length(string_agg(name, ',')) FROM t WHERE id < 10", "161"),
            (
                "SELECT CASE WHEN id > 1 THEN name ELSE 'first' END FROM t ORDER BY id LIMIT 1",
                "first",
            ),
            (
                "SELECT max(name || 'x') FROM t GROUP BY length(name || 'x') ORDER BY 1 LIMIT 1",
                "customer number 20000x",
            ),
            ("SELECT NULL || 'a', 'a' || 1", "NULL|a1"),
            // the batches of an aggregate are slices of one
            (
                "SELECT count(*) FROM (SELECT k, sum(v) / sum(sum(v)) OVER () FROM \
                 (SELECT x AS k, x AS v FROM generate_series(1, 500000) AS s(x)) GROUP BY k)",
                "500000",
            ),
            (
                "SELECT count(*) FROM t WHERE repeat(name, 40) ~ 'error.{0,1000}timeout'",
                "0",
            ),
        ] {
            assert_eq!(world.rows(sql).await, expected, "{sql}");
        }
        let names = world
            .batches("SELECT name || 'x', CAST(id AS VARCHAR), 'a' || 'b' FROM t LIMIT 1")
            .await
            .unwrap();
        let names: Vec<_> = names[0]
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        assert_eq!(names, ["t.name || Utf8(\"x\")", "t.id", "Utf8(\"a\") || Utf8(\"b\")"]);
    });
}

fn chain(times: usize, query: &str) -> String {
    let mut sql = "WITH a0 AS (SELECT name AS s, id AS n FROM t)".to_owned();
    for at in 1..times {
        sql += &format!(", a{at} AS ({})", query.replace('@', &format!("a{}", at - 1)));
    }
    format!("{sql} SELECT * FROM a{}", times - 1)
}

/// Each of these overflowed a stack, filled the memory or went on for minutes; the last few are as large as passes.
#[test]
fn statements_of_any_shape_get_an_answer() {
    on_query_threads(async {
        let world = World::with_limits(limits()).await;
        world.write("CREATE TABLE t AS SELECT 1 AS id, 'x' AS name").await;
        let numbers = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        let joins = |times: usize| " JOIN t AS u ON t.id = u.id".repeat(times);
        for sql in [
            chain(5_000, "SELECT * FROM @"),
            chain(5_000, "SELECT s || s AS s, n FROM @"),
            chain(30, "SELECT s || s AS s, n FROM @") + " WHERE s = 'x'",
            chain(40, "SELECT * FROM @ UNION ALL SELECT * FROM @"),
            chain(40, "SELECT x.s, x.n FROM @ AS x, @ AS y"),
            chain(60, "SELECT s, n + 1 AS n FROM @ GROUP BY s, n"),
            format!("{}SELECT 1{}", "SELECT * FROM (".repeat(2_000), ")".repeat(2_000)),
            format!("SELECT id FROM t{}", " UNION ALL SELECT id FROM t".repeat(5_000)),
            format!("SELECT id FROM t{}", " UNION ALL SELECT id FROM t".repeat(300)),
            format!("SELECT 1 FROM t{}", joins(150)),
            format!("SELECT 1 FROM t{0} UNION ALL SELECT 1 FROM t{0}", joins(75)),
            format!("SELECT (SELECT 1 FROM t{}) FROM t", joins(150)),
            format!("SELECT 1 FROM t WHERE id IN ({})", numbers(150_000)),
            format!("SELECT 1 FROM t WHERE id IN ({})", numbers(40_000)),
            format!(
                "SELECT 1 FROM t WHERE {}",
                vec!["id IN (1, 2, 3, 4)"; 300].join(" AND ")
            ),
            "SELECT CAST(NULL AS INT[2000000000])".to_owned(),
            "SELECT arrow_cast(NULL, 'FixedSizeBinary(2000000000)')".to_owned(),
        ] {
            for sql in [sql.clone(), format!("EXPLAIN {sql}")] {
                let text: String = sql.chars().take(80).collect();
                let started = Instant::now();
                let failed = match world.session.prepare(&sql).await {
                    Ok(statement) => everything(statement).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = failed {
                    assert_ne!(error.kind(), ErrorKind::Internal, "{text}: {error}");
                }
                assert!(started.elapsed() < SOON, "{text}: {:?}", started.elapsed());
            }
        }
    });
}

/// Runs a statement, and copies and drops it on a thread with an ordinary stack, as a cache of statements may.
async fn everything(statement: Statement) -> Result<(), Error> {
    let copy = statement.clone();
    let elsewhere = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        assert!(copy.bytes() > 0);
        drop(copy.clone());
        drop(copy);
    });
    elsewhere.unwrap().join().unwrap();
    let ran = collect(&statement).await.map(drop);
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || drop(statement))
        .unwrap()
        .join()
        .unwrap();
    ran
}

#[test]
fn a_statement_tells_what_it_takes_to_keep_it() {
    on_query_threads(async {
        let world = World::with_limits(limits()).await;
        let small = world.session.prepare("SELECT $1").await.unwrap();
        let numbers: Vec<_> = (0..20_000).map(|n| n.to_string()).collect();
        let list = format!("SELECT 1 WHERE 1 IN ({})", numbers.join(","));
        let large = world.session.prepare(&list).await.unwrap();
        assert!(small.bytes() < 100_000, "{}", small.bytes());
        assert!(large.bytes() > 20_000 * 64, "{}", large.bytes());
        let before = small.bytes();
        let bound = small.bind(&[ScalarValue::from("x".repeat(1_000_000))]).unwrap();
        assert!(bound.bytes() > before + 1_000_000, "{}", bound.bytes());
    });
}

/// DataFusion takes these at their word: a series that never ends, room for more centroids than there is memory, and a
/// frame beyond the last number.
#[test]
fn figures_that_lead_nowhere_are_refused() {
    on_query_threads(async {
        let world = World::with_limits(limits()).await;
        for series in [
            "range(DATE '2020-04-01', DATE '2020-03-01', INTERVAL '1 month -30 days')",
            "generate_series(TIMESTAMP '2020-04-01', TIMESTAMP '2020-05-05', INTERVAL '1 month -30 days')",
            "generate_series(TIMESTAMP '2020-04-01', TIMESTAMP '2020-05-05', INTERVAL '1 day -24 hours')",
        ] {
            exhausts(&world, &format!("SELECT array_length({series})"), "limited to").await;
        }
        for (sql, words) in [
            ("approx_percentile_cont(a, 0.5, 20000000000000)", "centroids"),
            ("approx_percentile_cont(a, 0.5, 10 * 2000000000000)", "centroids"),
            (
                "approx_percentile_cont_with_weight(a, 1, 0.5, 20000000000000)",
                "centroids",
            ),
            (
                "sum(a) OVER (ROWS BETWEEN 9223372036854775807 PRECEDING AND 18446744073709551615 FOLLOWING)",
                "frame",
            ),
        ] {
            let error = world
                .error(&format!("SELECT {sql} FROM (VALUES (1), (2)) AS t(a)"))
                .await;
            assert!(error.to_string().contains(words), "{sql}: {error}");
        }
        for (sql, expected) in [
            (
                "SELECT array_length(generate_series(DATE '2020-01-31', DATE '2020-12-31', INTERVAL '1 month'))",
                "12",
            ),
            (
                "SELECT approx_percentile_cont(a, 0.5, 200) FROM (VALUES (1), (2), (3)) AS t(a)",
                "2.0",
            ),
            (
                "SELECT sum(a) OVER (ORDER BY a ROWS 1 PRECEDING) FROM (VALUES (1), (2)) AS t(a) LIMIT 1",
                "1",
            ),
        ] {
            assert_eq!(world.rows(sql).await, expected, "{sql}");
        }
    });
}
