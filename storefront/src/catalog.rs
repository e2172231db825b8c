//! What the shop sells: one good thing a category, and the banners that say so.

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use uuid::Uuid;

/// One product; its slug is what events call it.
#[derive(Debug, Serialize)]
pub(crate) struct Product {
    /// The category's name in URLs and events.
    pub(crate) slug: &'static str,
    /// The category's name for people.
    pub(crate) category: &'static str,
    /// The product's name.
    pub(crate) name: &'static str,
    /// What kind of thing it is, after the name.
    pub(crate) kind: &'static str,
    #[serde(rename = "price", serialize_with = "dollars")]
    cents: i64,
    /// One sentence for the shelf.
    pub(crate) line: &'static str,
    /// What one reads before ordering.
    pub(crate) description: &'static str,
    /// Short facts below the description.
    pub(crate) facts: [&'static str; 4],
    /// The picture `SLUG.svg`, in words.
    pub(crate) picture: &'static str,
    #[serde(skip)]
    banners: [Banner; 3],
}

/// What stands in the window; its picture is `SLUG-N.svg`.
#[derive(Debug, Serialize)]
pub(crate) struct Banner {
    /// Which of the category's banners, from 1.
    pub(crate) number: u8,
    /// The lettering on the glass.
    pub(crate) headline: &'static str,
    /// One sentence below it.
    pub(crate) line: &'static str,
    /// The picture in words.
    pub(crate) picture: &'static str,
    /// The picture's ground, a colour of the stylesheet.
    pub(crate) ground: &'static str,
}

impl Product {
    /// The product that a URL names.
    pub(crate) fn find(slug: &str) -> Option<&'static Self> {
        PRODUCTS.iter().find(|product| product.slug == slug)
    }

    /// The price in US dollars, with two digits after the point.
    pub(crate) fn price(&self) -> Decimal {
        Decimal::new(self.cents, 2)
    }

    /// Name and kind: `Noon field watch`.
    pub(crate) fn full_name(&self) -> String {
        format!("{} {}", self.name, self.kind)
    }
}

impl PartialEq for Product {
    fn eq(&self, other: &Self) -> bool {
        self.slug == other.slug
    }
}

/// What the window shows on a page view: a category at random, and one of its banners. The
/// randomness is that of the page view's own id, so a page view has one banner and no other.
pub(crate) fn in_the_window(page: Uuid) -> (&'static Product, &'static Banner) {
    // the low 62 bits of a version 4 UUID are random
    let (_, low) = page.as_u64_pair();
    let draw = (low & (u64::MAX >> 2)) as usize;
    let product = &PRODUCTS[draw % PRODUCTS.len()];
    let banner = &product.banners[draw / PRODUCTS.len() % product.banners.len()];
    (product, banner)
}

fn dollars<S: Serializer>(cents: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Decimal::new(*cents, 2))
}

/// Everything there is, in the order of the shelf.
pub(crate) static PRODUCTS: [Product; 5] = [
    Product {
        slug: "accessories",
        category: "Accessories",
        name: "Noon",
        kind: "field watch",
        cents: 12_900,
        line: "Tells the time. Tells you nothing else.",
        description: "A 38 mm field watch with a dial you can read at arm’s length and a movement you wind by hand. \
                      It has no notifications. That is the feature.",
        facts: [
            "Steel case, 38 mm, domed glass",
            "Wound by hand, runs for 42 hours",
            "Three straps in the box",
            "Stays dry down to 100 m",
        ],
        picture: "A round steel watch with a cream dial and a plum leather strap; the hands say ten past ten.",
        banners: [
            Banner {
                number: 1,
                headline: "It is noon somewhere.",
                line: "A field watch for people who would rather look at the sky than at a phone.",
                picture: "A watch stands in front of a rising sun whose rays are the marks of a dial.",
                ground: "plum",
            },
            Banner {
                number: 2,
                headline: "Three straps, one habit: being early.",
                line: "Leather, canvas and rubber come in the same box. Change them without a tool.",
                picture: "Three watches with a green, a plum and a blue strap stand on a podium.",
                ground: "rose",
            },
            Banner {
                number: 3,
                headline: "Leave the phone. Take the time.",
                line: "The hands glow all night, and nobody can call you on it.",
                picture: "A watch dial hangs over a dark sea like a full moon and shines on the waves.",
                ground: "night",
            },
        ],
    },
    Product {
        slug: "electronics",
        category: "Electronics",
        name: "Lull",
        kind: "headphones",
        cents: 18_900,
        line: "The drill next door, minus the drill.",
        description: "Over-ear headphones that take the bus, the open-plan office and the neighbour’s drill out of the \
                      room, and leave the music where it was. Ten minutes on the plug are good for five hours.",
        facts: [
            "Noise cancelling with one switch",
            "40 hours on a charge, USB-C",
            "248 g, folds flat",
            "Ear pads you can change yourself",
        ],
        picture: "Blue over-ear headphones with dark ear pads, seen from the front.",
        banners: [
            Banner {
                number: 1,
                headline: "Turn the city down.",
                line: "One switch, and the night bus is a library.",
                picture: "The full moon wears blue headphones above a skyline with lit windows.",
                ground: "night",
            },
            Banner {
                number: 2,
                headline: "Forty hours of quiet.",
                line: "On one charge. The noise may come back on Thursday.",
                picture: "Headphones with a small calm wave between the ear pads, and wide rings of noise outside.",
                ground: "sky",
            },
            Banner {
                number: 3,
                headline: "Hear the room it was played in.",
                line: "The floorboards, the count-in, somebody’s chair. It was all on the record.",
                picture: "Blue headphones lean on an orange record player with a turning record.",
                ground: "butter",
            },
        ],
    },
    Product {
        slug: "sneakers",
        category: "Sneakers",
        name: "Drift 01",
        kind: "running shoe",
        cents: 9_800,
        line: "For people who run to look around.",
        description: "A low running shoe with light foam underfoot, room for all five toes and a sole that a cobbler can \
                      change when you have worn it out. It will not make you faster. It may make you leave the house.",
        facts: [
            "Knitted upper, washable at 30 °C",
            "236 g, 8 mm drop",
            "Sole can be replaced",
            "Laces made of old bottles",
        ],
        picture: "An orange running shoe with two cream stripes and a cream sole, seen from the side.",
        banners: [
            Banner {
                number: 1,
                headline: "Slow is also a pace.",
                line: "The shoe for the last lane, where the talking happens.",
                picture: "A cream running shoe flies up the curve of a red running track.",
                ground: "coral",
            },
            Banner {
                number: 2,
                headline: "Off the wire, onto the road.",
                line: "They have hung around long enough.",
                picture: "A pair of orange sneakers hangs by its laces from a wire above the roofs; two birds watch.",
                ground: "peach",
            },
            Banner {
                number: 3,
                headline: "Take the long way home.",
                line: "Light foam, a wide toe box, and a sole you can have replaced when you get there.",
                picture: "An orange running shoe as big as a hill stands on a path between green mountains.",
                ground: "forest",
            },
        ],
    },
    Product {
        slug: "sports_nutrition",
        category: "Sports nutrition",
        name: "Basecamp",
        kind: "oat and cocoa shake, 900 g",
        cents: 3_450,
        line: "Six ingredients. You can read all of them.",
        description: "Oats, pea protein, cocoa, dates, coconut sugar, sea salt. Two scoops in cold water make the breakfast \
                      before the climb or the dinner after it. It tastes of cocoa because there is cocoa in it.",
        facts: [
            "24 g of protein in a shake",
            "Thirty shakes in a tub",
            "Nothing from animals, no palm oil",
            "Send the tub back, we refill it",
        ],
        picture: "A green tub with a dark lid; its label shows orange mountains under a small sun.",
        banners: [
            Banner {
                number: 1,
                headline: "Camp one is the kitchen.",
                line: "Every summit starts with breakfast. This one takes twenty seconds.",
                picture: "A giant tub stands among mountains like a summit, with a tent and a flag beside it.",
                ground: "forest",
            },
            Banner {
                number: 2,
                headline: "Six ingredients. No small print.",
                line: "Oats, pea protein, cocoa, dates, coconut sugar, salt. That was the whole label.",
                picture: "A tub between a bowl of oats and a shaker on a kitchen shelf.",
                ground: "mint",
            },
            Banner {
                number: 3,
                headline: "For after the last one.",
                line: "24 grams of protein, and somewhere to put the kettlebell down.",
                picture: "A kettlebell and a tub stand in front of a rising sun.",
                ground: "sea",
            },
        ],
    },
    Product {
        slug: "clothes",
        category: "Clothes",
        name: "Harbour",
        kind: "raincoat",
        cents: 14_900,
        line: "Made for the weather there is.",
        description: "A raincoat with a proper hood, pockets that drain and seams that are welded, not taped. Long enough \
                      to cycle in, wide enough for a jumper, and yellow enough to be seen from a boat.",
        facts: [
            "Keeps 15,000 mm of water out",
            "Recycled nylon, 610 g",
            "Two-way front, hood that turns with you",
            "Repaired for nothing for five years",
        ],
        picture: "A yellow raincoat with a hood, four pale buttons and two pockets, on a hook.",
        banners: [
            Banner {
                number: 1,
                headline: "Let it.",
                line: "Welded seams, a hood that turns with you, and nowhere for the rain to go but down.",
                picture: "A yellow raincoat stands in a puddle in the pouring rain and holds an orange umbrella.",
                ground: "sea",
            },
            Banner {
                number: 2,
                headline: "One coat. Four seasons, minus the snow.",
                line: "In harbour yellow, in case someone is looking for you.",
                picture: "A blue, a yellow and a plum raincoat hang on a rail above a pair of green boots.",
                ground: "butter",
            },
            Banner {
                number: 3,
                headline: "Made for the weather there is.",
                line: "Not for the weather in the brochure.",
                picture: "A yellow raincoat hangs on a post on a jetty; a lighthouse shines across the sea behind it.",
                ground: "sky",
            },
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn every_banner_of_every_category_comes_up_about_as_often() {
        let mut seen = HashMap::new();
        for _ in 0..15_000 {
            let (product, banner) = in_the_window(Uuid::new_v4());
            *seen.entry((product.slug, banner.number)).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 15);
        // the mean is 1,000, its standard deviation 31: six of them either way
        assert!(seen.values().all(|times| (814..1186).contains(times)), "{seen:?}");
    }

    #[test]
    fn a_price_is_written_with_its_cents() {
        let shake = Product::find("sports_nutrition").expect("a product");
        assert_eq!(shake.price().to_string(), "34.50");
        assert_eq!(serde_json::to_value(shake).expect("JSON")["price"], "34.50");
    }
}
