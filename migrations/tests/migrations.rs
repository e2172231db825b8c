//! The schema on a real PostgreSQL, a database for each test. Needs `DATABASE_URL`, as `make test` sets it.

use sqlx::PgPool;

#[sqlx::test(migrations = false)]
async fn several_that_start_at_once_apply_each_migration_once(pool: PgPool) {
    let (first, second, third) =
        tokio::join!(migrations::apply(&pool), migrations::apply(&pool), migrations::apply(&pool));
    first.and(second).and(third).unwrap();
    let applied: i64 = sqlx::query_scalar("select count(*) from _sqlx_migrations").fetch_one(&pool).await.unwrap();
    assert_eq!(applied, migrations::MIGRATOR.iter().count() as i64);
    migrations::apply(&pool).await.unwrap();
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_database_of_a_newer_version_is_refused(pool: PgPool) {
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (9999, 'from the future', true, '', 0)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let error = format!("{:#}", migrations::apply(&pool).await.unwrap_err());
    assert!(error.contains("9999"), "{error}");
}
