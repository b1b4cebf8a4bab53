//! `iryonet login` and `logout`: a session at a center's people's listener. Its
//! token is kept in a file of this user's, mode 0600, and is good for as long as
//! the session lives and no longer.

use crate::{commands, output};
use anyhow::{Context, bail};
use clap::Args;
use iryonet_agent::files;
use iryonet_center::staff_client::StaffClient;
use iryonet_tls::TrustRoots;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Largest session file, in bytes.
const FILE_MAX_BYTES: u64 = 64 << 10;

/// Arguments of `login`.
#[derive(Args)]
pub(crate) struct LoginArguments {
    /// The center's people's listener, as https://center.example:8445.
    #[arg(long, env = "IRYONET_CENTER", value_name = "URL")]
    center: String,
    /// The network's root certificate.
    #[arg(long, env = "IRYONET_ROOT", value_name = "FILE")]
    root: PathBuf,
    /// The account's name.
    #[arg(required_unless_present = "issuer")]
    account: Option<String>,
    /// Come in by this organisation's issuer (組織のログイン), as the center names it.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["account", "code", "recovery"])]
    issuer: Option<String>,
    /// In which role, where the account has several.
    #[arg(long)]
    role: Option<String>,
    /// Begin with a login code: set password and authenticator (初回ログイン).
    #[arg(long)]
    code: bool,
    /// Use a recovery code in place of the authenticator.
    #[arg(long, conflicts_with = "code")]
    recovery: bool,
    /// The answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `logout`.
#[derive(Args)]
pub(crate) struct LogoutArguments {
    /// The center's people's listener, as https://center.example:8445.
    #[arg(long, env = "IRYONET_CENTER", value_name = "URL")]
    center: String,
    /// The answer as JSON.
    #[arg(long)]
    json: bool,
}

/// A session as it is kept between two commands.
#[derive(Serialize, Deserialize)]
pub(crate) struct Session {
    center: String,
    /// The root certificate, PEM.
    root: String,
    token: String,
}

impl Session {
    /// The session that was begun at this center.
    pub(crate) fn load(url: &str) -> anyhow::Result<Self> {
        let path = path()?;
        let found = files::read_limited(&path, FILE_MAX_BYTES)?
            .and_then(|octets| serde_json::from_slice::<Self>(&octets).ok())
            .filter(|session| session.center == url);
        match found {
            Some(session) => Ok(session),
            None => bail!(
                "there is no session at {url} ({}); begin one with `iryonet login --center {url}`",
                path.display()
            ),
        }
    }

    fn save(&self) -> anyhow::Result<()> {
        let path = path()?;
        if let Some(folder) = path.parent() {
            files::private_directory(folder)?;
        }
        files::write_atomic(&path, &serde_json::to_vec(self)?, 0o600)?;
        Ok(())
    }

    pub(crate) fn client(&self) -> anyhow::Result<StaffClient> {
        let roots = TrustRoots::from_pem(self.root.as_bytes())?;
        Ok(StaffClient::new(&self.center, roots, Some(&self.token))?)
    }

    /// Goes on under the token of an answer, which is taken out of it: it is for
    /// the file and not for the screen.
    pub(crate) fn renewed(mut self, answer: &mut Value) -> anyhow::Result<()> {
        self.token = take_token(answer)?;
        self.save()
    }
}

fn take_token(answer: &mut Value) -> anyhow::Result<String> {
    answer
        .as_object_mut()
        .and_then(|fields| fields.remove("token"))
        .and_then(|token| token.as_str().map(str::to_owned))
        .context("the center's answer holds no token")
}

/// `IRYONET_SESSION`, or a file in the user's state directory.
fn path() -> anyhow::Result<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = of("IRYONET_SESSION") {
        return Ok(path.into());
    }
    let state = match (of("XDG_STATE_HOME"), of("HOME")) {
        (Some(state), _) => PathBuf::from(state),
        (None, Some(home)) => Path::new(&home).join(".local/state"),
        (None, None) => bail!("where is the session to be kept? Set IRYONET_SESSION to a file"),
    };
    Ok(state.join("iryonet/session.json"))
}

pub(crate) fn login(arguments: LoginArguments) -> anyhow::Result<ExitCode> {
    let root = std::fs::read_to_string(&arguments.root).with_context(|| {
        format!(
            "the root certificate {} cannot be read",
            arguments.root.display()
        )
    })?;
    let roots = TrustRoots::from_pem(root.as_bytes())?;
    let stranger = StaffClient::new(&arguments.center, roots, None)?;
    let runtime = commands::runtime()?;
    let mut asker = Asker::new();
    let mut wish = match &arguments.account {
        Some(account) => json!({"account": account, "carrier": "bearer"}),
        None => json!({"issuer": arguments.issuer, "carrier": "bearer"}),
    };
    let mut fill = |name: &str, value: String| {
        if let Some(fields) = wish.as_object_mut() {
            fields.insert(name.to_owned(), value.into());
        }
    };
    if let Some(role) = arguments.role {
        fill("role", role);
    }
    if arguments.issuer.is_some() {
        let begun = runtime.block_on(stranger.request("POST", "/v1/login/issuer", Some(&wish)))?;
        let text = |key: &str| begun.get(key).and_then(Value::as_str).unwrap_or_default();
        output::note(&format!(
            "open this in a browser, and log in (ブラウザーで開いてログインしてください):\n  {}",
            text("url")
        ));
        let shown = asker.plain("the text that the page shows (画面に表示された文字列): ")?;
        let body = json!({"flow": text("flow"), "answer": shown});
        let path = "/v1/login/issuer/confirm";
        let mut answer = runtime.block_on(stranger.request("POST", path, Some(&body)))?;
        let session = Session {
            center: arguments.center,
            root,
            token: take_token(&mut answer)?,
        };
        session.save()?;
        output::show(&answer, arguments.json);
        return Ok(ExitCode::SUCCESS);
    }
    let path = if arguments.code {
        fill("code", asker.plain("login code (初回ログインコード): ")?);
        fill("password", asker.new_password()?);
        "/v1/login/code"
    } else {
        fill("password", asker.secret("password (パスワード): ")?);
        if arguments.recovery {
            fill(
                "recovery_code",
                asker.secret("recovery code (復旧コード): ")?,
            );
        } else {
            fill("totp", asker.plain("six digits (認証アプリの6桁): ")?);
        }
        "/v1/login"
    };
    let mut answer = runtime.block_on(stranger.request("POST", path, Some(&wish)))?;
    let session = Session {
        center: arguments.center,
        root,
        token: take_token(&mut answer)?,
    };
    session.save()?;
    if arguments.code {
        let client = session.client()?;
        let begun = runtime.block_on(client.request("POST", "/v1/me/totp", Some(&json!({}))))?;
        show_totp(&begun);
        let shown = asker.plain("digits that it shows now (表示された6桁): ")?;
        let body = json!({"totp": shown});
        answer = runtime.block_on(client.request("POST", "/v1/me/totp/confirm", Some(&body)))?;
        session.renewed(&mut answer)?;
        output::note(
            "keep the recovery codes on paper: each is good once, when the authenticator is lost (復旧コードは紙で保管してください)",
        );
    }
    output::show(&answer, arguments.json);
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn logout(arguments: LogoutArguments) -> anyhow::Result<ExitCode> {
    let session = Session::load(&arguments.center)?;
    let client = session.client()?;
    let nothing = json!({});
    let asked = client.request("POST", "/v1/logout", Some(&nothing));
    let answer = commands::runtime()?.block_on(asked);
    // Over at the center or not: it is not kept here any more.
    files::remove(&path()?)?;
    output::show(&answer?, arguments.json);
    Ok(ExitCode::SUCCESS)
}

/// What a person puts into an authenticator.
pub(crate) fn show_totp(begun: &Value) {
    let text = |key: &str| begun.get(key).and_then(Value::as_str).unwrap_or_default();
    output::note(&format!(
        "put this into your authenticator (認証アプリに登録してください):\n  {}\n  {}",
        text("secret"),
        text("uri")
    ));
}

/// Asks the person at the terminal, secrets without showing them; where there
/// is no terminal, each answer is one line of the standard input.
pub(crate) struct Asker {
    terminal: bool,
}

impl Asker {
    pub(crate) fn new() -> Self {
        Self {
            terminal: std::io::stdin().is_terminal(),
        }
    }

    /// Something that may be seen.
    pub(crate) fn plain(&mut self, what: &str) -> anyhow::Result<String> {
        if self.terminal {
            output::note(what);
        }
        self.line(what)
    }

    /// A secret.
    pub(crate) fn secret(&mut self, what: &str) -> anyhow::Result<String> {
        if self.terminal {
            return rpassword::prompt_password(what).context("the terminal could not be read");
        }
        self.line(what)
    }

    /// A new password, twice where somebody types it.
    pub(crate) fn new_password(&mut self) -> anyhow::Result<String> {
        let first =
            self.secret("new password, 12 characters or more (新しいパスワード、12文字以上): ")?;
        if self.terminal && self.secret("once more (もう一度): ")? != first {
            bail!("the two are not the same; nothing was changed");
        }
        Ok(first)
    }

    fn line(&mut self, what: &str) -> anyhow::Result<String> {
        let mut line = String::new();
        let read = std::io::stdin()
            .lock()
            .read_line(&mut line)
            .context("the standard input could not be read")?;
        if read == 0 {
            bail!(
                "the standard input ended where this was wanted: {}",
                what.trim_end_matches(": ")
            );
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}
