//! `iryonet authority`: the ceremonies of the root and of the issuing CAs below
//! it. `docs/ceremony.md` tells in which order, on which machine.

use crate::{commands, output};
use anyhow::Context;
use clap::{Args, Subcommand};
use iryonet_authority::custody::{self, Custody, CustodyError, Secret};
use iryonet_authority::issuing::{self, ISSUING_LIFE_DAYS, IssuingSpec};
use iryonet_authority::signer::CaKey;
use iryonet_authority::token::TokenKey;
use iryonet_authority::{CaName, Csr, IssuingCa, RootCa, RootSpec, files, root};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `authority`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// How a key that is made now is kept. Secrets are never arguments: every user
/// of a machine can read those.
#[derive(Args)]
struct Keep {
    /// A plain file, which anybody who gets it can use: for tests and pilots.
    #[arg(long, conflicts_with_all = ["passphrase_file", "token"])]
    plain_key: bool,
    /// The file with the passphrase that encrypts the key. Without it, the
    /// passphrase comes from the credential root-passphrase or
    /// issuing-passphrase (systemd), or from IRYONET_ROOT_PASSPHRASE or
    /// IRYONET_ISSUING_PASSPHRASE.
    #[arg(long, conflicts_with = "token")]
    passphrase_file: Option<PathBuf>,
    /// Label of the PKCS#11 token in which the key is made.
    #[arg(long, requires_all = ["token_module", "token_key"])]
    token: Option<String>,
    /// The token maker's PKCS#11 library.
    #[arg(long, requires = "token")]
    token_module: Option<PathBuf>,
    /// Label of the key in the token.
    #[arg(long, requires = "token")]
    token_key: Option<String>,
    /// The file with the token's PIN. Without it, the PIN comes from the
    /// credential root-pin or issuing-pin, or from IRYONET_ROOT_PIN or
    /// IRYONET_ISSUING_PIN.
    #[arg(long, requires = "token")]
    pin_file: Option<PathBuf>,
}

type Find = fn(Option<&Path>) -> Result<Secret, CustodyError>;

impl Keep {
    fn custody(self, passphrase: Find, pin: Find) -> anyhow::Result<Custody> {
        if self.plain_key {
            return Ok(Custody::PlainFile);
        }
        if let (Some(token), Some(module), Some(key)) =
            (self.token, self.token_module, self.token_key)
        {
            let pin_file = absolute(self.pin_file)?;
            return Ok(Custody::Token {
                key: TokenKey {
                    module,
                    token,
                    key,
                    pin: pin(pin_file.as_deref())?,
                },
                pin_file,
            });
        }
        let passphrase_file = absolute(self.passphrase_file)?;
        let passphrase = passphrase(passphrase_file.as_deref())
            .context("a new key is encrypted with a passphrase; --plain-key leaves it open")?;
        Ok(Custody::EncryptedFile {
            passphrase,
            passphrase_file,
        })
    }
}

/// As the file will be found from anywhere.
fn absolute(file: Option<PathBuf>) -> anyhow::Result<Option<PathBuf>> {
    file.map(|file| {
        std::path::absolute(&file).with_context(|| format!("{} is no path", file.display()))
    })
    .transpose()
}

#[derive(Args)]
struct Name {
    /// Who runs the network.
    #[arg(long, default_value = "iryonet")]
    organisation: String,
    /// The CA's own name; another one for each.
    #[arg(long)]
    name: String,
}

impl Name {
    fn ca_name(self) -> CaName {
        CaName {
            organisation: self.organisation,
            common_name: self.name,
        }
    }
}

#[derive(Subcommand)]
enum Command {
    /// Make the root: on a machine without a network, once. Its key signs
    /// issuing CAs and nothing else; keep it offline.
    InitRoot {
        /// Folder for root.key and root.pem; must not hold them yet.
        #[arg(long)]
        out: PathBuf,
        /// Who runs the network.
        #[arg(long, default_value = "iryonet")]
        organisation: String,
        /// The root's own name.
        #[arg(long, default_value = "iryonet root CA")]
        name: String,
        /// Its kind of key: p256, p384, rsa2048 or rsa3072.
        #[arg(long, default_value_t = CaKey::P384)]
        key: CaKey,
        #[command(flatten)]
        keep: Keep,
    },
    /// Make an issuing CA where its root's key is at hand: tests and pilots.
    /// A network uses request-issuing, sign-issuing and install-issuing.
    InitIssuing {
        /// Folder that holds root.key and root.pem.
        #[arg(long)]
        root: PathBuf,
        /// Folder for issuing.key, issuing.pem and a copy of root.pem.
        #[arg(long)]
        out: PathBuf,
        /// Who runs the network.
        #[arg(long, default_value = "iryonet")]
        organisation: String,
        /// The issuing CA's own name; another one for each.
        #[arg(long, default_value = "iryonet issuing CA 1")]
        name: String,
        /// Its life in days.
        #[arg(long, default_value_t = ISSUING_LIFE_DAYS)]
        life_days: u64,
        /// Its kind of key: p256, p384, rsa2048 or rsa3072.
        #[arg(long, default_value_t = CaKey::P256)]
        key: CaKey,
        #[command(flatten)]
        keep: Keep,
    },
    /// At the center: make an issuing CA's key where it will be used, and the
    /// request that is carried to the root.
    RequestIssuing {
        /// Folder for issuing.key and issuing.csr; must not hold them yet.
        #[arg(long)]
        out: PathBuf,
        /// Its kind of key: p256, p384, rsa2048 or rsa3072.
        #[arg(long, default_value_t = CaKey::P256)]
        key: CaKey,
        #[command(flatten)]
        keep: Keep,
    },
    /// At the root, offline: sign an issuing CA's request. Compare the
    /// request's fingerprint with the one that request-issuing printed.
    SignIssuing {
        /// Folder that holds the root.
        #[arg(long)]
        root: PathBuf,
        /// The request, issuing.csr.
        #[arg(long)]
        request: PathBuf,
        #[command(flatten)]
        name: Name,
        /// Its life in days.
        #[arg(long, default_value_t = ISSUING_LIFE_DAYS)]
        life_days: u64,
        /// File for the certificate; must not exist.
        #[arg(long)]
        out: PathBuf,
    },
    /// At the center: put the signed certificate, and the root's, beside the key.
    InstallIssuing {
        /// Folder in which request-issuing made the key.
        #[arg(long)]
        directory: PathBuf,
        /// The certificate that the root signed.
        #[arg(long)]
        certificate: PathBuf,
        /// The root's certificate.
        #[arg(long)]
        root_certificate: PathBuf,
    },
    /// At a root, offline: certify another root of this network, so that
    /// whoever trusts this one comes to trust the other (RFC 4210, 4.4).
    CrossRoot {
        /// Folder that holds the root that signs.
        #[arg(long)]
        root: PathBuf,
        /// The other root's certificate.
        #[arg(long)]
        other: PathBuf,
        /// File for the certificate; must not exist.
        #[arg(long)]
        out: PathBuf,
    },
    /// Encrypt a key that lies in a plain file.
    Protect {
        /// The CA's folder.
        #[arg(long)]
        directory: PathBuf,
        /// The file with the passphrase, which later starts read too.
        #[arg(long)]
        passphrase_file: PathBuf,
    },
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut random = rand::rng();
    let now = commands::now();
    match arguments.command {
        Command::InitRoot {
            out,
            organisation,
            name,
            key,
            keep,
        } => {
            let spec = RootSpec {
                name: CaName {
                    organisation,
                    common_name: name,
                },
                key,
                custody: keep.custody(root::passphrase, root::pin)?,
            };
            RootCa::make(&out, &spec, now, &mut random).context("the root could not be made")?;
            output::note(&format!(
                "made the root's key (keep it offline) and {0}/root.pem (give it to everybody)",
                out.display()
            ));
        }
        Command::InitIssuing {
            root,
            out,
            organisation,
            name,
            life_days,
            key,
            keep,
        } => {
            let custody = keep.custody(issuing::passphrase, issuing::pin)?;
            let root = RootCa::load(&root).context("the root could not be read")?;
            let spec = IssuingSpec {
                name: CaName {
                    organisation,
                    common_name: name,
                },
                key,
                life_days,
                custody,
            };
            IssuingCa::make(&root, &out, &spec, now, &mut random)
                .context("the issuing CA could not be made")?;
            output::note(&format!(
                "made the issuing CA's key and {0}/issuing.pem; the center's issuing_dir is {0}",
                out.display()
            ));
        }
        Command::RequestIssuing { out, key, keep } => {
            let custody = keep.custody(issuing::passphrase, issuing::pin)?;
            IssuingCa::request(&out, key, &custody, &mut random)
                .context("the request could not be made")?;
            let request = out.join(issuing::ISSUING_REQUEST);
            output::note(&format!(
                "made the key, and {}; carry it to the root. Its SHA-256 is {}",
                request.display(),
                fingerprint(&request)?
            ));
        }
        Command::SignIssuing {
            root,
            request,
            name,
            life_days,
            out,
        } => {
            let root = RootCa::load(&root).context("the root could not be read")?;
            let bytes = read(&request)?;
            let csr = Csr::parse(&bytes)
                .with_context(|| format!("{} cannot be taken", request.display()))?;
            let certificate = root
                .sign_issuing(&csr, &name.ca_name(), life_days, now, &mut random)
                .context("the issuing CA could not be signed")?;
            write_certificate(&out, &certificate)?;
            output::note(&format!(
                "signed the request with SHA-256 {} ({}); carry {} back",
                fingerprint(&request)?,
                csr.key_kind(),
                out.display()
            ));
        }
        Command::InstallIssuing {
            directory,
            certificate,
            root_certificate,
        } => {
            let certificate = files::read_certificate(&certificate)?;
            let root = files::read_certificate(&root_certificate)?;
            IssuingCa::install(&directory, &certificate, &root)
                .context("the issuing CA could not be put together")?;
            output::note(&format!(
                "{0} holds an issuing CA; the center's issuing_dir is {0}",
                directory.display()
            ));
        }
        Command::CrossRoot { root, other, out } => {
            let root = RootCa::load(&root).context("the root could not be read")?;
            let other = files::read_certificate(&other)?;
            let certificate = root
                .cross(&other, now, &mut random)
                .context("the other root could not be certified")?;
            write_certificate(&out, &certificate)?;
            output::note(&format!("made {}", out.display()));
        }
        Command::Protect {
            directory,
            passphrase_file,
        } => {
            let file = std::path::absolute(&passphrase_file)?;
            let passphrase = custody::read_secret_file(&file, "passphrase")?;
            let key = custody::protect(&directory, &passphrase, Some(file), &mut random)
                .context("the key could not be encrypted")?;
            output::note(&format!(
                "{} is encrypted; what lay there before may still be on the disk or in a backup",
                key.display()
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn fingerprint(path: &Path) -> anyhow::Result<String> {
    use sha2::Digest as _;
    Ok(hex::encode(sha2::Sha256::digest(read(path)?)))
}

fn write_certificate(path: &Path, der: &[u8]) -> anyhow::Result<()> {
    Ok(files::write_new(
        path,
        files::pem("CERTIFICATE", der).as_bytes(),
        0o644,
    )?)
}
