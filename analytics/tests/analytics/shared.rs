use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use sqlx::PgPool;

use crate::app::{App, store};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_many_ask_at_once_is_asked_once_and_no_answer_is_older_than_its_request(pool: PgPool) {
    store(&pool, json!([{ "occurred_at": "2019-01-01T00:00:00Z" }])).await;
    let app = App::start(&pool);
    let path = "/api/latest?limit=10";
    // whoever reads the table waits for this lock
    let mut lock = pool.begin().await.unwrap();
    sqlx::query("lock table events in access exclusive mode").execute(&mut *lock).await.unwrap();
    let waiting = async || {
        let waiting = "select count(*) from pg_locks where not granted and relation = 'events'::regclass";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&pool).await.unwrap()
    };
    let (first, (others, other), ()) = tokio::join!(
        app.get(path),
        async {
            until(async || waiting().await == 1).await;
            tokio::join!(join_all((0..20).map(|_| app.get(path))), app.get("/api/latest?limit=11"))
        },
        async {
            // another question is asked meanwhile
            until(async || waiting().await >= 2).await;
            assert_eq!(waiting().await, 2, "the same is asked several times at once");
            lock.rollback().await.unwrap();
        }
    );
    assert_eq!(other.text, first.text);
    for answer in others.iter().chain([&first]) {
        assert_eq!((answer.status, &answer.headers["content-type"]), (200, &"application/json".parse().unwrap()));
        assert_eq!(answer.text, first.text);
    }

    store(&pool, json!([{ "occurred_at": "2019-01-02T00:00:00Z" }])).await;
    assert_eq!(app.json(path).await["rows"].as_array().unwrap().len(), 2);
    // problems are shared too
    let wrong = join_all((0..5).map(|_| app.get("/api/latest?limit=many"))).await;
    assert!(wrong.iter().all(|answer| answer.status == 400 && answer.text.contains("many")));
    app.stop().await;
}

async fn until(condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(8);
    while !condition().await {
        assert!(Instant::now() < deadline, "nobody waits for the lock");
        tokio::task::yield_now().await;
    }
}
