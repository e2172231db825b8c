//! Rows in, answers out: every test has a PostgreSQL database of its own and a server on a port of
//! its own.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod app;
mod days;
mod figures;
mod live;
mod lookup;
mod page;
mod parameters;
mod random;
mod sessions;
mod shared;
mod sources;
mod sql;
mod trouble;
mod verify;
mod window_edges;
mod windows;
