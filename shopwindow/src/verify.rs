//! `shopwindow verify`: prints what a recount of the events finds.

use std::process::ExitCode;
use std::time::Duration;

use analytics::Finding;
use migrations::Database;

/// How long it is waited for a moment in which no figure lags.
const PATIENCE: Duration = Duration::from_secs(15);

/// Only PostgreSQL must run. On a system that is storing, too, the recount is exact: it is of one moment.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    database: Database,

    /// Print an array of {figure, kept, recount, difference, places, pending}
    ///
    /// `kept` and `recount` are how many values each has, `difference` is at how many places the two differ, `places`
    /// holds the first of these. `places` and `pending` are left out when there is nothing to tell.
    #[arg(long)]
    json: bool,
}

/// Succeeds unless a figure differs; what is pending is told and is no difference.
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let findings = analytics::verify(&args.database, PATIENCE).await?;
    let different = findings.iter().filter(|finding| finding.difference > 0).count();
    if args.json {
        println!("{}", serde_json::to_string(&findings)?);
    } else {
        findings.iter().for_each(tell);
        match different {
            0 => println!("{} figures recounted from the events: no difference", findings.len()),
            _ => println!("{different} of {} figures differ from a recount of the events", findings.len()),
        }
    }
    Ok(if different == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(finding: &Finding) {
    let Finding { figure, kept, recount, difference, places, pending } = finding;
    match difference {
        0 if kept + recount == 0 && pending.is_some() => println!("{figure}: not compared"),
        0 => println!("{figure}: {recount} values, equal"),
        _ => println!("{figure}: DIFFERENT at {difference} places, {kept} values are there and {recount} recounted"),
    }
    for place in places {
        let [kept, recount] = [&place.kept, &place.recount].map(|value| value.as_deref().unwrap_or("nothing"));
        println!("    {}: {kept} is there, {recount} recounted", place.place);
    }
    let untold = difference - places.len() as i64;
    if untold > 0 {
        println!("    and {untold} more");
    }
    if let Some(pending) = pending {
        println!("    pending: {pending}");
    }
}
