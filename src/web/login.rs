//! Coming in and going out: `/login`, `/welcome`, `/logout`.

use axum::extract::State;
use axum::response::{Html, Redirect};
use serde::Deserialize;

use super::answer::Problem;
use super::form::Form;
use super::html::framed;
use super::{App, House};

/// Where a browser goes that is not logged in: to `/welcome` as long as no owner has a password.
pub(super) fn first_page(_: &House) -> &'static str {
    "/welcome"
}

pub(super) async fn login_page(State(_): State<App>) -> Html<String> {
    Html(framed("asfaleia", ""))
}

pub(super) async fn welcome_page(State(_): State<App>) -> Html<String> {
    Html(framed("asfaleia", ""))
}

#[derive(Deserialize)]
pub(super) struct Leaving {}

pub(super) async fn logout(
    State(_): State<App>,
    Form(Leaving {}): Form<Leaving>,
) -> Result<Redirect, Problem> {
    Ok(Redirect::to("/login"))
}
