//! The broker: does it let us in?

use std::sync::Arc;

use secrecy::ExposeSecret;

use super::{Finding, NETWORK, Part};
use crate::config::{Config, Login};
use crate::mqtt::{Refused, knock};

/// Connects and logs in under a name of its own, beside a service that may run.
pub(super) async fn look(config: &Arc<Config>) -> Vec<Finding> {
    let Some(mqtt) = &config.mqtt else {
        return Vec::new();
    };
    let broker = format!("{}:{}", mqtt.host, mqtt.port);
    let unread = |login: &Login| login.password.expose_secret().is_empty();
    if mqtt.login.as_ref().is_some_and(unread) {
        let found = "not tried: its secret could not be read";
        let mend = "see above; or look as root: `sudo asfaleia doctor`";
        return vec![Finding::error(Part::Mqtt, broker, found, mend)];
    }
    let finding = match knock(mqtt, &config.site, NETWORK).await {
        Ok(()) => {
            let login = match &mqtt.login {
                Some(login) => format!("takes the login of {}", login.username),
                None => "wants no login".to_owned(),
            };
            Finding::ok(Part::Mqtt, broker, format!("connects; {login}"))
        }
        Err(error @ Refused::Login) => {
            let mend = match mqtt.login {
                Some(_) => "username and password-file in [mqtt], and the broker's own list",
                None => "it wants a login: username and password-file in [mqtt]",
            };
            Finding::error(Part::Mqtt, broker, error.to_string(), mend)
        }
        Err(error @ Refused::Unreachable(_)) => {
            let mend = "[mqtt] host, port, tls and ca-file; is the broker running?";
            Finding::error(Part::Mqtt, broker, error.to_string(), mend)
        }
    };
    vec![finding]
}
