//! Every limit of the registry in one place. What would pass one is refused,
//! loudly, with the number that applies.

/// Longest name of a participant, site or service, in characters.
pub const NAME_MAX_CHARS: usize = 120;
/// Longest address of an applicant, in characters. The longest of the public
/// list of 2025-08 has fewer than 100.
pub const ADDRESS_MAX_CHARS: usize = 240;
/// Longest reason that a person gives for an act, in characters.
pub const REASON_MAX_CHARS: usize = 400;
/// Most gateways of one network: no more than there are blocks.
pub const GATEWAYS_MAX: u64 = 255;
/// Sites of one participant: its /56 has 256 /64s.
pub const SITES_PER_PARTICIPANT: usize = 256;
/// Lines of one site: a main line, its backup, and room to change carriers.
pub const LINES_PER_SITE: usize = 16;
/// Devices of one participant whose certificates are valid at the same time.
pub const VALID_DEVICES_PER_PARTICIPANT: usize = 8;
/// Certificates of one gateway that are valid at the same time.
pub const VALID_CERTIFICATES_PER_GATEWAY: usize = 8;
/// Devices of one participant that count at the same time while certificates
/// are renewed: each of the allowed ones and its successor. A renewal is
/// refused at this, an enrolment with a code at the number above.
pub const DEVICES_IN_CHANGE_PER_PARTICIPANT: usize = 2 * VALID_DEVICES_PER_PARTICIPANT;
/// The same for the certificates of one gateway.
pub const CERTIFICATES_IN_CHANGE_PER_GATEWAY: usize = 2 * VALID_CERTIFICATES_PER_GATEWAY;
/// Enrolment codes of one subject that wait to be used.
pub const WAITING_CODES_PER_SUBJECT: usize = 8;
/// Longest life of an enrolment code, in milliseconds: 30 days.
pub const CODE_LIFE_MAX_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// Services of one provider that are not retired.
pub const SERVICES_PER_PROVIDER: usize = 256;
/// Endpoints of one service.
pub const ENDPOINTS_PER_SERVICE: usize = 64;
/// Open agreements of one participant as the asking side. The providing side
/// has no limit but the network's size.
pub const OPEN_AGREEMENTS_PER_PARTICIPANT: usize = 1_024;
/// How far ahead an agreement may end, in milliseconds: ten years of 366 days.
pub const AGREEMENT_LIFE_MAX_MS: u64 = 3_660 * 24 * 60 * 60 * 1_000;
/// How far ahead a certificate may end, in milliseconds: thirty years of 366 days.
pub const CERTIFICATE_LIFE_MAX_MS: u64 = 10_980 * 24 * 60 * 60 * 1_000;
/// Events that one command may bring about. A provider with more open
/// agreements than this is closed in steps.
pub const CONSEQUENCES_MAX: usize = 100_000;
/// Rows of a public list in one command.
pub const ROWS_PER_COMMAND: usize = 1_000;
/// Accounts that speak for one participant.
pub const ACCOUNTS_PER_PARTICIPANT: usize = 64;
/// Accounts in use that hold one and the same role of the staff.
pub const ACTIVE_ACCOUNTS_PER_ROLE: u64 = 1_000;
/// Organisations' logins of one account.
pub const LOGINS_PER_ACCOUNT: usize = 8;
/// Longest life of a one-time login code, in milliseconds: 14 days.
pub const LOGIN_CODE_LIFE_MAX_MS: u64 = 14 * 24 * 60 * 60 * 1_000;
/// Longest lock-out by wrong passwords, in milliseconds: an hour.
pub const LOCK_OUT_MAX_MS: u64 = 60 * 60 * 1_000;
/// Participants listed for the trial of one service.
pub const PILOT_PARTICIPANTS_MAX: usize = 10_000;
/// How long before its end an agreement's sides are told of it at the
/// earliest, in milliseconds: 90 days.
pub const AGREEMENT_NOTICE_MAX_MS: u64 = 90 * 24 * 60 * 60 * 1_000;
/// Documents of one case.
pub const DOCUMENTS_PER_CASE: usize = 20;
/// Largest document, in bytes: 20 MiB.
pub const DOCUMENT_MAX_BYTES: u64 = 20 << 20;
/// All documents of one case together, in bytes: 100 MiB.
pub const DOCUMENTS_MAX_BYTES: u64 = 100 << 20;
/// Sites, lines or services that one application names.
pub const WISHES_PER_APPLICATION: usize = 64;
/// Things said to be missing when an application is returned.
pub const MISSING_MAX: usize = 32;
/// Judgements in one command.
pub const JUDGEMENTS_PER_COMMAND: usize = 200;
/// Recorded findings of one case.
pub const FINDINGS_PER_CASE: usize = 128;
/// How long a case may lie untouched before it lapses, in milliseconds: 90 days.
pub const CASE_UNTOUCHED_MAX_MS: u64 = 90 * 24 * 60 * 60 * 1_000;
/// How far ahead the day of a suspension or withdrawal may be, in
/// milliseconds: 366 days.
pub const CASE_DAY_AHEAD_MAX_MS: u64 = 366 * 24 * 60 * 60 * 1_000;
/// Codes of one command that says whom a newer list names no more.
pub const VANISHED_PER_COMMAND: usize = 1_000;
