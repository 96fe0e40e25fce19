//! An authority of the tests' own, and what a service has in its credentials directory.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

/// A certificate for localhost, and its key, as PEM.
pub(crate) struct Pair {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("key");
        let root = params.self_signed(&key).expect("root").der().clone();
        Authority { issuer: Issuer::new(params, key), root }
    }

    pub(crate) fn certify(&self) -> Pair {
        let key = KeyPair::generate().expect("key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("name");
        let cert = params.signed_by(&key, &self.issuer).expect("certificate");
        Pair { der: cert.der().clone(), cert: cert.pem(), key: key.serialize_pem() }
    }

    /// What trusts this authority and nobody else, and offers this protocol. A resumed session
    /// would not be shown a certificate, so there is none.
    pub(crate) fn client(&self, alpn: &[u8]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).expect("root");
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        config.resumption = Resumption::disabled();
        Arc::new(config)
    }
}

/// Puts credentials where the service looks for them.
pub(crate) fn lay(directory: &Path, cert: &str, key: &str) {
    for (name, content) in [("cert", cert), ("key", key)] {
        std::fs::write(directory.join(name), content).expect("credential");
    }
}
