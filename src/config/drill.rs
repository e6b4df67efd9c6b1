//! `[drill]`, and the paths that a drill proves.

use std::time::Duration;

use super::Config;

/// `[drill]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drill {
    /// Whole days.
    pub every: Duration,
    /// On the clock on the wall.
    pub at: jiff::civil::Time,
}

impl Config {
    /// What a drill sends its test along: `email:NAME`, `phone:NAME` in the order of calling,
    /// `webhook:NAME`, `mqtt`; and `camera`.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        if self.email.is_some() {
            let mailed = self.contacts.iter().filter(|it| it.email.is_some());
            paths.extend(mailed.map(|contact| format!("email:{}", contact.name)));
        }
        let rungs = self.policy().phone.into_iter().flat_map(|it| it.rungs);
        paths.extend(rungs.map(|rung| format!("phone:{}", rung.contact)));
        let hooks = self.webhooks.iter();
        paths.extend(hooks.map(|hook| format!("webhook:{}", hook.name)));
        paths.extend(self.mqtt.as_ref().map(|_| "mqtt".to_owned()));
        paths.extend(self.camera.as_ref().map(|_| "camera".to_owned()));
        paths
    }
}
