//! Traffic that nobody made: simulated visitors, whose events go through the topic as live ones.
//!
//! Everything is drawn from a seed. The same profile, seed and number of events, and the same file where one is
//! given, make the same events, ids included, however fast they are published; only when they occur differs, and
//! with `--start` not even that. So what is simulated again with the seed of an earlier time is stored already.
//!
//! # Parts
//! A profile ([`shop`], [`orders`], [`tv`], [`clickstream`]) says what happens next; [`run`] says when, and
//! publishes by the publisher of `replay`, which sends again what Kafka does not acknowledge.
//!
//! # Errors
//! An unusable file is an error before anything is published. While Kafka is away events wait; after two minutes
//! without an acknowledgement the simulation fails.

mod clickstream;
mod orders;
mod progress;
mod random;
mod run;
mod shop;
mod tv;
mod users;

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::bail;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clap::builder::BoolishValueParser;
use events::{Event, SiteVersion};
use serde::Serialize;

pub use run::run;

/// The `source` of every simulated event.
pub const SOURCE: &str = "simulator";

/// What a simulation needs to know.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// Whose traffic
    #[arg(long, env = "SIMULATE_PROFILE", default_value = "shop")]
    pub profile: Profile,

    /// Events a second [default: the profile's own pace; the shop's has busy and quiet hours]
    #[arg(long, env = "SIMULATE_RATE")]
    pub rate: Option<NonZeroU32>,

    /// Stop after so many events [default: go on until stopped]
    #[arg(long, value_name = "EVENTS", env = "SIMULATE_COUNT")]
    pub count: Option<u64>,

    /// The same seed makes the same events, ids included; those that are stored already are duplicates
    /// [default: another one each time]
    #[arg(long, env = "SIMULATE_SEED")]
    pub seed: Option<u64>,

    /// Let the events occur from this time on, at the profile's own pace, up to now (RFC 3339)
    /// [default: each occurs when it is published]
    #[arg(long, value_name = "TIME", env = "SIMULATE_START")]
    pub start: Option<DateTime<Utc>>,

    /// Time zone of the shop's busy and quiet hours, an IANA name
    #[arg(long, value_name = "ZONE", env = "SHOP_TIMEZONE", default_value = "UTC", value_parser = parse_zone)]
    pub tz: Tz,

    /// For the profile tv: a catalog such as `TV_DATASET_USA.csv` [default: a built-in one]
    #[arg(long, value_name = "FILE", env = "SIMULATE_CATALOG")]
    pub catalog: Option<PathBuf>,

    /// For the profile orders: a CSV file of users, with a column `user_id` and any of region, gender, registertime …
    /// [default: nine users]
    #[arg(long, value_name = "FILE", env = "SIMULATE_USERS")]
    pub users: Option<PathBuf>,

    /// Print the summary as JSON
    #[arg(long, env = "SIMULATE_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,

    /// Show no live rate
    #[arg(long, env = "SIMULATE_QUIET", value_parser = BoolishValueParser::new())]
    pub quiet: bool,

    /// Where the events go.
    #[command(flatten)]
    pub kafka: events::Kafka,
}

fn parse_zone(name: &str) -> Result<Tz, String> {
    name.parse().map_err(|_| "not an IANA time zone such as Europe/Berlin".to_owned())
}

/// Whose traffic is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// This shop's visitors: banners, clicks, orders
    Shop,
    /// Page views and orders of hardware, by users with region and gender
    Orders,
    /// Sales of televisions, with payments and what became of them
    Tv,
    /// Views, carts and purchases in a department store
    Clickstream,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shop => "shop",
            Self::Orders => "orders",
            Self::Tv => "tv",
            Self::Clickstream => "clickstream",
        })
    }
}

/// What was simulated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Whose traffic it was.
    pub profile: Profile,
    /// What it was drawn from.
    pub seed: u64,
    /// Events that Kafka has acknowledged.
    pub published: u64,
    /// From the first event to the last, in seconds.
    pub seconds: f64,
    /// Events a second in that time; none when there were fewer than two.
    pub rate: Option<f64>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { profile, seed, published, seconds, rate } = self;
        write!(f, "published {published} events of profile {profile}, seed {seed}, in {seconds:.1} s")?;
        rate.map_or(Ok(()), |rate| write!(f, ", {rate:.1} a second"))
    }
}

/// What happens, one thing after the other.
trait Traffic: Send {
    /// Events a second at some time, where nobody asks for another rate.
    fn pace(&self, at: DateTime<Utc>) -> f64;

    /// What happens next, at this time. No draw depends on the time, so that a seed makes the same events always.
    fn next(&mut self, occurred_at: DateTime<Utc>) -> Event<'static>;
}

/// The traffic of a configuration. Fails when a file is not usable, or given to a profile that has no use for it.
fn traffic(config: &Config, seed: u64) -> anyhow::Result<Box<dyn Traffic>> {
    let profile = config.profile;
    if config.catalog.is_some() && profile != Profile::Tv {
        bail!("--catalog is for --profile tv, not for {profile}");
    }
    if config.users.is_some() && profile != Profile::Orders {
        bail!("--users is for --profile orders, not for {profile}");
    }
    // the same seed in two profiles makes different ids
    let seed = seed ^ ((profile as u64 + 1) << 56);
    Ok(match profile {
        Profile::Shop => Box::new(shop::Shop::new(seed, config.tz)),
        Profile::Orders => {
            Box::new(orders::Orders::new(seed, config.users.as_deref().map(users::Users::read).transpose()?))
        }
        Profile::Tv => Box::new(tv::Tv::new(seed, tv::catalog(config.catalog.as_deref())?)),
        Profile::Clickstream => Box::new(clickstream::Clickstream::new(seed)),
    })
}

/// The version of the site that a device gets.
fn site_version(device: &str) -> SiteVersion {
    match device {
        "Mobile" => SiteVersion::Mobile,
        "Tablet" => SiteVersion::Tablet,
        _ => SiteVersion::Desktop,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

    use chrono::TimeDelta;
    use clap::{Args, FromArgMatches};
    use events::EventType;
    use rust_decimal::Decimal;

    use super::*;

    fn config(arguments: &[&str]) -> Config {
        let command = Config::augment_args(clap::Command::new("simulate").no_binary_name(true));
        Config::from_arg_matches(&command.try_get_matches_from(arguments).unwrap()).unwrap()
    }

    /// So many events, a second apart.
    fn events(profile: &str, seed: u64, count: i64) -> Vec<Event<'static>> {
        let mut traffic = traffic(&config(&["--profile", profile]), seed).unwrap();
        let start: DateTime<Utc> = "2026-03-01T00:00:00Z".parse().unwrap();
        (0..count).map(|second| traffic.next(start + TimeDelta::seconds(second))).collect()
    }

    const PROFILES: [&str; 4] = ["shop", "orders", "tv", "clickstream"];

    /// Of the events that have a value, the share of each.
    fn shares<'e>(values: impl Iterator<Item = Option<&'e str>>) -> BTreeMap<&'e str, f64> {
        let mut counts = BTreeMap::new();
        for value in values.flatten() {
            *counts.entry(value).or_insert(0.0) += 1.0;
        }
        let all: f64 = counts.values().sum();
        counts.into_iter().map(|(value, count)| (value, count / all)).collect()
    }

    /// The shares are these, in per cent; by chance they are off by a tenth of that, and nothing else occurs.
    #[track_caller]
    fn assert_shares(found: &BTreeMap<&str, f64>, expected: &[(&str, f64)]) {
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (value, percent) in expected {
            let share = 100.0 * found.get(value).unwrap_or_else(|| panic!("{value} is not in {found:?}"));
            assert!((share - percent).abs() < 1.0 + percent * 0.1, "{value} is {share} %, not {percent} %");
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_events_and_another_one_others() {
        for profile in PROFILES {
            let json = |seed| events(profile, seed, 2_000).iter().map(Event::to_json).collect::<Vec<_>>();
            assert_eq!(json(7), json(7), "{profile}");
            let ids = |seed| events(profile, seed, 2_000).iter().map(|event| event.event_id).collect::<HashSet<_>>();
            assert_eq!(ids(7).len(), 2_000, "{profile}");
            assert!(ids(7).is_disjoint(&ids(8)), "{profile}");
        }
        let of_all = PROFILES.iter().flat_map(|profile| events(profile, 7, 2_000)).map(|event| event.event_id);
        assert_eq!(of_all.collect::<HashSet<_>>().len(), 8_000, "profiles share no ids");
    }

    #[test]
    fn every_event_is_one_that_the_consumer_takes() {
        for event in PROFILES.iter().flat_map(|profile| events(profile, 1, 5_000)) {
            let json = event.to_json();
            let decoded = Event::decode(&json, None).unwrap();
            assert_eq!(decoded, event);
            assert_eq!(decoded.source, SOURCE);
        }
    }

    #[test]
    fn an_amount_is_price_times_quantity_to_the_last_digit() {
        for order in PROFILES.iter().flat_map(|profile| events(profile, 2, 5_000)) {
            if order.event_type == EventType::Order {
                let (price, quantity) = (order.price.unwrap(), order.quantity.unwrap());
                assert_eq!(order.amount.unwrap(), price * Decimal::from(quantity));
                assert!(order.currency.is_some() && order.order_id.is_some());
            }
        }
    }

    #[test]
    fn visitors_of_the_shop_see_then_click_then_order_in_one_session() {
        let events = events("shop", 3, 50_000);
        let mut sessions: HashMap<&str, Vec<&Event<'_>>> = HashMap::new();
        for event in &events {
            sessions.entry(event.session_id.as_deref().unwrap()).or_default().push(event);
        }
        for session in sessions.values() {
            assert_eq!(session[0].event_type, EventType::BannerShow);
            for (before, event) in session.iter().zip(&session[1..]) {
                assert_eq!((&before.user_id, &before.device, &before.os), (&event.user_id, &event.device, &event.os));
                match event.event_type {
                    EventType::BannerClick => {
                        assert_eq!(before.event_type, EventType::BannerShow);
                        assert_eq!((&before.product, &before.page_id), (&event.product, &event.page_id));
                    }
                    EventType::Order => {
                        assert_eq!(before.event_type, EventType::BannerClick);
                        assert_eq!(before.product, event.product);
                    }
                    _ => {}
                }
            }
        }
        let of = |event_type| events.iter().filter(|event| event.event_type == event_type).count() as f64;
        let clicked = of(EventType::BannerClick) / of(EventType::BannerShow);
        let ordered = of(EventType::Order) / of(EventType::BannerClick);
        assert!((0.08..0.13).contains(&clicked), "{clicked} of the banners are clicked");
        assert!((0.20..0.35).contains(&ordered), "{ordered} of the clicks become orders");
        let users: HashSet<_> = events.iter().map(|event| &event.user_id).collect();
        assert!(users.len() < sessions.len(), "nobody comes back");
    }

    #[test]
    fn the_shop_has_busy_and_quiet_hours_and_days() {
        let shop = traffic(&config(&["--tz", "Europe/Berlin"]), 0).unwrap();
        let pace = |at: &str| shop.pace(at.parse().unwrap());
        // 2026-03-07 is a Saturday
        let (night, evening) = (pace("2026-03-03T03:00:00+01:00"), pace("2026-03-03T20:00:00+01:00"));
        assert!(evening > 10.0 * night);
        assert!(pace("2026-03-07T20:00:00+01:00") > evening);
        let monday: DateTime<Utc> = "2026-03-02T00:30:00+01:00".parse().unwrap();
        let week: f64 = (0..7 * 24).map(|hour| shop.pace(monday + TimeDelta::hours(hour))).sum();
        assert!((week / (7.0 * 24.0) - 10.0).abs() < 0.5, "{week}");
    }

    #[test]
    fn orders_are_of_known_users_and_within_the_stated_ranges() {
        let events = events("orders", 4, 50_000);
        let kinds = shares(events.iter().map(|event| Some(event.event_type.as_str())));
        assert_shares(&kinds, &[("page_view", 70.0), ("order", 28.0), ("user_update", 2.0)]);
        let users: BTreeSet<_> = events.iter().map(|event| event.user_id.to_string()).collect();
        assert_eq!(users, (1..=9).map(|number| format!("User_{number}")).collect());
        let told: BTreeSet<_> = events[..9].iter().map(|event| event.user_id.to_string()).collect();
        assert_eq!(told, users, "first all users are told of");
        for event in &events {
            match event.event_type {
                EventType::UserUpdate => {
                    assert!(event.region.as_deref().unwrap().starts_with("Region_"));
                    assert!(["MALE", "FEMALE", "OTHER"].contains(&event.gender.as_deref().unwrap()));
                    let registered = event.attributes["registertime"].as_i64().unwrap();
                    assert!((1_487_715_775_521..=1_519_273_364_600).contains(&registered));
                }
                EventType::PageView => {
                    let page: u32 = event.page_id.as_deref().unwrap().strip_prefix("Page_").unwrap().parse().unwrap();
                    assert!((10..=99).contains(&page));
                }
                _ => {
                    assert!((1..=5).contains(&event.quantity.unwrap()));
                    let laptop = event.product.as_deref() == Some("Laptop");
                    let price = event.price.unwrap();
                    assert!(!laptop || (Decimal::from(500)..=Decimal::from(2_000)).contains(&price));
                    assert!(price.scale() == 2 && price >= Decimal::from(20));
                }
            }
        }
        assert_eq!(shares(events.iter().map(|event| event.state.as_deref())).len(), 10);
        let products = shares(events.iter().map(|event| event.product.as_deref()));
        assert_eq!(products.len(), 10);
        assert!(products.values().all(|share| (0.08..0.12).contains(share)), "{products:?}");
        let third = 100.0 / 3.0;
        assert_shares(
            &shares(events.iter().map(|event| event.status.as_deref())),
            &[("Completed", third), ("Pending", third), ("Shipped", third)],
        );
    }

    #[test]
    fn televisions_are_sold_online_and_in_stores_and_only_online_payments_fail() {
        let events = events("tv", 5, 50_000);
        assert!(events.iter().all(|event| event.event_type == EventType::Order));
        let orders = |kind: &'static str| {
            events.iter().filter(move |event| event.order_type.as_deref() == Some(kind)).collect::<Vec<_>>()
        };
        let (online, stores) = (orders("ONLINE"), orders("STORE"));
        assert_eq!(online.len() + stores.len(), events.len());
        assert!(stores.iter().all(|order| order.traffic_source.as_deref() == Some("Organic")));
        assert!(online.iter().all(|order| order.traffic_source.as_deref() != Some("Organic")));
        assert_shares(
            &shares(online.iter().map(|order| order.status.as_deref())),
            &[
                ("COMPLETED", 58.8),
                ("FAILED_API_RESPONSE", 11.8),
                ("INSUFICCIENT_FUNDS", 11.8),
                ("FAILED_CHECKOUT", 5.9),
                ("USER_ERROR", 5.9),
                ("FRAUD", 5.9),
            ],
        );
        assert_shares(&shares(stores.iter().map(|order| order.status.as_deref())), &[("COMPLETED", 100.0)]);
        assert_shares(
            &shares(stores.iter().map(|order| order.payment_method.as_deref())),
            &[("Cash", 50.0), ("Credit_card", 50.0)],
        );
        assert!(stores.iter().all(|order| order.site_version.is_none()));
        let cities = ["Chicago", "Houston", "Los Ángeles", "New York", "Philadelphia"].map(|city| (city, 20.0));
        assert_shares(&shares(events.iter().map(|event| event.city.as_deref())), &cities);
        let points = events
            .iter()
            .map(|event| (&event.city, event.latitude.map(f64::to_bits), event.longitude.map(f64::to_bits)));
        assert_eq!(points.collect::<HashSet<_>>().len(), 14, "a pair of coordinates is of one point");
        assert!(events.iter().any(|event| event.quantity.unwrap() > 1));
    }

    #[test]
    fn clicks_make_a_funnel_of_users_who_stay_who_they_are() {
        let events = events("clickstream", 6, 100_000);
        let actions = events.iter().filter(|event| event.event_type != EventType::UserUpdate);
        let kinds = shares(actions.clone().map(|event| Some(event.event_type.as_str())));
        assert_shares(&kinds, &[("product_view", 75.0), ("cart", 20.0), ("order", 5.0)]);
        let mut last: HashMap<&str, &Event<'_>> = HashMap::new();
        for event in actions.clone() {
            let before = last.insert(event.session_id.as_deref().unwrap(), event);
            let wanted = match event.event_type {
                EventType::Cart => EventType::ProductView,
                EventType::Order => EventType::Cart,
                _ => continue,
            };
            let before = before.unwrap();
            assert_eq!(before.event_type, wanted);
            assert_eq!((&before.user_id, &before.product_name), (&event.user_id, &event.product_name));
            assert_eq!(before.price, event.price);
            assert_eq!(event.payment_method.is_some(), event.event_type == EventType::Order);
        }
        let who = |event: &Event<'static>| {
            (event.membership_level.clone(), event.gender.clone(), event.age_group.clone(), event.city.clone())
        };
        let mut users = HashMap::new();
        for event in &events {
            if event.event_type == EventType::UserUpdate {
                assert!(users.insert(&event.user_id, who(event)).is_none(), "{} is told of twice", event.user_id);
            } else {
                assert_eq!(users[&event.user_id], who(event));
            }
        }
        let sessions = last.len();
        assert!(users.len() < sessions, "{sessions} sessions of {} users", users.len());
        assert_eq!(shares(actions.clone().map(|event| event.product_name.as_deref())).len(), 22);
        // of sessions, for who comes draws them
        let users = || events.iter().filter(|event| event.event_type == EventType::UserUpdate);
        assert_shares(
            &shares(users().map(|event| event.membership_level.as_deref())),
            &[("Free", 50.0), ("Bronze", 20.0), ("Silver", 15.0), ("Gold", 10.0), ("Platinum", 5.0)],
        );
        assert_shares(
            &shares(users().map(|event| event.age_group.as_deref())),
            &[("18-24", 20.0), ("25-34", 40.0), ("35-44", 20.0), ("45-54", 10.0), ("55+", 10.0)],
        );
        assert_shares(
            &shares(actions.clone().map(|event| event.device.as_deref())),
            &[("Mobile", 60.0), ("Desktop", 35.0), ("Tablet", 5.0)],
        );
        assert!(actions.clone().all(|event| event.currency.as_deref() == Some("PLN")));
    }

    #[test]
    fn a_file_is_only_for_the_profile_that_reads_it() {
        let problem = |arguments: &[&str]| traffic(&config(arguments), 0).err().unwrap().to_string();
        assert_eq!(problem(&["--catalog", "x.csv"]), "--catalog is for --profile tv, not for shop");
        let problem = problem(&["--profile", "tv", "--users", "x.csv"]);
        assert_eq!(problem, "--users is for --profile orders, not for tv");
    }
}
