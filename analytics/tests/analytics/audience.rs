//! Users by what is known of them.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{App, assert_problem, store};

/// Forty users with traffic around a night on which St. John's lives the first minute of a date twice, and updates of
/// thirty of them, some at the same moment, some that take back what was known.
async fn store_random(pool: &PgPool) {
    store(pool, json!([])).await;
    sqlx::raw_sql(
        "insert into events (event_id, occurred_at, \"offset\", partition, topic, event_type, user_id, source, product,
             region, gender)
         select gen_random_uuid(), timestamptz '2010-11-05 00:00Z' + random() * interval '4 days', n, 0, 'ecommerce',
             (array['banner_show', 'page_view', 'order'])[1 + n % 3], 'u' || (random() * 40)::int, 'test',
             (array['clothes', 'sneakers', null])[1 + (random() * 2)::int], 'Nowhere', 'NONE'
         from generate_series(1, 2000) as n;
         insert into events (event_id, occurred_at, \"offset\", partition, topic, event_type, user_id, source,
             region, gender, age_group, membership_level)
         select gen_random_uuid(), timestamptz '2010-11-01 00:00Z' + (random() * 9)::int * interval '1 day', n, 0,
             'ecommerce', 'user_update', 'u' || (random() * 30)::int, 'test',
             (array['North', 'South', 'é', null])[1 + (random() * 3)::int], (array['FEMALE', 'MALE', null])[1 + (random() * 2)::int],
             (array['20s', null])[1 + (random() * 1)::int], (array['gold', 'none', null])[1 + (random() * 2)::int]
         from generate_series(1, 200) as n",
    )
    .execute(pool)
    .await
    .unwrap();
}

/// Counted plainly: for each user of the range the one update after which there is none.
async fn plainly(pool: &PgPool, by: &str, picked: &str) -> Value {
    let plain = format!(
        "select coalesce(json_agg(json_build_object('value', value, 'users', users, 'events', events)
             order by users desc, events desc, value collate \"C\"), '[]')
         from (
             select u.{by} as value, count(distinct e.user_id) as users, count(*) as events
             from events e, events u
             where e.event_type <> 'user_update' and {picked}
                 and u.user_id = e.user_id and u.event_type = 'user_update' and u.{by} is not null
                 and not exists (select from events later
                     where later.user_id = u.user_id and later.event_type = 'user_update'
                         and (later.occurred_at, later.event_id) > (u.occurred_at, u.event_id))
             group by u.{by}
         ) groups"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(plain)).fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_audience_is_counted_by_the_latest_update_of_each_user(pool: PgPool) {
    store_random(&pool).await;
    let app = App::start(&pool);
    let local = "(e.occurred_at at time zone 'America/St_Johns')::date";
    for by in ["region", "gender", "age_group", "membership_level"] {
        for (question, picked) in [
            ("", "true".to_owned()),
            ("&product=clothes&event_type=order", "e.product = 'clothes' and e.event_type = 'order'".into()),
            ("&from=2010-11-06T10:00:00.5Z", "e.occurred_at >= '2010-11-06 10:00:00.5Z'".into()),
            (
                "&from=2010-11-06&to=2010-11-08&tz=UTC",
                "e.occurred_at >= '2010-11-06Z' and e.occurred_at < '2010-11-08Z'".into(),
            ),
            ("&from=2010-11-06&to=2010-11-07&tz=America/St_Johns", format!("{local} = '2010-11-06'")),
        ] {
            let expected = plainly(&pool, by, &picked).await;
            assert!(expected[0]["users"].as_i64() > Some(1), "{expected}");
            assert_eq!(app.json(&format!("/api/audience?by={by}{question}")).await["rows"], expected, "{by}{question}");
            if question.contains("St_Johns") {
                continue;
            }
            let recount = app.json(&format!("/api/sql/audience/run?by={by}{question}")).await;
            let as_text = |row: &Value| json!([row["value"], row["users"].to_string(), row["events"].to_string()]);
            let texts: Vec<_> = expected.as_array().unwrap().iter().map(as_text).collect();
            assert_eq!(recount["rows"], json!(texts), "{by}{question}");
        }
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_update_counts_from_wherever_it_is_and_is_no_event_of_the_audience(pool: PgPool) {
    let event = |day: &str, user: &str, more: Value| {
        let mut event = json!({ "occurred_at": format!("2019-01-{day}T00:00:00Z"), "user_id": user });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let update = |day: &str, user: &str, region: Value| {
        event(day, user, json!({ "event_type": "user_update", "region": region, "gender": "FEMALE" }))
    };
    store(
        &pool,
        json!([
            event("02", "moved", json!({ "region": "East" })),
            event("02", "moved", json!({})),
            update("01", "moved", json!("North")),
            update("09", "moved", json!("South")),
            // nothing is known any more
            event("02", "gone", json!({})),
            update("01", "gone", json!("North")),
            update("02", "gone", json!(null)),
            // never seen, and never told of
            update("02", "unseen", json!("North")),
            event("02", "untold", json!({ "region": "East" })),
        ]),
    )
    .await;
    let app = App::start(&pool);
    let range = "from=2019-01-02&to=2019-01-03&tz=UTC";
    let rows = async |question: &str| app.json(&format!("/api/audience?{range}&{question}")).await["rows"].take();
    assert_eq!(rows("by=region").await, json!([{ "value": "South", "users": 1, "events": 2 }]));
    assert_eq!(rows("by=gender").await, json!([{ "value": "FEMALE", "users": 2, "events": 3 }]));
    assert_eq!(rows("by=region&event_type=user_update").await, json!([]));
    // a filter is of what events say themselves
    assert_eq!(rows("by=region&region=East").await, json!([{ "value": "South", "users": 1, "events": 1 }]));
    assert_problem(&app.get("/api/audience").await, 400, "region, gender, age_group, membership_level");
    assert_problem(&app.get("/api/audience?by=product").await, 400, "\"product\"");
    assert_problem(&app.get("/api/audience?by=region&limit=0").await, 400, "\"0\"");
    app.stop().await;
}
