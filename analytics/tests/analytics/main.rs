//! Rows in, answers out: every test has a PostgreSQL database of its own and a server on a port of
//! its own.

mod app;
mod days;
mod figures;
mod live;
mod lookup;
mod page;
mod parameters;
mod sources;
mod trouble;
