//! What a file, or the stored events, consist of: rows, types, missing values, distributions, prices, funnel,
//! repeats.
//!
//! Rows are read once and in a bounded memory, however many there are. Figures are exact as long as there are few
//! enough different values; beyond that they are estimates, which name their error:
//!
//! | figure | exact up to | beyond |
//! | --- | --- | --- |
//! | distinct values of a column | 917,504 of them | a sample of the values, ± 0.3 % in 95 of 100 cases |
//! | repeated rows | 3,670,016 different rows | a sample of the rows, with the error that its own spread gives |
//! | frequent values | 8,192 different ones | each may lack rows, at most so many as are said |
//! | percentiles | 65,536 different numbers | buckets, ± 0.5 % of the value |
//!
//! Everything else is counted. Empty and blank fields are missing, quoted or not.

mod column;
mod csv;
mod distinct;
mod gather;
mod hash;
mod html;
mod numbers;
mod report;
mod stored;
mod values;

pub use column::{Column, Kind};
pub use csv::csv;
pub use distinct::Count;
pub use html::{STYLE, page, standalone};
pub use numbers::{Number, Quantile, Range, Statistics};
pub use report::{Named, Price, Profile, Quality, Rate, Stage, Usage, Value, grouped};
pub use stored::stored;
pub use values::{Distribution, Share};
