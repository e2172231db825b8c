//! The description of all that is served, for programs and for who writes them.

use actix_web::{HttpResponse, Responder};

/// OpenAPI 3.1, written by hand; tests hold it against what is served.
const DOCUMENT: &str = include_str!("../openapi.json");

/// `GET /openapi.json`
pub(crate) async fn document() -> impl Responder {
    HttpResponse::Ok().content_type("application/json").body(DOCUMENT)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::question::DIMENSIONS;

    #[test]
    fn it_names_exactly_the_routes_that_are_served() {
        let routes = include_str!("lib.rs");
        let parts = [" get(\"", "(get(\"", "web::resource(\""].map(|call| routes.split(call).skip(1));
        let paths = parts.into_iter().flatten().filter_map(|part| part.split('"').next());
        // an expression of actix's own follows a parameter's name
        let served: BTreeSet<_> = paths.map(|path| path.replace(":.*}", "}")).collect();
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let named: BTreeSet<_> = document["paths"].as_object().unwrap().keys().cloned().collect();
        assert!(served.len() > 20, "{served:?}");
        assert_eq!(named, served);
    }

    #[test]
    fn it_names_exactly_the_dimensions_that_there_are() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let parameters = &document["components"]["parameters"];
        let filters = parameters["filters"]["schema"]["properties"].as_object().unwrap();
        let dimensions: BTreeSet<_> = DIMENSIONS.iter().copied().collect();
        assert_eq!(filters.keys().map(String::as_str).collect::<BTreeSet<_>>(), dimensions);
        let by = document["components"]["schemas"]["dimension"]["enum"].as_array().unwrap();
        assert_eq!(by.iter().filter_map(Value::as_str).collect::<BTreeSet<_>>(), dimensions);
    }
}
