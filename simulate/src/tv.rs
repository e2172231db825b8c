//! Sales of televisions, in stores and online, with how they were paid and what became of the payment.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use events::{Event, EventType};
use rust_decimal::Decimal;

use crate::random::Random;
use crate::{Traffic, site_version};

/// Our own televisions, for who has no file.
const OWN_CATALOG: &str = include_str!("televisions.csv");

const COLUMNS: [&str; 6] = ["PRODUCT_NAME", "PRICING", "BRAND", "SCREEN_SIZE", "DISPLAY_TYPE", "RESOLUTION"];

const TRAFFIC_SOURCES: [&str; 8] =
    ["Facebook", "Instagram", "Organic", "Twitter", "Influencer_1", "Influencer_2", "Influencer_3", "Influencer_4"];

const ONLINE_PAYMENTS: [&str; 6] = ["Credit_card", "Stripe", "Paypal", "Apple_Pay", "Google_Pay", "Samsung_Pay"];
const STORE_PAYMENTS: [&str; 2] = ["Cash", "Credit_card"];

/// What becomes of an online payment, of seventeen; one in a store always succeeds. The spelling of the third
/// is that of the system these come from.
const STATUSES: [(&str, u64); 6] = [
    ("COMPLETED", 10),
    ("FAILED_API_RESPONSE", 2),
    ("INSUFICCIENT_FUNDS", 2),
    ("FAILED_CHECKOUT", 1),
    ("USER_ERROR", 1),
    ("FRAUD", 1),
];

/// The cities, each with points in it.
const CITIES: [(&str, &[(f64, f64)]); 5] = [
    (
        "New York",
        &[
            (40.760_468_145_572_39, -73.977_647_939_531_05),
            (40.769_211_695_926_04, -73.983_269_249_360_75),
            (40.762_515_994_719_834, -73.980_952_420_881_34),
        ],
    ),
    (
        "Los Ángeles",
        &[(34.072_109_458_060_06, -118.357_473_503_749_57), (34.071_754_649_810_025, -118.375_935_300_899_9)],
    ),
    (
        "Chicago",
        &[
            (41.898_198_760_581_71, -87.622_801_106_846_64),
            (41.891_825_756_943_93, -87.624_946_871_977_4),
            (41.883_752_967_585_92, -87.628_146_527_436_63),
        ],
    ),
    (
        "Houston",
        &[
            (29.742_233_338_438_325, -95.446_540_545_451_51),
            (29.743_148_850_926_094, -95.453_126_366_127_48),
            (29.739_981_565_214_627, -95.464_284_355_102_45),
        ],
    ),
    (
        "Philadelphia",
        &[
            (40.089_499_621_312_456, -75.390_150_078_881_18),
            (40.085_310_197_975_055, -75.404_444_509_746_55),
            (40.090_694_752_926_98, -75.381_527_717_005_6),
        ],
    ),
];

/// A television that is for sale.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Television {
    name: String,
    price: Decimal,
    brand: String,
    screen_size: Option<String>,
    display_type: String,
    resolution: String,
}

/// Reads a catalog in the form of `TV_DATASET_USA.csv`; without a file, our own.
pub(crate) fn catalog(file: Option<&Path>) -> anyhow::Result<Vec<Television>> {
    let Some(file) = file else { return televisions(OWN_CATALOG.as_bytes()).context("the built-in catalog") };
    let opened = std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    televisions(opened).with_context(|| format!("{}", file.display()))
}

fn televisions(input: impl Read) -> anyhow::Result<Vec<Television>> {
    let mut reader = csv::Reader::from_reader(input);
    let header = reader.headers().context("the header is unreadable")?.clone();
    let mut places = [0; COLUMNS.len()];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let found = header.iter().position(|name| name.trim_start_matches('\u{feff}').trim() == column);
        let Some(found) = found else {
            bail!("no column {column:?}; a catalog of televisions has the columns {}", COLUMNS.join(", "));
        };
        *place = found;
    }
    let mut televisions = Vec::new();
    for record in reader.records() {
        let record = record.context("damaged")?;
        let [name, price, brand, screen_size, display_type, resolution] = places.map(|place| record[place].trim());
        let known = |value: &str| if value.is_empty() { "Unknown" } else { value }.to_owned();
        let Ok(price) = price.trim_start_matches('$').replace(',', "").parse() else {
            let line = record.position().map_or(0, csv::Position::line);
            bail!("line {line}: the price {price:?} is none such as $1,599.99");
        };
        televisions.push(Television {
            name: known(name),
            price,
            brand: known(brand),
            screen_size: Some(screen_size.to_owned()).filter(|size| !size.is_empty()),
            display_type: known(display_type),
            resolution: known(resolution),
        });
    }
    if televisions.is_empty() {
        bail!("no television below the header");
    }
    Ok(televisions)
}

pub(crate) struct Tv {
    random: Random,
    seed: u64,
    catalog: Vec<Television>,
}

impl Tv {
    /// `catalog` holds at least one.
    pub(crate) fn new(seed: u64, catalog: Vec<Television>) -> Self {
        Self { random: Random::new(seed, u64::MAX), seed, catalog }
    }
}

impl Traffic for Tv {
    fn pace(&self, _: DateTime<Utc>) -> f64 {
        10.0
    }

    fn next(&mut self, occurred_at: DateTime<Utc>) -> Event<'static> {
        let random = &mut self.random;
        let customer = random.between(10_000, 99_999);
        let television = self.catalog[random.below(self.catalog.len() as u64) as usize].clone();
        let quantity = random.weighted(&[(1, 90), (2, 8), (3, 2)]);
        let traffic_source = random.one_of(&TRAFFIC_SOURCES);
        let online = traffic_source != "Organic";
        let device = random.one_of(&["Mobile", "Desktop", "Tablet"]);
        // customers stay in their city
        let (city, points) = Random::new(self.seed, customer).one_of(&CITIES);
        let (latitude, longitude) = random.one_of(points);

        let mut event = Event::new(EventType::Order, format!("CUST-{customer}"), crate::SOURCE);
        event.event_id = random.uuid();
        event.occurred_at = occurred_at;
        event.order_id = Some(random.ten_digits().into());
        event.product_name = Some(television.name.into());
        event.brand = Some(television.brand.into());
        event.category = Some("Electronics".into());
        event.price = Some(television.price);
        event.quantity = Some(quantity);
        event.amount = Some(television.price * Decimal::from(quantity));
        event.currency = Some("USD".into());
        event.screen_size = television.screen_size.map(Into::into);
        event.display_type = Some(television.display_type.into());
        event.resolution = Some(television.resolution.into());
        event.order_type = Some(if online { "ONLINE" } else { "STORE" }.into());
        event.payment_method = Some(random.one_of(if online { &ONLINE_PAYMENTS[..] } else { &STORE_PAYMENTS }).into());
        event.status = Some(if online { random.weighted(&STATUSES) } else { "COMPLETED" }.into());
        event.traffic_source = Some(traffic_source.into());
        event.device = Some(device.into());
        event.site_version = Some(site_version(device)).filter(|_| online);
        event.country = Some("USA".into());
        event.city = Some(city.into());
        event.latitude = Some(latitude);
        event.longitude = Some(longitude);
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "PRODUCT_NAME,PRICING,URL,BRAND,SCREEN_SIZE,DISPLAY_TYPE,RESOLUTION,OS\n";

    fn problem(csv: &str) -> String {
        format!("{:#}", televisions(csv.as_bytes()).unwrap_err())
    }

    #[test]
    fn a_catalog_is_read_with_its_quotes_and_its_thousands() {
        let csv =
            format!("{HEADER}\"Big - 65\"\" Class\",\"$1,699.99\",u,LG,65,OLED,4K UHD,webOS\nSmall,59.5,u,,,,,\n");
        let found = televisions(csv.as_bytes()).unwrap();
        assert_eq!((found[0].name.as_str(), found[0].price), ("Big - 65\" Class", "1699.99".parse().unwrap()));
        assert_eq!(found[0].screen_size.as_deref(), Some("65"));
        assert_eq!((found[1].brand.as_str(), found[1].resolution.as_str()), ("Unknown", "Unknown"));
        assert_eq!(found[1].screen_size, None);
    }

    #[test]
    fn a_catalog_that_is_none_is_told_why() {
        assert!(problem("PRODUCT_NAME,PRICE\nx,1\n").starts_with("no column \"PRICING\""));
        assert!(problem(HEADER).starts_with("no television"));
        let bad = format!("{HEADER}a,$1,u,LG,65,OLED,4K,x\nb,free,u,LG,65,OLED,4K,x\n");
        assert!(problem(&bad).starts_with("line 3: the price \"free\""), "{}", problem(&bad));
    }

    #[test]
    fn our_own_catalog_has_several_of_everything() {
        let own = catalog(None).unwrap();
        let distinct = |of: fn(&Television) -> &str| own.iter().map(of).collect::<std::collections::HashSet<_>>().len();
        assert!(own.len() >= 20 && distinct(|tv| &tv.name) == own.len());
        assert!(distinct(|tv| &tv.brand) >= 4 && distinct(|tv| &tv.display_type) >= 3);
        assert!(own.iter().all(|tv| tv.price > Decimal::ZERO && tv.screen_size.is_some()));
    }
}
