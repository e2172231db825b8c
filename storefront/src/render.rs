//! Pages from templates, which are inside the binary.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentType};
use anyhow::Context as _;
use rust_embed::RustEmbed;
use serde::Serialize;
use tera::{Context, Kwargs, State, Tera, Value};
use uuid::Uuid;

use crate::assets;
use crate::catalog::PRODUCTS;
use crate::strip::StripView;

#[derive(RustEmbed)]
#[folder = "../templates/shop/"]
struct Templates;

/// What every page has, and what is its own.
#[derive(Serialize)]
pub(crate) struct Page<T> {
    /// What links to products carry: `?page=…`, or nothing.
    from_page: String,
    /// The slug of the product that the page is about.
    here: Option<&'static str>,
    strip: Option<StripView>,
    #[serde(flatten)]
    content: T,
}

impl<T: Serialize> Page<T> {
    /// A page that belongs to no page view.
    pub(crate) fn plain(content: T) -> Self {
        Self { from_page: String::new(), here: None, strip: None, content }
    }

    /// Links to products carry the page view `page`.
    pub(crate) fn from(mut self, page: Uuid) -> Self {
        self.from_page = format!("?page={}", page.simple());
        self
    }

    pub(crate) fn about(mut self, slug: &'static str) -> Self {
        self.here = Some(slug);
        self
    }

    pub(crate) fn with_strip(mut self, strip: Option<StripView>) -> Self {
        self.strip = strip;
        self
    }
}

/// The templates, compiled.
pub(crate) struct Renderer {
    tera: Tera,
}

impl Renderer {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut tera = Tera::default();
        tera.register_function("asset", asset);
        tera.global_context().insert("products", &PRODUCTS);
        let mut templates = Vec::new();
        for name in Templates::iter() {
            let file = Templates::get(&name).with_context(|| format!("read template {name}"))?;
            let text = String::from_utf8(file.data.into_owned()).with_context(|| format!("read template {name}"))?;
            templates.push((name, text));
        }
        tera.add_raw_templates(templates).context("compile the templates of the shop")?;
        Ok(Self { tera })
    }

    /// A page that no cache keeps: each is one visitor's, and each request for it counts.
    pub(crate) fn page<T: Serialize>(
        &self,
        template: &str,
        status: StatusCode,
        page: &Page<T>,
    ) -> anyhow::Result<HttpResponse> {
        let context = Context::from_serialize(page).with_context(|| format!("fill in {template}"))?;
        let html = self.tera.render(template, &context).with_context(|| format!("render {template}"))?;
        Ok(HttpResponse::build(status)
            .content_type(ContentType::html())
            .insert_header((CACHE_CONTROL, "no-store"))
            .body(html))
    }
}

/// `asset(path="shop.css")` in a template: the file's address, with its hash.
fn asset(arguments: Kwargs, _: &State<'_>) -> tera::TeraResult<Value> {
    let path: &str = arguments.must_get("path")?;
    let url = assets::url(path).ok_or_else(|| tera::Error::message(format!("no file static/shop/{path}")))?;
    Ok(Value::safe_string(&url))
}
