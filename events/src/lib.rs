//! What an event is: as a type, as JSON, and as a Kafka record.
//!
//! Everything that makes events (shop, replay, simulators) and everything that reads them depends
//! on this crate and on nothing else of each other; only the simulators borrow replay's publisher. An
//! event is one JSON object a message, keyed by `user_id`, so that the events of one user stay in order
//! on one partition.

mod decode;
mod event;
mod kafka;
mod schema;
mod topic;

pub use decode::{MAX_MESSAGE_BYTES, MAX_TEXT_CHARS, Rejection, parse_decimal, quoted};
pub use event::{Event, EventType, SiteVersion};
pub use kafka::{Kafka, PARTITIONS};
pub use schema::{SCHEMA, schema};
pub use topic::{Held, Log, Trouble};
