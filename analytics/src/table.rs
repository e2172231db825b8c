//! Answers as CSV (RFC 4180) for who prefers it, as spreadsheets and `\copy` do: `Accept: text/csv`.

use std::collections::HashMap;
use std::fmt;

use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::ErrorInternalServerError;
use actix_web::http::StatusCode;
use actix_web::http::header::{Accept, CONTENT_TYPE, Header, HeaderValue, LINK, VARY};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Middleware that turns an answer in JSON into CSV where that is preferred: its `rows`, or all of it as one row where it
/// has none. Fields of a field are columns of their own, `amount_USD`; a null is empty. A next page's address is the
/// `Link`. Problems stay what they are, and so does what has rows of another kind.
pub(crate) async fn as_asked(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let asked = request.path().starts_with("/api/")
        && Accept::parse(&request).is_ok_and(|accept| accept.preference().essence_str() == "text/csv");
    let response = next.call(request).await?.map_into_boxed_body();
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !asked || !is_json || response.status() != StatusCode::OK {
        return Ok(response);
    }
    let (request, response) = response.into_parts();
    let (mut head, body) = response.into_parts();
    let body = to_bytes(body).await.map_err(ErrorInternalServerError)?;
    let answer: Fields = serde_json::from_slice(&body)?;
    let Some(table) = Table::of(&answer)? else {
        return Ok(ServiceResponse::new(request, head.set_body(BoxBody::new(body))));
    };
    let headers = head.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.append(VARY, HeaderValue::from_static("accept"));
    if let Some(link) = following(&request, &answer)? {
        headers.insert(LINK, link);
    }
    let response: HttpResponse = head.set_body(BoxBody::new(table.write().map_err(ErrorInternalServerError)?));
    Ok(ServiceResponse::new(request, response))
}

/// The address of the next page, where there is one.
fn following(request: &HttpRequest, answer: &Fields) -> Result<Option<HeaderValue>, Error> {
    let Some(cursor) = answer.get("next").map(|next| serde_json::from_str::<Option<String>>(next.get())) else {
        return Ok(None);
    };
    let Some(cursor) = cursor? else { return Ok(None) };
    let others = request.query_string().split('&').filter(|part| !part.is_empty() && !part.starts_with("cursor="));
    let query: String = others.map(|part| format!("{part}&")).collect();
    let link = format!("<{}?{query}cursor={cursor}>; rel=\"next\"", request.path());
    Ok(Some(HeaderValue::from_str(&link)?))
}

/// The fields of an object in their order, each as it was written.
struct Fields(Vec<(String, Box<RawValue>)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| &**value)
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Fields;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// Cells by the places of their columns, which stand in the order in which they first came.
#[derive(Default)]
struct Table {
    columns: Vec<String>,
    places: HashMap<String, usize>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn of(answer: &Fields) -> serde_json::Result<Option<Self>> {
        let mut table = Self::default();
        let Some(rows) = answer.get("rows") else {
            table.add(answer)?;
            return Ok(Some(table));
        };
        if !rows.get().starts_with("[{") && rows.get() != "[]" {
            return Ok(None);
        }
        for row in serde_json::from_str::<Vec<Fields>>(rows.get())? {
            table.add(&row)?;
        }
        Ok(Some(table))
    }

    fn add(&mut self, row: &Fields) -> serde_json::Result<()> {
        let mut cells = Vec::new();
        self.fill("", row, &mut cells)?;
        self.rows.push(cells);
        Ok(())
    }

    fn fill(&mut self, of: &str, fields: &Fields, cells: &mut Vec<String>) -> serde_json::Result<()> {
        for (name, value) in &fields.0 {
            let name = if of.is_empty() { name.clone() } else { format!("{of}_{name}") };
            let text = match value.get().as_bytes()[0] {
                b'{' => {
                    self.fill(&name, &serde_json::from_str(value.get())?, cells)?;
                    continue;
                }
                b'"' => inert(serde_json::from_str(value.get())?),
                b'n' => String::new(),
                _ => value.get().to_owned(),
            };
            let next = self.columns.len();
            let place = *self.places.entry(name).or_insert_with_key(|name| {
                self.columns.push(name.clone());
                next
            });
            cells.resize(cells.len().max(place + 1), String::new());
            cells[place] = text;
        }
        Ok(())
    }

    fn write(mut self) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        if !self.columns.is_empty() {
            writer.write_record(&self.columns)?;
        }
        for row in &mut self.rows {
            row.resize(self.columns.len(), String::new());
            writer.write_record(&*row)?;
        }
        writer.into_inner().map_err(|error| error.into_error().into())
    }
}

/// A text that a spreadsheet would run as a formula gets an apostrophe, as on the page: texts come from outside.
fn inert(text: String) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    if is_formula { format!("'{text}") } else { text }
}
