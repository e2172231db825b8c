//! The charts page: its HTML, and the script and style that it loads.

use std::borrow::Cow;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use anyhow::Context;
use chrono::NaiveDate;
use rust_embed::{Embed, EmbeddedFile};
use serde::Serialize;
use tera::Tera;

use crate::Analytics;
use crate::figures::Shop;
use crate::problem::{Problem, in_time, quoted};

#[derive(Embed)]
#[folder = "../templates/charts"]
struct Templates;

#[derive(Embed)]
#[folder = "../static/dist"]
struct Dist;

/// What the page is made of.
pub(crate) struct Pages {
    tera: Tera,
    /// Names the build of the embedded files, so that browsers may keep them for ever.
    version: String,
}

/// The sections and what their headings say, as the templates and `state.js` name them.
const SECTIONS: [(&str, &str); 7] = [
    ("live", "What is happening in the shop now"),
    ("trends", "How the shop does over time"),
    ("sales", "What the shop sells"),
    ("funnel", "From a banner to an order"),
    ("windows", "What happens in windows of time"),
    ("data", "What came in, and what was rejected"),
    ("pipeline", "How events get here"),
];

/// What the templates know.
#[derive(Serialize)]
struct Shown<'a> {
    script: String,
    style: String,
    storefront: &'a str,
    sections: [(&'static str, &'static str); 7],
    /// The one that is asked for.
    section: &'static str,
    heading: &'static str,
    /// Whatever follows is of no use without PostgreSQL: then this says why.
    away: Option<String>,
    has_events: bool,
    tz: String,
    today: Option<NaiveDate>,
    orders_today: i64,
}

impl Pages {
    /// Fails when a template is broken, or there is none.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut templates = Vec::new();
        for name in Templates::iter() {
            let file = Templates::get(&name).with_context(|| format!("template {name} is not embedded"))?;
            templates.push((name.to_string(), String::from_utf8(file.data.into_owned())?));
        }
        let mut tera = Tera::default();
        tera.add_raw_templates(templates).context("read templates/charts")?;

        let mut hasher = DefaultHasher::new();
        for name in Dist::iter() {
            (&name, Dist::get(&name).map(|file| file.metadata.sha256_hash())).hash(&mut hasher);
        }
        profile::STYLE.hash(&mut hasher);
        Ok(Self { tera, version: format!("{:016x}", hasher.finish()) })
    }

    /// Where a file of this build is.
    pub(crate) fn url(&self, file: &str) -> String {
        format!("/static/{}/{file}", self.version)
    }
}

/// `GET /`: the charts page; while there is nothing to show, a page that says what to do.
pub(crate) async fn charts(analytics: Data<Analytics>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let pages = &analytics.pages;
    let (section, heading) = section(request.query_string());
    let mut shown = Shown {
        script: pages.url("charts.js"),
        style: pages.url("charts.css"),
        storefront: &analytics.storefront,
        sections: SECTIONS,
        section,
        heading,
        away: None,
        has_events: false,
        tz: String::new(),
        today: None,
        orders_today: 0,
    };
    let status = match in_time(Shop::now(&analytics.pool)).await {
        Ok(shop) => {
            shown.has_events = shop.has_events;
            shown.tz = shop.tz;
            shown.today = Some(shop.today);
            shown.orders_today = shop.orders_today;
            StatusCode::OK
        }
        Err(problem) => {
            problem.log();
            shown.away = Some(problem.to_string());
            problem.status_code()
        }
    };
    let html = tera::Context::from_serialize(&shown)
        .and_then(|context| pages.tera.render("index.html", &context))
        .context("render the charts page")
        .map_err(Problem::Internal)?;
    Ok(HttpResponse::build(status).content_type("text/html; charset=utf-8").body(html))
}

/// The section of the page's address; what is none, or wrong, is the first one.
fn section(query: &str) -> (&'static str, &'static str) {
    let pairs = Query::<Vec<(String, String)>>::from_query(query).map(Query::into_inner).unwrap_or_default();
    let asked = pairs.iter().find(|(name, _)| name == "section");
    asked.and_then(|(_, asked)| SECTIONS.into_iter().find(|(key, _)| key == asked)).unwrap_or(SECTIONS[0])
}

/// `GET /static/{version}/{file}`: to be kept for ever under the version that the page names. A page
/// from before an update gets the new file, but is not to keep it.
pub(crate) async fn asset(
    analytics: Data<Analytics>,
    path: Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (version, name) = path.into_inner();
    let data = match Dist::get(&name) {
        Some(EmbeddedFile { data, .. }) => data,
        None if name == "profile.css" => Cow::Borrowed(profile::STYLE.as_bytes()),
        None => return Err(Problem::NotFound(format!("there is nothing at {}", quoted(request.path())))),
    };
    let kind = match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let caching = if version == analytics.pages.version { "public, max-age=31536000, immutable" } else { "no-cache" };
    let body = match data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    Ok(HttpResponse::Ok().content_type(kind).insert_header((header::CACHE_CONTROL, caching)).body(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_shows_is_text_and_never_markup() {
        let shown = Shown {
            script: String::new(),
            style: String::new(),
            storefront: "\"><script>alert(1)</script>",
            sections: SECTIONS,
            section: SECTIONS[0].0,
            heading: SECTIONS[0].1,
            away: Some("<b>away</b>".into()),
            has_events: true,
            tz: "<evil>UTC</evil>".into(),
            today: None,
            orders_today: 0,
        };
        let context = tera::Context::from_serialize(&shown).unwrap();
        let html = Pages::new().unwrap().tera.render("index.html", &context).unwrap();
        assert!(html.contains("&lt;b&gt;away"), "{html}");
        for markup in ["<script>alert", "<b>away", "<evil>"] {
            assert!(!html.contains(markup), "{markup}");
        }
    }
}
