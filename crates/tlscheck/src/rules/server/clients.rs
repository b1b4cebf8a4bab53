//! Client certificates: asked for, and nothing without one.

use crate::report::{ClientCertificateSeen, Fate, Gap, Report, Told};
use crate::rules::{Finding, Outcome, Profile, Rule, Ruling, Source};
use crate::talk::Refusal;
use crate::text::Text;

pub(super) fn judge(report: &Report, profile: Profile) -> Vec<Finding> {
    let source = match profile {
        Profile::Guideline43 => Source::Q29,
        Profile::Guideline60 { .. } => Source::Guideline60,
    };
    let rule = |id, title, right| Rule {
        id,
        title,
        right,
        source,
    };
    let rows = &report.client_certificates;
    vec![
        rule(
            "client-certificate-demanded",
            ("クライアント証明書の要求", "client certificate demanded"),
            (
                "クライアント証明書を要求すること",
                "a client certificate is asked for",
            ),
        )
        .find(all(rows, demanded)),
        rule(
            "client-certificate-required",
            (
                "証明書のない接続の拒否",
                "nothing without a client certificate",
            ),
            (
                "証明書のない接続は成立しないこと",
                "a connection without a client certificate does not succeed",
            ),
        )
        .find(all(rows, required)),
        rule(
            "client-certificate-accepted",
            ("クライアント証明書の受理", "client certificate accepted"),
            (
                "正当なクライアント証明書を受理すること",
                "a good client certificate is accepted",
            ),
        )
        .find(all(rows, accepted)),
    ]
}

/// The worst of what the versions say.
fn all(rows: &[ClientCertificateSeen], ask: impl Fn(&ClientCertificateSeen) -> Ruling) -> Ruling {
    let rulings: Vec<(String, Ruling)> = rows
        .iter()
        .map(|row| (row.version.to_string(), ask(row)))
        .collect();
    let worst = [
        Outcome::Fail,
        Outcome::CouldNotTell,
        Outcome::NotAsked,
        Outcome::Pass,
    ]
    .into_iter()
    .find(|outcome| rulings.iter().any(|(_, ruling)| ruling.outcome == *outcome));
    let Some(worst) = worst else {
        return Ruling::untold(Gap::NoCommonHandshake.text());
    };
    let join = |language: fn(&Text) -> &String| {
        rulings
            .iter()
            .filter(|(_, ruling)| ruling.outcome == worst)
            .map(|(version, ruling)| format!("{version}: {}", language(&ruling.seen)))
            .collect::<Vec<_>>()
            .join("; ")
    };
    Ruling::new(worst, join(|text| &text.ja), join(|text| &text.en))
}

fn demanded(row: &ClientCertificateSeen) -> Ruling {
    match &row.demanded {
        Told::Yes => Ruling::new(Outcome::Pass, "要求される", "asked for"),
        Told::No => Ruling::new(Outcome::Fail, "要求されない", "not asked for"),
        Told::Unknown(gap) => Ruling::untold(gap.text()),
    }
}

/// Statuses by which a server says that the certificate itself is the matter:
/// nginx lets the handshake stand and answers 400 (495, 496 in its log).
fn certificate_status(status: u16) -> bool {
    matches!(status, 400 | 495 | 496)
}

/// Statuses that could also be the application's own refusal.
fn could_be_anybody(status: u16) -> bool {
    matches!(status, 401 | 403)
}

fn required(row: &ClientCertificateSeen) -> Ruling {
    if row.demanded == Told::No {
        return Ruling::new(
            Outcome::Fail,
            "要求されないので、証明書なしで成立する",
            "none is asked for, so none is needed",
        );
    }
    let seen = fate(&row.without);
    let outcome = match &row.without {
        Fate::RefusedInHandshake(_) | Fate::RefusedAfter(_) => Outcome::Pass,
        // The same answer with a certificate: then it says nothing of it.
        Fate::HttpStatus(status) if certificate_status(*status) => match &row.with {
            Some(Fate::HttpStatus(with)) if with == status => Outcome::CouldNotTell,
            _ => Outcome::Pass,
        },
        Fate::HttpStatus(status) if could_be_anybody(*status) => match &row.with {
            Some(Fate::HttpStatus(with)) if with != status => Outcome::Pass,
            _ => return Ruling::untold(both(&seen, &Gap::Ambiguous.text())),
        },
        Fate::HttpStatus(_) | Fate::Data(_) | Fate::Stands => Outcome::Fail,
        // An alert that blames no certificate (GnuTLS: decode_error). With one
        // the same handshake stands: nothing else can have been missing.
        Fate::Unknown(Gap::NotEstablished(Refusal::Alert(_)))
            if accepted(row).outcome == Outcome::Pass =>
        {
            Outcome::Pass
        }
        Fate::Unknown(_) => Outcome::CouldNotTell,
    };
    Ruling { outcome, seen }
}

fn accepted(row: &ClientCertificateSeen) -> Ruling {
    if row.demanded == Told::No {
        return Ruling::new(
            Outcome::CouldNotTell,
            "要求されないので判定できない",
            "none is asked for, so it cannot be told",
        );
    }
    let Some(with) = &row.with else {
        return Ruling::new(
            Outcome::NotAsked,
            "検査用の証明書が与えられていない (--client)",
            "no certificate was given to check with (--client)",
        );
    };
    let seen = fate(with);
    let outcome = match with {
        Fate::HttpStatus(status) if certificate_status(*status) => Outcome::Fail,
        Fate::HttpStatus(status) if could_be_anybody(*status) && *with == row.without => {
            return Ruling::untold(both(&seen, &Gap::Ambiguous.text()));
        }
        Fate::HttpStatus(_) | Fate::Data(_) | Fate::Stands => Outcome::Pass,
        Fate::RefusedInHandshake(_) | Fate::RefusedAfter(_) => Outcome::Fail,
        Fate::Unknown(_) => Outcome::CouldNotTell,
    };
    Ruling { outcome, seen }
}

fn both(one: &Text, other: &Text) -> Text {
    Text::new(
        format!("{}: {}", one.ja, other.ja),
        format!("{}: {}", one.en, other.en),
    )
}

fn fate(fate: &Fate) -> Text {
    match fate {
        Fate::RefusedInHandshake(refusal) => Text::new(
            format!("ハンドシェイクで拒否（{refusal}）"),
            format!("refused in the handshake ({refusal})"),
        ),
        Fate::RefusedAfter(refusal) => Text::new(
            format!("ハンドシェイク後に切断（{refusal}）"),
            format!("ended after the handshake ({refusal})"),
        ),
        Fate::HttpStatus(status) => Text::new(
            format!("HTTP {status} で応答"),
            format!("answered with HTTP {status}"),
        ),
        Fate::Data(beginning) => Text::new(
            format!("データで応答: {beginning}"),
            format!("answered with data: {beginning}"),
        ),
        Fate::Stands => Text::new(
            "ハンドシェイクが成立し、接続が保たれる",
            "the handshake stands, and nobody ends the connection",
        ),
        Fate::Unknown(gap) => gap.text(),
    }
}
