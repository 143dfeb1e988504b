//! The drivers against what they drive: a private PostgreSQL, SQLite files, and a gRPC service in this process.

#![allow(clippy::unwrap_used, reason = "in a test")]

mod passwords;
mod postgres_client;
mod postgres_conformance;
mod postgres_failures;
mod postgres_findings;
mod service;
mod service_double;
mod sqlite;
mod sqlite_client;
mod world;
