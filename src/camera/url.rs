//! A camera on the network that answers a GET with a JPEG.

use std::time::Duration;

use super::device::{CameraError, Device, Frame, MOST_BYTES};
use super::jpeg::is_jpeg;
use crate::clock::{SharedClock, Stamp};

pub(super) struct Url {
    url: String,
    client: reqwest::Client,
    clock: SharedClock,
    runtime: tokio::runtime::Handle,
}

/// The client of this camera. It follows no redirect: the configured address is the camera.
pub(super) fn client(url: &str) -> Result<reqwest::Client, CameraError> {
    reqwest::Client::builder()
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| failed(url, format!("cannot be asked: {}", cause(error))))
}

impl Url {
    pub(super) fn new(
        url: &str,
        client: reqwest::Client,
        clock: SharedClock,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        Url {
            url: url.to_owned(),
            client,
            clock,
            runtime,
        }
    }

    async fn fetch(&self) -> Result<Vec<u8>, CameraError> {
        let unreachable = |error| failed(&self.url, format!("cannot be reached: {}", cause(error)));
        let sent = self.client.get(&self.url).send().await;
        let mut answer = sent.map_err(unreachable)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(failed(&self.url, format!("answers {status}")));
        }
        let mut jpeg = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if jpeg.len() + chunk.len() > MOST_BYTES {
                return Err(failed(
                    &self.url,
                    "sends more than 10 MB: name its snapshot, not its stream",
                ));
            }
            jpeg.extend_from_slice(&chunk);
        }
        if !is_jpeg(&jpeg) {
            return Err(failed(&self.url, "answers with something that is no JPEG"));
        }
        Ok(jpeg)
    }
}

impl Device for Url {
    fn frame(&mut self, timeout: Duration) -> Result<Frame, CameraError> {
        let fetch = async { tokio::time::timeout(timeout, self.fetch()).await };
        let jpeg = self.runtime.block_on(fetch).unwrap_or_else(|_| {
            let why = format!("gave no picture within {timeout:.1?}");
            Err(failed(&self.url, why))
        })?;
        Ok(Frame {
            jpeg: jpeg.into(),
            taken: Stamp::now(&*self.clock),
        })
    }
}

fn failed(url: &str, why: impl Into<String>) -> CameraError {
    let host = reqwest::Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| "[camera] device.url".into());
    CameraError::Url {
        host,
        why: why.into(),
    }
}

/// The innermost cause: "connection refused" rather than "error sending request".
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
