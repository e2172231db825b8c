//! Users with what is known of them: from a CSV file, or made up.

use std::path::Path;

use anyhow::{Context, bail};
use events::Event;
use serde_json::Value;

use crate::random::Random;

/// The name of the column with a user's id in one system, and in the others.
const ID: [&str; 2] = ["user_id", "userid"];

/// A table of users: one column of ids, and others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Users {
    columns: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

impl Users {
    /// `User_1` to `User_9`, each with a time of registration, a region and a gender.
    pub(crate) fn nine(random: &mut Random) -> Self {
        let columns = ["registertime", "region", "gender"].map(str::to_owned).to_vec();
        let rows = (1..=9).map(|number| {
            let registered = random.between(1_487_715_775_521, 1_519_273_364_600);
            let gender = random.one_of(&["MALE", "FEMALE", "OTHER"]);
            (format!("User_{number}"), vec![registered.to_string(), region(random), gender.to_owned()])
        });
        Self { rows: rows.collect(), columns }
    }

    /// Reads a CSV file whose header names a column `user_id` or `userid`.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let name = file.display();
        let mut reader = csv::Reader::from_path(file).with_context(|| format!("cannot read {name}"))?;
        let header = reader.headers().with_context(|| format!("{name}: the header is unreadable"))?.clone();
        let mut columns: Vec<String> =
            header.iter().map(|column| column.trim_start_matches('\u{feff}').trim().to_lowercase()).collect();
        let Some(id) = columns.iter().position(|column| ID.contains(&column.as_str())) else {
            bail!("{name}: no column \"user_id\" among {}; name the column with the users' ids so", columns.join(", "));
        };
        columns.remove(id);
        for column in &mut columns {
            if column == "regionid" {
                "region".clone_into(column);
            }
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.with_context(|| format!("{name} is damaged"))?;
            let mut values: Vec<String> = record.iter().map(|value| value.trim().to_owned()).collect();
            let user_id = values.remove(id);
            if user_id.is_empty() {
                let line = record.position().map_or(0, csv::Position::line);
                bail!("{name} line {line}: no user id; fill it in, or take the line out");
            }
            rows.push((user_id, values));
        }
        if rows.is_empty() {
            bail!("{name}: no user below the header");
        }
        Ok(Self { columns, rows })
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn id(&self, user: usize) -> &str {
        &self.rows[user].0
    }

    /// Writes what is known of a user into an event; what events have no field for goes to its attributes.
    pub(crate) fn tell(&self, user: usize, event: &mut Event<'static>) {
        for (column, value) in self.columns.iter().zip(&self.rows[user].1) {
            if value.is_empty() {
                continue;
            }
            let field = match column.as_str() {
                "region" => &mut event.region,
                "gender" => &mut event.gender,
                "age_group" => &mut event.age_group,
                "membership_level" => &mut event.membership_level,
                "country" => &mut event.country,
                "state" => &mut event.state,
                "city" => &mut event.city,
                _ => {
                    let value = value.parse::<u64>().map_or_else(|_| value.as_str().into(), Value::from);
                    event.attributes.insert(column.clone(), value);
                    continue;
                }
            };
            *field = Some(value.clone().into());
        }
    }

    /// Some user moves to some region; returns who.
    pub(crate) fn move_one(&mut self, random: &mut Random) -> usize {
        let user = random.below(self.rows.len() as u64) as usize;
        if let Some(column) = self.columns.iter().position(|column| column == "region") {
            self.rows[user].1[column] = region(random);
        }
        user
    }
}

fn region(random: &mut Random) -> String {
    format!("Region_{}", random.between(1, 9))
}
