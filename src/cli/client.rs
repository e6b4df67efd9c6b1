//! Talks to the running service: HTTP over its Unix socket, a connection a request.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use axum::body::{Body, BodyDataStream, to_bytes};
use axum::http::{Method, Request, Response, StatusCode, header};
use futures_util::StreamExt;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;

use super::exit::{Exit, Failed, Result};
use crate::web::usual_sockets;

/// No answer that is read whole is longer; a thousand events are some hundred kilobytes.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;

/// The running service.
pub(super) struct Service {
    socket: PathBuf,
    runtime: tokio::runtime::Runtime,
}

impl Service {
    /// The service at this socket, or at the usual one.
    pub(super) fn find(socket: Option<&Path>) -> Result<Self> {
        let usual = usual_sockets();
        let socket = socket
            .or_else(|| {
                usual
                    .iter()
                    .map(PathBuf::as_path)
                    .find(|path| path.exists())
            })
            .unwrap_or(&usual[0])
            .to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failed::new(Exit::OsErr, format!("starting: {error}")))?;
        Ok(Service { socket, runtime })
    }

    /// Somebody answers at the socket, or will not speak with us.
    pub(super) fn is_running(&self) -> bool {
        match std::os::unix::net::UnixStream::connect(&self.socket) {
            Ok(_) => true,
            Err(error) => !matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused
            ),
        }
    }

    /// Runs what asks the service.
    pub(super) fn block_on<T>(&self, asking: impl Future<Output = T>) -> T {
        self.runtime.block_on(asking)
    }

    /// `GET` of `/api/v1/…`.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        whole(self.ask(Method::GET, path, None).await?).await
    }

    /// `POST` to `/api/v1/…`.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        whole(self.ask(Method::POST, path, Some(body)).await?).await
    }

    /// `DELETE` of `/api/v1/…`.
    pub(super) async fn delete(&self, path: &str) -> Result<Value> {
        whole(self.ask(Method::DELETE, path, None).await?).await
    }

    /// `GET /api/v1/stream`, one event after another.
    pub(super) async fn stream(&self, after: Option<u64>) -> Result<Stream> {
        let path = match after {
            Some(id) => format!("stream?after={id}"),
            None => "stream".to_owned(),
        };
        Ok(Stream::of(self.ask(Method::GET, &path, None).await?))
    }

    /// `POST` to `/api/v1/…`, which is answered step by step.
    pub(super) async fn follow(&self, path: &str, body: &Value) -> Result<Stream> {
        Ok(Stream::of(self.ask(Method::POST, path, Some(body)).await?))
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<Body>> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| self.not_reached(&error))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, Body>(TokioIo::new(stream))
                .await
                .map_err(broken)?;
        // Ends by itself when the answer has been read; what goes wrong shows in the answer.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/{path}"))
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
            .expect("made of our own words");
        let response = sender.send_request(request).await.map_err(broken)?;
        let response = response.map(Body::new);
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(response).await)
    }

    fn not_reached(&self, error: &std::io::Error) -> Failed {
        let socket = self.socket.display();
        match error.kind() {
            ErrorKind::NotFound => Failed::new(
                Exit::Unavailable,
                format!(
                    "asfaleia is not running here: no socket at {socket} (start it with \
                     `systemctl start asfaleia`, or name another with --socket)"
                ),
            ),
            ErrorKind::ConnectionRefused => Failed::new(
                Exit::Unavailable,
                format!(
                    "asfaleia is not running here: nobody answers at {socket} (start it with \
                     `systemctl start asfaleia`, or name another with --socket)"
                ),
            ),
            ErrorKind::PermissionDenied => Failed::new(
                Exit::NoPerm,
                format!(
                    "you may not use {socket}: join its group (`sudo usermod -aG asfaleia \
                     $USER`, then log in again), or use sudo"
                ),
            ),
            _ => Failed::new(Exit::OsErr, format!("connecting to {socket}: {error}")),
        }
    }
}

/// Server-sent events, read as far as we need them.
pub(super) struct Stream {
    body: BodyDataStream,
    bytes: Vec<u8>,
}

impl Stream {
    fn of(response: Response<Body>) -> Self {
        Stream {
            body: response.into_body().into_data_stream(),
            bytes: Vec::new(),
        }
    }

    /// The next history event; statuses and comments are left out. `None`: the service stopped.
    pub(super) async fn next(&mut self) -> Result<Option<Value>> {
        while let Some(block) = self.block().await {
            if block.lines().any(|line| line.starts_with("id:")) {
                return data(&block);
            }
        }
        Ok(None)
    }

    /// What is said next, whatever it is; comments are left out. `None`: the service stopped.
    pub(super) async fn next_said(&mut self) -> Result<Option<Value>> {
        while let Some(block) = self.block().await {
            if let Some(said) = data(&block)? {
                return Ok(Some(said));
            }
        }
        Ok(None)
    }

    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.bytes, b"\n\n") {
                let block: Vec<u8> = self.bytes.drain(..end + 2).collect();
                return Some(String::from_utf8_lossy(&block).into_owned());
            }
            match self.body.next().await {
                Some(Ok(chunk)) => self.bytes.extend_from_slice(&chunk),
                // Cut off or ended in order: either way the service is gone.
                Some(Err(_)) | None => return None,
            }
        }
    }
}

fn data(block: &str) -> Result<Option<Value>> {
    let data = block.lines().find_map(|line| line.strip_prefix("data:"));
    let read = data.map(serde_json::from_str).transpose();
    read.map_err(not_understood)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

async fn whole<T: DeserializeOwned>(response: Response<Body>) -> Result<T> {
    let bytes = to_bytes(response.into_body(), LONGEST_ANSWER)
        .await
        .map_err(broken)?;
    serde_json::from_slice(&bytes).map_err(not_understood)
}

/// The service said no: its sentence, and the exit code that goes with the status.
async fn refusal(response: Response<Body>) -> Failed {
    let status = response.status();
    let exit = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Exit::NoPerm,
        StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => Exit::TempFail,
        StatusCode::BAD_REQUEST => Exit::Data,
        StatusCode::NOT_FOUND => Exit::NoInput,
        StatusCode::SERVICE_UNAVAILABLE => Exit::Unavailable,
        // Only the configuration is looked at so closely.
        StatusCode::UNPROCESSABLE_ENTITY => Exit::Config,
        _ => Exit::Software,
    };
    let said: Value = whole(response).await.unwrap_or_default();
    let error = said["error"].as_str().map_or_else(
        || format!("the service answered {status} without saying why"),
        ToOwned::to_owned,
    );
    Failed::new(exit, error)
}

fn broken(error: impl std::fmt::Display) -> Failed {
    Failed::new(
        Exit::Unavailable,
        format!("the service hung up ({error}); `journalctl -u asfaleia` says why"),
    )
}

fn not_understood(error: serde_json::Error) -> Failed {
    Failed::new(
        Exit::Software,
        format!("the service's answer is not understood ({error}); is it another version?"),
    )
}
