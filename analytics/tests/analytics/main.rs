//! Rows in, answers out: every test has a PostgreSQL database of its own and a server on a port of
//! its own.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod app;
mod audience;
mod days;
mod details;
mod figures;
mod imports;
mod live;
mod lookup;
mod openapi;
mod page;
mod parameters;
mod pipeline;
mod profiling;
mod random;
mod sales;
mod sessions;
mod shared;
mod sources;
mod sql;
mod trouble;
mod verify;
mod window_edges;
mod windows;
