//! What stands in the way, in words.
//!
//! It must not know how it was found.

use super::{AgreementFacts, Found};
use iryonet_domain::{AgreementId, Endpoint, ParticipantNumber, ServiceId, SiteIndex, UnixMillis};
use serde::{Serialize, Serializer};

/// One thing that stands in the way. In JSON, `code` tells which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[allow(
    missing_docs,
    reason = "the fields say whom or what the finding is about"
)]
pub enum Finding {
    /// Never admitted.
    UnknownParticipant { participant: ParticipantNumber },
    /// Left the network.
    Closed { participant: ParticipantNumber },
    /// Cut off for security.
    Quarantined { participant: ParticipantNumber },
    /// Admitted; waits for its opening test.
    NotOpenYet { participant: ParticipantNumber },
    /// At its own wish.
    Suspended { participant: ParticipantNumber },
    /// The daily re-check found it invalid.
    OnHold { participant: ParticipantNumber },
    /// None was enrolled, or all were revoked.
    NoDevice { participant: ParticipantNumber },
    /// All certificates have ended.
    DevicesRunOut { participant: ParticipantNumber },
    /// No line at all, or none at the site where the endpoint is.
    NoLine {
        participant: ParticipantNumber,
        site: Option<SiteIndex>,
    },
    /// The address is not one of the network.
    OutsideNetwork,
    /// The address is the network's own.
    Infrastructure,
    /// Not registered, or retired.
    UnknownService { service: ServiceId },
    /// Nothing is offered at the address.
    NoSuchService,
    /// Something is offered there, but otherwise.
    WrongPort {
        #[serde(serialize_with = "texts")]
        offered: Vec<Endpoint>,
    },
    /// The two have no open agreement about the service.
    NoAgreement {
        service: ServiceId,
        provider: ParticipantNumber,
    },
    /// One side has not said yes.
    NotAccepted {
        agreement: AgreementId,
        waiting_for: ParticipantNumber,
    },
    /// Begins later.
    NotYetValid {
        agreement: AgreementId,
        from: UnixMillis,
    },
    /// Has ended by time.
    NoLongerValid {
        agreement: AgreementId,
        until: UnixMillis,
    },
    /// The verdict refuses for a reason that the policy does not explain.
    Refused { reason: &'static str },
}

impl Finding {
    /// One sentence for a person, in English.
    #[must_use]
    pub fn english(&self) -> String {
        match self {
            Self::UnknownParticipant { participant } => {
                format!("Participant {participant} was never admitted.")
            }
            Self::Closed { participant } => {
                format!("Participant {participant} has left the network.")
            }
            Self::Quarantined { participant } => {
                format!("Participant {participant} is quarantined.")
            }
            Self::NotOpenYet { participant } => format!(
                "Participant {participant} is not open yet; it waits for its opening test."
            ),
            Self::Suspended { participant } => {
                format!("Participant {participant} is suspended at its own wish.")
            }
            Self::OnHold { participant } => format!(
                "Participant {participant} is on hold: the daily re-check found it invalid."
            ),
            Self::NoDevice { participant } => format!(
                "Participant {participant} has no device with a certificate that counts; enrol one."
            ),
            Self::DevicesRunOut { participant } => format!(
                "The certificates of all devices of participant {participant} have run out; enrol anew."
            ),
            Self::NoLine {
                participant,
                site: None,
            } => format!("Participant {participant} has no line."),
            Self::NoLine {
                participant,
                site: Some(site),
            } => format!("Participant {participant} has no line at site {site}, where the endpoint is."),
            Self::OutsideNetwork => "The address is not in the network.".to_owned(),
            Self::Infrastructure => {
                "The address belongs to the network itself, which participants reach only through its base services.".to_owned()
            }
            Self::UnknownService { service } => {
                format!("There is no service {service}: never registered, or retired.")
            }
            Self::NoSuchService => "No service is offered at the address.".to_owned(),
            Self::WrongPort { offered } => format!(
                "The address offers {}, and nothing else.",
                list(offered, ", ")
            ),
            Self::NoAgreement { service, provider } => format!(
                "There is no agreement about service {service} with its provider, participant {provider}."
            ),
            Self::NotAccepted {
                agreement,
                waiting_for,
            } => format!(
                "Agreement {agreement} is proposed; participant {waiting_for} has not accepted it yet."
            ),
            Self::NotYetValid { agreement, from } => {
                format!("Agreement {agreement} begins at {}.", time_text(*from))
            }
            Self::NoLongerValid { agreement, until } => {
                format!("Agreement {agreement} ended at {}.", time_text(*until))
            }
            Self::Refused { reason } => format!("The gateway refuses it: {reason}."),
        }
    }

    /// One sentence for a person, in Japanese.
    #[must_use]
    pub fn japanese(&self) -> String {
        match self {
            Self::UnknownParticipant { participant } => {
                format!("参加者{participant}は登録されていません。")
            }
            Self::Closed { participant } => format!("参加者{participant}は閉鎖済みです。"),
            Self::Quarantined { participant } => format!("参加者{participant}は隔離中です。"),
            Self::NotOpenYet { participant } => {
                format!("参加者{participant}は開通前です。開通試験が必要です。")
            }
            Self::Suspended { participant } => format!("参加者{participant}は休止中です。"),
            Self::OnHold { participant } => {
                format!("参加者{participant}は保留中です（日次再確認で無効と判定されました）。")
            }
            Self::NoDevice { participant } => format!(
                "参加者{participant}には有効な証明書を持つ接続機器がありません。登録（enrol）が必要です。"
            ),
            Self::DevicesRunOut { participant } => format!(
                "参加者{participant}の接続機器の証明書はすべて期限切れです。再登録が必要です。"
            ),
            Self::NoLine {
                participant,
                site: None,
            } => format!("参加者{participant}には回線がありません。"),
            Self::NoLine {
                participant,
                site: Some(site),
            } => format!("宛先のある参加者{participant}の拠点{site}には回線がありません。"),
            Self::OutsideNetwork => "宛先アドレスは網の外です。".to_owned(),
            Self::Infrastructure => {
                "宛先は網の基盤設備のアドレスで、基本サービス以外では到達できません。".to_owned()
            }
            Self::UnknownService { service } => {
                format!("サービス{service}は登録されていないか、廃止されています。")
            }
            Self::NoSuchService => "宛先アドレスで提供されているサービスはありません。".to_owned(),
            Self::WrongPort { offered } => format!(
                "宛先アドレスで提供されているのは{}だけです。",
                list(offered, "、")
            ),
            Self::NoAgreement { service, provider } => format!(
                "サービス{service}について、提供事業者（参加者{provider}）との利用合意がありません。"
            ),
            Self::NotAccepted {
                agreement,
                waiting_for,
            } => {
                format!("利用合意{agreement}は提案中で、参加者{waiting_for}の承諾を待っています。")
            }
            Self::NotYetValid { agreement, from } => {
                format!(
                    "利用合意{agreement}の有効期間は{}からです。",
                    time_text(*from)
                )
            }
            Self::NoLongerValid { agreement, until } => format!(
                "利用合意{agreement}の有効期間は{}に終わりました。",
                time_text(*until)
            ),
            Self::Refused { reason } => format!("ゲートウェイが拒否します（{reason}）。"),
        }
    }
}

impl From<Finding> for Found {
    fn from(finding: Finding) -> Self {
        Self {
            english: finding.english(),
            japanese: finding.japanese(),
            finding,
        }
    }
}

/// The whole answer in a sentence: by what, or for want of what first.
pub(super) fn sum_up(
    from: ParticipantNumber,
    agreement: Option<&AgreementFacts>,
    findings: &[Finding],
) -> (String, String) {
    match (findings, agreement) {
        ([first, ..], _) => (
            format!("No. {}", first.english()),
            format!("到達できません。{}", first.japanese()),
        ),
        ([], Some(known)) if known.accepted => {
            let (agreement, purpose) = (known.agreement, known.purpose);
            let until = time_text(known.until);
            (
                format!(
                    "Yes. Agreement {agreement} ({purpose}) opens the path to participant {from} until {until}."
                ),
                format!(
                    "到達できます。利用合意{agreement}（{purpose}）により、参加者{from}に{until}まで開かれています。"
                ),
            )
        }
        ([], _) => ("Yes.".to_owned(), "到達できます。".to_owned()),
    }
}

fn list(endpoints: &[Endpoint], between: &str) -> String {
    let texts: Vec<String> = endpoints.iter().map(Endpoint::to_string).collect();
    texts.join(between)
}

fn texts<S: Serializer>(endpoints: &[Endpoint], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(endpoints.iter().map(Endpoint::to_string))
}

/// As clocks in the country show it.
fn time_text(at: UnixMillis) -> String {
    let zone = time::UtcOffset::from_hms(9, 0, 0);
    let local = i64::try_from(at.as_secs())
        .ok()
        .and_then(|secs| time::OffsetDateTime::from_unix_timestamp(secs).ok())
        .zip(zone.ok())
        .and_then(|(utc, zone)| utc.checked_to_offset(zone));
    match local {
        Some(t) => format!(
            "{:04}-{:02}-{:02} {:02}:{:02} JST",
            t.year(),
            u8::from(t.month()),
            t.day(),
            t.hour(),
            t.minute()
        ),
        // Beyond the calendar (year 9999): as recorded.
        None => format!("{} ms", at.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_clocks_in_the_country_show_them() {
        assert_eq!(time_text(UnixMillis(0)), "1970-01-01 09:00 JST");
        assert_eq!(
            time_text(UnixMillis(1_775_001_599_000)),
            "2026-04-01 08:59 JST"
        );
        assert_eq!(time_text(UnixMillis(u64::MAX)), format!("{} ms", u64::MAX));
    }
}
