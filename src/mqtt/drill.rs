//! The broker's part of a drill.

use std::time::Duration;

use rumqttc::PublishOptions;
use tokio::time::timeout;

use super::{Broker, session};

/// A broker that is well answers within milliseconds; one that was away gets time to come back.
const WITHIN: Duration = Duration::from_secs(20);

impl Broker {
    /// Where it is.
    pub fn server(&self) -> &str {
        &self.0.server
    }

    /// Says once more that we are online, and `text` on the topic `drill`: proven when the broker
    /// has acknowledged both.
    ///
    /// # Errors
    ///
    /// A sentence that says why not, after 20 s at most.
    pub async fn prove(&self, text: &str) -> Result<(), String> {
        match timeout(WITHIN, self.try_to_prove(text)).await {
            Ok(result) => result,
            Err(_) => Err(format!(
                "the MQTT broker {} acknowledged nothing within {} s",
                self.0.server,
                WITHIN.as_secs()
            )),
        }
    }

    async fn try_to_prove(&self, text: &str) -> Result<(), String> {
        session(&mut self.0.link.subscribe()).await;
        let client = self.0.client.borrow().clone();
        let client = client.ok_or("the connection to the MQTT broker is just being ended")?;
        let names = &self.0.names;
        let drill = format!("{}/drill", names.base);
        let once = PublishOptions::at_least_once();
        for (topic, payload, options) in [
            (names.availability.as_str(), "online", once.retained()),
            (&drill, text, once),
        ] {
            let failed = |why: String| format!("publishing {topic} over MQTT: {why}");
            let notice = client.publish_tracked(topic, payload, options).await;
            let notice = notice.map_err(|error| failed(error.to_string()))?;
            let acknowledged = notice.wait_completion_async().await;
            acknowledged.map_err(|error| failed(error.to_string()))?;
        }
        Ok(())
    }
}
