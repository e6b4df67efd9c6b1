//! The certificate and key of `[web] tls`, read.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::WebTls;

/// What the web's port serves TLS with.
pub struct ServedTls {
    /// For every connection.
    pub server: Arc<ServerConfig>,
    /// The certificate of this machine, the first of its chain.
    pub leaf: CertificateDer<'static>,
}

impl WebTls {
    /// Reads both files.
    ///
    /// # Errors
    /// One cannot be read or holds something else, or they do not belong together.
    pub fn open(&self) -> Result<ServedTls, String> {
        let (certificate, key) = (self.certificate.display(), self.key_file.display());
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect)
            .map_err(|error| format!("reading the certificate {certificate}: {error}"))?;
        let leaf = chain
            .first()
            .ok_or_else(|| format!("there is no certificate in {certificate} (PEM)"))?
            .clone();
        let private = PrivateKeyDer::from_pem_file(&self.key_file)
            .map_err(|error| format!("reading the key {key}: {error}"))?;
        let mut server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(|error| format!("{certificate} and {key} do not go together: {error}"))?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(ServedTls {
            server: Arc::new(server),
            leaf,
        })
    }
}
