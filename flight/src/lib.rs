//! The Flight SQL service of DAB, and a client for it.
//!
//! Stock clients connect: Python and Go over ADBC, Java over JDBC, anything that speaks Arrow Flight SQL. [`serve`] answers
//! them from a [`dab_query::Engine`]; every answer says which versions of which tables it read and where the ledger holds
//! them ([`receipt_metadata`]).
//!
//! ```text
//! listener  TLS, caps ──▶ guard  who calls? ──▶ router  which command? ──▶ handlers ──▶ dab_query
//!                                                  ▲                           │
//!                     result_stream ◀── wire  one schema, plain types ◀────────┘
//! ```
//!
//! Closed by default: the first start makes a certificate authority, a certificate ([`Tls`]) and the user `admin` with a
//! token ([`Users`]); every call is authenticated before anything of it is decoded. Every limit has a name ([`Limits`]).

mod add;
mod add_http;
mod audit_http;
mod auth;
mod bounded_store;
mod cancel;
pub mod client;
pub mod credentials;
mod error;
mod guard;
mod handlers;
mod idempotency;
mod ipc_guard;
mod limits;
mod listener;
mod messages;
mod metrics;
mod query_threads;
pub mod receipt_metadata;
mod result_stream;
mod router;
mod secret;
mod server;
mod service;
mod sql_info;
mod statements;
mod status;
mod ticket;
pub mod tls;
mod upload;
mod wire;
mod witness_url;
mod xdbc_types;

pub use add::{DigestRequest, SubjectHead};
pub use add_http::add_router;
pub use audit_http::{serve_audit, serve_http};
pub use auth::Authenticator;
pub use client::Client;
pub use credentials::Users;
pub use error::{Error, reasons};
pub use idempotency::{IDEMPOTENCY_KEY_HEADER, IDEMPOTENCY_KEY_MAX};
pub use limits::Limits;
pub use query_threads::QueryThreads;
pub use server::{ServerParts, serve};
pub use tls::{Tls, install_crypto};
pub use witness_url::WitnessUrl;
