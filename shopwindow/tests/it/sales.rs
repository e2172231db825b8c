//! The section Sales in a browser, with sales that were simulated.

use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::demo::Demo;
use crate::dir::Dir;

fn simulate(dir: &Dir, profile: &str, count: u32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopwindow"));
    command.args(["simulate", "--profile", profile, "--seed", "7", "--rate", "2000", "--count", &count.to_string()]);
    let output = command.env("KAFKA_BROKERS", dir.env("KAFKA_BROKERS")).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The first cells of the rows of a card's table.
fn table(card: &str, cells: usize) -> String {
    format!(
        "return [...document.querySelectorAll('#{card} tbody tr')].map(row =>\
         [...row.cells].slice(0, {cells}).map(cell => cell.textContent))"
    )
}

/// A number as the page groups it.
fn grouped(number: &Value) -> String {
    let digits = number.to_string();
    let (head, tail) = digits.split_at(digits.len().saturating_sub(3));
    if head.is_empty() { tail.into() } else { format!("{head},{tail}") }
}

#[tokio::test]
async fn the_page_shows_what_sells_where_and_what_failed_and_filters_by_a_click() {
    let dir = Dir::new();
    let demo = Demo::start(&dir).await;
    simulate(&dir, "tv", 900);
    simulate(&dir, "orders", 700);
    demo.until("api/totals", |totals| totals["events"]["order"].as_i64() > Some(1_050) && totals["pending"] == false)
        .await;
    demo.until("api/breakdown?by=event_type", |types| {
        types["rows"].as_array().into_iter().flatten().map(|row| row["users"].as_i64()).sum::<Option<i64>>() > Some(0)
    })
    .await;
    let browser = Browser::start(&dir).await;

    // the map is loaded when it is wanted
    browser.client.goto(&demo.charts).await.unwrap();
    browser.until("return document.querySelectorAll('#latest tbody tr').length", json!(50)).await;
    let maps = "return performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/us.js')).length";
    assert_eq!(browser.eval(maps).await, json!(0));
    browser.click("#sections [data-section='sales']").await;
    browser.until(maps, json!(1)).await;
    browser.until("return document.querySelector('#sales-states').dataset.state", json!("ready")).await;

    let total = demo.json("api/sales").await["rows"][0].take();
    let figure = |name: &str| format!("return document.querySelector('[data-figure=\"{name}\"]').textContent");
    browser.until(&figure("sales-orders"), json!(grouped(&total["orders"]))).await;
    browser.until(&figure("sales-units"), json!(grouped(&total["units"]))).await;
    let failed = format!(
        "return document.querySelector('#sales-status .note').textContent.startsWith('{} of ')",
        total["failed"]
    );
    browser.until(&failed, json!(true)).await;
    // a second and a minute with zeros, which hold what has just been sold
    browser
        .until("return document.querySelector('#sales-minutes .plot').ariaLabel.includes(' orders, $')", json!(true))
        .await;
    browser
        .until("return /very busy/.test(document.querySelector('[data-note=\"sales-hour\"]').textContent)", json!(true))
        .await;

    // the map has every state, those without orders too, and places
    for card in ["sales-states", "sales-brands", "sales-live"] {
        browser.click(&format!("#{card} [data-toggle]")).await;
    }
    let places = demo.json("api/places").await["rows"].as_array().unwrap().len();
    browser.until("return document.querySelectorAll('#sales-states tbody tr').length", json!(51 + places)).await;
    browser.until("return document.querySelectorAll('#sales-live tbody tr').length", json!(100)).await;
    let brands = demo.json("api/sales?by=brand").await["rows"].take();
    let named: Vec<_> = brands
        .as_array()
        .unwrap()
        .iter()
        .map(|row| json!([row["value"].as_str().unwrap_or("Not stated"), grouped(&row["orders"])]))
        .collect();
    browser.until(&table("sales-brands", 2), json!(named)).await;

    // a click on a brand leaves its sales, one on the map those of a state
    let brand = brands.as_array().unwrap().iter().find(|row| !row["value"].is_null()).unwrap();
    let name = brand["value"].as_str().unwrap();
    browser.eval(&format!(
        "[...document.querySelectorAll('#sales-brands tbody button')].find(({{ textContent }}) => textContent === '{name}').click()"
    )).await;
    browser.until("return location.search", json!(format!("?section=sales&brand={name}"))).await;
    browser.until(&figure("sales-orders"), json!(grouped(&brand["orders"]))).await;
    browser.client.back().await.unwrap();
    browser.until(&figure("sales-orders"), json!(grouped(&total["orders"]))).await;
    browser.click("#sales-states [data-toggle]").await;
    let click = "const canvas = document.querySelector('#sales-states canvas');\
                 canvas.scrollIntoView({ block: 'center' });\
                 const { left, top, width, height } = canvas.getBoundingClientRect();\
                 return [Math.round(left + width * 540 / 975), Math.round(top + height * 229 / 610)]";
    let at = browser.eval(click).await;
    browser.press(at[0].as_f64().unwrap(), at[1].as_f64().unwrap()).await;
    browser.until("return location.search", json!("?section=sales&state=Iowa")).await;
    let iowa = demo.json("api/sales?state=Iowa").await["rows"][0]["orders"].take();
    browser.until(&figure("sales-orders"), json!(grouped(&iowa))).await;
    // what none of these orders tells says what would make some
    browser
        .until(
            "return document.querySelector('#sales-brands .command')?.textContent",
            json!("shopwindow simulate --profile tv"),
        )
        .await;
    browser.client.back().await.unwrap();

    // another measure is in the address
    browser.eval("const select = document.querySelector('#sales-measure'); select.value = 'orders'; select.dispatchEvent(new Event('change'))").await;
    browser.until("return location.search", json!("?section=sales&measure=orders")).await;
    browser
        .until(
            "return document.querySelector('#sales-types .plot').ariaLabel.startsWith('Orders by product')",
            json!(true),
        )
        .await;

    // each figure is what a recount gives
    for name in [
        "sales-revenue",
        "sales-states",
        "sales-places",
        "sales-brands",
        "sales-status",
        "sales-screens",
        "sales-customers",
        "sales-prices",
        "sales-minutes",
    ] {
        browser.recount(name).await;
    }
    browser.asks_nothing_of_elsewhere().await;
    browser.said_nothing().await;

    browser.end().await;
    assert!(demo.end(Signal::SIGINT).success());
    dir.is_at_rest();
}
