//! testssl.sh as a second foreign judge: what it finds, read from its JSON.

use super::NAME;
use iryonet_tlscheck::{Report, Told, Version};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

pub struct Testssl {
    rows: Vec<Value>,
}

impl Testssl {
    /// Some parts of it only: the whole takes minutes.
    pub fn of(address: SocketAddr, folder: &Path, parts: &[&str]) -> Self {
        let out = folder.join("testssl.json");
        let _ = std::fs::remove_file(&out);
        let run = Command::new("testssl")
            .args([
                "--quiet",
                "--color",
                "0",
                "--warnings",
                "batch",
                "--nodns",
                "none",
            ])
            .args(["--sneaky", "--ip", "127.0.0.1", "--jsonfile"])
            .arg(&out)
            .args(parts)
            .arg(format!("{NAME}:{}", address.port()))
            .stdin(Stdio::null())
            .output()
            .expect("testssl is needed: apt-get install testssl.sh");
        let text = std::fs::read_to_string(&out).unwrap_or_else(|error| panic!("{error}: {run:?}"));
        Self {
            rows: serde_json::from_str(&text).unwrap(),
        }
    }

    pub fn finding(&self, id: &str) -> &str {
        self.rows
            .iter()
            .find(|row| row["id"] == id)
            .and_then(|row| row["finding"].as_str())
            .unwrap_or_else(|| panic!("testssl says nothing of {id}: {:#?}", self.rows))
    }

    /// Fails unless both found the same of versions, suites, renegotiation,
    /// resumption and the certificate.
    #[track_caller]
    pub fn agrees_with(&self, report: &Report) {
        let versions = [
            ("SSLv3", Version::Ssl3),
            ("TLS1", Version::Tls10),
            ("TLS1_1", Version::Tls11),
            ("TLS1_2", Version::Tls12),
            ("TLS1_3", Version::Tls13),
        ];
        for (id, version) in versions {
            let offered = self.finding(id).starts_with("offered");
            assert_eq!(offered, report.speaks(version), "{version}");
        }
        let theirs = |codes: &mut Vec<u16>| {
            for row in &self.rows {
                let id = row["id"].as_str().unwrap();
                // cipher-tls1_2_xc02c, or cipher_xc02c when asked for all.
                let code = id.rsplit_once("_x").filter(|_| id.starts_with("cipher"));
                if let Some((_, code)) = code
                    && let Ok(code) = u16::from_str_radix(code, 16)
                {
                    codes.push(code);
                }
            }
            codes.sort_unstable();
            codes.dedup();
        };
        let mut listed = Vec::new();
        theirs(&mut listed);
        let mut ours: Vec<u16> = report
            .versions
            .iter()
            .flat_map(|seen| &seen.suites)
            .map(|suite| suite.0)
            .collect();
        ours.sort_unstable();
        ours.dedup();
        assert_eq!(listed, ours, "the suites differ");

        let secure = self.finding("secure_renego") == "supported";
        assert_eq!(report.renegotiation.secure, Some(Told::of(secure)));
        let second = self.finding("secure_client_renego");
        assert_eq!(
            report.renegotiation.client_initiated,
            Some(Told::of(!second.starts_with("not vulnerable"))),
            "{second}"
        );
        let yes = |id: &str| Some(Told::of(self.finding(id) == "supported"));
        // With tickets, its client resumes by them alone.
        assert_eq!(
            report.resumption.ticket,
            yes("sessionresumption_ticket"),
            "{}",
            self.finding("sessionresumption_ticket")
        );
        if report.resumption.ticket == Some(Told::No) {
            assert_eq!(
                report.resumption.session_id,
                yes("sessionresumption_ID"),
                "{}",
                self.finding("sessionresumption_ID")
            );
        }
        let bits = self.finding("cert_keySize");
        let signature = self.finding("cert_signatureAlgorithm");
        let leaf = report.chains[0].leaf().unwrap();
        assert!(
            bits.contains(&leaf.key.bits.to_string()),
            "{bits} {}",
            leaf.key
        );
        let hash = |text: &str| text.to_uppercase().contains("SHA256");
        assert_eq!(hash(signature), hash(&leaf.signature.name), "{signature}");
        assert_eq!(
            self.finding("cert_trust").starts_with("Ok"),
            report.chains[0].names_target == Told::Yes
        );
    }
}
