//! Each section of the charts page with real data: the figures of those that are no charts over time, what a reader
//! saves, what the page shows of the systems that it follows, and whether everyone can read it.

use std::path::Path;
use std::process::{Command, Stdio};

use fantoccini::Locator;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::demo::{Demo, generate, replay_to_end};
use crate::dir::Dir;

const SECTIONS: [&str; 7] = ["live", "trends", "sales", "funnel", "windows", "data", "pipeline"];

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Events of every kind: a replayed file, and each of the simulated profiles.
fn fill(dir: &Dir) {
    replay_to_end(dir, &generate(dir, 10_000));
    for profile in ["shop", "orders", "tv", "clickstream"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shopwindow"));
        command.args(["simulate", "--profile", profile, "--rate", "500", "--count", "300", "--seed", "1"]);
        for name in ["KAFKA_BROKERS", "KAFKA_TOPIC", "DATABASE_URL"] {
            command.env(name, dir.env(name));
        }
        assert!(command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success(), "{profile}");
    }
}

/// Nothing scrolls sideways on a phone, nor where its scrollbar takes some of the width.
async fn fits_phones(browser: &Browser, what: &str) {
    for (mobile, width) in [(true, 390), (false, 375)] {
        browser.lay_out(390, mobile).await;
        // a short page has its scrollbar, too
        let widths = format!(
            "const {{ style, clientWidth, scrollWidth }} = document.documentElement;\
             style.overflowY = 'scroll';\
             return ['{what}', clientWidth, scrollWidth]"
        );
        browser.until(&widths, json!([what, width, width])).await;
    }
}

/// The cards that are shown and have no figures yet, and what is said of that.
const UNDRAWN: &str = "return [...document.querySelectorAll('[data-state=\"loading\"]')]\
                       .filter(card => card.checkVisibility())\
                       .map(card => `${card.id} ${document.querySelector('#trouble').textContent}`)";

#[tokio::test]
async fn everyone_can_read_each_section_and_pictures_of_them_are_kept() {
    let dir = Dir::new();
    let demo = Demo::start(&dir).await;
    let browser = Browser::start(&dir).await;
    browser.client.goto(&demo.charts).await.unwrap();
    for section in SECTIONS {
        browser.click(&format!("#sections [data-section='{section}']")).await;
        fits_phones(&browser, &format!("{section} without data")).await;
    }
    fill(&dir);
    let axe = std::fs::read_to_string(checkout().join("node_modules/axe-core/axe.min.js")).unwrap();
    let pictures = checkout().join(".ci/artifacts");
    std::fs::create_dir_all(&pictures).unwrap();
    browser.client.goto(&demo.charts).await.unwrap();
    for (name, theme, width) in [("light", "light", 1440), ("dark", "dark", 1440), ("phone", "light", 390)] {
        browser.eval(&format!("localStorage.setItem('theme', '{theme}')")).await;
        browser.resize(width).await;
        for section in SECTIONS {
            // what is simulated sells, and what is replayed goes on for months
            let range = if section == "sales" { "range=all" } else { "from=2019-01-01&to=2019-06-01" };
            browser.client.goto(&format!("{}?section={section}&{range}", demo.charts)).await.unwrap();
            browser.until(UNDRAWN, json!([])).await;
            let kept = pictures.join(format!("{section}-{name}.png"));
            std::fs::write(kept, browser.picture(width, u32::MAX).await).unwrap();
            if (section, name) == ("trends", "light") {
                std::fs::write(pictures.join("readme.png"), browser.picture(width, 1_300).await).unwrap();
            }
            let fits =
                "const { clientWidth, scrollWidth } = document.documentElement; return scrollWidth <= clientWidth";
            assert_eq!(browser.eval(fits).await, json!(true), "{section} scrolls sideways at {width}");
            browser.eval(&axe).await;
            let found = browser
                .client
                .execute_async(
                    "const done = arguments[0];\
                     axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => done(violations\
                       .filter(({ impact }) => impact === 'serious' || impact === 'critical')\
                       .map(({ id, nodes }) => `${id}: ${nodes.map(({ html, any }) => html.slice(0, 120) + ' ' + (any[0]?.message ?? '')).join('; ')}`)))",
                    Vec::new(),
                )
                .await
                .unwrap();
            assert_eq!(found, json!([]), "{section}, {name}");
            browser.asks_nothing_of_elsewhere().await;
            if name == "phone" {
                fits_phones(&browser, section).await;
                browser.resize(width).await;
            }
        }
    }
    browser.said_nothing().await;
    browser.end().await;
    assert!(demo.end(Signal::SIGINT).success());
    dir.is_at_rest();
}

/// The rows of docs/parity.md: what is here, address and element.
fn parity() -> Vec<[String; 3]> {
    let document = std::fs::read_to_string(checkout().join("docs/parity.md")).unwrap();
    let rows = document.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    rows.map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        [cells[1], cells[2], cells[3]].map(str::to_owned)
    })
    .collect()
}

#[tokio::test]
async fn what_the_five_systems_show_is_where_the_document_says() {
    let dir = Dir::new();
    let demo = Demo::start(&dir).await;
    fill(&dir);
    let browser = Browser::start(&dir).await;
    let rows = parity();
    assert!(rows.len() > 50, "{}", rows.len());
    browser.client.goto(&demo.charts).await.unwrap();
    for [what, address, element] in rows {
        browser.client.goto(&format!("{}{}", demo.charts, address.trim_start_matches('/'))).await.unwrap();
        let shown = format!(
            "const element = document.getElementById('{element}');\
             return `{what}: ` + (element?.checkVisibility() && element.dataset.state !== 'loading')"
        );
        browser.until(&shown, json!(format!("{what}: true"))).await;
    }
    browser.said_nothing().await;
    browser.end().await;
    assert!(demo.end(Signal::SIGINT).success());
    dir.is_at_rest();
}

#[tokio::test]
async fn who_comes_is_told_by_events_or_by_users_and_the_sql_is_that_of_what_is_shown() {
    let dir = Dir::new();
    let demo = Demo::start(&dir).await;
    fill(&dir);
    demo.until("api/totals", |totals| totals["pending"] == false).await;
    let browser = Browser::start(&dir).await;
    browser.client.goto(&format!("{}?section=trends&range=all", demo.charts)).await.unwrap();
    let rows = "return [...document.querySelectorAll('#trends-audience tbody tr')].map(row =>\
                [...row.cells].slice(0, 2).map(cell => cell.textContent))";
    let filters = "return document.querySelectorAll('#trends-audience tbody button').length";
    browser.click("#trends-audience [data-toggle]").await;
    let who = browser.client.find(Locator::Css("#who")).await.unwrap();
    for (by, query, is_filter) in
        [("gender", "breakdown", true), ("region", "audience", false), ("age_group", "breakdown", true)]
    {
        // gender is what is shown first
        if by != "gender" {
            who.select_by_value(by).await.unwrap();
            browser.until("return location.search", json!(format!("?section=trends&range=all&who={by}"))).await;
        }
        let answer = demo.json(&format!("api/{query}?by={by}&limit=50")).await;
        let known = answer["rows"].as_array().unwrap().iter().filter(|row| !row["value"].is_null()).take(12);
        let expected: Vec<_> =
            known.map(|row| [row["value"].as_str().unwrap().replace('_', " "), row["users"].to_string()]).collect();
        assert!(expected.len() > 1, "{by}: {answer}");
        browser.until(rows, json!(expected)).await;
        assert_eq!(browser.eval(filters).await, json!(if is_filter { expected.len() } else { 0 }), "{by}");

        let sql = browser.recount("trends-audience").await;
        assert_eq!(sql.contains("from users"), !is_filter, "{by}: {sql}");
        assert!(sql.contains(&format!("'{by}'")), "{sql}");
    }
    browser.said_nothing().await;
    browser.end().await;
    assert!(demo.end(Signal::SIGINT).success());
    dir.is_at_rest();
}

#[tokio::test]
async fn the_funnel_tells_by_any_dimension_who_goes_on_and_what_is_left() {
    let dir = Dir::new();
    let file = generate(&dir, 10_000);
    let demo = Demo::start(&dir).await;
    replay_to_end(&dir, &file);
    let browser = Browser::start(&dir).await;
    let range = "from=2019-01-01&to=2019-06-01";
    browser.client.goto(&format!("{}?section=funnel&{range}&by=site_version", demo.charts)).await.unwrap();
    browser.click("#funnel-by [data-toggle]").await;
    let numbers = |card: &str| {
        format!(
            "return [...document.querySelectorAll('#{card} tbody tr')].map(row => [...row.cells].slice(1)\
             .filter(cell => !cell.textContent.match(/[%–]/)).map(cell => Number(cell.textContent.replace(/\\D/g, ''))))"
        )
    };
    let expected = async |by: &str| -> Vec<Value> {
        let rows = demo.json(&format!("api/funnel?{range}&by={by}")).await["rows"].take();
        let stages: Vec<_> = rows.as_array().unwrap().iter().filter(|row| row["stage"] != "cart").cloned().collect();
        stages
            .chunks(3)
            .map(|stages| json!(stages.iter().flat_map(|row| [&row["events"], &row["users"]]).collect::<Vec<_>>()))
            .collect()
    };
    browser.until(&numbers("funnel-by"), json!(expected("site_version").await)).await;
    // desktop orders exceed desktop clicks, and the page says so
    let note = "return document.querySelector('#funnel-by .note').textContent";
    let said = browser.eval(note).await;
    assert!(said.as_str().unwrap().contains("More is ordered than clicked: Desktop 1"), "{said}");
    assert!(said.as_str().unwrap().contains("add up to more than all users"), "{said}");

    // another dimension is in the address, and Back undoes it
    let picker = browser.client.find(Locator::Css("#by")).await.unwrap();
    picker.select_by_value("product").await.unwrap();
    browser.until("return location.search", json!(format!("?section=funnel&{range}"))).await;
    browser.until(&numbers("funnel-by"), json!(expected("product").await)).await;
    browser.client.back().await.unwrap();
    browser.until(&numbers("funnel-by"), json!(expected("site_version").await)).await;

    // what is left, and conversion, as a recount has them
    let mut database = dir.database().await;
    let left: Vec<(String, i64)> = sqlx::query_as(
        "select product, count(distinct user_id) from events e
         where event_type = 'banner_click' and not exists (
             select from events o where o.user_id = e.user_id and o.product = e.product and o.event_type = 'order')
         group by product order by 2 desc, 1",
    )
    .fetch_all(&mut database)
    .await
    .unwrap();
    browser.click("#funnel-lost [data-toggle]").await;
    let lost = "return [...document.querySelectorAll('#funnel-lost tbody tr')].map(row => \
                Number(row.cells[1].textContent.replace(/\\D/g, '')))";
    browser.until(lost, json!(left.iter().map(|(_, users)| users).collect::<Vec<_>>())).await;
    let (users, buyers): (i64, i64) = sqlx::query_as(
        "select count(distinct user_id), count(distinct user_id) filter (where event_type = 'order') from events",
    )
    .fetch_one(&mut database)
    .await
    .unwrap();
    let conversion = "return document.querySelector('[data-figure=\"conversion\"]').textContent";
    browser.until(conversion, json!(format!("{:.2}%", 100.0 * buyers as f64 / users as f64))).await;

    // each equals its recount
    for figure in ["funnel", "funnel-by", "funnel-lost"] {
        browser.recount(figure).await;
    }

    // a table and a picture are files
    browser
        .eval(
            "window.saved = [];\
             let blob = null;\
             URL.createObjectURL = (made) => { blob = made; return 'blob:'; };\
             HTMLAnchorElement.prototype.click = function () {\
               const { type } = blob;\
               blob.text().then((text) => saved.push([this.download, type, type === 'image/png' ? 'picture' : text]));\
             }",
        )
        .await;
    for kind in 1..=3 {
        browser.click("#stages [aria-label^='Save']").await;
        browser.click(&format!("#save-stages button:nth-child({kind})")).await;
        browser.until("return saved.length", json!(kind)).await;
    }
    let saved = browser.eval("return saved").await;
    assert_eq!((&saved[0][1], &saved[0][2]), (&json!("image/png"), &json!("picture")));
    let stages = demo.json(&format!("api/funnel?{range}")).await["rows"].take();
    let csv = saved[1][2].as_str().unwrap();
    assert!(csv.starts_with("Stage,Events,Users,"), "{csv}");
    assert!(csv.contains(&format!("\r\nViews,{},{},", stages[0]["events"], stages[0]["users"])), "{csv}");
    let file: Value = serde_json::from_str(saved[2][2].as_str().unwrap()).unwrap();
    assert_eq!(file["rows"][0]["Events"], stages[0]["events"]);
    browser.said_nothing().await;
    browser.end().await;
    assert!(demo.end(Signal::SIGINT).success());
    dir.is_at_rest();
}

#[tokio::test]
async fn imports_rejections_and_events_are_found_and_the_pipeline_tells_how_it_does() {
    let dir = Dir::new();
    let file = generate(&dir, 5_000);
    let rows = std::fs::read_to_string(&file).unwrap() + "none,u,p,clothes,mobile,2019-01-01 00:00:00,banner_show,0\n";
    std::fs::write(&file, rows).unwrap();
    let demo = Demo::start(&dir).await;
    let browser = Browser::start(&dir).await;
    browser.client.goto(&format!("{}?section=data", demo.charts)).await.unwrap();
    // without any import it says how one is made
    browser.until("return document.querySelector('#import-command')?.checkVisibility()", json!(true)).await;
    let summary = replay_to_end(&dir, &file);

    let cells = "return [...document.querySelectorAll('#imports tbody tr')].map(row => \
                 [0, 1, 2, 4, 5, 6].map(i => row.cells[i].textContent))";
    browser.until(cells, json!([["product.csv", "finished", "5,001", "5,000", "0", "1"]])).await;
    let why = "return /order_id/.test(document.querySelector('#rejected tbody td:nth-child(2)')?.textContent)";
    browser.until(why, json!(true)).await;
    browser
        .until(
            "return document.querySelector('#rejected tbody td:nth-child(3)').textContent",
            json!("product.csv, line 5,002"),
        )
        .await;
    browser.click("#imports tbody button").await;
    let search = format!("?section=data&import_id={}", summary["import_id"].as_str().unwrap());
    browser.until("return location.search", json!(search)).await;

    let event: (String, i32, i64) = sqlx::query_as("select event_id::text, partition, \"offset\" from events limit 1")
        .fetch_one(&mut dir.database().await)
        .await
        .unwrap();
    let find = async |id: &str| {
        let input = browser.client.find(Locator::Css("#find input")).await.unwrap();
        input.clear().await.unwrap();
        input.send_keys(&format!("{id}\u{e007}")).await.unwrap();
    };
    let said = "return document.querySelector('#find [data-part=\"said\"]').textContent";
    find(&event.0).await;
    let place = format!("partition {} of topic ecommerce, offset {}", event.1, event.2);
    browser.until(&format!("{said}.replaceAll(',', '').includes('{}')", place.replace(',', "")), json!(true)).await;
    find("6f1c2a52-0000-4000-8000-000000000001").await;
    browser.until(&format!("{said}.includes('neither stored nor rejected')"), json!(true)).await;
    browser.eval("document.activeElement.blur()").await;

    browser.click("#sections [data-section='pipeline']").await;
    let parts = "return [...document.querySelectorAll('#health tbody tr')].map(row => row.dataset.part + ' ' + row.dataset.state)";
    browser.until(parts, json!(["kafka ok", "postgresql ok", "consumer ok"])).await;
    browser.until("return document.querySelector('[data-figure=\"lag\"]').textContent", json!("0")).await;
    browser.click("#lag [data-toggle]").await;
    browser.until("return document.querySelectorAll('#lag tbody tr').length", json!(6)).await;
    let stored = "return [...document.querySelectorAll('#lag tbody tr')].reduce((sum, row) => \
                  sum + Number(row.cells[2].textContent.replace(/\\D/g, '')), 0)";
    browser.until(stored, json!(5_000)).await;
    browser.end().await;
    assert!(demo.end(Signal::SIGINT).success());
    dir.is_at_rest();
}
