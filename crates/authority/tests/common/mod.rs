//! What the tests of the ceremonies share: openssl as judge, names, clocks.

use iryonet_authority::signer::CaKey;
use iryonet_authority::{CaName, Csr, Custody, IssuingSpec, Profile, RootSpec, Secret};
use iryonet_domain::{DeviceId, InstitutionKind, ParticipantKind, ParticipantNumber, UnixMillis};
use std::path::Path;
use std::process::{Command, Output};
use std::time::SystemTime;

pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    UnixMillis(u64::try_from(since.as_millis()).unwrap())
}

pub(crate) fn name(common_name: &str) -> CaName {
    CaName {
        organisation: "医療等分野専用ネットワーク".to_owned(),
        common_name: common_name.to_owned(),
    }
}

pub(crate) fn root_spec(common_name: &str, key: CaKey, custody: Custody) -> RootSpec {
    RootSpec {
        name: name(common_name),
        key,
        custody,
    }
}

pub(crate) fn issuing_spec(common_name: &str, key: CaKey, custody: Custody) -> IssuingSpec {
    IssuingSpec {
        name: name(common_name),
        key,
        life_days: 2_000,
        custody,
    }
}

#[allow(dead_code, reason = "not every test binary keeps keys in files")]
pub(crate) fn encrypted(passphrase: &str) -> Custody {
    Custody::EncryptedFile {
        passphrase: Secret::new(passphrase.to_owned()),
        passphrase_file: None,
    }
}

pub(crate) fn clinic() -> Profile {
    Profile::Institution {
        number: ParticipantNumber::new(70_001).unwrap(),
        device: DeviceId(1),
        name: "青葉クリニック".to_owned(),
        kind: ParticipantKind::Institution(InstitutionKind::Clinic),
        code: None,
    }
}

pub(crate) fn openssl(arguments: &[&str]) -> Output {
    Command::new("openssl").args(arguments).output().unwrap()
}

pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A request made by openssl with a new key.
pub(crate) fn request(dir: &Path, algorithm: &str) -> Csr {
    let (key, out) = (dir.join("leaf.key"), dir.join("leaf.csr"));
    let (key, out) = (key.display().to_string(), out.display().to_string());
    let mut arguments = vec!["req", "-new", "-nodes", "-newkey"];
    arguments.extend(algorithm.split(' '));
    arguments.extend(["-keyout", &key, "-out", &out, "-subj", "/CN=router"]);
    let made = openssl(&arguments);
    assert!(made.status.success(), "{}", text(&made));
    Csr::parse(&std::fs::read(out).unwrap()).unwrap()
}

/// Does openssl believe this leaf, with these roots and this chain?
#[allow(dead_code, reason = "OCSP answers are judged otherwise")]
pub(crate) fn verify(dir: &Path, leaf: &str, issuing: &[&str], roots: &[&str]) -> Output {
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (leaf, roots) = (
        write("v-leaf.pem", leaf),
        write("v-roots.pem", &roots.concat()),
    );
    let issuing = write("v-chain.pem", &issuing.concat());
    openssl(&[
        "verify",
        "-x509_strict",
        "-purpose",
        "sslclient",
        "-CAfile",
        &roots,
        "-untrusted",
        &issuing,
        &leaf,
    ])
}
