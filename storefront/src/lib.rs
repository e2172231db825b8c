//! The shop: a home page with one banner in its window, a page for each product, and an order.
//!
//! Each of the three makes one event, and its page is sent once Kafka has acknowledged that event.
//! The pages, pictures and styles are inside the binary. Nothing is kept here: the visitor is a
//! cookie, an order is a signed token, and what happened is on the topic.

mod assets;
mod border;
mod catalog;
mod error;
mod happening;
mod health;
mod key;
mod pages;
mod publisher;
mod render;
mod signer;
mod strip;
mod visit;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::{Compress, from_fn};
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use isbot::Bots;
use tokio_util::sync::CancellationToken;

use crate::publisher::Publisher;
use crate::render::Renderer;
use crate::signer::Signer;
use crate::strip::Strip;

/// The settings of the shop.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// Address that the shop listens on
    #[arg(long = "storefront-addr", env = "STOREFRONT_ADDR", default_value = "127.0.0.1:8080")]
    pub addr: SocketAddr,

    /// Key that signs order tokens, 16 characters or more; the same for all shops behind one
    /// address. Without one, a key is made once and kept in
    /// `$XDG_STATE_HOME/shopwindow/storefront.key` (`~/.local/state` by default)
    #[arg(long = "storefront-secret", env = "STOREFRONT_SECRET", hide_env_values = true)]
    pub secret: Option<Secret>,

    /// Show at the foot of each page which event it made and where that went; asks the database
    #[arg(
        long = "storefront-strip",
        env = "STOREFRONT_STRIP",
        value_parser = clap::builder::BoolishValueParser::new(),
        num_args = 0..=1,
        default_value_t = false,
        default_missing_value = "true"
    )]
    pub strip: bool,

    /// Where the events go.
    #[command(flatten)]
    pub kafka: events::Kafka,

    /// Where they are stored; asked by the strip alone.
    #[command(flatten)]
    pub database: migrations::Database,
}

pub use crate::key::Secret;

/// What the handlers share.
struct Shop {
    publisher: Arc<Publisher>,
    signer: Signer,
    renderer: Renderer,
    bots: Bots,
    strip: Option<Strip>,
    stop: CancellationToken,
}

/// Serves the shop on `listener` until `stop` is cancelled.
///
/// Call it within a tokio runtime; the future it returns may be spawned there, and must be polled
/// for the shop to answer. It ends when the requests under way are answered and the events that wait
/// for Kafka are acknowledged, after five seconds of each at the latest. Kafka and the database may
/// be away, also at the start. Fails at once when the key cannot be read or a setting is unusable.
pub fn serve(
    listener: TcpListener,
    config: Config,
    stop: CancellationToken,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + Send + 'static> {
    let key = key::load(config.secret.as_ref())?;
    let publisher = Arc::new(Publisher::new(config.kafka.clone())?);
    let strip = if config.strip { Some(Strip::new(&config.database, &config.kafka.topic)?) } else { None };
    let shop = web::Data::new(Shop {
        publisher: Arc::clone(&publisher),
        signer: Signer::new(&key),
        renderer: Renderer::new()?,
        bots: visit::bots(),
        strip,
        stop: stop.clone(),
    });
    let addr = listener.local_addr().context("read the address of the storefront's listener")?;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shop.clone())
            .wrap(from_fn(border::dress))
            .wrap(Compress::default())
            .configure(pages::routes)
            .configure(strip::routes)
            .configure(health::routes)
            .configure(assets::routes)
            .default_service(web::to(pages::nowhere))
    })
    .client_request_timeout(Duration::from_secs(5))
    .shutdown_timeout(5)
    .disable_signals()
    .shutdown_signal(stop.clone().cancelled_owned())
    .listen(listener)
    .with_context(|| format!("listen on {addr}"))?
    .run();

    Ok(async move {
        tracing::info!(url = format!("http://{addr}/"), "storefront is open");
        let preparing = tokio::spawn(Arc::clone(&publisher).prepare(stop));
        server.await.context("serve the storefront")?;
        publisher.finish(Duration::from_secs(5)).await;
        preparing.abort();
        Ok(())
    })
}
