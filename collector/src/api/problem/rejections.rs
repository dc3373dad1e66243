//! Turns the refusals of extractors (a query that does not parse, JSON that is none) into problems.

use std::borrow::Cow;

use axum::extract::rejection::{
    BytesRejection, ExtensionRejection, JsonRejection, PathRejection, QueryRejection,
};
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::super::query::unread;
use super::{Kind, Problem};

/// Any extractor, whose refusal is a [`Problem`]: `Checked(Json(body)): Checked<Json<Body>>`.
#[derive(Debug)]
pub struct Checked<E>(pub E);

impl<S, E> FromRequestParts<S> for Checked<E>
where
    S: Send + Sync,
    E: FromRequestParts<S>,
    E::Rejection: Into<Problem>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        E::from_request_parts(parts, state).await.map(Self).map_err(Into::into)
    }
}

impl<S, E> FromRequest<S> for Checked<E>
where
    S: Send + Sync,
    E: FromRequest<S>,
    E::Rejection: Into<Problem>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        E::from_request(request, state).await.map(Self).map_err(Into::into)
    }
}

fn problem(status: StatusCode, detail: String) -> Problem {
    let kind = match status {
        StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Kind::UnsupportedMediaType,
        StatusCode::UNPROCESSABLE_ENTITY => Kind::BadField,
        StatusCode::METHOD_NOT_ALLOWED => Kind::MethodNotAllowed,
        StatusCode::UPGRADE_REQUIRED => Kind::UpgradeRequired,
        status if status.is_server_error() => Kind::Internal,
        _ => Kind::BadRequest,
    };
    Problem::new(kind, Cow::Owned(detail))
}

macro_rules! rejection_is_a_problem {
    ($($rejection:ty),+ $(,)?) => {$(
        impl From<$rejection> for Problem {
            fn from(rejection: $rejection) -> Self {
                problem(rejection.status(), rejection.body_text())
            }
        }
    )+};
}

rejection_is_a_problem!(
    BytesRejection,
    ExtensionRejection,
    JsonRejection,
    PathRejection,
    WebSocketUpgradeRejection,
);

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        unread(&rejection.body_text())
    }
}
