//! Certificates that must not open anything: made by openssl, as a foreign hand
//! would.

use super::Check;
use crate::command::Call;
use crate::error::PilotError;
use crate::files;
use crate::state::SiteState;
use std::path::{Path, PathBuf};

/// A certificate and its key.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// The certificates above it that are sent with it.
    pub(crate) chain: PathBuf,
}

/// The same identity as the site's, from a CA that nobody knows.
pub(crate) fn another_ca(check: &Check<'_, '_>, site: SiteState) -> Result<Pair, PilotError> {
    let dir = workshop(check, "another-ca")?;
    Call::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args(["-days", "30", "-subj", "/O=somebody/CN=another CA"])
        .args([
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign",
        ])
        .arg("-keyout")
        .path(&dir.join("ca.key"))
        .arg("-out")
        .path(&dir.join("ca.pem"))
        .run("making another CA")?;
    request(&dir)?;
    let extensions = extensions(&dir, site)?;
    Call::new("openssl")
        .args(["x509", "-req", "-days", "30", "-CAcreateserial", "-in"])
        .path(&dir.join("leaf.csr"))
        .arg("-CA")
        .path(&dir.join("ca.pem"))
        .arg("-CAkey")
        .path(&dir.join("ca.key"))
        .arg("-extfile")
        .path(&extensions)
        .arg("-out")
        .path(&dir.join("leaf.pem"))
        .run("making a certificate of another CA")?;
    Ok(Pair {
        certificate: dir.join("leaf.pem"),
        key: dir.join("leaf.key"),
        chain: dir.join("ca.pem"),
    })
}

/// The same identity as the site's, from the network's own issuing CA, but its
/// time is over.
pub(crate) fn expired(check: &Check<'_, '_>, site: SiteState) -> Result<Pair, PilotError> {
    let dir = workshop(check, "expired")?;
    let issuing = check.plan.path("issuing");
    request(&dir)?;
    let extensions = extensions(&dir, site)?;
    let config = dir.join("ca.cnf");
    let shown = dir.display();
    files::write(
        &config,
        &format!(
            "[ca]\ndefault_ca = here\n[here]\ndatabase = {shown}/index.txt\nnew_certs_dir = {shown}\n\
             rand_serial = yes\ndefault_md = sha256\npolicy = any\nunique_subject = no\n\
             [any]\ncommonName = optional\n"
        ),
    )?;
    files::write(&dir.join("index.txt"), "")?;
    Call::new("openssl")
        .args(["ca", "-batch", "-notext", "-config"])
        .path(&config)
        .arg("-cert")
        .path(&issuing.join("issuing.pem"))
        .arg("-keyfile")
        .path(&issuing.join("issuing.key"))
        .arg("-in")
        .path(&dir.join("leaf.csr"))
        .arg("-out")
        .path(&dir.join("leaf.pem"))
        .args([
            "-startdate",
            "20200101000000Z",
            "-enddate",
            "20210101000000Z",
        ])
        .arg("-extfile")
        .path(&extensions)
        .run("making a certificate whose time is over")?;
    Ok(Pair {
        certificate: dir.join("leaf.pem"),
        key: dir.join("leaf.key"),
        chain: issuing.join("issuing.pem"),
    })
}

/// The site's own.
pub(crate) fn own(check: &Check<'_, '_>, key: &str) -> Pair {
    let dir = files::site_state(check.plan, key);
    Pair {
        certificate: dir.join("certificate.pem"),
        key: dir.join("key.pem"),
        chain: check.plan.path("issuing").join("issuing.pem"),
    }
}

fn workshop(check: &Check<'_, '_>, name: &str) -> Result<PathBuf, PilotError> {
    let dir = check.plan.path("check").join(name);
    files::make_dir(&dir)?;
    Ok(dir)
}

fn request(dir: &Path) -> Result<(), PilotError> {
    Call::new("openssl")
        .args([
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args(["-subj", "/CN=device", "-keyout"])
        .path(&dir.join("leaf.key"))
        .arg("-out")
        .path(&dir.join("leaf.csr"))
        .run("making a key and a request")?;
    Ok(())
}

fn extensions(dir: &Path, site: SiteState) -> Result<PathBuf, PilotError> {
    let path = dir.join("leaf.ext");
    files::write(
        &path,
        &format!(
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n\
             extendedKeyUsage=clientAuth,1.3.6.1.5.5.7.3.17\n\
             subjectAltName=URI:iryonet:participant:{}:device:1\n",
            site.number
        ),
    )?;
    Ok(path)
}
