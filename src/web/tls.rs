//! TLS on the web's port: the certificate, and connections that begin with it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::{ServedTls, WebTls};

/// Who does not finish a handshake within this is hung up on.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// The first byte of a TLS connection: a handshake record (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;
/// For a browser that was given the address without `https`.
const PLAIN: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\
Content-Length: 46\r\n\r\nthis port is encrypted: write https://, please";

/// A certificate that is shown to others.
#[derive(Debug)]
pub(super) struct Certificate(CertificateDer<'static>);

impl Certificate {
    /// It was made out to this name or address.
    pub(super) fn names(&self, host: &str) -> bool {
        let Ok(name) = ServerName::try_from(host) else {
            return false;
        };
        ParsedCertificate::try_from(&self.0).is_ok_and(|certificate| {
            rustls::client::verify_server_name(&certificate, &name).is_ok()
        })
    }
}

/// What connections begin with, until a renewed certificate takes its place.
pub(super) struct Tls(Mutex<(TlsAcceptor, Arc<Certificate>)>);

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// One cannot be read, or they do not belong together.
    pub(super) fn open(files: &WebTls) -> Result<Tls, String> {
        Ok(Tls(Mutex::new(read(files)?)))
    }

    /// The files may hold others now. Connections that are there keep theirs.
    ///
    /// # Errors
    /// As with [`Tls::open`]; then the old ones stay.
    pub(super) fn renew(&self, files: &WebTls) -> Result<(), String> {
        let new = read(files)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// The handshake, within ten seconds. Whoever speaks plain HTTP is told so.
    pub(super) async fn begin(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, Arc<Certificate>)> {
        let (acceptor, certificate) = {
            let now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (now.0.clone(), now.1.clone())
        };
        let handshake = timeout(HANDSHAKE_WITHIN, shake_hands(acceptor, stream)).await;
        let too_slow = || io::Error::new(io::ErrorKind::TimedOut, "no TLS handshake in time");
        Ok((handshake.map_err(|_| too_slow())??, certificate))
    }
}

async fn shake_hands(
    acceptor: TlsAcceptor,
    mut stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first != [HANDSHAKE] {
        stream.write_all(PLAIN).await?;
        // What they sent is read, so that they read our answer and no reset.
        let mut said = [0; 4096];
        let _ = timeout(Duration::from_millis(200), async {
            stream.shutdown().await?;
            while tokio::io::AsyncReadExt::read(&mut stream, &mut said).await? > 0 {}
            io::Result::Ok(())
        })
        .await;
        return Err(io::Error::other("plain HTTP on the encrypted port"));
    }
    acceptor.accept(stream).await
}

fn read(files: &WebTls) -> Result<(TlsAcceptor, Arc<Certificate>), String> {
    let ServedTls { server, leaf } = files.open()?;
    Ok((TlsAcceptor::from(server), Arc::new(Certificate(leaf))))
}
