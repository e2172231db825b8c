//! `shopwindow profile` as a user meets it. The expected figures are counted by hand.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, PgPool};

/// Six events of a shop: the second purchase is the first, the last event has neither brand, category nor session.
pub(crate) const ELECTRONICS: &str = "\
event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session
2020-09-24 11:57:06 UTC,view,1,2144415927049912542,electronics.video.tv,sony,635.63,1515915625519385419,s1
2020-09-24 11:58:00 UTC,view,2,2144415927049912543,computers.cpu,,100.00,1515915625519385420,s2
2020-09-24 11:59:00 UTC,cart,2,2144415927049912543,computers.cpu,,100.00,1515915625519385420,s2
2020-09-24 12:00:00 UTC,purchase,2,2144415927049912543,computers.cpu,,100.00,1515915625519385420,s2
2020-09-24 12:00:00 UTC,purchase,2,2144415927049912543,computers.cpu,\"\",100.00,1515915625519385420,s2
2020-09-25 00:00:00 UTC,view,3,2144415927049912544,\"\", ,-5.00,1515915625519385421,
";

/// Exit status, standard output, standard error.
fn profile(args: &[&str], input: &str, database: Option<&str>) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopwindow"));
    command.arg("profile").args(args).env("RUST_LOG", "warn");
    if let Some(url) = database {
        command.env("DATABASE_URL", url);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // it may be gone before it has read anything
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// The report as JSON.
fn report(input: &str) -> Value {
    let (status, stdout, stderr) = profile(&["-", "--json"], input, None);
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    serde_json::from_str(&stdout).unwrap()
}

#[test]
fn a_file_of_a_known_kind_is_profiled_to_its_funnel() {
    let report = report(ELECTRONICS);
    let exact = |value: u64| json!({ "value": value, "error_percent": null });
    assert_eq!(report["rows"], 6);
    assert_eq!(report["duplicates"], exact(1));
    assert_eq!(
        report["quality"],
        json!({
            "cells": 54, "missing": 7, "completeness": 87.04,
            "users": { "column": "user_id", "distinct": exact(3), "percent_of_rows": 50.0 },
            "sessions": { "column": "user_session", "distinct": exact(2), "percent_of_rows": 33.33 },
        })
    );
    let stage = |event_type: &str, events: u64, percent: f64, users: u64, sum: &str| {
        let value = json!([{ "currency": null, "sum": sum }]);
        json!({ "event_type": event_type, "events": events, "percent": percent, "users": exact(users), "value": value })
    };
    assert_eq!(
        report["funnel"],
        json!([
            stage("view", 3, 50.0, 3, "730.63"),
            stage("purchase", 2, 33.33, 1, "200"),
            stage("cart", 1, 16.67, 1, "100"),
        ])
    );
    let rate = |from: &str, to: &str, percent: f64, users: f64| json!({ "from": from, "to": to, "percent": percent, "users_percent": users });
    assert_eq!(
        report["rates"],
        json!([
            rate("view", "cart", 33.33, 33.33),
            rate("view", "purchase", 66.67, 33.33),
            rate("cart", "purchase", 200.0, 100.0),
        ])
    );
    let share = |value: &str, rows: u64, percent: f64| json!({ "value": value, "rows": rows, "percent": percent });
    assert_eq!(report["categories"]["top"], json!([share("computers", 4, 80.0), share("electronics", 1, 20.0)]));
    assert_eq!(report["brands"]["top"], json!([share("sony", 1, 100.0)]));
    assert_eq!(report["brands_by_type"], json!([["sony", { "view": 1 }]]));

    let price = &report["price"];
    assert_eq!((&price["count"], &price["sum"]), (&json!(6), &json!("1030.63")));
    let quantile = |percent: u64| {
        price["quantiles"].as_array().unwrap().iter().find(|quantile| quantile["percent"] == percent).unwrap()["value"]
            .clone()
    };
    assert_eq!(
        [0, 25, 50, 95, 100].map(quantile),
        ["-5", "100", "100", "501.7225", "635.63"].map(|value| json!(value))
    );
    let ranges: Vec<_> =
        price["ranges"].as_array().unwrap().iter().map(|range| range["rows"].as_u64().unwrap()).collect();
    assert_eq!(ranges, [1, 0, 0, 4, 0, 1, 0]);

    let columns: Vec<_> = report["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| {
            let [name, kind] = ["name", "kind"].map(|key| column[key].as_str().unwrap());
            let [nulls, empty] = ["nulls", "empty"].map(|key| column[key].as_u64().unwrap());
            (name, kind, nulls, empty, column["distinct"]["value"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(
        columns,
        [
            ("event_time", "time", 0, 0, 5),
            ("event_type", "text", 0, 0, 3),
            ("product_id", "integer", 0, 0, 3),
            ("category_id", "integer", 0, 0, 3),
            ("category_code", "text", 0, 1, 2),
            ("brand", "text", 0, 5, 1),
            ("price", "decimal", 0, 0, 3),
            ("user_id", "integer", 0, 0, 3),
            ("user_session", "text", 0, 1, 2),
        ]
    );
    assert_eq!(report["columns"][0]["span"], json!(["2020-09-24 11:57:06 UTC", "2020-09-25 00:00:00 UTC"]));
    assert_eq!(report["sample"].as_array().unwrap().len(), 5);
}

#[test]
fn a_product_csv_is_profiled_by_its_own_names() {
    let report = report(
        "order_id,user_id,page_id,product,site_version,time,title,target\n\
         cfcd208495d565ef66e7dff9f98764da,u1,p1,sneakers,desktop,2019-01-11 09:24:43,banner_click,0\n\
         c4ca4238a0b923820dcc509a6f75849b,u1,p2,sneakers,desktop,2019-01-09 09:38:51,banner_show,0\n\
         c81e728d9d4c2f636f067f89cc14862c,u2,p3,company,mobile,2019-01-09 09:12:45,banner_show,0\n",
    );
    assert_eq!(report["event_types"]["columns"], json!(["title"]));
    assert_eq!(report["categories"]["top"][0], json!({ "value": "sneakers", "rows": 2, "percent": 66.67 }));
    let rate = json!({ "from": "banner_show", "to": "banner_click", "percent": 50.0, "users_percent": 50.0 });
    assert_eq!(report["rates"][0], rate);
    assert_eq!((&report["price"], &report["brands"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_file_of_any_kind_is_profiled_by_its_columns() {
    let report = report("Name;Size\n\"a;b\";1,5\nc\n\"d\ne\";2;3\n\"open;4\n");
    assert_eq!(
        (&report["rows"], &report["irregular_rows"], &report["unreadable_rows"]),
        (&json!(3), &json!(2), &json!(1))
    );
    assert_eq!(report["columns"][0]["distinct"]["value"], 3);
    assert_eq!((&report["columns"][1]["nulls"], &report["columns"][1]["kind"]), (&json!(1), &json!("text")));
    assert_eq!(report["event_types"], Value::Null);
}

#[test]
fn the_report_for_a_terminal_has_every_section() {
    let (status, stdout, stderr) = profile(&["-"], ELECTRONICS, None);
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    assert!(stdout.starts_with("-: 6 rows, 9 columns\n"), "{stdout}");
    for heading in [
        "Quality",
        "Columns",
        "Event types",
        "Brands",
        "Top categories",
        "Prices",
        "Funnel",
        "Events by brand",
        "First rows",
    ] {
        assert!(stdout.contains(&format!("\n\n{heading}\n")), "{heading} is not in\n{stdout}");
    }
    assert!(stdout.contains("  cart → purchase: 200 %, of users 100 %\n"), "{stdout}");
    let (_, stdout, _) = profile(&["-"], "a\n\u{1b}[31mred\n", None);
    assert!(!stdout.contains('\u{1b}'), "a value gives orders to the terminal");
}

#[test]
fn the_report_as_html_needs_nothing_else() {
    let (status, html, stderr) = profile(&["-", "--html"], &ELECTRONICS.replace("sony", "<b>sony"), None);
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    assert!(html.starts_with("<!doctype html>") && html.contains("<dd data-figure=\"rows\">6</dd>"), "{html}");
    assert!(html.contains("&lt;b&gt;sony") && !html.contains("<b>"), "{html}");
    for elsewhere in ["http:", "https:", "<script", "<img", "url(", "@import", "href=\"/"] {
        assert!(!html.contains(elsewhere), "{elsewhere}");
    }
}

#[test]
fn what_cannot_be_profiled_is_one_line_that_says_what_to_do() {
    for (args, line) in [
        (&["/nowhere/product.csv"][..], "error: /nowhere/product.csv: there is no such file\n"),
        (&["-"], "error: - is empty: a CSV file begins with a header\n"),
    ] {
        assert_eq!(profile(args, "", None), (Some(1), String::new(), line.into()));
    }
    let (status, _, stderr) = profile(&["--stored"], "", Some("postgres://shopwindow@127.0.0.1:1/shopwindow"));
    assert_eq!(status, Some(1));
    assert!(stderr.contains("DATABASE_URL") && stderr.lines().count() == 1, "{stderr}");
    assert_eq!(profile(&[], "", None).0, Some(2), "either a file or --stored");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_stored_events_are_profiled_as_a_file_of_them_is(pool: PgPool) {
    sqlx::query(
        "insert into events (event_id, occurred_at, \"offset\", partition, topic, event_type, user_id, source, brand,
                             price, currency)
         select gen_random_uuid(), timestamptz '2019-01-01' + n * interval '1 minute', n, 0, 'ecommerce',
                (array['order', 'cart', 'cart', 'product_view'])[1 + n % 4], 'user ' || n % 100, 'test',
                case when n % 5 > 0 then E'b\\t\\\\\\n' || n % 7 end, n % 10, 'USD'
         from generate_series(0, 9999) as n",
    )
    .execute(&pool)
    .await
    .unwrap();
    let url = pool.connect_options().to_url_lossy().to_string();
    let (status, stdout, stderr) = profile(&["--stored", "--json"], "", Some(&url));
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&report["source"], &report["rows"]), (&json!("stored events"), &json!(10_000)));
    assert_eq!(report["irregular_rows"], 0, "values hold tabs, backslashes and line breaks");
    let funnel: Vec<_> = report["funnel"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| {
            (stage["event_type"].as_str().unwrap(), stage["events"].as_u64(), stage["users"]["value"].as_u64())
        })
        .collect();
    // n % 100 of one n % 4 are 25 users, of two 50
    let expected = [("cart", 5_000, 50), ("order", 2_500, 25), ("product_view", 2_500, 25)];
    assert_eq!(funnel, expected.map(|(event_type, events, users)| (event_type, Some(events), Some(users))));
    let columns = report["columns"].as_array().unwrap();
    let brand = columns.iter().find(|column| column["name"] == "brand").unwrap();
    assert_eq!((&brand["nulls"], &brand["distinct"]["value"]), (&json!(2_000), &json!(7)));
    assert_eq!(report["price"]["sum"], "45000");
    let occurred = columns.iter().find(|column| column["name"] == "occurred_at").unwrap();
    assert_eq!(occurred["span"], json!(["2019-01-01 00:00:00+00", "2019-01-07 22:39:00+00"]));
}
