//! Coming in and going out: `/login`, `/welcome`, `/logout`. Forms, so that they need no script.

use std::fmt::Write;

use axum::extract::{Extension, State};
use axum::http::header::{HeaderValue, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::answer::Problem;
use super::form::Form;
use super::guard::Peer;
use super::html::{Escaped, framed};
use super::principal::{Visitor, cookie_name, is_encrypted, is_here, place};
use super::{App, House, ServiceKind};
use crate::login::{FEWEST, NotIn};

/// A cookie lasts so long, which is as long as browsers keep one (RFC 6265bis, section 5.5). When a
/// session ends is the server's affair.
const COOKIE_LASTS_S: u32 = 400 * 86_400;

/// Where a browser goes that is not logged in: to `/welcome` as long as no owner has a password.
pub(super) fn first_page(house: &House) -> &'static str {
    match house.logins.has_owner() {
        true => "/login",
        false => "/welcome",
    }
}

/// Where the simulator asks for no login, and where there is another first page.
fn elsewhere(house: &House, page: &str) -> Option<Redirect> {
    match house.kind {
        ServiceKind::Simulate => Some(Redirect::to("/")),
        ServiceKind::Run if first_page(house) != page => Some(Redirect::to(first_page(house))),
        ServiceKind::Run => None,
    }
}

pub(super) async fn login_page(State(app): State<App>) -> Response {
    match elsewhere(&app.house, "/login") {
        Some(other) => other.into_response(),
        None => login_form(None).into_response(),
    }
}

pub(super) async fn welcome_page(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
) -> Response {
    match elsewhere(&app.house, "/welcome") {
        Some(other) => other.into_response(),
        None => welcome_form(&peer, None).into_response(),
    }
}

#[derive(Deserialize)]
pub(super) struct Credentials {
    name: String,
    password: SecretString,
}

pub(super) async fn log_in(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Form(Credentials { name, password }): Form<Credentials>,
) -> Response {
    let house = &app.house;
    let from = place(&peer, &headers);
    match house.logins.log_in(&name, password, from).await {
        Ok(secret) => inside(&peer, &secret),
        Err(why) => (problem(&why).status, login_form(Some(&why))).into_response(),
    }
}

#[derive(Deserialize)]
pub(super) struct FirstVisit {
    name: String,
    password: SecretString,
    again: SecretString,
    code: Option<String>,
}

pub(super) async fn welcome(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Form(visit): Form<FirstVisit>,
) -> Response {
    let house = &app.house;
    let refused = |why: NotIn| {
        let form = welcome_form(&peer, Some(&why));
        (problem(&why).status, form).into_response()
    };
    if house.kind == ServiceKind::Simulate {
        return Redirect::to("/").into_response();
    }
    if visit.password.expose_secret() != visit.again.expose_secret() {
        return refused(NotIn::Different);
    }
    let from = place(&peer, &headers);
    let here = is_here(&peer);
    let welcomed = house
        .logins
        .welcome(
            &visit.name,
            visit.password,
            visit.code.as_deref(),
            from,
            here,
        )
        .await;
    match welcomed {
        Ok(secret) => inside(&peer, &secret),
        Err(why) => refused(why),
    }
}

#[derive(Deserialize)]
pub(super) struct Leaving {
    /// Anything: with every browser.
    everywhere: Option<String>,
}

pub(super) async fn log_out(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Extension(visitor): Extension<Visitor>,
    Form(Leaving { everywhere }): Form<Leaving>,
) -> Result<Response, Problem> {
    let house = &app.house;
    if let Some(key) = visitor.key {
        let everywhere = everywhere.is_some_and(|it| !it.is_empty());
        let out = house
            .logins
            .log_out(key, everywhere, visitor.actor, visitor.place)
            .await;
        out.map_err(|why| problem(&why))?;
    }
    Ok(with_cookie(&peer, "", 0, first_page(house)))
}

/// Logged in: the cookie, and the house.
fn inside(peer: &Peer, secret: &str) -> Response {
    with_cookie(peer, secret, COOKIE_LASTS_S, "/")
}

fn with_cookie(peer: &Peer, secret: &str, lasts: u32, to: &str) -> Response {
    let name = cookie_name(peer);
    let secure = match is_encrypted(peer) {
        true => "; Secure",
        false => "",
    };
    let cookie =
        format!("{name}={secret}; Path=/; Max-Age={lasts}; HttpOnly; SameSite=Strict{secure}");
    let cookie = HeaderValue::from_str(&cookie).expect("made of our own words");
    let mut response = Redirect::to(to).into_response();
    response.headers_mut().insert(SET_COOKIE, cookie);
    response
}

/// As a status of HTTP.
pub(super) fn problem(why: &NotIn) -> Problem {
    let status = match why {
        NotIn::Wrong | NotIn::WrongCode => StatusCode::UNAUTHORIZED,
        NotIn::TooSoon(_) => StatusCode::TOO_MANY_REQUESTS,
        NotIn::Busy | NotIn::NotKept => StatusCode::SERVICE_UNAVAILABLE,
        NotIn::Name(_) | NotIn::Password | NotIn::Different => StatusCode::BAD_REQUEST,
        NotIn::NotTheFirst | NotIn::Taken(_) | NotIn::LastOwner => StatusCode::CONFLICT,
        NotIn::Nobody(..) => StatusCode::NOT_FOUND,
        NotIn::System(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Problem::new(status, why.to_string())
}

fn login_form(why: Option<&NotIn>) -> Html<String> {
    let mut form = String::new();
    refusal(&mut form, why);
    form += "<form method=\"post\" action=\"/login\" class=\"login\">\
             <label>Name <input name=\"name\" autocomplete=\"username\" autocapitalize=\"none\" \
             spellcheck=\"false\" required autofocus></label>\
             <label>Password <input name=\"password\" type=\"password\" \
             autocomplete=\"current-password\" required></label>\
             <button>Log in</button></form>\n\
             <p class=\"dim\">Logged in already, and led here by a link elsewhere? <a \
             href=\"/\">Go to the house.</a> Nobody knows the password? On the machine itself: \
             <code>asfaleia password NAME</code>.</p>";
    page(&form)
}

fn welcome_form(peer: &Peer, why: Option<&NotIn>) -> Html<String> {
    let mut form = String::new();
    refusal(&mut form, why);
    form += "<p>Nobody has a password yet. Choose yours: with it you arm and disarm this house.</p>\
             <form method=\"post\" action=\"/welcome\" class=\"login\">";
    if !is_here(peer) {
        form += "<label>Code <input name=\"code\" autocomplete=\"off\" autocapitalize=\"characters\" \
                 spellcheck=\"false\" required></label>\
                 <p class=\"dim\">The service has written it into its log: <code>journalctl -u \
                 asfaleia | grep code</code>.</p>";
    }
    write!(
        form,
        "<label>Name <input name=\"name\" autocomplete=\"username\" spellcheck=\"false\" required>\
         </label><label>Password, {FEWEST} characters at least <input name=\"password\" \
         type=\"password\" autocomplete=\"new-password\" minlength=\"{FEWEST}\" required></label>\
         <label>The same again <input name=\"again\" type=\"password\" \
         autocomplete=\"new-password\" minlength=\"{FEWEST}\" required></label>\
         <button>Set the password</button></form>"
    )
    .expect("a String takes everything");
    page(&form)
}

fn refusal(html: &mut String, why: Option<&NotIn>) {
    if let Some(why) = why {
        writeln!(
            html,
            "<p class=\"trouble\" role=\"alert\">{}</p>",
            Escaped(first_upper(&why.to_string()))
        )
        .expect("a String takes everything");
    }
}

fn first_upper(sentence: &str) -> String {
    let mut signs = sentence.chars();
    let first = signs.next().into_iter().flat_map(char::to_uppercase);
    first.chain(signs).chain(['.']).collect()
}

/// Strangers do not read the site's name.
fn page(body: &str) -> Html<String> {
    Html(framed("asfaleia", &format!("<main>{body}</main>")))
}
