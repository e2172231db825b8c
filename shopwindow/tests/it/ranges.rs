//! What the charts page counts between two times: those that are typed, and the same weekday's until now.

use std::fmt::Write as _;

use fantoccini::Locator;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::demo::{Demo, generate, replay, replay_to_end};
use crate::dir::Dir;

#[tokio::test]
async fn a_range_of_dates_and_times_is_typed_and_a_wrong_one_says_so() {
    let dir = Dir::new();
    let file = generate(&dir, 10_000);
    let demo = Demo::start(&dir).await;
    replay_to_end(&dir, &file);
    let browser = Browser::start(&dir).await;
    let section = "section=trends&tz=Europe/Berlin";
    browser.client.goto(&format!("{}?{section}&from=2019-01-01&to=2019-02-01", demo.charts)).await.unwrap();
    let figures = "return ['users', 'shows', 'clicks', 'orders'].map(name =>\
                   Number(document.querySelector(`[data-figure=\"${name}\"]`).textContent.replace(/\\D/g, '')))";
    let fields = "return [...document.querySelectorAll('#range form input')].map(field => field.value)";
    let range = "const query = new URLSearchParams(location.search); return [query.get('from'), query.get('to')]";
    let mut database = dir.database().await;
    let mut recount = async |from: &str, to: &str| -> Value {
        sqlx::query_scalar(
            "select jsonb_build_array(count(distinct user_id), count(*) filter (where event_type = 'banner_show'),
                count(*) filter (where event_type = 'banner_click'), count(*) filter (where event_type = 'order'))
             from events where occurred_at >= $1::timestamptz and occurred_at < $2::timestamptz",
        )
        .bind(from)
        .bind(to)
        .fetch_one(&mut database)
        .await
        .unwrap()
    };
    browser.until(fields, json!(["2019-01-01", "", "2019-01-31", ""])).await;
    browser.until(figures, recount("2019-01-01T00:00+01:00", "2019-02-01T00:00+01:00").await).await;

    // as the keyboard has it: the parts of a field follow each other
    let write = async |name: &str, keys: &str| {
        // so that it begins with the first part
        browser.eval("document.activeElement.blur()").await;
        let field = browser.client.find(Locator::Css(&format!("#range [name='{name}']"))).await.unwrap();
        field.send_keys(keys).await.unwrap();
    };
    for (name, keys) in [("from", "01072019"), ("from-time", "0137PM"), ("to", "01092019"), ("to-time", "0652AM")] {
        write(name, keys).await;
    }
    browser.until(fields, json!(["2019-01-07", "13:37", "2019-01-09", "06:52"])).await;
    browser.until(range, json!(["2019-01-07T12:37:00.000Z", "2019-01-09T05:52:00.000Z"])).await;
    let expected = recount("2019-01-07T12:37Z", "2019-01-09T05:52Z").await;
    assert!(expected.as_array().unwrap().iter().all(|figure| figure.as_i64() > Some(0)), "{expected}");
    browser.until(figures, expected.clone()).await;

    // an end before the beginning leaves the page as it is, and its field says why
    let wrong = "return document.querySelector('#range [name=\"to\"]').validationMessage";
    write("to", "01062019").await;
    browser.until(wrong, json!("The end lies before the beginning.")).await;
    assert_eq!(browser.eval(range).await, json!(["2019-01-07T12:37:00.000Z", "2019-01-09T05:52:00.000Z"]));
    assert_eq!(browser.eval(figures).await, expected);
    // one without a time is whole: of the last day, too
    write("to", "01092019").await;
    write("to-time", "\u{e003}\u{e014}\u{e003}\u{e014}\u{e003}").await;
    browser.until(range, json!(["2019-01-07T12:37:00.000Z", "2019-01-09T23:00:00.000Z"])).await;
    browser.until(wrong, json!("")).await;
    browser.until(figures, recount("2019-01-07T12:37Z", "2019-01-09T23:00Z").await).await;
    // before any event may be
    write("from", "01071999").await;
    let early = "return document.querySelector('#range [name=\"from\"]').validity.rangeUnderflow";
    browser.until(early, json!(true)).await;
    assert_eq!(browser.eval(range).await, json!(["2019-01-07T12:37:00.000Z", "2019-01-09T23:00:00.000Z"]));

    // an address that was typed
    for (search, words) in [
        (
            "from=2019-01-09T05:52:00Z&to=2019-01-07T12:37:00Z",
            "The range from 2019-01-09T05:52:00Z to 2019-01-07T12:37:00Z holds nothing",
        ),
        ("from=2019-01-07T25:00:00Z", "“from=2019-01-07T25:00:00Z” in the address is no date"),
    ] {
        browser.client.goto(&format!("{}?{section}&{search}", demo.charts)).await.unwrap();
        let said = format!(
            "const wrong = document.querySelector('#range-wrong');\
             return wrong.checkVisibility() && wrong.textContent.startsWith('{words}')"
        );
        browser.until(&said, json!(true)).await;
    }
    browser.said_nothing().await;

    browser.end().await;
    assert!(demo.end(Signal::SIGINT).success());
    dir.is_at_rest();
}

/// Shows, clicks and orders of products on days of the zone: weeks ago, the time, how many, the product and the type.
const EARLIER: [(i32, &str, u32, &str, &str); 9] = [
    (1, "00:05", 3, "clothes", "banner_show"),
    (1, "00:06", 1, "clothes", "order"),
    (2, "00:00", 6, "clothes", "banner_show"),
    (2, "00:07", 4, "sneakers", "banner_click"),
    (3, "00:05", 1, "sneakers", "banner_show"),
    (8, "00:05", 5, "clothes", "banner_show"),
    // later than now, and longer ago than eight weeks
    (1, "23:55", 50, "clothes", "banner_show"),
    (9, "00:05", 70, "clothes", "order"),
    (0, "00:05", 2, "clothes", "banner_show"),
];

#[tokio::test]
async fn what_the_weekday_usually_has_until_now_is_what_sql_counts() {
    let dir = Dir::new();
    let demo = Demo::start(&dir).await;
    let mut database = dir.database().await;
    // where it is neither soon after midnight nor soon before it
    let zone: String = sqlx::query_scalar(
        "select case when extract(hour from now() at time zone 'UTC') < 12 then 'Asia/Tokyo' else 'America/New_York' end",
    )
    .fetch_one(&mut database)
    .await
    .unwrap();
    let mut rows = "order_id,user_id,page_id,product,site_version,time,title,target\n".to_owned();
    let mut id = 0;
    for (weeks, time, many, product, title) in EARLIER {
        let day: String = sqlx::query_scalar("select ((now() at time zone $1)::date - 7 * $2)::text")
            .bind(&zone)
            .bind(weeks)
            .fetch_one(&mut database)
            .await
            .unwrap();
        for _ in 0..many {
            id += 1;
            let target = u8::from(title == "order");
            writeln!(rows, "{id:032x},u{id},p{id},{product},mobile,{day} {time}:00,{title},{target}").unwrap();
        }
    }
    let file = dir.path().join("weekdays.csv");
    std::fs::write(&file, rows).unwrap();
    let output = replay(&dir, &file, &["--tz", &zone]).output().unwrap();
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["stored"], id);

    let browser = Browser::start(&dir).await;
    browser.client.goto(&format!("{}?tz={zone}", demo.charts)).await.unwrap();
    browser.click("#today [data-toggle]").await;
    let head = "document.querySelector('#today thead th:nth-child(5)')?.textContent ?? ''";
    browser.until(&format!("return ({head}).includes(' until ')"), json!(true)).await;
    // read at once, for soon the quarter of an hour is another one
    let bands = format!(
        "return [({head}).split(' ').at(-1), Object.fromEntries([...document.querySelectorAll('#today tbody tr')].map(row =>\
         [row.cells[0].textContent, [...row.cells].slice(4).map(cell => cell.textContent)]))]"
    );
    let shown = browser.eval(&bands).await;
    let expected: Value = sqlx::query_scalar(
        "with happened as (
            select day, product, event_type
            from generate_series(1, 8) n
            cross join lateral (select (now() at time zone $1)::date - 7 * n as day) days
            join events on (occurred_at at time zone $1)::date = day and (occurred_at at time zone $1)::time < $2::time
        ),
        counted as (
            select p.product, t.place, d.day,
                (select count(*) from happened h where (h.day, h.product, h.event_type) = (d.day, p.product, t.event_type)) as n
            from (select distinct day from happened) d
            cross join unnest(array['accessories', 'electronics', 'sneakers', 'sports_nutrition', 'clothes']) p (product)
            cross join unnest(array['banner_show', 'banner_click', 'order']) with ordinality t (event_type, place)
        ),
        bands as (
            select product, place,
                case when min(n) = max(n) then min(n)::text
                    else min(n) || ' – ' || max(n) || ', median ' || percentile_cont(0.5) within group (order by n)
                end as band
            from counted
            group by product, place
        ),
        rows as (select product, jsonb_agg(band order by place) as bands from bands group by product)
        select jsonb_object_agg(upper(left(product, 1)) || replace(substr(product, 2), '_', ' '), bands) from rows",
    )
    .bind(&zone)
    .bind(shown[0].as_str().unwrap())
    .fetch_one(&mut database)
    .await
    .unwrap();
    assert_eq!(expected["Clothes"], json!(["0 – 6, median 4", "0", "0 – 1, median 0"]));
    assert_eq!(shown[1], expected);
    browser.said_nothing().await;

    browser.end().await;
    assert!(demo.end(Signal::SIGINT).success());
    dir.is_at_rest();
}
