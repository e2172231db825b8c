//! What was imported, and what was rejected.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{App, assert_problem};

const IMPORT: &str = "6f1c2a52-0000-4000-8000-0000000000ff";
const OTHER: &str = "6f1c2a52-0000-4000-8000-0000000000fe";

/// A file that is being replayed, with a rejected line, an older one that has ended, and a rejected message.
pub(crate) async fn store_an_import(pool: &PgPool) {
    sqlx::raw_sql(
        "insert into imports (import_id, file_name, format, file_bytes, timezone, state, rows_read, rows_published,
             rows_stored, rows_duplicate, rows_rejected, started_at, finished_at)
         values ('6f1c2a52-0000-4000-8000-0000000000ff', 'product.csv', 'product-csv', 1000, 'UTC', 'running', 10, 9, 4, 1, 1,
                 '2026-01-01T00:00:00Z', null),
             ('6f1c2a52-0000-4000-8000-0000000000fe', null, null, null, null, 'finished', 0, 0, 0, 0, 0,
                 '2025-01-01T00:00:00Z', '2025-01-01T00:00:01Z');
         insert into import_deltas values ('6f1c2a52-0000-4000-8000-0000000000ff', 2, 1, 0);
         insert into rejected_events (rejected_at, source, import_id, line, reason, payload)
         values ('2026-01-01T00:00:01Z', 'product.csv', '6f1c2a52-0000-4000-8000-0000000000ff', 7, 'time is none',
                 convert_to(repeat('x', 1200), 'UTF8'));
         insert into rejected_events (rejected_at, topic, partition, \"offset\", reason, payload)
         values ('2026-01-02T00:00:01Z', 'ecommerce', 1, 3, 'not JSON', '\\x00ff41')",
    )
    .execute(pool)
    .await
    .unwrap();
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn imports_tell_what_became_of_their_rows_up_to_now(pool: PgPool) {
    store_an_import(&pool).await;
    let app = App::start(&pool);
    let rows = app.json("/api/imports").await["rows"].take();
    assert_eq!(
        rows[0],
        json!({
            "import_id": IMPORT, "file_name": "product.csv", "format": "product-csv", "file_bytes": 1000,
            "timezone": "UTC", "as_live": false, "state": "running", "rows_read": 10, "rows_published": 9,
            // of which some are not folded into the row yet
            "rows_stored": 6, "rows_duplicate": 2, "rows_rejected": 1,
            "started_at": "2026-01-01T00:00:00.000000Z", "finished_at": null
        })
    );
    assert_eq!(rows[1]["import_id"], OTHER);
    assert_eq!(rows[1]["finished_at"], "2025-01-01T00:00:01.000000Z");
    assert_eq!(app.json("/api/imports?limit=1").await["rows"].as_array().unwrap().len(), 1);
    assert_problem(&app.get("/api/imports?from=2019-01-01").await, 400, "2019-01-01");
    assert_problem(&app.get("/api/imports?product=clothes").await, 400, "clothes");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_was_rejected_is_told_with_reason_place_and_payload(pool: PgPool) {
    store_an_import(&pool).await;
    let app = App::start(&pool);
    let rows = app.json("/api/rejected").await["rows"].take();
    assert_eq!(
        rows[0],
        json!({
            "rejected_at": "2026-01-02T00:00:01.000000Z", "reason": "not JSON", "source": null, "topic": "ecommerce",
            "partition": 1, "offset": 3, "import_id": null, "line": null, "event_id": null,
            // whatever its bytes are, it is text
            "payload": "\u{0}\u{fffd}A", "payload_bytes": 3
        })
    );
    let line = |row: &Value| json!([row["import_id"], row["line"], row["reason"], row["payload_bytes"]]);
    assert_eq!(line(&rows[1]), json!([IMPORT, 7, "time is none", 1200]));
    assert_eq!(rows[1]["payload"].as_str().unwrap().len(), 1000);

    let of_import = app.json(&format!("/api/rejected?import_id={IMPORT}")).await["rows"].take();
    assert_eq!(of_import, json!([rows[1]]));
    assert_eq!(app.json(&format!("/api/rejected?import_id={OTHER}")).await["rows"], json!([]));
    assert_eq!(app.json("/api/rejected?limit=1").await["rows"], json!([rows[0]]));
    assert_problem(&app.get("/api/rejected?import_id=none").await, 400, "none");
    assert_problem(&app.get("/api/rejected?tz=Asia/Tokyo").await, 400, "Asia/Tokyo");
    app.stop().await;
}
