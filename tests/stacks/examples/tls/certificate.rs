//! The certificate from the credentials directory, replaceable while connections use it.

use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    /// systemd did not pass it, or it cannot be read.
    #[error(transparent)]
    Credential(#[from] sockact::CredentialError),
    /// It is no PEM text.
    #[error("credential {name:?} is no PEM text of what it should be")]
    Pem { name: &'static str, source: pem::Error },
    /// PEM text without a certificate, or no PEM text.
    #[error("credential \"cert\" holds no certificate")]
    Empty,
    /// Certificate and key are not of one pair, or of no kind that rustls knows.
    #[error("credentials \"cert\" and \"key\" are no pair to serve with")]
    Pair { source: rustls::Error },
}

/// What new connections are greeted with. Each connection keeps what it was greeted with.
#[derive(Debug)]
pub(crate) struct Certificate(RwLock<Arc<CertifiedKey>>);

impl Certificate {
    /// Reads the credentials `cert`, a chain, and `key`.
    pub(crate) fn load() -> Result<Certificate, CertificateError> {
        Ok(Certificate(RwLock::new(Arc::new(read()?))))
    }

    /// Reads them again. After an error all is as it was.
    pub(crate) fn replace(&self) -> Result<(), CertificateError> {
        let new = Arc::new(read()?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }
}

fn read() -> Result<CertifiedKey, CertificateError> {
    let pem = |name| move |source| CertificateError::Pem { name, source };
    let cert = sockact::credential("cert")?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(cert.as_bytes()).collect();
    let chain = chain.map_err(pem("cert"))?;
    if chain.is_empty() {
        return Err(CertificateError::Empty);
    }
    let key = sockact::credential("key")?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(pem("key"))?;
    // Refuses a key of another certificate.
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|source| CertificateError::Pair { source })
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// One configuration for the whole life of the process, so that clients resume their sessions over
/// a reload, too.
pub(crate) fn config(certificate: Arc<Certificate>) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
