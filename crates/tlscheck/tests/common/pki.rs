//! A root, an intermediate, servers and clients, all made by openssl.

use iryonet_tlscheck::OwnIdentity;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

use super::NAME;

/// A kind of key as openssl writes it.
#[derive(Clone, Copy)]
pub enum Key {
    P256,
    P384,
    Rsa(u32),
}

/// What a certificate is like.
#[derive(Clone)]
pub struct Leaf {
    pub name: &'static str,
    pub key: Key,
    pub digest: &'static str,
    pub names: &'static str,
    pub usage: &'static str,
    pub days: &'static str,
    /// Issued by the intermediate, not by the root.
    pub below_intermediate: bool,
}

impl Leaf {
    pub fn server() -> Self {
        Self {
            name: "server",
            key: Key::P256,
            digest: "-sha256",
            names: "DNS:claims.example",
            usage: "serverAuth",
            days: "30",
            below_intermediate: false,
        }
    }

    pub fn client() -> Self {
        Self {
            name: "client",
            names: "URI:iryonet:participant:70001:device:1",
            usage: "clientAuth",
            ..Self::server()
        }
    }

    pub fn rsa(bits: u32) -> Self {
        Self {
            key: Key::Rsa(bits),
            ..Self::server()
        }
    }
}

pub struct Pki {
    dir: TempDir,
}

impl Pki {
    /// With a root and the leaf of the server.
    pub fn new(server: &Leaf) -> Self {
        let pki = Self {
            dir: TempDir::new().unwrap(),
        };
        pki.authority("root", None);
        if server.below_intermediate {
            pki.authority("intermediate", Some("root"));
        }
        pki.leaf(server);
        pki.leaf(&Leaf::client());
        pki
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn root(&self) -> Vec<u8> {
        std::fs::read(self.file("root.pem")).unwrap()
    }

    pub fn client(&self) -> OwnIdentity {
        self.identity("client")
    }

    pub fn identity(&self, name: &str) -> OwnIdentity {
        let read = |end: &str| std::fs::read(self.file(&format!("{name}.{end}"))).unwrap();
        OwnIdentity::from_pem(&read("pem"), &read("key")).unwrap()
    }

    /// Writes files one after the other, as a chain is written.
    pub fn concatenate(&self, parts: &[&str], into: &str) {
        let mut all = Vec::new();
        for part in parts {
            all.extend(std::fs::read(self.file(part)).unwrap());
        }
        std::fs::write(self.file(into), all).unwrap();
    }

    fn authority(&self, name: &str, issuer: Option<&str>) {
        self.request(name, Key::P256, &format!("/CN=Test {name}"));
        let extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n";
        self.sign(name, issuer, "-sha256", "3650", extensions);
    }

    pub fn leaf(&self, leaf: &Leaf) {
        self.request(leaf.name, leaf.key, &format!("/CN={} {NAME}", leaf.name));
        let extensions = format!(
            "subjectAltName={}\nextendedKeyUsage={}\nbasicConstraints=CA:FALSE\n",
            leaf.names, leaf.usage
        );
        let issuer = if leaf.below_intermediate {
            "intermediate"
        } else {
            "root"
        };
        self.sign(leaf.name, Some(issuer), leaf.digest, leaf.days, &extensions);
    }

    /// Signs the leaf anew for that time, which only openssl's little CA can.
    pub fn sign_again(&self, name: &str, from: &str, until: &str) {
        let configuration = "[ca]\ndefault_ca=own\n[own]\ndatabase=index\nnew_certs_dir=.\n\
            rand_serial=yes\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n";
        std::fs::write(self.file("ca.cnf"), configuration).unwrap();
        std::fs::write(self.file("index"), "").unwrap();
        let (request, out) = (format!("{name}.csr"), format!("{name}.pem"));
        let extensions = format!("{name}.ext");
        self.openssl(&[
            "ca",
            "-batch",
            "-notext",
            "-config",
            "ca.cnf",
            "-md",
            "sha256",
            "-cert",
            "root.pem",
            "-keyfile",
            "root.key",
            "-startdate",
            from,
            "-enddate",
            until,
            "-extfile",
            &extensions,
            "-in",
            &request,
            "-out",
            &out,
        ]);
    }

    fn request(&self, name: &str, key: Key, subject: &str) {
        let (key, out) = (self.key_options(key), format!("{name}.csr"));
        let key_out = format!("{name}.key");
        let mut arguments = vec!["req", "-nodes", "-keyout", &key_out, "-out", &out];
        arguments.extend(["-subj", subject]);
        arguments.extend(key.iter().map(String::as_str));
        self.openssl(&arguments);
    }

    fn key_options(&self, key: Key) -> Vec<String> {
        let options = match key {
            Key::P256 => ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"].map(String::from),
            Key::P384 => ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"].map(String::from),
            Key::Rsa(bits) => {
                let bits = format!("rsa_keygen_bits:{bits}");
                ["rsa".to_owned(), "-pkeyopt".to_owned(), bits]
            }
        };
        std::iter::once("-newkey".to_owned())
            .chain(options)
            .collect()
    }

    fn sign(&self, name: &str, issuer: Option<&str>, digest: &str, days: &str, extensions: &str) {
        let (request, out) = (format!("{name}.csr"), format!("{name}.pem"));
        let file = format!("{name}.ext");
        std::fs::write(self.file(&file), extensions).unwrap();
        let own_key = format!("{name}.key");
        let mut arguments = vec!["x509", "-req", "-in", &request, "-out", &out, digest];
        arguments.extend(["-days", days, "-extfile", &file]);
        let (ca, ca_key) = (
            format!("{}.pem", issuer.unwrap_or_default()),
            format!("{}.key", issuer.unwrap_or_default()),
        );
        if issuer.is_some() {
            arguments.extend(["-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"]);
        } else {
            arguments.extend(["-signkey", &own_key]);
        }
        self.openssl(&arguments);
    }

    pub fn openssl(&self, arguments: &[&str]) {
        let done = Command::new("openssl")
            .args(arguments)
            .current_dir(self.dir.path())
            .output()
            .expect("openssl is needed: apt-get install openssl");
        assert!(
            done.status.success(),
            "openssl {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&done.stderr)
        );
    }
}
