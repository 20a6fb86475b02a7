//! The questions of the tour.

/// A question in words and in SQL.
pub(crate) struct Query {
    pub(crate) title: &'static str,
    pub(crate) sql: &'static str,
}

/// Few columns, so that each answer fits a terminal.
pub(crate) const ALL: [Query; 4] = [
    Query {
        title: "What was shipped, by state of its line? (TPC-H 1, shortened)",
        sql: "SELECT l_returnflag AS flag, l_linestatus AS status, sum(l_quantity) AS quantity,
                     sum(l_extendedprice) AS price, count(*) AS lines
              FROM lineitem WHERE l_shipdate <= DATE '1998-09-02'
              GROUP BY 1, 2 ORDER BY 1, 2",
    },
    Query {
        title: "Which nations of Asia bring the most? (TPC-H 5)",
        sql: "SELECT n_name AS nation, sum(l_extendedprice * (1 - l_discount)) AS revenue
              FROM customer
              JOIN orders ON c_custkey = o_custkey
              JOIN lineitem ON l_orderkey = o_orderkey
              JOIN supplier ON l_suppkey = s_suppkey AND c_nationkey = s_nationkey
              JOIN nation ON s_nationkey = n_nationkey
              JOIN region ON n_regionkey = r_regionkey
              WHERE r_name = 'ASIA' AND o_orderdate >= DATE '1994-01-01' AND o_orderdate < DATE '1995-01-01'
              GROUP BY 1 ORDER BY 2 DESC",
    },
    Query {
        title: "What did all orders come to at version 0? (time travel)",
        sql: "SELECT count(*) AS orders, sum(o_totalprice) AS total FROM orders VERSION AS OF 0",
    },
    Query {
        title: "Who committed what, and where does the ledger have it?",
        sql: "SELECT table_name, version, operation, user_name AS by, rows_added AS rows, leaf_index AS leaf,
                     substr(digest, 1, 12) AS digest
              FROM dab.commits ORDER BY leaf_index DESC LIMIT 5",
    },
];
