//! What a visitor is told when there is no page to send.

use actix_web::ResponseError;
use actix_web::error::UrlencodedError;
use actix_web::http::StatusCode;

use crate::catalog::Product;

/// Everything that can go wrong with a request, as the visitor sees it; `border` makes it a page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageError {
    #[error("There is no such page. The five things we sell are on their shelves.")]
    NotFound,

    #[error("We could not read that. Open the product’s page again and press “Order now” there. Nothing was ordered.")]
    Unreadable,

    #[error(
        "That order was made out for another visitor or another product, or not by us. Nothing was ordered. Open the \
         product’s page again and press “Order now” there; your browser has to keep our cookie."
    )]
    NotYours,

    #[error("That order came from another site. Nothing was ordered.")]
    CrossSite,

    #[error("Your browser says that it is a robot. Robots may look, but not order.")]
    Robot,

    #[error("This address does not take that. Nothing was ordered.")]
    MethodNotAllowed(&'static str),

    #[error("That was too long for an order. Nothing was ordered.")]
    TooLarge,

    #[error("The order did not arrive in time. Nothing was ordered.")]
    TooSlow,

    #[error("An order is a form. Nothing was ordered.")]
    NotAForm,

    #[error(
        "The till did not answer in time, so we cannot say that your order is placed. Press the button again: it will \
         never be ordered twice."
    )]
    Unconfirmed { product: &'static Product, token: String },

    #[error("This page is made when you come, not before.")]
    Ahead,

    #[error("Something broke on our side. It is written down and will be looked at. Please try again.")]
    Internal(#[from] anyhow::Error),
}

impl PageError {
    /// The heading over the text.
    pub(crate) fn heading(&self) -> &'static str {
        match self {
            Self::NotFound => "Nothing in this window",
            Self::Unreadable | Self::NotAForm => "We cannot read that",
            Self::NotYours => "This order is not yours",
            Self::CrossSite => "Not from here",
            Self::Robot => "Are you a robot?",
            Self::MethodNotAllowed(_) => "Not this way",
            Self::TooLarge => "Too much at once",
            Self::TooSlow => "Too slow",
            Self::Unconfirmed { .. } => "Not confirmed yet",
            Self::Ahead => "Not yet",
            Self::Internal(_) => "Something broke",
        }
    }

    /// What to say of an error that the framework found in the request.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            status if status.is_client_error() => Self::Unreadable,
            status => Self::Internal(anyhow::anyhow!("the framework answered {status}")),
        }
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Unreadable => StatusCode::BAD_REQUEST,
            Self::NotYours | Self::CrossSite | Self::Robot => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::NotAForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unconfirmed { .. } | Self::Ahead => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<UrlencodedError> for PageError {
    fn from(error: UrlencodedError) -> Self {
        match error {
            UrlencodedError::Overflow { .. } => Self::TooLarge,
            UrlencodedError::ContentType => Self::NotAForm,
            _ => Self::Unreadable,
        }
    }
}
