#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helper functions too")]
//! The real binary, with a Kafka and a PostgreSQL of its own in a directory for each test.

mod browser;
mod consumers;
mod demo;
mod dir;
mod disk;
mod doctor;
mod files;
mod imports;
mod kills;
mod pipeline;
mod profile;
mod ranges;
mod sales;
mod sections;
mod services;
mod simulate;
mod verify;
