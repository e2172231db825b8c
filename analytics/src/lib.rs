//! Table to charts page, JSON and live stream. It only reads: every figure is a count of the stored
//! events, taken from the kept counts where these are enough and from the rows where not.
//!
//! The SQL stands in `queries/`. [`serve`] is the entry of the service, and [`verify`](verify()) recounts what it
//! serves; `question` reads a request's parameters, `span` turns them into what the queries take, `figures`,
//! `sales`, `audience`, `funnel`, `windows`, `sessions`, `lookup` and `imports` answer in JSON, `table` turns that into CSV,
//! `shared` asks once what many ask at once, `details` counts what few events have, `users` distinct ones, `live` is the stream, `page` the page, `sql` the plain queries behind it, `profiling` what the
//! rows consist of, `pipeline` and `health` tell how all does, `checks` what may be wrong, and `openapi` all of these.

mod audience;
pub mod checks;
mod details;
mod figures;
mod funnel;
mod health;
mod heatmap;
mod imports;
mod live;
mod lookup;
mod openapi;
mod page;
mod pipeline;
mod problem;
mod profiling;
mod question;
mod sales;
mod sessions;
mod shared;
mod span;
mod sql;
mod table;
mod users;
mod verify;
mod windows;

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::{Server, Service};
use actix_web::middleware::{Compress, DefaultHeaders, from_fn};
use actix_web::{App, HttpServer, guard, web};
use anyhow::Context;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use health::Neighbours;
pub use verify::{Finding, Place, verify};

/// How long a request waits for a connection to PostgreSQL.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long requests that are being answered may go on after the stop.
const GRACE: Duration = Duration::from_millis(400);

/// What the analytics service needs to know.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// Where the events are.
    #[command(flatten)]
    pub database: migrations::Database,

    /// Where they come from; asked for readiness only.
    #[command(flatten)]
    pub kafka: events::Kafka,

    /// Address of the charts page and the JSON
    #[arg(long, env = "ANALYTICS_ADDR", default_value = "127.0.0.1:8050")]
    pub analytics_addr: SocketAddr,

    /// Address of the shop, for the links on the charts page
    #[arg(long, env = "STOREFRONT_URL", default_value = "http://127.0.0.1:8080/")]
    pub storefront_url: String,
}

/// What the handlers share.
struct Analytics {
    pool: PgPool,
    known: figures::Known,
    live: live::Live,
    pages: page::Pages,
    kafka: events::Kafka,
    neighbours: Neighbours,
    storefront: String,
    recounts: sql::Recounts,
    questions: shared::Questions,
    held: shared::Held,
    profiling: profiling::Profiling,
    /// What is being answered, streams too.
    answering: TaskTracker,
}

impl Analytics {
    /// A transaction that sees one state of the database: a fold between two statements would move events
    /// from one table to another.
    async fn snapshot(&self) -> sqlx::Result<sqlx::Transaction<'static, sqlx::Postgres>> {
        self.pool.begin_with("begin transaction isolation level repeatable read, read only").await
    }
}

/// Serves `listener` (`config.analytics_addr` is only its default) until `token` is cancelled.
///
/// Must be called inside a tokio runtime; the server is a future that can be spawned. It starts and
/// answers while PostgreSQL or Kafka is away, with a 503 where it needs them. At the stop it ends the
/// live streams at once, lets other answers finish for less than half a second and is gone.
/// `neighbours` tells `/readyz` about the other services of the process: `Arc::new(Vec::new)` for none.
///
/// Fails when the database's URL is none or a template is broken.
pub fn serve(
    listener: TcpListener,
    config: Config,
    neighbours: Neighbours,
    token: CancellationToken,
) -> anyhow::Result<Server> {
    let pool = PgPoolOptions::new().max_connections(8).acquire_timeout(PATIENCE).connect_lazy_with(
        config.database.options("shopwindow analytics")?.options([
            ("default_transaction_read_only", "on"),
            // a plan for any range is far off for most
            ("plan_cache_mode", "force_custom_plan"),
            ("statement_timeout", "30s"),
        ]),
    );
    let answering = TaskTracker::new();
    let analytics = web::Data::new(Analytics {
        pool,
        known: figures::Known::default(),
        live: live::listen(&config.database, token.clone())?,
        pages: page::Pages::new()?,
        profiling: profiling::Profiling::new(&config.database)?,
        kafka: config.kafka,
        neighbours,
        storefront: config.storefront_url,
        recounts: sql::Recounts::default(),
        questions: shared::Questions::default(),
        held: shared::Held::default(),
        answering: answering.clone(),
    });

    let server = HttpServer::new({
        let answering = answering.clone();
        move || {
            let answering = answering.clone();
            App::new()
                .app_data(analytics.clone())
                .wrap(headers())
                .wrap_fn(move |request, service| {
                    let answered = answering.token();
                    let response = service.call(request);
                    async move {
                        let response = response.await;
                        drop(answered);
                        response
                    }
                })
                // compression would hold the stream's events back
                .service(
                    web::resource("/api/live")
                        .route(web::get().to(live::stream))
                        .default_service(web::to(problem::method_not_allowed)),
                )
                .service(web::scope("").wrap(from_fn(table::as_asked)).wrap(Compress::default()).configure(routes))
        }
    })
    .tcp_nodelay(true)
    .disable_signals()
    .listen(listener)
    .context("listen for HTTP")?
    .run();

    // A graceful stop of actix looks for open connections once a second only.
    let handle = server.handle();
    tokio::spawn(async move {
        token.cancelled().await;
        answering.close();
        let _ = tokio::time::timeout(GRACE, answering.wait()).await;
        handle.stop(false).await;
    });
    Ok(server)
}

fn routes(service: &mut web::ServiceConfig) {
    service
        .service(get("/").route(read().to(page::charts)))
        .service(get("/static/{version}/{file:.*}").route(read().to(page::asset)))
        .service(get("/api/shop").route(read().to(figures::shop)))
        .service(get("/api/daily").route(read().to(figures::daily)).wrap(from_fn(shared::share)))
        .service(get("/api/breakdown").route(read().to(figures::breakdown)).wrap(from_fn(shared::share)))
        .service(get("/api/totals").route(read().to(figures::totals)).wrap(from_fn(shared::share)))
        .service(get("/api/sales").route(read().to(sales::sales)).wrap(from_fn(shared::share)))
        .service(get("/api/audience").route(read().to(audience::audience)).wrap(from_fn(shared::share)))
        .service(get("/api/places").route(read().to(sales::places)).wrap(from_fn(shared::share)))
        .service(get("/api/windows").route(read().to(windows::windows)).wrap(from_fn(shared::share)))
        .service(get("/api/sessions").route(read().to(sessions::sessions)).wrap(from_fn(shared::share)))
        .service(get("/api/heatmap").route(read().to(heatmap::heatmap)).wrap(from_fn(shared::share)))
        .service(get("/api/funnel").route(read().to(funnel::funnel)).wrap(from_fn(shared::share)))
        .service(get("/api/latest").route(read().to(lookup::latest)).wrap(from_fn(shared::share)))
        .service(get("/api/events/{event_id}").route(read().to(lookup::event)))
        .service(get("/api/imports").route(read().to(imports::imports)))
        .service(get("/api/rejected").route(read().to(imports::rejected)))
        .service(get("/api/pipeline").route(read().to(pipeline::pipeline).wrap(from_fn(shared::hold))))
        .service(get("/metrics").route(read().to(pipeline::metrics).wrap(from_fn(shared::hold))))
        .service(get("/api/sql/{name}").route(read().to(sql::show)))
        .service(get("/api/sql/{name}/run").route(read().to(sql::run)))
        .service(get("/profile").route(read().to(profiling::page)))
        .service(get("/api/profile").route(read().to(profiling::json)))
        .service(get("/schema.json").route(read().to(profiling::schema)))
        .service(get("/openapi.json").route(read().to(openapi::document)))
        .service(get("/healthz").route(read().to(health::alive)))
        .service(get("/readyz").route(read().to(health::ready).wrap(from_fn(shared::hold))))
        .default_service(web::to(problem::not_found));
}

/// A resource that only [`read`]s.
fn get(path: &str) -> actix_web::Resource {
    web::resource(path).default_service(web::to(problem::method_not_allowed))
}

fn read() -> actix_web::Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((
            "Content-Security-Policy",
            "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
        ))
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("Referrer-Policy", "same-origin"))
        .add(("Cache-Control", "no-store"))
}
