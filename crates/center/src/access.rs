//! What each path of the people's listener is in the eyes of the table of roles
//! (`registry::permission`): the one place that says so.
//!
//! **A new resource** is one file with its handlers in `operator/`, one line in
//! `operator::routes`, one line per method here, and one example per method in
//! `tests/center/access.rs`. A path without its line here answers nobody, and
//! one without its example fails the tests.
//!
//! A handler that reads takes [`crate::http::actor::Reach`] and shows an officer
//! what is its own participant's; what is others' is not there (404). A handler
//! that acts takes [`crate::http::actor::Acting`] and leaves the decision to the
//! registry, so that a refusal is recorded like every other.

use iryonet_domain::Role;
use iryonet_registry::Act;
use iryonet_registry::permission::{self, Resource, Scope};

/// Who may ask for a path, before anything of the request is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever comes: who it is, is what is to be found out.
    Anybody,
    /// Whoever has a session, also one that only began with a login code.
    Beginner,
    /// Whoever has a session, about themselves.
    Oneself,
    /// Whoever may read this.
    Read(Resource),
    /// Whoever may do one of these. Which one it is, and whether it may be, the
    /// registry says.
    Act(&'static [Act]),
    /// Whoever may do one of these: what they are made ready with, beside the
    /// ledger. No act yet, so the handler itself refuses, and nothing is recorded.
    Prepare(&'static [Act]),
}

impl Access {
    /// May this role, and how far? `None` is a refusal.
    #[must_use]
    pub fn of(self, role: Role) -> Option<Scope> {
        match self {
            Self::Anybody => Some(Scope::Every),
            Self::Beginner | Self::Oneself => Some(Scope::Oneself),
            Self::Read(resource) => permission::may_read(role, resource),
            Self::Act(acts) | Self::Prepare(acts) => acts
                .iter()
                .filter_map(|act| permission::may(role, *act))
                .min(),
        }
    }
}

/// A path and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// As the description writes it.
    pub path: &'static str,
    /// What it is.
    pub access: Access,
}

const fn get(path: &'static str, access: Access) -> Route {
    Route {
        method: "GET",
        path,
        access,
    }
}

const fn post(path: &'static str, access: Access) -> Route {
    Route {
        method: "POST",
        path,
        access,
    }
}

/// Every path of the people's listener.
pub const ROUTES: &[Route] = &[
    // Coming in, and the own account.
    post("/v1/login", Access::Anybody),
    post("/v1/login/code", Access::Anybody),
    get("/v1/login/issuers", Access::Anybody),
    post("/v1/login/issuer", Access::Anybody),
    get("/v1/login/issuer/return", Access::Anybody),
    post("/v1/login/issuer/confirm", Access::Anybody),
    post("/v1/login/passkey/begin", Access::Anybody),
    post("/v1/login/passkey", Access::Anybody),
    get("/v1/page", Access::Anybody),
    post("/v1/logout", Access::Beginner),
    get("/v1/me", Access::Beginner),
    post("/v1/me/totp", Access::Beginner),
    post("/v1/me/totp/confirm", Access::Beginner),
    post("/v1/me/passkeys/begin", Access::Beginner),
    post("/v1/me/passkeys", Access::Beginner),
    get("/v1/me/passkeys", Access::Oneself),
    post("/v1/me/passkeys/{id}/remove", Access::Oneself),
    post("/v1/me/password", Access::Oneself),
    post("/v1/me/recovery-codes", Access::Oneself),
    get("/v1/openapi.json", Access::Oneself),
    // Accounts.
    get("/v1/accounts", Access::Read(Resource::Accounts)),
    get("/v1/accounts/{account}", Access::Read(Resource::Accounts)),
    post("/v1/accounts", Access::Act(&[Act::CreateAccount])),
    post(
        "/v1/accounts/{account}/grant",
        Access::Act(&[Act::GrantRole]),
    ),
    post("/v1/accounts/{account}/take", Access::Act(&[Act::TakeRole])),
    post(
        "/v1/accounts/{account}/bind",
        Access::Act(&[Act::BindAccount]),
    ),
    post(
        "/v1/accounts/{account}/lock",
        Access::Act(&[Act::LockAccount]),
    ),
    post(
        "/v1/accounts/{account}/unlock",
        Access::Act(&[Act::UnlockAccount]),
    ),
    post(
        "/v1/accounts/{account}/retire",
        Access::Act(&[Act::RetireAccount]),
    ),
    post(
        "/v1/accounts/{account}/link",
        Access::Act(&[Act::LinkLogin]),
    ),
    post(
        "/v1/accounts/{account}/unlink",
        Access::Act(&[Act::UnlinkLogin]),
    ),
    post(
        "/v1/accounts/{account}/login-code",
        Access::Act(&[Act::HandOutLoginCode]),
    ),
    // The network.
    get("/v1/gateways", Access::Read(Resource::Gateways)),
    post("/v1/gateways", Access::Act(&[Act::RegisterGateway])),
    get("/v1/participants", Access::Read(Resource::Participants)),
    post("/v1/participants", Access::Act(&[Act::AdmitParticipant])),
    get(
        "/v1/participants/{number}",
        Access::Read(Resource::Participants),
    ),
    get(
        "/v1/participants/{number}/history",
        Access::Read(Resource::Participants),
    ),
    get("/v1/applicants", Access::Read(Resource::Applicants)),
    post(
        "/v1/participants/{number}/quarantine",
        Access::Act(&[Act::QuarantineParticipant]),
    ),
    post(
        "/v1/participants/{number}/release",
        Access::Act(&[Act::ReleaseParticipant]),
    ),
    post(
        "/v1/participants/{number}/close",
        Access::Act(&[Act::CloseParticipant]),
    ),
    post(
        "/v1/participants/{number}/sites",
        Access::Act(&[Act::AddSite]),
    ),
    post(
        "/v1/participants/{number}/lines",
        Access::Act(&[Act::AddLine]),
    ),
    post("/v1/lines/{line}/remove", Access::Act(&[Act::RemoveLine])),
    post(
        "/v1/enrolment-codes",
        Access::Act(&[Act::IssueEnrolmentCode]),
    ),
    get("/v1/devices", Access::Read(Resource::Devices)),
    post(
        "/v1/devices/{fingerprint}/revoke",
        Access::Act(&[Act::RevokeDevice, Act::RevokeGatewayCertificate]),
    ),
    // Services and agreements.
    get("/v1/services", Access::Read(Resource::Services)),
    post("/v1/services", Access::Act(&[Act::RegisterService])),
    get("/v1/services/{service}", Access::Read(Resource::Services)),
    post(
        "/v1/services/{service}/offer",
        Access::Act(&[Act::ChangeServiceOffer]),
    ),
    post(
        "/v1/services/{service}/endpoints",
        Access::Act(&[Act::ChangeServiceEndpoints]),
    ),
    post(
        "/v1/services/{service}/retire",
        Access::Act(&[Act::RetireService]),
    ),
    get("/v1/agreements", Access::Read(Resource::Agreements)),
    post("/v1/agreements", Access::Act(&[Act::ProposeAgreement])),
    get(
        "/v1/agreements/{agreement}",
        Access::Read(Resource::Agreements),
    ),
    post(
        "/v1/agreements/{agreement}/accept",
        Access::Act(&[Act::AcceptAgreement]),
    ),
    post(
        "/v1/agreements/{agreement}/end",
        Access::Act(&[Act::EndAgreement]),
    ),
    // The life of a connection.
    get("/v1/cases", Access::Read(Resource::Cases)),
    post("/v1/cases", Access::Act(&[Act::ReceiveApplication])),
    get("/v1/cases/{case}", Access::Read(Resource::Cases)),
    post(
        "/v1/cases/{case}/resubmit",
        Access::Act(&[Act::ResubmitApplication]),
    ),
    post(
        "/v1/cases/{case}/withdraw",
        Access::Act(&[Act::WithdrawApplication]),
    ),
    post(
        "/v1/cases/{case}/return",
        Access::Act(&[Act::ReturnApplication]),
    ),
    post(
        "/v1/cases/{case}/accept",
        Access::Act(&[Act::AcceptApplication]),
    ),
    post(
        "/v1/cases/{case}/begin",
        Access::Act(&[Act::BeginExamination]),
    ),
    post("/v1/cases/{case}/judge", Access::Act(&[Act::JudgeItems])),
    post(
        "/v1/cases/{case}/conclude",
        Access::Act(&[Act::ConcludeExamination]),
    ),
    post(
        "/v1/cases/{case}/send-back",
        Access::Act(&[Act::SendBackCase]),
    ),
    post("/v1/cases/{case}/approve", Access::Act(&[Act::ApproveCase])),
    post("/v1/cases/{case}/reject", Access::Act(&[Act::RejectCase])),
    post(
        "/v1/cases/{case}/test",
        Access::Act(&[Act::RecordOpeningTest]),
    ),
    post("/v1/cases/{case}/open", Access::Act(&[Act::OpenConnection])),
    post(
        "/v1/cases/{case}/carry-out",
        Access::Act(&[Act::CarryOutCase]),
    ),
    post("/v1/cases/{case}/lapse", Access::Act(&[Act::LapseCase])),
    post(
        "/v1/cases/{case}/evidence",
        Access::Act(&[Act::RecordCaseEvidence]),
    ),
    post(
        "/v1/cases/{case}/checks",
        Access::Prepare(&[Act::JudgeItems, Act::RecordOpeningTest]),
    ),
    post(
        "/v1/documents",
        Access::Prepare(&[Act::ReceiveApplication, Act::ResubmitApplication]),
    ),
    get(
        "/v1/cases/{case}/documents/{sha256}",
        Access::Read(Resource::Cases),
    ),
    // Rules, and who is held to them.
    get("/v1/rules", Access::Read(Resource::Rules)),
    post("/v1/rules", Access::Act(&[Act::PublishRules])),
    get("/v1/rules/{version}", Access::Read(Resource::Rules)),
    get("/v1/reexaminations", Access::Read(Resource::Participants)),
    get("/v1/recheck", Access::Read(Resource::Recheck)),
    post("/v1/recheck/confirm", Access::Act(&[Act::ConfirmRecheck])),
    post("/v1/recheck/dismiss", Access::Act(&[Act::DismissRecheck])),
    // Watching.
    get("/v1/explain", Access::Read(Resource::Explanations)),
    get("/v1/enforcement", Access::Read(Resource::Enforcement)),
    get("/v1/ledger", Access::Read(Resource::Ledger)),
    get("/v1/ledger/checkpoint", Access::Read(Resource::Ledger)),
    get("/v1/ledger/tile/{tile}", Access::Read(Resource::Ledger)),
    get("/v1/ledger/proof", Access::Read(Resource::Ledger)),
    get("/v1/ledger/cosign-request", Access::Read(Resource::Ledger)),
    get("/v1/ledger/export", Access::Read(Resource::Ledger)),
    // No act: what a witness says of the ledger proves itself, whoever brings it,
    // and changes nothing that was done. The auditor may.
    post("/v1/ledger/cosignatures", Access::Read(Resource::Ledger)),
    get("/v1/health", Access::Read(Resource::Health)),
];

/// A path as the description writes it: a parameter that takes the rest of a
/// path is the router's notion.
#[must_use]
pub fn as_described(path: &str) -> String {
    path.replace("{*", "{")
}

/// What a path of the router or of the description is; `None` answers nobody.
#[must_use]
pub fn of(method: &str, path: &str) -> Option<Access> {
    let path = as_described(path);
    ROUTES
        .iter()
        .find(|route| route.method == method && route.path == path)
        .map(|route| route.access)
}
