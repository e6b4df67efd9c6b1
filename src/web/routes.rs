//! The one table of routes. An axum router does not tell what it serves; this one does, so that the
//! document of the API, and the list of what asks for a login, can be held against it.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};

use super::App;

/// Routes below one path.
pub(super) struct Routes {
    below: &'static str,
    router: Router<App>,
    /// Method and path of each.
    names: Vec<(&'static str, String)>,
}

/// How a method is answered.
pub(super) struct On(&'static str, MethodRouter<App>);

impl Routes {
    pub(super) fn below(below: &'static str) -> Self {
        Routes {
            below,
            router: Router::new(),
            names: Vec::new(),
        }
    }

    /// One method of one path.
    pub(super) fn route(mut self, path: &str, On(method, answer): On) -> Self {
        let path = format!("{}{path}", self.below);
        self.router = self.router.route(&path, answer);
        self.names.push((method, path));
        self
    }

    /// These and those.
    pub(super) fn and(mut self, others: Routes) -> Self {
        self.router = self.router.merge(others.router);
        self.names.extend(others.names);
        self
    }

    pub(super) fn router(self) -> Router<App> {
        self.router
    }

    pub(super) fn names(self) -> Vec<(&'static str, String)> {
        self.names
    }
}

pub(super) fn get<H: Handler<T, App>, T: 'static>(answer: H) -> On {
    On("GET", routing::get(answer))
}

pub(super) fn post<H: Handler<T, App>, T: 'static>(answer: H) -> On {
    On("POST", routing::post(answer))
}

pub(super) fn put<H: Handler<T, App>, T: 'static>(answer: H) -> On {
    On("PUT", routing::put(answer))
}

pub(super) fn delete<H: Handler<T, App>, T: 'static>(answer: H) -> On {
    On("DELETE", routing::delete(answer))
}
