//! A person's side of the people's listener: one request, one connection, in a
//! session whose token the caller keeps. It must not know where.

use crate::certificate::PROFILE;
use crate::client::{ClientError, Content, DOCUMENT_MAX, REQUEST_MAX, exchange, read_json};
use hyper::body::Bytes;
use iryonet_tls::{Clock, Connector, Expect, HandshakeLimits, TrustRoots};
use serde_json::Value;

/// Speaks to one center's people's listener.
#[derive(Debug)]
pub struct StaffClient {
    /// Host and port.
    center: String,
    connector: Connector,
    bearer: Option<String>,
}

impl StaffClient {
    /// A client of the listener at `url` (`https://host:port`), whose
    /// certificate must lead to one of `roots` and be a center's. Nothing is
    /// opened yet.
    ///
    /// # Errors
    /// When the URL is none of that form, or TLS cannot be set up.
    pub fn new(url: &str, roots: TrustRoots, token: Option<&str>) -> Result<Self, ClientError> {
        let bad = || ClientError::Url(url.chars().take(200).collect());
        let center = url
            .strip_prefix("https://")
            .map(|rest| rest.strip_suffix('/').unwrap_or(rest))
            .filter(|rest| !rest.contains(['/', '?', '#', '@']))
            .ok_or_else(bad)?;
        let (host, port) = center.rsplit_once(':').ok_or_else(bad)?;
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(bad());
        }
        let connector = iryonet_tls::enrolment_client_config(
            PROFILE,
            roots,
            Expect::Center(None),
            Clock::system(),
        )
        .map_err(|error| ClientError::Reach {
            center: center.to_owned(),
            why: error.to_string(),
        })?;
        Ok(Self {
            center: center.to_owned(),
            connector,
            bearer: token.map(|token| format!("Bearer {token}")),
        })
    }

    /// One request; the answer's JSON when the center did it.
    ///
    /// # Errors
    /// When there is no center, no answer, or a refusal; a refusal's text is in
    /// both languages.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ClientError> {
        let asked = self.one(method, path, Content::of(body));
        let octets = tokio::time::timeout(REQUEST_MAX, asked)
            .await
            .map_err(|_| ClientError::Silent(REQUEST_MAX))??;
        read_json(&octets)
    }

    /// One request that carries a document, or whose answer is one; the answer's
    /// octets.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn document(
        &self,
        method: &str,
        path: &str,
        content: Content,
    ) -> Result<Bytes, ClientError> {
        tokio::time::timeout(DOCUMENT_MAX, self.one(method, path, content))
            .await
            .map_err(|_| ClientError::Silent(DOCUMENT_MAX))?
    }

    async fn one(&self, method: &str, path: &str, content: Content) -> Result<Bytes, ClientError> {
        let unreachable = |why: String| ClientError::Reach {
            center: self.center.clone(),
            why,
        };
        let stream = tokio::net::TcpStream::connect(&self.center)
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        let (stream, _) = self
            .connector
            .connect(stream, &HandshakeLimits::default())
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        let headers: Vec<(&str, &str)> = self
            .bearer
            .iter()
            .map(|bearer| ("authorization", bearer.as_str()))
            .collect();
        exchange(stream, method, path, &headers, content).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_and_a_port_under_https_are_a_listener() {
        let dir = tempfile::tempdir().unwrap();
        let spec = iryonet_authority::RootSpec {
            name: iryonet_authority::CaName {
                organisation: "iryonet test".into(),
                common_name: "root".into(),
            },
            key: iryonet_authority::signer::CaKey::P256,
            custody: iryonet_authority::Custody::PlainFile,
        };
        iryonet_authority::RootCa::make(
            &dir.path().join("root"),
            &spec,
            crate::clock::now(),
            &mut rand::rng(),
        )
        .unwrap();
        let pem = std::fs::read(dir.path().join("root/root.pem")).unwrap();
        let roots = TrustRoots::from_pem(&pem).unwrap();
        for good in ["https://center.example:8445", "https://[2001:db8::1]:8445/"] {
            assert!(
                StaffClient::new(good, roots.clone(), None).is_ok(),
                "{good}"
            );
        }
        for bad in [
            "http://center:80",
            "https://center",
            "https://center:x",
            "https://:8445",
            "https://user@center:8445",
            "https://center:8445/v1",
        ] {
            assert!(StaffClient::new(bad, roots.clone(), None).is_err(), "{bad}");
        }
    }
}
