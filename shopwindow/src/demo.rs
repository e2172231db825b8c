//! Everything on one machine: Kafka, PostgreSQL and the three services, in the foreground.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use analytics::checks::Finding;
use anyhow::{Context, anyhow};
use consumer::Working;
use migrations::Database;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::services::{self, Interrupted, Services};
use crate::signals;

/// The `demo` subcommand.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    services: services::Config,
    /// Simulate the shop's visitors too, so many events a second
    #[arg(long, value_name = "RATE", env = "DEMO_SIMULATE")]
    simulate: Option<NonZeroU32>,
}

/// Starts all, prints the addresses, and runs until a signal comes or a part of it fails; then stops
/// all, the services before the servers they use.
///
/// Each service is configured as its own subcommand would be, by its environment variables; only the
/// addresses of Kafka and PostgreSQL are the demo's own.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (cancel, _signals) = signals::listen()?;
    eprintln!("starting Kafka and PostgreSQL …");
    let mut services = match services::start(&args.services, &cancel).await {
        Err(error) if error.is::<Interrupted>() => return Ok(ExitCode::SUCCESS),
        started => started?,
    };
    let token = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let started = async {
        let database = Database { url: services.database_url.clone() };
        migrations::apply(&database.pool("shopwindow demo", 1, Duration::from_secs(10))?).await?;
        start(&services, args.simulate, &token, &mut tasks)
    };
    let outcome = match started.await {
        Err(error) => Err(error),
        Ok(()) => tokio::select! {
            () = cancel.cancelled() => Ok(ExitCode::SUCCESS),
            error = services.died() => Err(error),
            Some(ended) = tasks.join_next() => Err(match ended {
                Ok((name, Ok(()))) => anyhow!("the {name} ended by itself"),
                Ok((name, Err(error))) => error.context(format!("the {name} failed")),
                Err(panic) => anyhow!(panic).context("a service broke down"),
            }),
        },
    };
    eprintln!("stopping …");
    token.cancel();
    while let Some(ended) = tasks.join_next().await {
        if let Ok((name, Err(error))) = ended {
            tracing::error!(error = format!("{error:#}"), "the {name} did not stop cleanly");
        }
    }
    services.stop().await;
    outcome
}

type Ended = (&'static str, anyhow::Result<()>);

/// Starts the three services as tasks, and the simulator where it is asked for, writes `env` and prints the addresses.
fn start(
    services: &Services,
    simulate: Option<NonZeroU32>,
    token: &CancellationToken,
    tasks: &mut JoinSet<Ended>,
) -> anyhow::Result<()> {
    let kafka = ["--kafka-brokers", &services.brokers];
    let database = ["--database-url", &services.database_url];
    let both = [kafka, database].concat();

    // the strip is what the demo is for, unless it is switched off
    let strip: &[&str] =
        if std::env::var_os("STOREFRONT_STRIP").is_some() { &[] } else { &["--storefront-strip=true"] };
    let shop: storefront::Config = configured(&[&both, strip].concat())?;
    let (shop_listener, shop_url) = listen("shop", shop.addr)?;

    let charts_of = ["--storefront-url", &shop_url];
    let charts: analytics::Config = configured(&[&both[..], &charts_of].concat())?;
    let (charts_listener, charts_url) = listen("charts page", charts.analytics_addr)?;

    let consumer: consumer::Config = configured(&both)?;
    services.write_env(&[
        ("KAFKA_TOPIC", consumer.kafka.topic.clone()),
        ("KAFKA_GROUP", consumer.group.clone()),
        ("SHOP_TIMEZONE", consumer.shop_timezone.clone()),
        ("SESSION_GAP", format!("{}s", consumer.session_gap.as_secs())),
        ("STOREFRONT_ADDR", shop_listener.local_addr()?.to_string()),
        ("ANALYTICS_ADDR", charts_listener.local_addr()?.to_string()),
    ])?;

    let working = Working::default();
    let consumer = consumer::run(consumer, working.clone(), token.clone());
    tasks.spawn(async move { ("consumer", consumer.await) });
    let neighbours = Arc::new(move || {
        vec![match working.get() {
            Ok(()) => Finding::ok("consumer", "it stores what comes"),
            Err(trouble) => Finding::trouble("consumer", trouble),
        }]
    });
    let shop = storefront::serve(shop_listener, shop, token.clone())?;
    tasks.spawn(async move { ("storefront", shop.await) });
    let charts = analytics::serve(charts_listener, charts, neighbours, token.clone())?;
    tasks.spawn(async move { ("analytics", charts.await.context("serve the charts page")) });

    if let Some(rate) = simulate {
        let rate = rate.to_string();
        let visitors: simulate::Config =
            configured(&[&kafka[..], &["--profile", "shop", "--rate", &rate, "--quiet"]].concat())?;
        let token = token.clone();
        tasks.spawn(async move {
            let simulated = simulate::run(&visitors, token.clone()).await;
            // one that has made as many events as SIMULATE_COUNT says leaves the others running
            if simulated.is_ok() {
                token.cancelled().await;
            }
            ("simulator", simulated.map(drop))
        });
    }

    let dir = services.dir.display();
    let program = std::env::current_exe().context("find this program")?;
    let program = program.display();
    info!("all services started");
    println!(
        "\n  shop    {shop_url}\n  charts  {charts_url}\n\n  In another terminal:\n  . {dir}/env && psql \"$DATABASE_URL\"\n  \
         . {dir}/env && {program} generate product-csv --rows 1000000 > product.csv && {program} replay product.csv\n\n  \
         Ctrl-C stops everything; the next start goes on from here.\n"
    );
    Ok(())
}

/// A service's configuration from its environment variables and these arguments, as its subcommand
/// would read them.
fn configured<C: clap::Args + clap::FromArgMatches>(arguments: &[&str]) -> anyhow::Result<C> {
    let command = C::augment_args(clap::Command::new("demo").no_binary_name(true));
    let matches = command.try_get_matches_from(arguments)?;
    Ok(C::from_arg_matches(&matches)?)
}

/// Listens on `addr`, or on a free port, and says so, when that one is taken. Returns the URL too.
fn listen(what: &str, addr: SocketAddr) -> anyhow::Result<(TcpListener, String)> {
    let listener = match TcpListener::bind(addr) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
            eprintln!("port {} is taken: the {what} gets another one", addr.port());
            listener
        }
        bound => bound,
    }
    .with_context(|| format!("listen on {addr} for the {what}"))?;
    let url = format!("http://{}/", listener.local_addr()?);
    Ok((listener, url))
}
