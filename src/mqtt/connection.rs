//! How the broker is connected to: address, login, TLS, last will.

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rumqttc::{LastWill, MqttOptions, QoS, TlsConfiguration, Transport};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use secrecy::ExposeSecret;

use crate::config::Mqtt;

use super::Broker;
use super::state::Names;

/// Seconds between signs of life on a quiet connection.
const KEEP_ALIVE: u16 = 30;

/// Why the broker cannot be spoken to at all.
#[derive(Debug, thiserror::Error)]
pub enum MqttError {
    /// The roots cannot be read.
    #[error("reading the certificates of [mqtt] ca-file {path}: {error}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: pem::Error,
    },
    /// TLS cannot be set up.
    #[error("setting up TLS for the MQTT broker: {0}")]
    Tls(#[from] rustls::Error),
}

/// Everything about the connection. Sessions are clean: nothing queued up is acted on late.
pub(super) fn options(mqtt: &Mqtt, names: &Names) -> Result<MqttOptions, MqttError> {
    let mut options = without_will(mqtt, format!("asfaleia-{}", names.id))?;
    options.set_last_will(LastWill::new(
        names.availability.as_str(),
        "offline",
        QoS::AtLeastOnce,
        true,
    ));
    Ok(options)
}

/// The same for a client that speaks for nobody, under a name that no other client may have.
pub(super) fn without_will(mqtt: &Mqtt, client: String) -> Result<MqttOptions, MqttError> {
    // An IPv6 address may be written as in a URL.
    let host = mqtt.host.trim_start_matches('[').trim_end_matches(']');
    let broker = (host, mqtt.port);
    let mut options = MqttOptions::new(client, broker);
    if host.parse::<Ipv6Addr>().is_ok() {
        // rumqttc joins host and port with a colon, which is no IPv6 address, and with brackets
        // around the host it is no name for TLS.
        let address = format!("[{host}]:{}", mqtt.port);
        options.set_socket_connector(move |_, network| {
            rumqttc::default_socket_connect(address.clone(), network)
        });
    }
    options.set_keep_alive(KEEP_ALIVE);
    options.set_clean_session(true);
    options.set_max_packet_size(Broker::LARGEST, Broker::LARGEST);
    if let Some(login) = &mqtt.login {
        let password = login.password.expose_secret().as_bytes().to_vec();
        options.set_credentials(login.username.as_str(), password);
    }
    if mqtt.tls || mqtt.ca_file.is_some() {
        let tls = tls(mqtt.ca_file.as_deref())?;
        options.set_transport(Transport::Tls(TlsConfiguration::Rustls(Arc::new(tls))));
    }
    Ok(options)
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, MqttError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let Some(path) = ca_file else {
        return Ok(builder.with_platform_verifier()?.with_no_client_auth());
    };
    let in_file = |error| MqttError::CaFile {
        path: path.to_owned(),
        error,
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(in_file)? {
        roots.add(certificate.map_err(in_file)?)?;
    }
    if roots.is_empty() {
        return Err(in_file(pem::Error::NoItemsFound));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_that_holds_no_certificate_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let missing = file.path().with_extension("missing");
        for path in [file.path(), &missing] {
            let error = tls(Some(path)).unwrap_err().to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }

    #[tokio::test]
    async fn an_ipv6_address_of_the_broker_is_reached_with_brackets_and_without() {
        let broker = tokio::net::TcpListener::bind("[::1]:0").await.unwrap();
        let names = Names::new(&crate::mqtt::discovery::tests::site(), &[]);
        for host in ["::1", "[::1]"] {
            let mqtt = Mqtt {
                host: host.into(),
                port: broker.local_addr().unwrap().port(),
                login: None,
                tls: false,
                ca_file: None,
                discovery: false,
            };
            let options = options(&mqtt, &names).unwrap();
            let (_client, mut events) = rumqttc::AsyncClient::builder(options).build();
            tokio::select! {
                ended = events.poll() => panic!("{host}: {ended:?}"),
                met = broker.accept() => drop(met.unwrap()),
            }
        }
    }
}
