//! Every limit of the service, by name.
//!
//! The figures start small. Where one is larger than the smallest sensible value, its comment names the client or the
//! workload that needs it.

use std::time::Duration;

/// Limits of one running service. [`Limits::default`] is what `dab serve` uses; tests make single limits smaller.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Largest gRPC message accepted from a client, bytes, for every call but `DoPut`: SQL text, tickets, actions.
    pub request_bytes_max: usize,
    /// Largest gRPC message accepted in `DoPut`, bytes. The ADBC driver sends the record batches of `adbc_ingest` as it
    /// gets them, and a table that came from pandas is one batch: 10 million rows of three 8-byte columns take 240 MB.
    pub put_message_bytes_max: usize,
    /// Size at which results are cut into messages, bytes. Clients built on Go and C++ gRPC refuse more than 4 MiB
    /// unless told otherwise.
    pub response_bytes_target: usize,
    /// Largest message sent, bytes: a single row can be larger than [`Limits::response_bytes_target`], never than this.
    pub response_bytes_max: usize,
    /// Largest list of request headers, bytes (HTTP/2 counts 32 bytes more for each header, HTTP/1 the request's line).
    pub header_list_bytes_max: u32,
    /// Calls under way at once on one connection.
    pub streams_per_connection_max: u32,
    /// Connections open at once.
    pub connections_max: usize,
    /// Connections open at once from one address.
    pub connections_per_address_max: usize,
    /// Time a client has for its TLS handshake.
    pub tls_handshake_timeout: Duration,
    /// Time after which a connection on which no byte moves is closed. A live HTTP/2 connection moves pings.
    pub connection_idle_timeout: Duration,
    /// Pause between the HTTP/2 pings of the server.
    pub ping_interval: Duration,
    /// Time a client has to answer a ping.
    pub ping_timeout: Duration,
    /// Time after which a connection on which nobody has logged in is closed, whatever moves on it.
    pub connection_anonymous_max: Duration,
    /// Age at which a connection to the audit port is closed: nobody logs in there, and a place is not for keeps.
    pub audit_connection_age_max: Duration,
    /// Time a client of the audit port has for the headers of a request, the pause before them included.
    pub audit_header_timeout: Duration,
    /// Largest body of `POST /add`, bytes: a signed leaf has at most 4,096.
    pub add_bytes_max: usize,
    /// Time a client of `POST /add` has for its body.
    pub add_body_timeout: Duration,
    /// Time in which data that is not DAB's has to be certified; whoever waited for longer asks again.
    pub add_wait_max: Duration,
    /// Age at which a connection is asked to close; its calls may finish.
    pub connection_age_max: Duration,
    /// Receive window of one call, bytes.
    pub stream_window_bytes: u32,
    /// Receive window of one connection, bytes: what a client may send before the service has read it.
    pub connection_window_bytes: u32,
    /// Largest HTTP/2 frame that the service invites clients to send, bytes.
    pub frame_bytes_max: u32,
    /// Uploads (`DoPut` with record batches) under way at once; bounds their memory together with
    /// [`Limits::put_message_bytes_max`].
    pub uploads_max: usize,
    /// Time an upload waits for a place before it is refused with `RESOURCE_EXHAUSTED`.
    pub upload_wait_max: Duration,
    /// Time within which an upload that has a place must send its first message.
    pub upload_start_max: Duration,
    /// Time an upload may pause between two messages; its place is for those who send.
    pub uploader_idle_max: Duration,
    /// Silence after which a result stream sends an empty record batch, so that no proxy takes a long query for dead.
    pub keep_alive_interval: Duration,
    /// Encoded messages that wait for the network per result stream.
    pub result_queue_messages: usize,
    /// How long a small record batch waits for the next one, so that both travel in one message.
    pub coalesce_wait: Duration,
    /// Time a client may leave a result unread before the query is ended.
    pub reader_idle_max: Duration,
    /// Time an unused statement (a planned query with its ticket) is kept.
    pub statement_ttl: Duration,
    /// Statements kept for one user; the oldest is dropped first.
    pub statements_per_user_max: usize,
    /// Statements kept altogether.
    pub statements_max: usize,
    /// Bytes that the plans of the statements kept take altogether.
    pub statements_bytes_max: usize,
    /// Statements planned at once; more wait.
    pub plannings_max: usize,
    /// Time a statement waits to be planned before it is refused with `RESOURCE_EXHAUSTED`.
    pub planning_wait_max: Duration,
    /// Time an unused prepared statement is kept.
    pub prepared_ttl: Duration,
    /// Prepared statements kept for one user; the one unused for longest is dropped first.
    pub prepared_per_user_max: usize,
    /// Prepared statements kept altogether.
    pub prepared_max: usize,
    /// Bytes of the texts and schemas of the prepared statements kept altogether.
    pub prepared_bytes_max: usize,
    /// Parameter sets kept for one prepared statement, so that concurrent executions do not take each other's values.
    pub bindings_per_statement_max: usize,
    /// Rows of parameters in one execution of a prepared statement.
    pub parameter_rows_max: usize,
    /// Bytes of the parameters of one execution.
    pub parameter_bytes_max: usize,
    /// Bytes of the parameters kept altogether.
    pub parameters_kept_bytes_max: usize,
    /// Time after which an unused session ends.
    pub session_idle_max: Duration,
    /// Age at which a session ends even if used.
    pub session_age_max: Duration,
    /// Sessions of one user; the one unused for longest ends first.
    pub sessions_per_user_max: usize,
    /// Sessions altogether.
    pub sessions_max: usize,
    /// Time the calls under way have to finish after the signal to stop.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes_max: 4 << 20,
            put_message_bytes_max: 256 << 20,
            response_bytes_target: 2 << 20,
            response_bytes_max: 64 << 20,
            header_list_bytes_max: 16 << 10,
            streams_per_connection_max: 64,
            connections_max: 1024,
            connections_per_address_max: 256,
            tls_handshake_timeout: Duration::from_secs(5),
            connection_idle_timeout: Duration::from_secs(60),
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(10),
            connection_anonymous_max: Duration::from_secs(60),
            audit_connection_age_max: Duration::from_secs(300),
            audit_header_timeout: Duration::from_secs(10),
            add_bytes_max: 8 << 10,
            add_body_timeout: Duration::from_secs(10),
            add_wait_max: Duration::from_secs(60),
            connection_age_max: Duration::from_secs(24 * 3600),
            stream_window_bytes: 2 << 20,
            connection_window_bytes: 4 << 20,
            frame_bytes_max: 1 << 20,
            uploads_max: 8,
            upload_wait_max: Duration::from_secs(60),
            upload_start_max: Duration::from_secs(10),
            uploader_idle_max: Duration::from_secs(120),
            keep_alive_interval: Duration::from_secs(5),
            result_queue_messages: 4,
            coalesce_wait: Duration::from_millis(10),
            reader_idle_max: Duration::from_secs(600),
            statement_ttl: Duration::from_secs(600),
            statements_per_user_max: 256,
            statements_max: 2048,
            statements_bytes_max: 256 << 20,
            plannings_max: 4,
            planning_wait_max: Duration::from_secs(30),
            prepared_ttl: Duration::from_secs(1800),
            prepared_per_user_max: 1024,
            prepared_max: 4096,
            prepared_bytes_max: 64 << 20,
            bindings_per_statement_max: 16,
            parameter_rows_max: 100_000,
            parameter_bytes_max: 64 << 20,
            parameters_kept_bytes_max: 256 << 20,
            session_idle_max: Duration::from_secs(3600),
            session_age_max: Duration::from_secs(24 * 3600),
            sessions_per_user_max: 1024,
            sessions_max: 4096,
            drain_timeout: Duration::from_secs(30),
        }
    }
}
