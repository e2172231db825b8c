//! The report as a page: of its own for a file, of the charts page's service for the stored events.

use anyhow::Context;
use serde::Serialize;
use tera::{Kwargs, State, Tera};

use crate::report::{Named, Profile, grouped, quantile_name};

/// The style of both, to be served beside [`page`].
pub const STYLE: &str = include_str!("../../static/profile/profile.css");

#[derive(Serialize)]
struct Shown<'a> {
    profile: Option<&'a Profile>,
    /// Within the page, for a file that is to be opened from anywhere.
    style: Option<&'a str>,
    /// Elsewhere, for a page that may hold none.
    style_url: Option<&'a str>,
    /// The distributions, which are all laid out alike.
    parts: Vec<Part<'a>>,
    /// Why there is no profile yet, or what it is of.
    note: &'a str,
}

#[derive(Serialize)]
struct Part<'a> {
    id: &'static str,
    title: &'static str,
    named: Option<&'a Named>,
}

/// A page that needs nothing else: no script, no request.
pub fn standalone(profile: &Profile, note: &str) -> anyhow::Result<String> {
    render(Some(profile), Some(STYLE), None, note)
}

/// A page that loads its style from `style_url`. Without a profile it says `note` and asks again in two seconds.
pub fn page(profile: Option<&Profile>, style_url: &str, note: &str) -> anyhow::Result<String> {
    render(profile, None, Some(style_url), note)
}

fn render(
    profile: Option<&Profile>,
    style: Option<&str>,
    style_url: Option<&str>,
    note: &str,
) -> anyhow::Result<String> {
    let parts = profile.map_or_else(Vec::new, |profile| {
        let Profile { event_types, brands, categories, .. } = profile;
        [
            ("types", "Event types", event_types),
            ("brands", "Brands", brands),
            ("categories", "Top categories", categories),
        ]
        .map(|(id, title, named)| Part { id, title, named: named.as_ref() })
        .into()
    });
    let mut tera = Tera::default();
    tera.register_filter("grouped", |value: u64, _: Kwargs, _: &State| grouped(value));
    tera.register_filter("quantile", |percent: u64, _: Kwargs, _: &State| quantile_name(percent as u32));
    tera.register_filter("plain", |value: f64, _: Kwargs, _: &State| value.to_string());
    tera.register_filter("hundredths", |value: f64, _: Kwargs, _: &State| format!("{value:.2}"));
    tera.add_raw_template("report.html", include_str!("../../templates/profile/report.html"))
        .context("read templates/profile/report.html")?;
    let context = tera::Context::from_serialize(&Shown { profile, style, style_url, parts, note })
        .context("lay out the profile")?;
    tera.render("report.html", &context).context("lay out the profile")
}
