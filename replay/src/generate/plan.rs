//! How many rows of what: the published numbers, scaled to the rows that are wanted.

/// Rows of the published file.
pub(super) const PUBLISHED_ROWS: u32 = 8_471_220;

pub(super) const SITES: [&str; 2] = ["desktop", "mobile"];
pub(super) const TITLES: [&str; 3] = ["banner_show", "banner_click", "order"];
pub(super) const PRODUCTS: [&str; 5] = ["accessories", "clothes", "company", "sneakers", "sports_nutrition"];
pub(super) const DESKTOP: usize = 0;
pub(super) const MOBILE: usize = 1;
pub(super) const SNEAKERS: usize = 3;
pub(super) const SHOW: usize = 0;
pub(super) const CLICK: usize = 1;
pub(super) const ORDER: usize = 2;

/// Published rows by site version, title and product.
pub(super) const CELLS: [[[u64; 5]; 3]; 2] = [
    [
        [410_003, 418_070, 477_374, 411_597, 417_595],
        [18_531, 32_781, 28_464, 21_419, 13_870],
        [22_121, 66_977, 0, 32_565, 11_518],
    ],
    [
        [1_030_951, 1_035_058, 1_102_861, 1_041_430, 1_048_375],
        [117_723, 187_814, 116_357, 161_177, 131_048],
        [22_430, 45_738, 0, 35_154, 12_219],
    ],
];

/// Published rows by month, January to May 2019.
pub(super) const MONTHS: [u64; 5] = [1_461_095, 1_269_215, 1_650_715, 1_960_087, 2_130_108];
pub(super) const MONTH_DAYS: [u32; 5] = [31, 28, 31, 30, 31];

/// Published users by site version, and those who used both.
pub(super) const USERS: [u64; 2] = [1_424_772, 2_857_187];
pub(super) const USERS_OF_BOTH: u64 = 27_340;

/// The number of the first user: the rows of the two before are not in the published file.
pub(super) const FIRST_USER: u64 = 2;

/// Seconds from the begin of 2019 to the first and the last published time.
pub(super) const FIRST_TIME: u32 = 3;
pub(super) const LAST_TIME: u32 = 151 * DAY - 2;

pub(super) const DAY: u32 = 86_400;

/// Shares `rows` out in the proportions of `counts`: each gets its whole part, and what is left goes
/// to the largest remainders, the first of equal ones first.
pub(super) fn scaled(counts: &[u64], rows: u64) -> Vec<u64> {
    let total: u64 = counts.iter().sum();
    let mut shares: Vec<u64> = counts.iter().map(|count| count * rows / total).collect();
    let left = rows - shares.iter().sum::<u64>();
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|&place| std::cmp::Reverse(counts[place] * rows % total));
    for &place in order.iter().take(left as usize) {
        shares[place] += 1;
    }
    shares
}

/// `count` scaled from the published rows to `rows`, rounded.
pub(super) fn rounded(count: u64, rows: u64) -> u64 {
    let total = u64::from(PUBLISHED_ROWS);
    (count * rows + total / 2) / total
}

/// What is still to be written.
pub(super) struct Plan {
    pub(super) sites: [Site; 2],
    /// Rows by month.
    pub(super) months: [u64; 5],
    pub(super) users_of_both: u64,
    /// Whether the first row is a click whose show is cut off, as in the published file.
    pub(super) begins_with_click: bool,
}

/// What is still to be written of one site version.
pub(super) struct Site {
    pub(super) users: u64,
    /// Shows by product that nobody clicks on.
    pub(super) quiet_shows: [u64; 5],
    /// Shows by product that are followed by a click.
    pub(super) clicked_shows: [u64; 5],
    pub(super) orders: [u64; 5],
    /// Shows and orders that are not the first of their user.
    pub(super) extras: u64,
}

impl Site {
    pub(super) fn has_shows(&self) -> bool {
        self.quiet_shows.iter().chain(&self.clicked_shows).any(|left| *left > 0)
    }
}

impl Plan {
    /// The plan of a file of `rows` rows.
    pub(super) fn scaled(rows: u64) -> Self {
        let flat = scaled(CELLS.as_flattened().as_flattened(), rows);
        let cells = |site: usize, title: usize| {
            let start = (site * TITLES.len() + title) * PRODUCTS.len();
            &flat[start..start + PRODUCTS.len()]
        };
        let users = [0, 1].map(|site| {
            let (shows, orders): (u64, u64) = (cells(site, SHOW).iter().sum(), cells(site, ORDER).iter().sum());
            // every user sees a banner first; only a tiny file has orders and no shows
            let most = shows.max(u64::from(orders > 0));
            rounded(USERS[site], rows).clamp(most.min(1), most)
        });
        let users_of_both = rounded(USERS_OF_BOTH, rows).min(users[0]).min(users[1]);
        let begins_with_click = cells(DESKTOP, CLICK)[SNEAKERS] > 0 && users[DESKTOP] > users_of_both;
        let sites = [0, 1].map(|site| {
            let alone = u64::from(begins_with_click && site == DESKTOP);
            let mut clicks: [u64; 5] = std::array::from_fn(|product| cells(site, CLICK)[product]);
            clicks[SNEAKERS] -= alone;
            let shows: [u64; 5] = std::array::from_fn(|product| cells(site, SHOW)[product]);
            let orders: [u64; 5] = std::array::from_fn(|product| cells(site, ORDER)[product]);
            let units = shows.iter().sum::<u64>() + orders.iter().sum::<u64>() + alone;
            Site {
                users: users[site],
                // shares of larger counts are never smaller, so there is a show for each click
                quiet_shows: std::array::from_fn(|product| shows[product] - clicks[product]),
                clicked_shows: clicks,
                orders,
                extras: units - users[site],
            }
        });
        Self {
            sites,
            months: std::array::from_fn(|month| scaled(&MONTHS, rows)[month]),
            users_of_both,
            begins_with_click,
        }
    }
}
