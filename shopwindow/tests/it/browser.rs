//! A real browser: a visitor orders in one window, and the charts page in the other one shows it.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use fantoccini::actions::{InputSource as _, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::demo::{Demo, generate, replay, replay_to_end};
use crate::dir::{Dir, wait_until};

/// Headless Chromium's own user agent says that it is a bot.
const USER_AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

/// A browser with a profile of its own, driven through chromedriver.
pub(crate) struct Browser {
    driver: Child,
    pub(crate) client: Client,
}

impl Browser {
    pub(crate) async fn start(dir: &Dir) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver; `make test` installs it");
        wait_until("chromedriver listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        let profile = dir.path().parent().unwrap().join("chromium");
        let capabilities = json!({
            "goog:chromeOptions": { "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1280,1400",
                format!("--user-agent={USER_AGENT}"), format!("--user-data-dir={}", profile.display()),
            ]},
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("chromium; `make test` installs it");
        Self { driver, client }
    }

    async fn text(&self, selector: &str) -> String {
        self.client.find(Locator::Css(selector)).await.unwrap().text().await.unwrap()
    }

    /// Clicks on the first such element; on the next one where the page has written it anew in between.
    pub(crate) async fn click(&self, selector: &str) {
        let begin = Instant::now();
        loop {
            match self.client.wait().for_element(Locator::Css(selector)).await.unwrap().click().await {
                Err(error) if error.is_stale_element_reference() && begin.elapsed() < Duration::from_secs(30) => {}
                clicked => return clicked.unwrap(),
            }
        }
    }

    /// Clicks where the canvas is drawn in this colour, and so is all around the place.
    async fn click_drawn(&self, canvas: &str, [red, green, blue]: [u8; 3]) {
        let place = format!(
            "const canvas = document.querySelector('{canvas}');\
             canvas.scrollIntoView({{ block: 'center' }});\
             const [width, height] = [canvas.width, canvas.height];\
             const copy = new OffscreenCanvas(width, height).getContext('2d', {{ willReadFrequently: true }});\
             copy.drawImage(canvas, 0, 0);\
             const {{ data }} = copy.getImageData(0, 0, width, height);\
             const is = (x, y) => [{red}, {green}, {blue}].every((c, i) => data[4 * (y * width + x) + i] === c);\
             const near = [-4, 0, 4];\
             for (let y = 4; y < height - 4; y++)\
               for (let x = 4; x < width - 4; x++)\
                 if (near.every(dy => near.every(dx => is(x + dx, y + dy)))) {{\
                   const box = canvas.getBoundingClientRect();\
                   return [box.left + x * box.width / width, box.top + y * box.height / height];\
                 }}\
             return null"
        );
        self.until(&format!("return (() => {{ {place} }})() !== null"), json!(true)).await;
        let place = self.eval(&place).await;
        let [x, y] = [0, 1].map(|i| place[i].as_f64().unwrap().round());
        let click = MouseActions::new("mouse".to_owned())
            .then(PointerAction::MoveTo { duration: None, x, y })
            .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT })
            .then(PointerAction::Up { button: MOUSE_BUTTON_LEFT })
            // what the pointer is over has another colour
            .then(PointerAction::MoveTo { duration: None, x: 0.0, y: 0.0 });
        self.client.perform_actions(click).await.unwrap();
    }

    /// The same until the address has this for it: what is drawn may move while other cards are still read.
    async fn filter_by_drawing(&self, canvas: &str, color: [u8; 3], expected: &str) {
        let begin = Instant::now();
        loop {
            self.click_drawn(canvas, color).await;
            let clicked = Instant::now();
            while clicked.elapsed() < Duration::from_secs(3) {
                if self.eval("return location.search").await == expected {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert!(begin.elapsed() < Duration::from_secs(30), "a click on {canvas} does not lead to {expected}");
        }
    }

    /// Clicks where it is told, as a mouse does: what is drawn has no elements.
    pub(crate) async fn press(&self, x: f64, y: f64) {
        let mouse = MouseActions::new("mouse".into())
            .then(PointerAction::MoveTo { duration: None, x, y })
            .then(PointerAction::Down { button: 0 })
            .then(PointerAction::Up { button: 0 });
        self.client.perform_actions(mouse).await.unwrap();
    }

    pub(crate) async fn eval(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// How long it took until the script, run again and again, returned what was expected.
    pub(crate) async fn until(&self, script: &str, expected: Value) -> Duration {
        let begin = Instant::now();
        loop {
            let value = self.eval(script).await;
            if value == expected {
                return begin.elapsed();
            }
            assert!(begin.elapsed() < Duration::from_secs(30), "{script} still gives {value}, not {expected}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Nothing that the page loaded came from elsewhere.
    pub(crate) async fn asks_nothing_of_elsewhere(&self) {
        let foreign = "return performance.getEntriesByType('resource').map(entry => entry.name)\
                       .filter(name => !name.startsWith('data:') && !name.startsWith(location.origin + '/'))";
        assert_eq!(self.eval(foreign).await, json!([]), "requests to elsewhere");
    }

    /// The query that a figure of the section shows, whose recount equals what is kept.
    pub(crate) async fn recount(&self, figure: &str) -> String {
        self.eval(&format!("document.querySelector('[data-sql=\"{figure}\"]').click()")).await;
        let trouble =
            "return document.querySelector('#sql-run').disabled && document.querySelector('#sql-said').textContent";
        self.until(trouble, json!(false)).await;
        let query = self.text("#sql-text").await;
        self.click("#sql-run").await;
        let sign = "return (document.querySelector('#sql-verdict .sign')?.textContent ?? '').slice(0, 7)";
        self.until(sign, json!("= equal")).await;
        self.click("#sql form button").await;
        query
    }

    pub(crate) async fn said_nothing(&self) {
        let said = self.client.issue_cmd(Console).await.unwrap();
        assert_eq!(said, json!([]), "the console is not empty");
    }

    /// Lays the page out for a screen of this width.
    pub(crate) async fn resize(&self, width: u32) {
        self.lay_out(width, width < 500).await;
    }

    /// The same; what is not `mobile` has a scrollbar of 15 pixels.
    pub(crate) async fn lay_out(&self, width: u32, mobile: bool) {
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": mobile });
        self.client.issue_cmd(DevTools("Emulation.setDeviceMetricsOverride", metrics)).await.unwrap();
    }

    /// Lets pages know that their reader wants things to move less.
    async fn reduce_motion(&self) {
        let media = json!({ "features": [{ "name": "prefers-reduced-motion", "value": "reduce" }] });
        self.client.issue_cmd(DevTools("Emulation.setEmulatedMedia", media)).await.unwrap();
    }

    /// The page as PNG, from its top down to a height of at most so many pixels.
    pub(crate) async fn picture(&self, width: u32, most: u32) -> Vec<u8> {
        let height = self.eval(&format!("return Math.min({most}, document.documentElement.scrollHeight)")).await;
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let asked = DevTools("Page.captureScreenshot", json!({ "captureBeyondViewport": true, "clip": clip }));
        let answer = self.client.issue_cmd(asked).await.unwrap();
        BASE64_STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()
    }

    pub(crate) async fn end(mut self) {
        self.client.close().await.unwrap();
        self.driver.kill().unwrap();
        self.driver.wait().unwrap();
    }
}

/// What the browser's console said since the last call.
#[derive(Debug)]
struct Console;

impl WebDriverCompatibleCommand for Console {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}

/// A command of Chromium's own protocol.
#[derive(Debug)]
struct DevTools(&'static str, Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "cmd": self.0, "params": self.1 }).to_string()))
    }
}

#[tokio::test]
async fn an_order_moves_the_open_charts_page_without_a_reload() {
    let dir = Dir::new();
    let demo = Demo::start(&dir).await;
    let browser = Browser::start(&dir).await;

    // the empty page says how to make traffic, and turns into charts by itself
    browser.client.goto(&demo.charts).await.unwrap();
    let charts = browser.client.window().await.unwrap();
    browser.until("return document.querySelector('#empty').checkVisibility()", json!(true)).await;
    assert!(browser.text("#empty").await.contains("shopwindow replay product.csv"));
    browser.eval("window.since = performance.timeOrigin").await;

    let shop = browser.client.new_window(false).await.unwrap().handle;
    let orders = "return document.querySelector('[data-figure=\"orders-today\"]').textContent.trim()";
    for order in 1..=2 {
        browser.client.switch_to_window(shop.clone()).await.unwrap();
        browser.client.goto(&demo.shop).await.unwrap();
        browser.click("a[href^='/product/clothes']").await;
        browser.click("form[action='/order'] button").await;
        browser.until("return document.querySelector('h1')?.textContent ?? ''", json!("Order successful")).await;
        // the strip at the foot says when the row was there
        browser.until("return / ms/.test(document.querySelector('.strip')?.textContent ?? '')", json!(true)).await;

        browser.client.switch_to_window(charts.clone()).await.unwrap();
        browser.until(orders, json!(order.to_string())).await;
        if order == 1 {
            browser.until("return document.querySelector('#empty').checkVisibility()", json!(false)).await;
            browser.click("#today [data-toggle]").await;
        }
        let row = "return [...document.querySelectorAll('#today tbody tr')]\
                   .map(row => [...row.cells].map(cell => cell.textContent.trim()))\
                   .find(([product]) => /clothes/i.test(product))?.slice(1, 4).join(' ')";
        browser.until(row, json!(format!("{} {order} {order}", browser_shows(&demo).await))).await;
    }
    assert_eq!(
        browser.eval("return window.since === performance.timeOrigin").await,
        json!(true),
        "the page was loaded anew"
    );

    // paused, the page stays as it is; then it catches up
    browser.click("#pause").await;
    browser.until("return document.querySelector('#pause').textContent.includes('Paused')", json!(true)).await;
    browser.client.switch_to_window(shop.clone()).await.unwrap();
    browser.client.goto(&demo.shop).await.unwrap();
    browser.click("a[href^='/product/clothes']").await;
    browser.click("form[action='/order'] button").await;
    browser.until("return / ms/.test(document.querySelector('.strip')?.textContent ?? '')", json!(true)).await;
    browser.client.switch_to_window(charts.clone()).await.unwrap();
    browser.until("return document.visibilityState", json!("visible")).await;
    assert_eq!(browser.eval(orders).await, json!("2"));
    browser.click("#pause").await;
    browser.until(orders, json!("3")).await;
    browser.until("return document.querySelector('#visitors').textContent", json!("1")).await;

    browser.asks_nothing_of_elsewhere().await;
    browser.said_nothing().await;

    browser.end().await;
    assert!(demo.end(Signal::SIGINT).success());
    dir.is_at_rest();
}

/// Banners of clothes that happened to be shown.
async fn browser_shows(demo: &Demo) -> u64 {
    let rows = demo.json("api/breakdown?by=product&product=clothes").await;
    rows["rows"][0]["banner_show"].as_u64().unwrap()
}

#[tokio::test]
async fn the_page_shows_each_product_on_each_device_and_the_users_as_a_recount_gives_them() {
    let dir = Dir::new();
    let file = generate(&dir, 30_000);
    let demo = Demo::start(&dir).await;
    let browser = Browser::start(&dir).await;
    browser.client.goto(&format!("{}?section=trends&from=2019-01-01&to=2019-04-01", demo.charts)).await.unwrap();
    browser.until("return document.querySelector('#empty').checkVisibility()", json!(true)).await;

    let summary = replay_to_end(&dir, &file);
    assert_eq!(summary["stored"], 30_000);
    let recount = recount(&mut dir.database().await).await;
    let cells = recount.as_object().unwrap().keys().filter(|key| key.contains(" on ") && !key.starts_with("all "));
    assert_eq!(cells.count(), 10, "{recount}");

    let table = "return Object.fromEntries([...document.querySelectorAll('#parts tr[data-device]')].map(row =>\
                 [`${row.dataset.product || 'all'}${row.dataset.device && ' on ' + row.dataset.device}`,\
                  [...row.cells].slice(1).map(cell => Number(cell.textContent.replace(/\\D/g, '')))]))";
    browser.until(table, recount.clone()).await;
    for (n, figure) in ["shows", "clicks", "orders", "users"].into_iter().enumerate() {
        let shown = format!(
            "return Number(document.querySelector('[data-figure=\"{figure}\"]').textContent.replace(/\\D/g, ''))"
        );
        assert_eq!(browser.eval(&shown).await, recount["all"][n], "{figure}");
    }
    browser.until("return document.querySelector('[data-note=\"pending\"]').textContent", json!("")).await;
    browser.said_nothing().await;

    browser.end().await;
    assert!(demo.end(Signal::SIGINT).success());
    dir.is_at_rest();
}

#[tokio::test]
async fn the_page_shows_the_windows_that_its_address_asks_for_as_the_api_gives_them() {
    let dir = Dir::new();
    let file = generate(&dir, 10_000);
    let demo = Demo::start(&dir).await;
    replay_to_end(&dir, &file);
    let browser = Browser::start(&dir).await;
    let range = "from=2019-01-01&to=2019-02-01";
    let section = "section=windows";
    browser
        .client
        .goto(&format!("{}?{section}&{range}&kind=hopping&size=24h&advance=12h&group=product", demo.charts))
        .await
        .unwrap();

    let api = demo.json(&format!("api/windows?{range}&kind=hopping&size=24h&advance=12h&group_by=product")).await;
    let rows = api["rows"].as_array().unwrap();
    let first: Vec<_> = rows.iter().take(50).map(shown).collect();
    let table = "return [...document.querySelectorAll('#windows [data-part=\"rows\"] tbody tr')].map(row =>\
                 [...row.cells].map(cell => cell.querySelector('time')?.dateTime ?? cell.textContent).slice(0, 5))";
    browser.until(table, json!(first)).await;
    let mut starts: Vec<_> = rows.iter().map(|row| row["window_start"].as_str().unwrap()).collect();
    starts.dedup();
    let label = browser.eval("return document.querySelector('#windows .plot').getAttribute('aria-label')").await;
    assert!(label.as_str().unwrap().starts_with(&format!("{} hopping windows of 24 hours", starts.len())), "{label}");
    // the bars of clothes in their colour
    let drawn = "const canvas = document.querySelector('#windows canvas');\
                 const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);\
                 for (let i = 0; i < data.length; i += 4)\
                   if (data[i] === 0x3a && data[i + 1] === 0x92 && data[i + 2] === 0xe0) return true;\
                 return false";
    browser.until(drawn, json!(true)).await;

    browser.click("#windows [data-part=\"next\"]").await;
    let second: Vec<_> = rows.iter().skip(50).take(50).map(shown).collect();
    browser.until(table, json!(second)).await;
    browser.client.refresh().await.unwrap();
    browser.until(table, json!(first)).await;

    browser.click("#windows [data-part=\"kinds\"] li:nth-child(3) a").await;
    browser.until("return location.search", json!(format!("?{section}&{range}&kind=session"))).await;
    let sessions = demo.json(&format!("api/sessions?{range}")).await;
    let figures = "return ['sessions', 'session-users'].map(name =>\
                   Number(document.querySelector(`[data-figure=\"${name}\"]`).textContent.replace(/\\D/g, '')))";
    browser.until(figures, json!([sessions["sessions"], sessions["users"]])).await;
    browser.client.back().await.unwrap();
    browser.until(table, json!(first)).await;
    browser.said_nothing().await;

    let size = browser.client.find(Locator::Css("#windows input[name='size']")).await.unwrap();
    size.clear().await.unwrap();
    size.send_keys("soon\u{e007}").await.unwrap();
    browser.until("return document.querySelector('#windows-wrong').textContent.includes('soon')", json!(true)).await;

    browser.end().await;
    assert!(demo.end(Signal::SIGINT).success());
    dir.is_at_rest();
}

/// A row of `/api/windows` by product as the page shows it.
fn shown(row: &Value) -> [String; 5] {
    let text = |key: &str| row[key].as_str().unwrap().to_owned();
    let product = text("group").replace('_', " ");
    let product = product[..1].to_uppercase() + &product[1..];
    let [events, orders] = ["events", "orders"].map(|key| row[key].to_string());
    [text("window_start"), text("window_end"), product, events, orders]
}

#[tokio::test]
async fn a_figure_shows_its_sql_and_the_recount_beside_what_is_kept() {
    let dir = Dir::new();
    let file = generate(&dir, 10_000);
    let demo = Demo::start(&dir).await;
    replay_to_end(&dir, &file);
    let browser = Browser::start(&dir).await;
    browser
        .client
        .goto(&format!("{}?section=trends&from=2019-01-01&to=2019-04-01&kind=session", demo.charts))
        .await
        .unwrap();
    let totals = demo.json("api/totals?from=2019-01-01&to=2019-04-01").await;
    let orders = totals["events"]["order"].to_string();
    browser.until("return document.querySelector('[data-figure=\"orders\"]').textContent", json!(orders)).await;

    browser.click("[data-sql='orders']").await;
    browser.until("return document.querySelector('#sql-run').disabled", json!(false)).await;
    let sql = demo.json("api/sql/totals?from=2019-01-01&to=2019-04-01").await["sql"].as_str().unwrap().to_owned();
    let text = "return document.querySelector('#sql-text').textContent";
    assert_eq!(browser.eval(text).await, json!(sql.trim_end()));
    browser.click("#sql-run").await;
    let cells = "return [...document.querySelectorAll('#sql-verdict tbody tr')].map(row =>\
                 [...row.cells].map(cell => cell.textContent))";
    browser.until(cells, json!([["Orders", orders, orders, "= equal"]])).await;

    // Escape closes it and gives the focus back
    browser.client.active_element().await.unwrap().send_keys("\u{e00c}").await.unwrap();
    browser.until("return document.querySelector('#sql').open", json!(false)).await;
    assert_eq!(browser.eval("return document.activeElement.dataset.sql").await, json!("orders"));

    let sign = "return (document.querySelector('#sql-verdict .sign')?.textContent ?? '')";
    demo.until("api/sessions", |sessions| sessions["pending"] == false).await;
    for (section, figure, verdict) in [
        ("trends", "daily", "= equal: 90 of 90 rows are the same"),
        ("trends", "devices", "= equal: 2 of 2 rows are the same"),
        ("trends", "parts", "= equal: 10 of 10 rows are the same"),
        ("windows", "windows-chart", "= equal"),
        ("windows", "windows", "= equal: 1,000 of 1,000 rows are the same"),
        ("live", "orders-today", "= equal"),
        ("live", "latest", "= equal"),
        ("funnel", "funnel", "= equal: 3 of 3 rows are the same"),
        ("data", "messages-stored", "= equal"),
        ("data", "imports", "= equal: 1 of 1 row is the same"),
        ("data", "rejected", "= equal: no rows on either side"),
        ("pipeline", "pending", "= equal"),
    ] {
        browser.click(&format!("#sections [data-section='{section}']")).await;
        browser.click(&format!("[data-sql='{figure}']")).await;
        browser.until("return document.querySelector('#sql-run').disabled", json!(false)).await;
        browser.click("#sql-run").await;
        // of the newest events it depends on the batches how many are told apart
        let begins = format!("{sign}.slice(0, {})", verdict.len());
        browser.until(&begins, json!(verdict)).await;
        browser.click("#sql form button").await;
    }
    browser.said_nothing().await;

    browser.end().await;
    assert!(demo.end(Signal::SIGINT).success());
    dir.is_at_rest();
}

#[tokio::test]
async fn sections_filters_and_comparison_are_in_the_address_and_back_undoes_them() {
    let dir = Dir::new();
    let file = generate(&dir, 10_000);
    let demo = Demo::start(&dir).await;
    replay_to_end(&dir, &file);
    let browser = Browser::start(&dir).await;
    let range = "from=2019-02-01&to=2019-03-01";
    browser.client.goto(&format!("{}?section=funnel&{range}&product=clothes", demo.charts)).await.unwrap();

    // filtered through the address
    let stages = "return [...document.querySelectorAll('#stages tbody tr')].map(row =>\
                  [...row.cells].slice(1, 3).map(cell => Number(cell.textContent.replace(/\\D/g, ''))))";
    let expected = async |search: &str| {
        let rows = demo.json(&format!("api/breakdown?by=event_type&{search}")).await["rows"].take();
        let of = |stage: &str| rows.as_array().unwrap().iter().find(|row| row["value"] == stage).cloned();
        let row = |stage| of(stage).map_or(json!([0, 0]), |row| json!([row[stage], row["users"]]));
        json!([row("banner_show"), row("banner_click"), row("order")])
    };
    browser.click("#stages [data-toggle]").await;
    browser.until(stages, expected(&format!("{range}&product=clothes")).await).await;
    let title = browser.client.title().await.unwrap();
    for part in ["Funnel", "2019", "product: Clothes"] {
        assert!(title.contains(part), "{part} is not in {title}");
    }

    // by a click in the table, and off again by its chip
    browser.click("#stages tbody tr:nth-child(3) button").await;
    let search = "return location.search";
    let both = format!("?section=funnel&{range}&product=clothes&event_type=order");
    browser.until(search, json!(both)).await;
    browser.until(stages, expected(&format!("{range}&product=clothes&event_type=order")).await).await;
    browser.click("#filters li:nth-child(1) button").await;
    browser.until(search, json!(format!("?section=funnel&{range}&product=clothes"))).await;
    browser.client.back().await.unwrap();
    browser.until(search, json!(both)).await;
    browser.until("return document.querySelectorAll('#filters li').length", json!(3)).await;

    // by keys: no filters, compared, the month before, another section
    let keys = |keys| {
        let browser = &browser;
        async move { browser.client.find(Locator::Css("body")).await.unwrap().send_keys(keys).await.unwrap() }
    };
    keys("\u{e00c}").await;
    browser.until(search, json!(format!("?section=funnel&{range}"))).await;
    browser.until(stages, expected(range).await).await;
    keys("x").await;
    browser.until(search, json!(format!("?section=funnel&{range}&compare=previous"))).await;
    let heads = "return [...document.querySelectorAll('#stages thead th')].map(cell => cell.textContent).join()";
    browser.until(&format!("{heads}.includes('Events vs ')"), json!(true)).await;
    let before = "return [...document.querySelectorAll('#stages tbody tr')].map(row =>\
                  Number(row.cells[3].textContent.replace(/\\D/g, '')))";
    let was = expected("from=2019-01-04&to=2019-02-01").await;
    browser.until(before, json!([was[0][0], was[1][0], was[2][0]])).await;
    keys("\u{e012}").await;
    browser.until(stages, was).await;
    // each section has a heading, which is said when it changes, and a title
    let heading = "return [document.querySelector('h1[aria-live]').textContent, document.title.split(' · ')[0]]";
    browser.until(heading, json!(["From a banner to an order", "Funnel"])).await;
    keys("1").await;
    browser.until("return document.querySelector('#stages').checkVisibility()", json!(false)).await;
    browser.until(heading, json!(["What is happening in the shop now", "Live"])).await;
    browser.until("return document.querySelector('#latest').checkVisibility()", json!(true)).await;
    keys("?").await;
    browser.until("return document.querySelector('#keys').open", json!(true)).await;
    browser.client.active_element().await.unwrap().send_keys("2").await.unwrap();
    assert_eq!(browser.eval("return document.body.dataset.section").await, json!("live"), "keys of a dialog");
    browser.client.active_element().await.unwrap().send_keys("\u{e00c}").await.unwrap();
    browser.until("return document.querySelector('#keys').open", json!(false)).await;

    keys("2").await;
    let versus = "return / vs /.test(document.querySelector('[data-note=\"orders\"]').textContent)";
    browser.until(versus, json!(true)).await;

    // by a click on a bar
    browser.until("return document.querySelector('#daily canvas') !== null", json!(true)).await;
    browser.click_drawn("#daily canvas", [0x3a, 0x92, 0xe0]).await;
    browser.until("return new URLSearchParams(location.search).get('event_type')", json!("banner_show")).await;

    // a filter that nothing passes is said
    browser.client.goto(&format!("{}?section=funnel&{range}&product=nothing", demo.charts)).await.unwrap();
    let words = "return document.querySelector('#range-empty-words').textContent.includes('Remove a filter')";
    browser.until(words, json!(true)).await;
    browser.said_nothing().await;

    browser.end().await;
    assert!(demo.end(Signal::SIGINT).success());
    dir.is_at_rest();
}

#[tokio::test]
async fn the_profile_is_a_page_and_a_file_that_ask_nothing_of_elsewhere() {
    let dir = Dir::new();
    let file = generate(&dir, 10_000);
    let demo = Demo::start(&dir).await;
    replay_to_end(&dir, &file);
    let browser = Browser::start(&dir).await;
    let rows = "return document.querySelector('[data-figure=\"rows\"]')?.textContent ?? ''";
    // drawn in their colour, and as wide as they are frequent
    let bars = "const bars = [...document.querySelectorAll('#types .bar svg')];\
                return bars.every(bar => getComputedStyle(bar.firstChild).fill === 'rgb(58, 146, 224)') && bars.length";

    browser.client.goto(&demo.charts).await.unwrap();
    browser.click("a[href='/profile']").await;
    // it may be read still, and then comes by itself
    browser.until(rows, json!("10,000")).await;
    assert_eq!(browser.eval(bars).await, json!(3));
    browser.asks_nothing_of_elsewhere().await;
    browser.said_nothing().await;

    let html = Command::new(env!("CARGO_BIN_EXE_shopwindow")).arg("profile").arg(&file).arg("--html").output().unwrap();
    assert!(html.status.success());
    let page = dir.path().parent().unwrap().join("profile.html");
    std::fs::write(&page, html.stdout).unwrap();
    browser.client.goto(&format!("file://{}", page.display())).await.unwrap();
    browser.until(rows, json!("10,000")).await;
    assert_eq!(browser.eval(bars).await, json!(3));
    assert_eq!(browser.eval("return performance.getEntriesByType('resource').length").await, json!(0));
    browser.said_nothing().await;

    browser.end().await;
    assert!(demo.end(Signal::SIGINT).success());
    dir.is_at_rest();
}

#[tokio::test]
async fn the_last_hour_is_shown_by_the_minute_and_what_is_clicked_filters() {
    let dir = Dir::new();
    let file = generate(&dir, 3_000);
    let demo = Demo::start(&dir).await;
    assert!(replay(&dir, &file, &["--as-live"]).output().unwrap().status.success());
    let browser = Browser::start(&dir).await;
    browser.client.goto(&format!("{}?section=trends&range=1h", demo.charts)).await.unwrap();

    let totals = demo.json("api/totals").await["events"].take();
    let counts = json!(["banner_show", "banner_click", "order"].map(|key| &totals[key]));
    browser.click("#daily [data-toggle]").await;
    let number = "cell => Number(cell.textContent.replace(/\\D/g, ''))";
    let all = format!("return [...document.querySelectorAll('#daily tfoot td')].map({number})");
    browser.until(&all, counts.clone()).await;
    let minutes = format!(
        "const rows = [...document.querySelectorAll('#daily tbody tr')];\
         return [rows.length >= 58, ...[1, 2, 3].map(i => rows.reduce((sum, row) => sum + ({number})(row.cells[i]), 0))]"
    );
    assert_eq!(browser.eval(&minutes).await, json!([true, counts[0], counts[1], counts[2]]));
    // its SQL counts the same windows anew
    browser.recount("orders-chart").await;

    // a slice, and again
    let search = "return location.search";
    let desktop = [0x2a, 0x6f, 0xd6];
    browser.filter_by_drawing("#devices canvas", desktop, "?section=trends&range=1h&site_version=desktop").await;
    let expected = demo.json("api/totals?site_version=desktop").await["events"].take();
    browser.until(&all, json!(["banner_show", "banner_click", "order"].map(|key| &expected[key]))).await;
    let alone = "return /Mobile 0 /.test(document.querySelector('#devices [role=img]').getAttribute('aria-label'))";
    browser.until(alone, json!(true)).await;
    browser.filter_by_drawing("#devices canvas", desktop, "?section=trends&range=1h").await;
    browser.until(&all, counts).await;

    // a figure, and again
    browser.click("[data-figure='orders']").await;
    browser.until(search, json!("?section=trends&range=1h&event_type=order")).await;
    browser.click("[data-figure='orders']").await;
    browser.until(search, json!("?section=trends&range=1h")).await;

    // a product on a device, a group of windows, a value of the newest events
    browser.click("#parts tr[data-product='clothes'][data-device='mobile'] button").await;
    browser.until(search, json!("?section=trends&range=1h&product=clothes&site_version=mobile")).await;
    browser.client.goto(&format!("{}?section=windows&range=1h&group=product", demo.charts)).await.unwrap();
    browser.click("#windows [data-part='rows'] td.name button").await;
    browser.until("return /&product=/.test(location.search)", json!(true)).await;
    browser.client.goto(&demo.charts).await.unwrap();
    browser.click("#latest tbody tr:first-child td:nth-child(4) button").await;
    browser.until("return /site_version=(desktop|mobile)$/.test(location.search)", json!(true)).await;

    // where nothing is compared there is no key for it
    browser.client.find(Locator::Css("body")).await.unwrap().send_keys("x").await.unwrap();
    assert_eq!(browser.eval("return location.search.includes('compare')").await, json!(false));
    browser.said_nothing().await;

    browser.end().await;
    assert!(demo.end(Signal::SIGINT).success());
    dir.is_at_rest();
}

#[tokio::test]
async fn the_days_of_a_range_are_played_and_the_address_has_the_day() {
    let dir = Dir::new();
    let file = generate(&dir, 10_000);
    let demo = Demo::start(&dir).await;
    replay_to_end(&dir, &file);
    let browser = Browser::start(&dir).await;
    let range = "section=trends&from=2019-01-01&to=2019-02-01";
    browser.client.goto(&format!("{}?{range}", demo.charts)).await.unwrap();
    let day = "return new URLSearchParams(location.search).get('day')";
    let button = "return document.querySelector('#play-start').textContent";
    let marked = "return document.querySelectorAll('#orders .marked, #daily .marked').length";
    browser.until("return document.querySelector('#orders').dataset.state", json!("ready")).await;
    assert_eq!(browser.eval(day).await, json!(null));

    // from the first day to the last, where it ends by itself
    browser.eval("document.querySelector('#play-speed').value = 12").await;
    browser.click("#play-start").await;
    browser.until(button, json!("Pause")).await;
    browser.until(marked, json!(2)).await;
    browser.until(day, json!("2019-01-31")).await;
    browser.until(button, json!("Play")).await;

    // a step, and one that there is not
    browser.click("#play [data-step='1']").await;
    assert_eq!(browser.eval(day).await, json!("2019-01-31"));
    browser.click("#play [data-step='-1']").await;
    browser.until(day, json!("2019-01-30")).await;

    // from the keyboard, and paused on the way
    let body = browser.client.find(Locator::Css("body")).await.unwrap();
    browser.eval("document.querySelector('#play-speed').value = 1").await;
    browser
        .eval(
            "const slider = document.querySelector('#play-at'); slider.value = 4;\
                  for (const type of ['input', 'change']) slider.dispatchEvent(new Event(type, { bubbles: true }))",
        )
        .await;
    browser.until(day, json!("2019-01-05")).await;
    body.send_keys("p").await.unwrap();
    browser.until("return document.querySelector('#play-at').value", json!("6")).await;
    body.send_keys("p").await.unwrap();
    browser.until(button, json!("Play")).await;
    let is_written = "const at = Number(document.querySelector('#play-at').value);\
                      return new URLSearchParams(location.search).get('day') === new Date(Date.UTC(2019, 0, 1 + at)).toISOString().slice(0, 10)";
    browser.until(is_written, json!(true)).await;

    // a link shows the day, with the figures that the API has, and does not play
    browser.reduce_motion().await;
    browser.client.goto(&format!("{}?{range}&day=2019-01-07", demo.charts)).await.unwrap();
    browser.until("return document.querySelector('#play').dataset.open", json!("")).await;
    browser.click("#play [data-toggle]").await;
    let table = "return Object.fromEntries([...document.querySelectorAll('#play tbody tr')].map(row =>\
                 [row.cells[1].textContent + ': ' + row.cells[0].textContent, Number(row.cells[2].textContent.replace(/\\D/g, ''))]))";
    let of_day = "from=2019-01-07&to=2019-01-08";
    let mut totals = demo.json(&format!("api/totals?{of_day}")).await["events"].take();
    let mut expected = serde_json::Map::new();
    for (name, key) in [("Shows", "banner_show"), ("Clicks", "banner_click"), ("Orders", "order")] {
        expected.insert(format!("Events: {name}"), totals[key].take());
    }
    let product = |value: &str| {
        let words = value.replace('_', " ");
        format!("Orders by product: {}{}", words[..1].to_uppercase(), &words[1..])
    };
    let products = demo.json(&format!("api/breakdown?{of_day}&by=product")).await;
    // nobody orders electronics in this file, so they are no part
    let ordered = |row: &&Value| row["value"] != json!("electronics");
    for row in products["rows"].as_array().unwrap().iter().filter(ordered) {
        expected.insert(product(row["value"].as_str().unwrap()), row["order"].clone());
    }
    for row in demo.json(&format!("api/breakdown?{of_day}&by=site_version")).await["rows"].as_array().unwrap() {
        let events = ["banner_show", "banner_click", "order"].iter().map(|key| row[key].as_u64().unwrap()).sum::<u64>();
        let name = row["value"].as_str().unwrap();
        expected.insert(format!("Events by device: {}{}", name[..1].to_uppercase(), &name[1..]), json!(events));
    }
    browser.until(table, Value::Object(expected)).await;
    assert_eq!(browser.eval(button).await, json!("Play"));
    assert_eq!(
        browser.eval("return document.querySelector('#play-at').getAttribute('aria-valuetext')").await,
        json!("Monday, January 7, 2019")
    );
    browser.click("#play [data-step='1']").await;
    browser.until(day, json!("2019-01-08")).await;
    browser.click("#play-end").await;
    browser.until(day, json!(null)).await;
    browser.until(marked, json!(0)).await;

    // hours are for a fortnight: else it is said what is shown instead
    let note = "return document.querySelector('#range-fine').checkVisibility()";
    browser.client.goto(&format!("{}?{range}&by=hour", demo.charts)).await.unwrap();
    browser.until(note, json!(true)).await;
    browser
        .client
        .goto(&format!("{}?section=trends&from=2019-01-07&to=2019-01-09&by=hour", demo.charts))
        .await
        .unwrap();
    browser.click("#daily [data-toggle]").await;
    browser.until("return document.querySelectorAll('#daily tbody tr').length", json!(48)).await;
    assert_eq!(browser.eval(note).await, json!(false));
    browser.said_nothing().await;

    browser.end().await;
    assert!(demo.end(Signal::SIGINT).success());
    dir.is_at_rest();
}

/// Shows, clicks, orders and distinct users of three months: of all, of each product, on each device.
async fn recount(database: &mut PgConnection) -> Value {
    sqlx::query_scalar(
        "with counted as (
            select coalesce(product, 'all') || coalesce(' on ' || site_version, '') as part,
                count(*) filter (where event_type = 'banner_show') as shows,
                count(*) filter (where event_type = 'banner_click') as clicks,
                count(*) filter (where event_type = 'order') as orders,
                count(distinct user_id) as users
            from events
            where occurred_at >= '2019-01-01T00:00:00Z' and occurred_at < '2019-04-01T00:00:00Z'
            group by cube (product, site_version)
        )
        select jsonb_object_agg(part, jsonb_build_array(shows, clicks, orders, users)) from counted",
    )
    .fetch_one(database)
    .await
    .unwrap()
}
