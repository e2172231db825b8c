//! What many ask at once is asked of PostgreSQL once: all open pages hear of the same batch, and ask the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpRequest, HttpResponse};

use crate::Analytics;

/// How long an answer of [`hold`] is given again.
const HELD: Duration = Duration::from_secs(1);

/// The questions that are being answered.
#[derive(Default)]
pub(crate) struct Questions(Mutex<HashMap<String, Question>>);

/// Locked while it is asked.
type Question = Arc<tokio::sync::Mutex<Option<Answer>>>;

#[derive(Clone)]
struct Answer {
    asked: Instant,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// A request's part in a question, which is forgotten with the last of them, whether it was answered or went away.
struct Asking<'a> {
    questions: &'a Questions,
    name: String,
    question: Question,
}

impl Questions {
    fn ask(&self, name: String) -> Asking<'_> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let question = all.entry(name.clone()).or_default().clone();
        Asking { questions: self, name, question }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut all = self.questions.0.lock().unwrap_or_else(PoisonError::into_inner);
        // the map's own and this one
        if Arc::strong_count(&self.question) == 2 {
            all.remove(&self.name);
        }
    }
}

/// Middleware that asks each question once at a time. Who comes meanwhile waits, and shares the next answer, which was
/// asked for after all of them had come: so no answer is older than its request, as if each had been asked for itself.
pub(crate) async fn share(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let came = Instant::now();
    let Some(analytics) = request.app_data::<Data<Analytics>>().cloned() else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let asking = analytics.questions.ask(format!("{} {}", request.method(), request.uri()));
    let mut known = asking.question.lock().await;
    if let Some(answer) = known.as_ref().filter(|answer| answer.asked >= came) {
        return Ok(request.into_response(answer.clone().response()));
    }
    let (request, answer) = Answer::ask(request, next).await?;
    *known = Some(answer.clone());
    Ok(ServiceResponse::new(request, answer.response()))
}

/// The last answer of each path that is held, and when it was there.
#[derive(Default)]
pub(crate) struct Held(Mutex<HashMap<String, HeldAnswer>>);

type HeldAnswer = Arc<tokio::sync::Mutex<Option<(Instant, Answer)>>>;

/// Middleware for paths that ask Kafka, whatever their query: asks once at a time, and gives each answer, a problem
/// too, for a second after it was there. For resources of a fixed path only, as each path's answer is kept.
pub(crate) async fn hold(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(analytics) = request.app_data::<Data<Analytics>>().cloned() else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let path = request.path().to_owned();
    let held = analytics.held.0.lock().unwrap_or_else(PoisonError::into_inner).entry(path).or_default().clone();
    let mut held = held.lock().await;
    if let Some((_, answer)) = held.as_ref().filter(|(there, _)| there.elapsed() < HELD) {
        return Ok(request.into_response(answer.clone().response()));
    }
    let (request, answer) = Answer::ask(request, next).await?;
    *held = Some((Instant::now(), answer.clone()));
    Ok(ServiceResponse::new(request, answer.response()))
}

impl Answer {
    async fn ask(
        request: ServiceRequest,
        next: Next<impl MessageBody + 'static>,
    ) -> Result<(HttpRequest, Self), Error> {
        let asked = Instant::now();
        let (request, response) = next.call(request).await?.into_parts();
        let (head, body) = response.into_parts();
        let body = to_bytes(body).await.map_err(|error| Error::from(error.into()))?;
        Ok((request, Self { asked, status: head.status(), headers: head.headers().clone(), body }))
    }

    fn response(self) -> HttpResponse {
        let mut response = HttpResponse::new(self.status).set_body(BoxBody::new(self.body));
        *response.headers_mut() = self.headers;
        response
    }
}
