//! Every request passes here first. A web page elsewhere must not disarm the house: on TCP the
//! `Host` must be ours (a name that was made to point at this machine is not), and an `Origin`,
//! which browsers send along, must be the same. What comes with a session's cookie and changes
//! something must prove beside it that a page of ours sent it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::answer::Problem;
use super::tls::Certificate;
use super::{App, login, principal};

/// Where a connection came in.
#[derive(Debug, Clone)]
pub(super) enum Peer {
    /// The Unix socket.
    Socket,
    /// TCP.
    Tcp {
        /// Our own address.
        ours: SocketAddr,
        /// Who connected.
        theirs: IpAddr,
        /// The certificate that they were shown, where there is TLS.
        certificate: Option<Arc<Certificate>>,
        /// A proxy stands before us, as `[web]` said when we began: the port stays as it is until the
        /// next start.
        proxied: bool,
    },
}

/// What forms of our own pages are sent to. They carry their proof as a field, which
/// [`Form`](super::form::Form) checks; everything else carries it as the header [`CSRF`].
const FORMS: [&str; 4] = ["/login", "/welcome", "/logout", "/act"];

/// The header that proves that a page of ours asks. Pages have its value from
/// [`Visitor::csrf`](super::principal::Visitor).
const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");

/// Lets a request through with its [`Actor`](crate::alarm::Actor) and its
/// [`Visitor`](super::principal::Visitor), or answers it itself.
pub(super) async fn guard(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut response = match admit(&app, &peer, &mut request) {
        Ok(()) => next.run(request).await,
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED && is_page(&request) => {
            Redirect::to(login::first_page(&app.house)).into_response()
        }
        Err(problem) => problem.into_response(),
    };
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Nothing from elsewhere, no script or style inside a page, in nobody's frame, in no cache. The
/// referrer stays at home; with none at all browsers would not say either where a form comes from.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         img-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Answered without a login: that the program runs, how to log in, and what pages look like.
fn is_open(path: &str) -> bool {
    matches!(path, "/healthz" | "/login" | "/welcome" | "/style.css")
        || path.starts_with("/static/")
}

fn admit(app: &App, peer: &Peer, request: &mut Request) -> Result<(), Problem> {
    let path = request.uri().path();
    let changes = !request.method().is_safe();
    let is_form = FORMS.contains(&path);
    if let Peer::Tcp {
        ours,
        certificate,
        proxied,
        ..
    } = peer
    {
        let known = |name: &str| {
            let certified = certificate.as_ref();
            *proxied
                || is_ours(name, *ours, certified.is_some())
                || certified.is_some_and(|it| it.names(host_of(name)))
        };
        same_house(request.headers(), request.uri(), *ours, known)?;
        if changes && is_form {
            from_our_page(request.headers())?;
        }
    }
    if is_open(path) {
        return Ok(());
    }
    let visitor = principal::who(&app.house, peer, request.headers())?;
    if changes && !is_form {
        let csrf = request.headers().get(CSRF);
        visitor.proves(csrf.and_then(|csrf| csrf.to_str().ok()))?;
    }
    request.extensions_mut().insert(visitor.actor.clone());
    request.extensions_mut().insert(visitor);
    Ok(())
}

/// A browser that shows pages asks, not a program.
fn is_page(request: &Request) -> bool {
    let accepts = request.headers().get(header::ACCEPT);
    !request.uri().path().starts_with("/api/")
        && accepts
            .and_then(|accepts| accepts.to_str().ok())
            .is_some_and(|accepts| accepts.contains("text/html"))
}

/// A form can be sent from anywhere, so it must say that it comes from here. `Origin` is compared
/// by [`same_house`].
fn from_our_page(headers: &HeaderMap) -> Result<(), Problem> {
    let same = headers.get("sec-fetch-site");
    if headers.contains_key(header::ORIGIN) || same.is_some_and(|site| site == "same-origin") {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "a form must say where it comes from (Origin), as browsers do; programs use /api/v1",
    ))
}

/// Checks `Host` and `Origin`. Behind a proxy the name is the proxy's, which we do not know; the
/// two must agree all the same. With TLS a name in the certificate is ours too: nobody else's page
/// can have been shown it.
pub(super) fn same_house(
    headers: &HeaderMap,
    uri: &Uri,
    ours: SocketAddr,
    is_known: impl Fn(&str) -> bool,
) -> Result<(), Problem> {
    let forbidden = |error: String| Problem::new(StatusCode::FORBIDDEN, error);
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().unwrap_or_default(),
        (None | Some(_), _) => return Err(Problem::bad("a request needs one Host header")),
    };
    let named = uri.authority().map(Authority::as_str);
    for name in std::iter::once(host).chain(named) {
        if !is_known(name) {
            return Err(forbidden(format!(
                "{name:?} is not a name of this service: ask for localhost:{} or {ours}, or for a \
                 name in its certificate",
                ours.port()
            )));
        }
    }
    for origin in headers.get_all(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let from = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        if !from.is_some_and(|from| from.eq_ignore_ascii_case(host)) {
            return Err(forbidden(format!(
                "web pages from {origin:?} may not use this service"
            )));
        }
    }
    Ok(())
}

/// A loopback name, or the address we listen at, with our port.
pub(super) fn is_ours(name: &str, ours: SocketAddr, encrypted: bool) -> bool {
    let Ok(authority) = name.parse::<Authority>() else {
        return false;
    };
    let usual = if encrypted { 443 } else { 80 };
    if name.contains('@') || authority.port_u16().unwrap_or(usual) != ours.port() {
        return false;
    }
    let host = authority.host();
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address == ours.ip().to_canonical(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// The name without the port.
fn host_of(name: &str) -> &str {
    let authority = name.rsplit_once(':');
    let host = authority.filter(|(_, port)| port.bytes().all(|it| it.is_ascii_digit()));
    host.map_or(name, |(host, _)| host).trim_matches(['[', ']'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_and_our_own_address_with_our_port_are_ours() {
        let ours: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        for name in [
            "127.0.0.1:8080",
            "localhost:8080",
            "LOCALHOST:8080",
            "[::1]:8080",
            "127.1.2.3:8080",
        ] {
            assert!(is_ours(name, ours, false), "{name}");
        }
        for name in [
            "",
            "localhost",
            "127.0.0.1:8081",
            "evil.example:8080",
            "localhost.evil.example:8080",
            "evil@127.0.0.1:8080",
            "192.168.1.5:8080",
            "127.0.0.1:8080:8080",
            "127.0.0.1.evil.example:8080",
        ] {
            assert!(!is_ours(name, ours, false), "{name}");
        }
    }

    #[test]
    fn a_host_is_a_name_without_its_port() {
        for (name, host) in [
            ("pi.lan:8443", "pi.lan"),
            ("pi.lan", "pi.lan"),
            ("[::1]:8443", "::1"),
            ("192.168.1.5:8443", "192.168.1.5"),
        ] {
            assert_eq!(host_of(name), host);
        }
    }

    #[test]
    fn port_80_needs_no_port_in_the_name() {
        assert!(is_ours("localhost", "127.0.0.1:80".parse().unwrap(), false));
        assert!(is_ours("localhost", "127.0.0.1:443".parse().unwrap(), true));
    }
}
