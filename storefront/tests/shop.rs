#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helper functions too")]
//! HTTP in, topic out: the shop over a real Kafka, a topic for each test.
//!
//! Needs `KAFKA_BROKERS`, and for the strip `DATABASE_URL`, as `make test` sets them.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use reqwest::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_TYPE, COOKIE, ETAG, HeaderMap, HeaderName, IF_NONE_MATCH, LOCATION,
    SET_COOKIE, USER_AGENT,
};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgPool};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0";
const SECRET: &str = "the same key for every shop of these tests";

fn kafka_brokers() -> String {
    std::env::var("KAFKA_BROKERS").expect("KAFKA_BROKERS names a Kafka; `make test` starts one")
}

fn config(brokers: &str) -> storefront::Config {
    storefront::Config {
        addr: "127.0.0.1:0".parse().unwrap(),
        secret: Some(SECRET.parse().unwrap()),
        strip: false,
        kafka: events::Kafka::plain(brokers, format!("shop-test-{}", Uuid::new_v4().simple())),
        database: migrations::Database { url: "postgres://nobody@127.0.0.1:1/none".into() },
    }
}

/// A shop that serves.
struct Shop {
    url: String,
    config: storefront::Config,
    client: Client,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Shop {
    /// With a Kafka and a topic of its own.
    async fn open() -> Self {
        Self::open_with(config(&kafka_brokers())).await
    }

    async fn open_with(config: storefront::Config) -> Self {
        let shop = Self::start(config);
        shop.until_ready().await;
        shop
    }

    fn start(config: storefront::Config) -> Self {
        let listener = TcpListener::bind(config.addr).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let task = tokio::spawn(storefront::serve(listener, config.clone(), stop.clone()).unwrap());
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { url, config, client, stop, task }
    }

    async fn until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.get("/readyz").send().await.unwrap().status() != StatusCode::OK {
            assert!(Instant::now() < deadline, "the shop is not ready: is Kafka at {}?", self.config.kafka.brokers);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).header(USER_AGENT, FIREFOX)
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// Bytes in, bytes out, for what no decent client sends.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Every message on the topic by now, oldest first within each partition. The shop answers after
    /// Kafka has acknowledged, so what a finished request published is among them.
    fn messages(&self) -> Vec<Message> {
        let kafka = &self.config.kafka;
        let mut client = events::Kafka::plain(kafka_brokers(), &kafka.topic).client();
        client.set("group.id", "shop-tests").set("enable.auto.commit", "false").set_log_level(RDKafkaLogLevel::Error);
        let consumer: BaseConsumer = client.create().unwrap();
        let mut assignment = TopicPartitionList::new();
        let mut due = 0;
        for partition in 0..events::PARTITIONS {
            let (_, end) = consumer.fetch_watermarks(&kafka.topic, partition, Duration::from_secs(10)).unwrap();
            due += usize::try_from(end).unwrap();
            assignment.add_partition_offset(&kafka.topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&assignment).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut messages = Vec::new();
        while messages.len() < due {
            assert!(Instant::now() < deadline, "read {} of {due} messages", messages.len());
            if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                let message = message.unwrap();
                messages.push(Message {
                    place: (message.partition(), message.offset()),
                    key: String::from_utf8(message.key().unwrap().to_vec()).unwrap(),
                    event: serde_json::from_slice(message.payload().unwrap()).unwrap(),
                });
            }
        }
        messages
    }

    /// The one message on the topic.
    fn message(&self) -> Message {
        let mut messages = self.messages();
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages.remove(0)
    }
}

#[derive(Debug)]
struct Message {
    place: (i32, i64),
    key: String,
    event: Value,
}

impl Message {
    /// The event without `event_id` and `occurred_at`, which no test can foresee.
    fn rest(&self) -> Value {
        let mut event = self.event.clone();
        event.as_object_mut().unwrap().retain(|key, _| key != "event_id" && key != "occurred_at");
        event
    }

    fn id(&self) -> Uuid {
        self.event["event_id"].as_str().unwrap().parse().unwrap()
    }
}

/// A page that came, and the visitor that the shop made of its reader.
struct Page {
    status: StatusCode,
    html: String,
    visitor: String,
}

impl Page {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let status = response.status();
        let visitor = cookie(&response, "visitor").unwrap_or_default();
        Self { status, html: response.text().await.unwrap(), visitor }
    }

    fn cookie(&self) -> String {
        format!("visitor={}", self.visitor)
    }

    /// What stands between `before` and the next quotation mark.
    fn value(&self, before: &str) -> &str {
        let (_, rest) = self.html.split_once(before).unwrap_or_else(|| panic!("no {before} in {}", self.html));
        rest.split_once('"').unwrap().0
    }

    fn token(&self) -> &str {
        self.value(r#"name="token" value=""#)
    }
}

/// The request with `value` in the place of the header it has (`header()` would add a second one).
fn replace(request: RequestBuilder, name: HeaderName, value: &str) -> RequestBuilder {
    request.headers(HeaderMap::from_iter([(name, value.parse().unwrap())]))
}

fn cookie(response: &Response, name: &str) -> Option<String> {
    let cookies = response.headers().get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap());
    let cookie = cookies.filter_map(|cookie| cookie.strip_prefix(&format!("{name}="))).next()?;
    Some(cookie.split(';').next().unwrap().to_owned())
}

impl Shop {
    async fn page(&self, path: &str, cookie: &str) -> Page {
        Page::of(self.get(path).header(COOKIE, cookie)).await
    }

    fn order(&self, product: &str, token: &str, cookie: &str) -> RequestBuilder {
        self.request(Method::POST, "/order")
            .header(COOKIE, cookie)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(format!("product={product}&token={token}"))
    }
}

#[tokio::test]
async fn the_home_page_shows_one_banner_and_says_so_on_the_topic() {
    let shop = Shop::open().await;
    let page = Page::of(shop.get("/")).await;
    assert_eq!(page.status, StatusCode::OK);
    let message = shop.message();

    let banner = page.value(r#"data-banner=""#);
    let product = banner.rsplit_once('-').unwrap().0;
    let page_id = page.value("?page=");
    assert_eq!(
        message.rest(),
        json!({
            "event_type": "banner_show",
            "user_id": page.visitor,
            "source": "storefront",
            "page_id": page_id,
            "product": product,
            "site_version": "desktop",
        })
    );
    assert_eq!(message.key, page.visitor);
    assert_eq!(message.id().get_version_num(), 7);
    for id in [page_id, &page.visitor] {
        assert!(id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    }
    // every link to a product carries the page view, and all five products are there
    assert_eq!(page.html.matches("/product/").count(), page.html.matches(&format!("?page={page_id}")).count());
    for slug in ["accessories", "electronics", "sneakers", "sports_nutrition", "clothes"] {
        assert!(page.html.contains(&format!(r#"href="/product/{slug}?page="#)), "{slug}");
    }
    shop.stop().await;
}

#[tokio::test]
async fn a_click_belongs_to_its_page_view_and_a_reload_makes_no_second_one() {
    let shop = Shop::open().await;
    let home = Page::of(shop.get("/")).await;
    let page_id = home.value("?page=").to_owned();
    let path = format!("/product/sneakers?page={page_id}");
    for path in [&path, &path, &path.replace("sneakers", "clothes")] {
        assert_eq!(shop.page(path, &home.cookie()).await.status, StatusCode::OK);
    }
    let stranger = Page::of(shop.get(&path)).await;
    assert_ne!(stranger.visitor, home.visitor);

    let messages = shop.messages();
    let clicks: Vec<_> = messages.iter().filter(|message| message.event["event_type"] == "banner_click").collect();
    assert_eq!(clicks.len(), 4);
    let of = |user: &str, product: &str| {
        let of = |click: &&&Message| click.key == user && click.event["product"] == product;
        clicks.iter().filter(of).copied().collect::<Vec<_>>()
    };
    let sneakers = of(&home.visitor, "sneakers");
    assert_eq!(sneakers.len(), 2);
    assert_eq!(sneakers[0].id(), sneakers[1].id());
    assert_eq!(
        sneakers[0].rest(),
        json!({
            "event_type": "banner_click",
            "user_id": home.visitor,
            "source": "storefront",
            "page_id": page_id,
            "product": "sneakers",
            "site_version": "desktop",
        })
    );
    // another product, or another visitor, is another click
    let others = [of(&home.visitor, "clothes")[0].id(), of(&stranger.visitor, "sneakers")[0].id()];
    assert!(!others.contains(&sneakers[0].id()) && others[0] != others[1]);
    shop.stop().await;
}

#[tokio::test]
async fn a_product_page_opened_without_a_page_view_is_a_click_of_one_of_its_own() {
    let shop = Shop::open().await;
    let first = Page::of(shop.get("/product/clothes")).await;
    let uppercase = "0123456789ABCDEF0123456789ABCDEF";
    for page in ["", "?page=", "?page=1", "?page=%00", "?page=%FF", &format!("?page={uppercase}")] {
        let page = shop.page(&format!("/product/clothes{page}"), &first.cookie()).await;
        assert_eq!(page.status, StatusCode::OK);
    }
    let messages = shop.messages();
    let mut pages: Vec<_> = messages.iter().map(|message| message.event["page_id"].as_str().unwrap()).collect();
    pages.sort_unstable();
    pages.dedup();
    assert_eq!(pages.len(), 7);
    assert!(pages.iter().all(|page| page.len() == 32 && !page.eq_ignore_ascii_case(uppercase)));
    shop.stop().await;
}

#[tokio::test]
async fn an_order_is_confirmed_and_a_double_click_is_the_same_order() {
    let shop = Shop::open().await;
    let product = Page::of(shop.get("/product/sports_nutrition")).await;
    assert!(product.html.contains("Order now"));
    let mut locations = Vec::new();
    let mut receipt = String::new();
    for _ in 0..2 {
        let answer = shop.order("sports_nutrition", product.token(), &product.cookie()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        locations.push(answer.headers()[LOCATION].to_str().unwrap().to_owned());
        receipt = cookie(&answer, "receipt").unwrap();
    }
    assert_eq!(locations[0], locations[1]);
    let order_id = locations[0].strip_prefix("/order/").unwrap();

    let done = shop.page(&locations[0], &format!("{}; receipt={receipt}", product.cookie())).await;
    assert_eq!(done.status, StatusCode::OK);
    for text in ["Order successful", "Basecamp", "$34.50", order_id] {
        assert!(done.html.contains(text), "{text}");
    }

    let messages = shop.messages();
    let orders: Vec<_> = messages.iter().filter(|message| message.event["event_type"] == "order").collect();
    assert_eq!(orders.len(), 2);
    assert_eq!(orders[0].id(), orders[1].id());
    assert_eq!(orders[0].id().simple().to_string(), order_id);
    assert_eq!(orders[0].key, product.visitor);
    assert_eq!(
        orders[0].rest(),
        json!({
            "event_type": "order",
            "user_id": product.visitor,
            "source": "storefront",
            "product": "sports_nutrition",
            "site_version": "desktop",
            "order_id": order_id,
            "product_name": "Basecamp oat and cocoa shake, 900 g",
            "price": "34.50",
            "quantity": 1,
            "amount": "34.50",
            "currency": "USD",
        })
    );
    // looking at the confirmation made no further event
    assert_eq!(messages.len(), 3);
    shop.stop().await;
}

#[tokio::test]
async fn a_restarted_shop_takes_the_tokens_and_receipts_of_the_one_before() {
    let shop = Shop::open().await;
    let product = Page::of(shop.get("/product/clothes")).await;
    let answer = shop.order("clothes", product.token(), &product.cookie()).send().await.unwrap();
    let receipt = format!("{}; receipt={}", product.cookie(), cookie(&answer, "receipt").unwrap());
    let config = shop.config.clone();
    shop.stop().await;

    let shop = Shop::open_with(config).await;
    let again = shop.order("clothes", product.token(), &product.cookie()).send().await.unwrap();
    assert_eq!(again.headers()[LOCATION], answer.headers()[LOCATION]);
    let path = again.headers()[LOCATION].to_str().unwrap();
    assert_eq!(shop.page(path, &receipt).await.status, StatusCode::OK);
    shop.stop().await;
}

#[tokio::test]
async fn a_token_that_is_forged_foreign_or_missing_orders_nothing() {
    let shop = Shop::open().await;
    let mine = Page::of(shop.get("/product/clothes")).await;
    let theirs = Page::of(shop.get("/product/clothes")).await;
    let forged = format!("{}{}", Uuid::now_v7().simple(), &mine.token()[32..]);
    let before = shop.messages().len();

    let (cookie, token) = (mine.cookie(), mine.token());
    let post = |body: &'static str| {
        shop.request(Method::POST, "/order")
            .header(COOKIE, &cookie)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body)
    };
    for (request, expected) in [
        (shop.order("clothes", &forged, &cookie), StatusCode::FORBIDDEN),
        (shop.order("clothes", theirs.token(), &cookie), StatusCode::FORBIDDEN),
        (shop.order("sneakers", token, &cookie), StatusCode::FORBIDDEN),
        (shop.order("clothes", token, ""), StatusCode::FORBIDDEN),
        (shop.order("clothes", "", &cookie), StatusCode::FORBIDDEN),
        (shop.order("anvils", token, &cookie), StatusCode::BAD_REQUEST),
        (post("product=clothes"), StatusCode::BAD_REQUEST),
        (post(""), StatusCode::BAD_REQUEST),
        (post("product=clothes&token=%FF%FE"), StatusCode::FORBIDDEN),
        // a form of another site, however good the token
        (shop.order("clothes", token, &cookie).header("origin", "https://example.com"), StatusCode::FORBIDDEN),
        (shop.order("clothes", token, &cookie).header("origin", "null"), StatusCode::FORBIDDEN),
        (shop.order("clothes", token, &cookie).header("sec-fetch-site", "cross-site"), StatusCode::FORBIDDEN),
        (shop.order("clothes", token, &cookie).header("sec-fetch-site", "same-site"), StatusCode::FORBIDDEN),
        // a robot with a good token
        (replace(shop.order("clothes", token, &cookie), USER_AGENT, "curl/8.14.1"), StatusCode::FORBIDDEN),
        (
            replace(shop.order("clothes", token, &cookie), CONTENT_TYPE, "text/plain"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        (shop.order("clothes", &"0".repeat(5_000), &cookie), StatusCode::PAYLOAD_TOO_LARGE),
        (shop.get("/order"), StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let page = Page::of(request).await;
        assert_eq!(page.status, expected, "{}", page.html);
        assert!(page.html.contains("Back to the window"), "{}", page.html);
    }
    assert_eq!(shop.messages().len(), before);

    let own = shop.order("clothes", token, &cookie).header("origin", &shop.url).header("sec-fetch-site", "same-origin");
    assert_eq!(own.send().await.unwrap().status(), StatusCode::SEE_OTHER);
    assert_eq!(shop.messages().len(), before + 1);
    shop.stop().await;
}

#[tokio::test]
async fn a_confirmation_is_for_the_visitor_who_ordered() {
    let shop = Shop::open().await;
    let product = Page::of(shop.get("/product/clothes")).await;
    let answer = shop.order("clothes", product.token(), &product.cookie()).send().await.unwrap();
    let path = answer.headers()[LOCATION].to_str().unwrap();
    let receipt = format!("receipt={}", cookie(&answer, "receipt").unwrap());
    let stranger = format!("visitor={}; {receipt}", Uuid::new_v4().simple());
    let own = format!("{}; {receipt}", product.cookie());
    let other_order = format!("/order/{}", Uuid::now_v7().simple());
    for (path, cookie) in [
        (path, stranger.as_str()),
        (path, &receipt),
        (path, &product.cookie()),
        (path, &format!("{}; receipt=clothes.1.desktop.0.0.{}", product.cookie(), Uuid::new_v4().simple())),
        (&other_order, &own),
        ("/order/1", &own),
    ] {
        let page = shop.page(path, cookie).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path} {cookie}");
        assert!(page.html.contains("Nothing in this window"));
    }
    assert_eq!(shop.page(path, &own).await.status, StatusCode::OK);
    shop.stop().await;
}

#[tokio::test]
async fn nobody_who_does_not_look_is_counted() {
    let shop = Shop::open().await;
    let headless =
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0.0.0 Safari/537.36";
    for path in ["/", "/product/clothes"] {
        let head = shop.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!((head.status(), head.text().await.unwrap().as_str()), (StatusCode::OK, ""));
        for agent in
            ["Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "curl/8.14.1", headless, ""]
        {
            let page = Page::of(replace(shop.get(path), USER_AGENT, agent)).await;
            assert_eq!(page.status, StatusCode::OK, "{agent}");
            assert!(page.html.contains("</html>"));
        }
        // refused, so that the browser asks again when the visitor comes
        for (name, value) in
            [("sec-purpose", "prefetch"), ("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch")]
        {
            let ahead = shop.get(path).header(name, value).send().await.unwrap();
            assert_eq!(ahead.status(), StatusCode::SERVICE_UNAVAILABLE, "{name}: {value}");
        }
    }
    let none = shop.raw("GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n").await;
    assert!(none.starts_with("HTTP/1.1 200"), "{none}");
    let head =
        shop.raw(&format!("HEAD / HTTP/1.1\r\nHost: shop\r\nUser-Agent: {FIREFOX}\r\nConnection: close\r\n\r\n")).await;
    assert!(
        head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n") && head.contains("content-length:"),
        "{head}"
    );
    assert_eq!(shop.messages().len(), 0);
    shop.stop().await;
}

#[tokio::test]
async fn the_site_version_follows_the_user_agent() {
    let shop = Shop::open().await;
    for (agent, hint, expected) in [
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
            "",
            "mobile",
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
            "",
            "tablet",
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
            "?0",
            "tablet",
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
            "?1",
            "mobile",
        ),
        (FIREFOX, "", "desktop"),
    ] {
        let page = Page::of(replace(shop.get("/").header("sec-ch-ua-mobile", hint), USER_AGENT, agent)).await;
        let messages = shop.messages();
        let message = messages.iter().find(|message| message.key == page.visitor).unwrap();
        assert_eq!(message.event["site_version"], expected, "{agent}");
    }
    shop.stop().await;
}

#[tokio::test]
async fn a_visitor_keeps_the_cookie_and_an_unusable_one_is_replaced() {
    let shop = Shop::open().await;
    let first = shop.get("/").send().await.unwrap();
    let set = first.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=34560000"] {
        assert!(set.split("; ").any(|part| part == attribute), "{attribute} in {set}");
    }
    assert!(!set.contains("Secure"));
    let visitor = cookie(&first, "visitor").unwrap();
    let second = shop.page("/product/clothes", &format!("visitor={visitor}")).await;
    assert_eq!(second.visitor, visitor);
    assert!(shop.messages().iter().all(|message| message.key == visitor));

    for bad in
        ["", "1", "' or 1=1 --", &visitor.to_uppercase(), &format!("{visitor}0"), "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"]
    {
        let page = shop.page("/", &format!("visitor={bad}")).await;
        assert!(page.visitor.len() == 32 && page.visitor != bad, "{bad:?} became {:?}", page.visitor);
    }
    let behind_tls = shop.get("/").header("x-forwarded-proto", "https").send().await.unwrap();
    assert!(behind_tls.headers()[SET_COOKIE].to_str().unwrap().contains("Secure"));
    shop.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_told_so_and_never_breaks_the_shop() {
    let shop = Shop::open().await;
    for path in [
        "/nowhere",
        "/product/",
        "/product/anvils",
        "/product/%FF%FE",
        "/product/%zz",
        "/product/../../etc/passwd",
        "/product/clothes%00",
        "/order/%FF",
        "/static/shop/%2e%2e%2fshop.css",
        "/static/shop/none.svg",
        "/strip/1",
        "/%00",
        "/product/a/b",
    ] {
        let answer = shop
            .raw(&format!("GET {path} HTTP/1.1\r\nHost: shop\r\nUser-Agent: {FIREFOX}\r\nConnection: close\r\n\r\n"))
            .await;
        assert!(answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
    }
    let put = shop.request(Method::PUT, "/").send().await.unwrap();
    assert_eq!(
        (put.status(), &put.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap())
    );
    assert_eq!(shop.messages().len(), 0);
    shop.stop().await;
}

#[tokio::test]
async fn every_answer_keeps_the_page_to_itself() {
    let shop = Shop::open().await;
    for path in ["/", "/product/clothes", "/nowhere", "/static/shop/shop.css", "/healthz"] {
        let answer = shop.get(path).send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap();
        let policy = header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"));
        assert_eq!((header("x-content-type-options"), header("referrer-policy")), ("nosniff", "same-origin"));
        if header("content-type").starts_with("text/html") {
            assert_eq!(header("cache-control"), "no-store");
            let html = answer.text().await.unwrap();
            assert!(!html.contains("<script>") && !html.contains("style="), "{path}");
            assert!(html.len() < 60_000, "{path} has {} bytes", html.len());
        }
    }
    shop.stop().await;
}

#[tokio::test]
async fn a_file_is_kept_by_the_browser_until_it_changes() {
    let shop = Shop::open().await;
    let home = Page::of(shop.get("/")).await;
    let style = format!("/static/shop/{}", home.value(r#"href="/static/shop/shop."#).replacen("css", "shop.css", 1));
    for (path, content_type) in [
        (style.clone(), "text/css; charset=utf-8"),
        (style.replace("shop.css", "strip.js"), "text/javascript; charset=utf-8"),
        (style.replace("shop.css", "clothes-1.svg"), "image/svg+xml"),
    ] {
        let file = shop.get(&path).send().await.unwrap();
        assert_eq!((file.status(), file.headers()[CONTENT_TYPE].to_str().unwrap()), (StatusCode::OK, content_type));
        let kept = path == style;
        assert_eq!(file.headers()[CACHE_CONTROL].to_str().unwrap().contains("immutable"), kept, "{path}");
    }
    let packed = shop.get(&style).header(ACCEPT_ENCODING, "gzip").send().await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let packed = shop.get("/").header(ACCEPT_ENCODING, "br").send().await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "br");

    let tag = shop.get(&style).send().await.unwrap().headers()[ETAG].clone();
    let same = shop.get("/static/shop/shop.css").header(IF_NONE_MATCH, &tag).send().await.unwrap();
    assert_eq!((same.status(), same.text().await.unwrap().as_str()), (StatusCode::NOT_MODIFIED, ""));
    shop.stop().await;
}

#[tokio::test]
async fn an_order_that_does_not_arrive_is_given_up() {
    let shop = Shop::open().await;
    let head = format!("POST /order HTTP/1.1\r\nHost: shop\r\nUser-Agent: {FIREFOX}\r\n");
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nproduct=";
    let asked = Instant::now();
    let answer = shop.raw(&format!("{head}{form}")).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    shop.stop().await;
}

/// A port that nobody listens on.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn while_kafka_is_away_pages_come_in_time_orders_are_not_confirmed_and_the_events_wait() {
    let port = closed_port();
    let shop = Shop::start(config(&format!("127.0.0.1:{port}")));
    assert_eq!(shop.get("/healthz").send().await.unwrap().status(), StatusCode::OK);
    let ready = shop.get("/readyz").send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    let ready: Value = serde_json::from_str(&ready.text().await.unwrap()).unwrap();
    assert_eq!(ready["away"][0]["part"], "kafka");

    let asked = Instant::now();
    let home = Page::of(shop.get("/")).await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert_eq!(home.status, StatusCode::OK);
    let product = shop.page("/product/clothes", &home.cookie()).await;
    let asked = Instant::now();
    let refused = Page::of(shop.order("clothes", product.token(), &home.cookie())).await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.html.contains("never be ordered twice"));
    // the page offers the same order once more
    assert_eq!(refused.token(), product.token());

    // Kafka comes: this port leads to it
    let gate = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let gate = tokio::spawn(async move {
        loop {
            let (mut from, _) = gate.accept().await.unwrap();
            tokio::spawn(async move {
                let mut to = TcpStream::connect(kafka_brokers()).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
    shop.until_ready().await;
    let late = Page::of(shop.order("clothes", refused.token(), &home.cookie())).await;
    assert_eq!(late.status, StatusCode::SEE_OTHER);
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let mut types: Vec<_> = shop.messages().iter().map(|message| message.event["event_type"].to_string()).collect();
        types.sort_unstable();
        if types == [r#""banner_click""#, r#""banner_show""#, r#""order""#] {
            break;
        }
        assert!(Instant::now() < deadline, "{types:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    shop.stop().await;
    gate.abort();
}

#[tokio::test]
async fn a_stop_answers_who_is_served_and_does_not_wait_for_idle_browsers() {
    let shop = Shop::open().await;
    // a kept connection, and one that never asks
    Page::of(shop.get("/")).await;
    let _idle = TcpStream::connect(shop.url.strip_prefix("http://").unwrap()).await.unwrap();
    let asked = Instant::now();
    shop.stop().await;
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_strip_shows_the_event_its_place_and_when_it_was_stored(pool: PgPool) {
    let plain = Shop::open().await;
    let page = Page::of(plain.get("/")).await;
    assert!(!page.html.contains("What just happened"));
    assert_eq!(plain.get(&format!("/strip/{}", Uuid::now_v7())).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    plain.stop().await;

    let mut config = config(&kafka_brokers());
    config.strip = true;
    config.database.url = pool.connect_options().to_url_lossy().to_string();
    let shop = Shop::open_with(config).await;
    let page = Page::of(shop.get("/product/clothes")).await;
    let message = shop.message();
    let (id, (partition, offset)) = (message.id(), message.place);
    assert!(page.html.contains("<details open>"));
    for text in [
        format!(r#"data-event="{id}" data-partition="{partition}" data-offset="{offset}""#),
        format!("<dd>{}</dd>", shop.config.kafka.topic),
        "&quot;banner_click&quot;".to_owned(),
    ] {
        assert!(page.html.contains(&text), "{text} in {}", page.html);
    }

    let ask = shop.get(&format!("/strip/{id}")).header(COOKIE, page.cookie());
    let answer = tokio::spawn(ask.send());
    sqlx::query(
        r#"insert into events (event_id, event_type, occurred_at, stored_at, user_id, source, topic, partition, "offset")
           values ($1, 'banner_click', now(), now() + interval '38 ms', $2, 'storefront', 'shop', 4, 7)"#,
    )
    .bind(id)
    .bind(&page.visitor)
    .execute(&pool)
    .await
    .unwrap();
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let stored: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(stored, json!({"stored_after_ms": 38, "partition": 4, "offset": 7}));

    // after an order, the strip of the confirmation is about the order
    let answer = shop.order("clothes", page.token(), &page.cookie()).send().await.unwrap();
    let cookies = format!("{}; strip=off; receipt={}", page.cookie(), cookie(&answer, "receipt").unwrap());
    let done = shop.page(answer.headers()[LOCATION].to_str().unwrap(), &cookies).await;
    let messages = shop.messages();
    let order = messages.iter().find(|message| message.event["event_type"] == "order").unwrap();
    let (partition, offset) = order.place;
    let place = format!(r#"data-event="{}" data-partition="{partition}" data-offset="{offset}""#, order.id());
    assert!(done.html.contains(&place), "{place}");
    for value in order.event.as_object().unwrap().values() {
        let shown = value.to_string().replace('"', "&quot;");
        assert!(done.html.contains(&shown), "{shown}");
    }
    // the visitor switched it off
    assert!(done.html.contains("<details>"));

    // a stop does not wait for a question that has no answer yet; nobody is told of another's event
    let ask = shop.get(&format!("/strip/{id}")).header(COOKIE, format!("visitor={}", Uuid::new_v4().simple()));
    let unanswered = tokio::spawn(ask.send());
    tokio::task::yield_now().await;
    Page::of(shop.get("/")).await;
    shop.stop().await;
    assert_eq!(unanswered.await.unwrap().unwrap().status(), StatusCode::NO_CONTENT);
}
