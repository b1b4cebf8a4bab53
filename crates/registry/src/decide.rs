//! The one door: a command, judged against what is known.

use crate::view::{View, ViewError};
use crate::{Command, Event, Refusal};
use iryonet_domain::text::clean;
use iryonet_domain::{Actor, UnixMillis};

/// Why there are no events.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The command may not be. This is an outcome, and is recorded.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The question could not be asked. Nothing is recorded; ask again.
    #[error(transparent)]
    View(#[from] ViewError),
}

impl From<crate::case::CaseRefusal> for DecideError {
    fn from(refusal: crate::case::CaseRefusal) -> Self {
        Self::Refused(refusal.into())
    }
}

impl From<crate::recheck::RecheckRefusal> for DecideError {
    fn from(refusal: crate::recheck::RecheckRefusal) -> Self {
        Self::Refused(refusal.into())
    }
}

pub(crate) type Decision = Result<Vec<Event>, DecideError>;

/// What this command brings about, if it may be: one event at least, but for
/// [`Command::PresentEnrolmentCode`], which only asks.
///
/// # Errors
/// [`DecideError::Refused`] with what is wrong and what would be right;
/// [`DecideError::View`] when the store cannot answer.
pub fn decide(view: &dyn View, actor: &Actor, command: &Command, now: UnixMillis) -> Decision {
    crate::permission::check(view, actor, command)?;
    match command {
        Command::FoundNetwork { network } => crate::network::found(view, *network),
        Command::RegisterGateway {
            gateway,
            backbone,
            blocks,
        } => crate::gateway::register(view, gateway, *backbone, blocks),
        Command::AdmitParticipant {
            kind,
            name,
            code,
            home,
        } => crate::participant::admit(view, *kind, name, *code, home),
        Command::AddSite {
            participant,
            site,
            name,
        } => crate::site::add(view, *participant, *site, name),
        Command::AddLine {
            participant,
            site,
            kind,
            circuit,
        } => crate::line::add(view, *participant, *site, *kind, circuit),
        Command::RemoveLine { line } => crate::line::remove(view, *line),
        Command::IssueEnrolmentCode {
            subject,
            code_hash,
            expires_at,
        } => crate::enrolment::issue_code(view, actor, subject, code_hash, *expires_at, now),
        Command::PresentEnrolmentCode { code_hash } => {
            crate::enrolment::check(view, code_hash, now).map(|_| Vec::new())
        }
        Command::EnrolDevice {
            code_hash,
            device,
            certificate,
        } => crate::enrolment::enrol_device(view, actor, code_hash, *device, certificate, now),
        Command::CertifyGateway {
            code_hash,
            certificate,
        } => crate::enrolment::certify_gateway(view, code_hash, certificate, now),
        Command::RevokeDevice {
            participant,
            device,
            reason,
        } => crate::device::revoke(view, *participant, *device, *reason),
        Command::RevokeGatewayCertificate {
            gateway,
            fingerprint,
            reason,
        } => crate::certificate::revoke_of_gateway(view, gateway, *fingerprint, *reason),
        Command::QuarantineParticipant {
            participant,
            reason,
        } => crate::participant::quarantine(view, *participant, reason),
        Command::ReleaseParticipant { participant } => {
            crate::participant::release(view, *participant)
        }
        Command::CloseParticipant {
            participant,
            reason,
        } => crate::participant::close(view, *participant, reason, now),
        Command::RegisterService {
            provider,
            name,
            class,
            purposes,
            endpoints,
            eligible,
            offer,
        } => crate::service::register(
            view,
            &crate::service::Wish {
                provider: *provider,
                name,
                class: *class,
                purposes,
                endpoints,
                eligible,
                offer,
            },
        ),
        Command::ChangeServiceEndpoints { service, endpoints } => {
            crate::service::change_endpoints(view, *service, endpoints)
        }
        Command::RetireService { service } => crate::service::retire(view, *service),
        Command::ProposeAgreement {
            participant,
            service,
            purpose,
            validity,
            by,
        } => crate::agreement::propose(
            view,
            actor,
            &crate::agreement::Proposal {
                participant: *participant,
                service: *service,
                purpose: *purpose,
                validity: *validity,
                by: *by,
            },
            now,
        ),
        Command::AcceptAgreement { agreement, by } => {
            crate::agreement::accept(view, actor, *agreement, *by, now)
        }
        Command::EndAgreement { agreement, by, at } => {
            crate::agreement::end(view, actor, *agreement, *by, *at, now)
        }
        Command::ListApplicants {
            list,
            file_sha256,
            rows,
        } => crate::applicant::list(view, list, file_sha256, rows),
        Command::RecordImport {
            list,
            file_sha256,
            counts,
        } => crate::applicant::record_import(list, file_sha256, *counts),
        Command::RenewDevice {
            participant,
            device,
            fingerprint,
            successor,
            certificate,
        } => crate::renewal::renew_device(
            view,
            (*participant, *device, *fingerprint),
            *successor,
            certificate,
            now,
        ),
        Command::RenewGateway {
            gateway,
            fingerprint,
            certificate,
        } => crate::renewal::renew_gateway(view, gateway, *fingerprint, certificate, now),
        Command::CreateAccount {
            account,
            person,
            roles,
            speaks_for,
        } => crate::account::create(view, account, person, roles, *speaks_for),
        Command::GrantRole { account, role } => crate::account::grant(view, actor, account, *role),
        Command::TakeRole { account, role } => crate::account::take(view, actor, account, *role),
        Command::BindAccount {
            account,
            speaks_for,
        } => crate::account::bind(view, actor, account, *speaks_for),
        Command::LockAccount { account, reason } => {
            crate::account::lock(view, actor, account, reason)
        }
        Command::UnlockAccount { account } => crate::account::unlock(view, actor, account, now),
        Command::RetireAccount { account, reason } => {
            crate::account::retire(view, actor, account, reason)
        }
        Command::LinkLogin { account, login } => crate::account::link(view, actor, account, login),
        Command::UnlinkLogin { account, login } => {
            crate::account::unlink(view, actor, account, login)
        }
        Command::HandOutLoginCode {
            account,
            expires_at,
        } => crate::account::hand_out_code(view, actor, account, *expires_at, now),
        Command::LogIn { account, method } => crate::account::log_in(view, actor, account, *method),
        Command::LogOut { account } => crate::account::log_out(view, account),
        Command::SetCredential {
            account,
            credential,
        } => crate::account::set_credential(view, account, *credential),
        Command::RemoveCredential {
            account,
            credential,
        } => crate::account::remove_credential(view, account, *credential),
        Command::LockOutAccount {
            account,
            failures,
            from,
            until,
        } => crate::account::lock_out(view, account, *failures, from, *until, now),
        Command::ChangeServiceOffer { service, offer } => {
            crate::offer::change(view, *service, offer)
        }
        Command::ExpireAgreement { agreement } => crate::agreement::expire(view, *agreement, now),
        Command::NoticeAgreement { agreement } => crate::agreement::notice(view, *agreement, now),
        Command::PublishRules { files } => crate::rules::publish(view, actor, files),
        Command::ListVanished {
            list,
            file_sha256,
            codes,
        } => crate::applicant::vanished(view, actor, list, *file_sha256, codes),
        Command::ReceiveApplication(wish) => crate::case::receive::receive(view, actor, wish, now),
        Command::ResubmitApplication(wish) => {
            crate::case::receive::resubmit(view, actor, wish, now)
        }
        Command::WithdrawApplication(case) => crate::case::receive::withdraw(view, actor, *case),
        Command::ReturnApplication(wish) => crate::case::receive::give_back(view, actor, wish),
        Command::AcceptApplication(case) => crate::case::receive::accept(view, actor, *case),
        Command::BeginExamination(case) => crate::case::examine::begin(view, actor, *case),
        Command::RecordCaseEvidence(wish) => {
            crate::case::examine::record_evidence(view, actor, wish, now)
        }
        Command::JudgeItems(wish) => crate::case::examine::judge(view, actor, wish, now),
        Command::ConcludeExamination(wish) => crate::case::examine::conclude(view, actor, wish),
        Command::SendBackCase(wish) => crate::case::approve::send_back(view, actor, wish),
        Command::ApproveCase(wish) => crate::case::approve::approve(view, actor, wish, now),
        Command::RejectCase(wish) => crate::case::approve::reject(view, actor, wish),
        Command::CarryOutCase(case) => crate::case::approve::carry_out(view, actor, *case, now),
        Command::RecordOpeningTest(wish) => crate::case::open::record_test(view, actor, wish, now),
        Command::OpenConnection(case) => crate::case::open::open(view, actor, *case, now),
        Command::LapseCase(case) => crate::case::receive::lapse(view, actor, *case, now),
        Command::RecheckSlot(wish) => crate::recheck::slot(view, *wish, now),
        Command::ConfirmRecheck(wish) => crate::recheck::confirm(view, actor, *wish, now),
        Command::DismissRecheck(wish) => crate::recheck::dismiss(view, actor, wish, now),
        Command::AdmitParticipants { rows } => crate::admission::admit_many(view, rows),
    }
}

/// A text as it is recorded.
pub(crate) fn text(what: &'static str, text: &str, limit: usize) -> Result<String, Refusal> {
    clean(text, limit).map_err(|source| Refusal::Text { what, source })
}

pub(crate) fn reason_text(reason: &str) -> Result<String, Refusal> {
    text("reason", reason, crate::limits::REASON_MAX_CHARS)
}
