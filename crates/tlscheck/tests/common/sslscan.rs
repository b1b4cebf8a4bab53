//! sslscan as a foreign judge: what it finds, read from its XML. What it says
//! of renegotiation is not taken: it calls it supported where openssl's own
//! client is refused; testssl.sh and openssl judge that.

use super::NAME;
use iryonet_tlscheck::{Report, Told, Version};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

pub struct Scan {
    xml: String,
}

impl Scan {
    pub fn of(address: SocketAddr) -> Self {
        Self::run(address, &[])
    }

    /// With a client certificate: a server that ends the handshake without one
    /// has no suite at all for sslscan otherwise.
    pub fn as_client(address: SocketAddr, certificate: &Path, key: &Path) -> Self {
        let certificate = format!("--certs={}", certificate.display());
        let key = format!("--pk={}", key.display());
        Self::run(address, &[&certificate, &key])
    }

    fn run(address: SocketAddr, more: &[&str]) -> Self {
        let scan = Command::new("sslscan")
            .args(more)
            .args([
                "--xml=-",
                "--show-cipher-ids",
                "--show-certificate",
                "--no-colour",
            ])
            .args(["--no-heartbleed", "--no-fallback"])
            .arg(format!("--sni-name={NAME}"))
            .arg(address.to_string())
            .output()
            .expect("sslscan is needed: apt-get install sslscan");
        assert!(scan.status.success(), "{scan:?}");
        Self {
            xml: String::from_utf8_lossy(&scan.stdout).into_owned(),
        }
    }

    /// The values of attributes of every such element.
    fn elements(&self, element: &str, attributes: &[&str]) -> Vec<Vec<String>> {
        let value = |line: &str, attribute: &str| {
            let start = line.find(&format!(" {attribute}=\""))? + attribute.len() + 3;
            let rest = &line[start..];
            Some(rest[..rest.find('"')?].to_owned())
        };
        self.xml
            .lines()
            .filter(|line| line.trim_start().starts_with(&format!("<{element} ")))
            .map(|line| {
                attributes
                    .iter()
                    .map(|attribute| value(line, attribute).unwrap_or_default())
                    .collect()
            })
            .collect()
    }

    fn text(&self, element: &str) -> Option<&str> {
        let start = self.xml.find(&format!("<{element}>"))? + element.len() + 2;
        let rest = &self.xml[start..];
        Some(rest[..rest.find('<')?].trim())
    }

    /// Fails unless both found the same.
    #[track_caller]
    pub fn agrees_with(&self, report: &Report) {
        let names = [
            ("ssl", "3", Version::Ssl3),
            ("tls", "1.0", Version::Tls10),
            ("tls", "1.1", Version::Tls11),
            ("tls", "1.2", Version::Tls12),
            ("tls", "1.3", Version::Tls13),
        ];
        let protocols = self.elements("protocol", &["type", "version", "enabled"]);
        for (kind, number, version) in names {
            let row = protocols
                .iter()
                .find(|row| row[0] == kind && row[1] == number)
                .unwrap_or_else(|| panic!("sslscan says nothing of {version}:\n{}", self.xml));
            assert_eq!(row[2] == "1", report.speaks(version), "{version}");
        }
        let sslscan: BTreeSet<(String, u16)> = self
            .elements("cipher", &["sslversion", "id"])
            .into_iter()
            .map(|row| {
                let code = u16::from_str_radix(row[1].trim_start_matches("0x"), 16);
                (row[0].clone(), code.unwrap())
            })
            .collect();
        let ours: BTreeSet<(String, u16)> = report
            .versions
            .iter()
            .flat_map(|seen| seen.suites.iter().map(|suite| (seen.version, suite.0)))
            .map(|(version, code)| (version.to_string().replace("TLS ", "TLSv"), code))
            .collect();
        assert_eq!(sslscan, ours, "the suites differ");

        // sslscan does not find a curve that an ECDSA certificate hides; all
        // that it finds is there.
        let classic: Vec<u16> = report.key_exchange.curves.iter().map(|g| g.0).collect();
        let modern: Vec<u16> = report.key_exchange.groups13.iter().map(|g| g.0).collect();
        for row in self.elements("group", &["sslversion", "id"]) {
            let code = u16::from_str_radix(row[1].trim_start_matches("0x"), 16).unwrap();
            let found = if row[0] == "TLSv1.3" {
                &modern
            } else {
                &classic
            };
            assert!(found.contains(&code), "{row:?} is not among {found:04x?}");
        }

        for row in self.elements("compression", &["supported"]) {
            assert_eq!(row[0] == "1", report.compression == Told::Yes);
        }

        // sslscan shows one chain's leaf; it is one of ours, with the same key
        // and signature.
        if let Some(algorithm) = self.short_signature() {
            let same = report
                .chains
                .iter()
                .filter_map(|chain| chain.leaf())
                .any(|leaf| {
                    let bits = format!("Public-Key: ({} bit)", leaf.key.bits);
                    leaf.signature.name == algorithm && self.xml.contains(&bits)
                });
            assert!(same, "no leaf with {algorithm} in {:?}", report.chains);
        }
        if let Some(expired) = self.text("expired") {
            let over = report.chains.iter().filter_map(|chain| chain.leaf());
            let over = over
                .into_iter()
                .any(|leaf| leaf.not_after < report.probed_at);
            assert_eq!(expired == "true", over);
        }
    }

    /// Under the "short" certificate, where it stands alone in its element.
    fn short_signature(&self) -> Option<&str> {
        let short = self.xml.find("<certificate type=\"short\">")?;
        let rest = &self.xml[short..];
        let start = rest.find("<signature-algorithm>")? + "<signature-algorithm>".len();
        let rest = &rest[start..];
        Some(rest[..rest.find('<')?].trim())
    }
}
