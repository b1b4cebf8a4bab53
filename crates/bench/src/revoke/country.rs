//! A country in the registry: institutions with a device and an agreement each,
//! every one recorded as an act in the ledger, and among them the clinics that
//! are measured, with certificates whose keys are at hand.

use super::region::{self, Region};
use super::{Options, RevokeError};
use iryonet_authority::{Csr, IssuingCa, Profile, issue};
use iryonet_domain::{
    Actor, Circuit, DeviceId, Endpoint, Fingerprint, InstitutionCode, InstitutionKind, LineKind,
    NetworkPrefix, ParticipantKind, ParticipantNumber, Prefecture, Protocol, Purpose, Role,
    ScoreTable, ServiceId, TrafficClass, UnixMillis, Validity,
};
use iryonet_registry::certificate::{CertificateFacts, Serial};
use iryonet_registry::command::Home;
use iryonet_registry::enrolment::{CodeHash, Subject};
use iryonet_registry::{Act, Command, Event, permission};
use iryonet_store::{SqliteStore, Store, StoreError, Transaction};
use std::net::Ipv6Addr;

/// Acts per transaction of the bulk load.
const BATCH: u32 = 2_000;
const DAY_MS: u64 = 86_400_000;
const PORT: u16 = 443;

/// What a measured participant comes in with.
pub(crate) struct Clinic {
    /// Its number.
    pub(crate) number: ParticipantNumber,
    /// Which line.
    pub(crate) index: u32,
    /// A host of its LAN.
    pub(crate) host: Ipv6Addr,
    /// Its certificate.
    pub(crate) fingerprint: Fingerprint,
    /// The certificate and its issuer's, PEM.
    pub(crate) chain_pem: String,
    /// The key, PEM.
    pub(crate) key_pem: String,
}

/// What was recorded.
pub(crate) struct Country {
    /// The measured clinics.
    pub(crate) clinics: Vec<Clinic>,
    /// Who runs the service.
    pub(crate) provider: Clinic,
    /// Where the service is.
    pub(crate) service: Ipv6Addr,
    /// Its port.
    pub(crate) port: u16,
    /// Entries in the ledger.
    pub(crate) ledger_entries: u64,
}

struct Filler<'a> {
    now: UnixMillis,
    validity: Validity,
    network: NetworkPrefix,
    authority: &'a IssuingCa,
    draws: u64,
    /// Institutions get a code each.
    coded: bool,
}

pub(crate) fn fill(region: &Region, options: &Options) -> Result<Country, RevokeError> {
    let country = |error: &dyn std::error::Error| RevokeError::Country(error.to_string());
    let store = SqliteStore::open(&region.database()).map_err(|e| country(&e))?;
    let authority = IssuingCa::load(&region.issuing_dir()).map_err(|e| country(&e))?;
    let now = region::now();
    let mut filler = Filler {
        now,
        validity: Validity::new(now, now.plus_ms(365 * DAY_MS)).map_err(|e| country(&e))?,
        network: region::network()?,
        authority: &authority,
        draws: 0,
        coded: true,
    };
    write(&store, |tx| {
        for (gateway, backbone, blocks) in region::gateways() {
            filler.done(
                tx,
                Command::RegisterGateway {
                    gateway,
                    backbone,
                    blocks,
                },
            )?;
        }
        Ok(())
    })?;
    let (provider, service) = filler.provider(&store)?;

    let mut clinics = Vec::new();
    write(&store, |tx| {
        clinics.clear();
        for index in 0..options.revocations {
            let line = region::clinic_line(index);
            let kind = ParticipantKind::Institution(InstitutionKind::Clinic);
            let clinic = filler.measured(tx, kind, "g1", &line, index)?;
            filler.agreement(tx, clinic.number, service, provider.number)?;
            clinics.push(clinic);
        }
        Ok(())
    })?;
    let mut at = options.revocations;
    while at < options.institutions {
        let end = options.institutions.min(at + BATCH);
        write(&store, |tx| {
            for index in at..end {
                filler.other(tx, index, service, provider.number)?;
            }
            Ok(())
        })?;
        at = end;
    }
    let ledger_entries = store.revision().map_err(|error| country(&error))?;
    Ok(Country {
        service: provider.host,
        port: PORT,
        clinics,
        provider,
        ledger_entries,
    })
}

fn write(
    store: &dyn Store,
    mut act: impl FnMut(&mut dyn Transaction) -> Result<(), StoreError>,
) -> Result<(), RevokeError> {
    store.write(&mut act).map_err(|error| {
        let cause = std::error::Error::source(&error)
            .map(|c| format!(": {c}"))
            .unwrap_or_default();
        RevokeError::Country(format!("{error}{cause}"))
    })
}

/// Those between whom agreements are measured: clinics with a line at gateway
/// g1, and a service at g2. There is no agreement yet.
pub(crate) struct Measured {
    /// The clinics.
    pub(crate) clinics: Vec<Clinic>,
    /// Who runs the service.
    pub(crate) provider: Clinic,
    /// The service.
    pub(crate) service: ServiceId,
    /// Until when an agreement may last.
    pub(crate) until: UnixMillis,
}

impl Measured {
    /// Records so many clinics beside whoever is there, and a device for each
    /// of `others`.
    pub(crate) fn record(
        region: &Region,
        store: &dyn Store,
        clinics: u32,
        others: &[ParticipantNumber],
    ) -> Result<Self, RevokeError> {
        let country = |error: &dyn std::error::Error| RevokeError::Country(error.to_string());
        let authority = IssuingCa::load(&region.issuing_dir()).map_err(|e| country(&e))?;
        let now = region::now();
        let validity = Validity::new(now, now.plus_ms(365 * DAY_MS)).map_err(|e| country(&e))?;
        let mut filler = Filler {
            now,
            validity,
            network: region::network()?,
            authority: &authority,
            draws: 0,
            // The codes are the country's.
            coded: false,
        };
        for others in others.chunks(BATCH as usize) {
            write(store, |tx| {
                for number in others {
                    filler.device(tx, *number)?;
                }
                Ok(())
            })?;
        }
        let (provider, service) = filler.provider(store)?;
        let mut recorded = Vec::new();
        write(store, |tx| {
            recorded.clear();
            for index in 0..clinics {
                let line = region::clinic_line(index);
                let kind = ParticipantKind::Institution(InstitutionKind::Clinic);
                recorded.push(filler.measured(tx, kind, "g1", &line, index)?);
            }
            Ok(())
        })?;
        Ok(Self {
            clinics: recorded,
            provider,
            service,
            until: validity.until,
        })
    }
}

impl Filler<'_> {
    /// The provider with its line at g2, and its service.
    fn provider(&mut self, store: &dyn Store) -> Result<(Clinic, ServiceId), RevokeError> {
        let mut recorded = None;
        write(store, |tx| {
            let clinic = self.measured(
                tx,
                ParticipantKind::Provider,
                "g2",
                region::PROVIDER_LINE,
                0,
            )?;
            let events = self.done(
                tx,
                Command::RegisterService {
                    provider: clinic.number,
                    name: "地域医療連携".to_owned(),
                    class: TrafficClass::Interactive,
                    purposes: vec![Purpose::REGIONAL_COLLABORATION],
                    endpoints: vec![Endpoint {
                        address: clinic.host,
                        protocol: Protocol::Tcp,
                        port: PORT,
                    }],
                    eligible: vec![],
                    offer: iryonet_registry::Offer::default(),
                },
            )?;
            recorded = events
                .iter()
                .find_map(|event| match event {
                    Event::ServiceRegistered { service, .. } => Some(*service),
                    _ => None,
                })
                .map(|service| (clinic, service));
            Ok(())
        })?;
        recorded.ok_or_else(|| RevokeError::Country("no service was registered".to_owned()))
    }

    fn done(&self, tx: &mut dyn Transaction, command: Command) -> Result<Vec<Event>, StoreError> {
        // Each act by the role whose duty it is; nothing here is an officer's alone.
        let role = permission::whose_duty(Act::from(&command)).unwrap_or(Role::System);
        let actor = Actor::new(role, "bench").map_err(given_up)?;
        tx.record(&actor, &command, self.now)?
            .events()
            .map_err(|refusal| StoreError::GivenUp(refusal.to_string(), None))
    }

    fn admit(
        &self,
        tx: &mut dyn Transaction,
        kind: ParticipantKind,
        gateway: &str,
        index: u32,
    ) -> Result<ParticipantNumber, StoreError> {
        let code = match kind {
            ParticipantKind::Institution(_) if self.coded => Some(InstitutionCode::generate(
                // 1..=47, so never out of range.
                Prefecture::new((index % 47) as u8 + 1).map_err(given_up)?,
                ScoreTable::Medical,
                (index / 47 % 100) as u8,
                (index / 4_700) as u16,
            )),
            ParticipantKind::Provider | ParticipantKind::Institution(_) => None,
        };
        let events = self.done(
            tx,
            Command::AdmitParticipant {
                kind,
                name: format!("医療機関{index:06}"),
                code,
                home: Home::Gateway(gateway.parse().map_err(given_up)?),
            },
        )?;
        events
            .iter()
            .find_map(|event| match event {
                Event::ParticipantAdmitted { number, .. } => Some(*number),
                _ => None,
            })
            .ok_or_else(|| given_up("nobody was admitted"))
    }

    fn agreement(
        &self,
        tx: &mut dyn Transaction,
        participant: ParticipantNumber,
        service: ServiceId,
        provider: ParticipantNumber,
    ) -> Result<(), StoreError> {
        let events = self.done(
            tx,
            Command::ProposeAgreement {
                participant,
                service,
                purpose: Purpose::REGIONAL_COLLABORATION,
                validity: self.validity,
                by: participant,
            },
        )?;
        let agreement = events
            .iter()
            .find_map(|event| match event {
                Event::AgreementProposed { agreement, .. } => Some(*agreement),
                _ => None,
            })
            .ok_or_else(|| given_up("nothing was proposed"))?;
        self.done(
            tx,
            Command::AcceptAgreement {
                agreement,
                by: provider,
            },
        )
        .map(drop)
    }

    /// 256 bits that no other draw has.
    fn draw(&mut self) -> [u8; 32] {
        self.draws += 1;
        let mut bytes = [0x5a; 32];
        for (place, byte) in bytes.iter_mut().zip(self.draws.to_be_bytes()) {
            *place = byte;
        }
        bytes
    }

    fn enrol(
        &mut self,
        tx: &mut dyn Transaction,
        participant: ParticipantNumber,
        certificate: CertificateFacts,
    ) -> Result<(), StoreError> {
        let code_hash: CodeHash = Fingerprint(self.draw())
            .to_string()
            .parse()
            .map_err(given_up)?;
        self.done(
            tx,
            Command::IssueEnrolmentCode {
                subject: Subject::Participant(participant),
                code_hash: code_hash.clone(),
                expires_at: self.now.plus_ms(DAY_MS),
            },
        )?;
        self.done(
            tx,
            Command::EnrolDevice {
                code_hash,
                device: DeviceId(1),
                certificate,
            },
        )
        .map(drop)
    }

    /// One of the many: in the registry and the policy, but on no line of ours.
    fn other(
        &mut self,
        tx: &mut dyn Transaction,
        index: u32,
        service: ServiceId,
        provider: ParticipantNumber,
    ) -> Result<(), StoreError> {
        let kind = ParticipantKind::Institution(InstitutionKind::Clinic);
        let gateway = if index.is_multiple_of(2) { "g1" } else { "g2" };
        let number = self.admit(tx, kind, gateway, index)?;
        self.device(tx, number)?;
        self.agreement(tx, number, service, provider)
    }

    /// A device whose certificate nobody has the key of.
    fn device(
        &mut self,
        tx: &mut dyn Transaction,
        number: ParticipantNumber,
    ) -> Result<(), StoreError> {
        let bytes = self.draw();
        let certificate = CertificateFacts {
            fingerprint: Fingerprint(bytes),
            serial: Serial::from_octets(bytes.get(..16).unwrap_or(&bytes)).map_err(given_up)?,
            not_before: self.now,
            not_after: self.now.plus_ms(300 * DAY_MS),
        };
        self.enrol(tx, number, certificate)
    }

    /// One with a line and a real certificate.
    fn measured(
        &mut self,
        tx: &mut dyn Transaction,
        kind: ParticipantKind,
        gateway: &str,
        line: &str,
        index: u32,
    ) -> Result<Clinic, StoreError> {
        let number = self.admit(tx, kind, gateway, index)?;
        self.done(
            tx,
            Command::AddSite {
                participant: number,
                site: Some(0),
                name: "本院".to_owned(),
            },
        )?;
        self.done(
            tx,
            Command::AddLine {
                participant: number,
                site: 0,
                kind: LineKind::Ethernet,
                circuit: Circuit {
                    gateway: gateway.parse().map_err(given_up)?,
                    interface: line.to_owned(),
                },
            },
        )?;
        let key = rcgen::KeyPair::generate().map_err(given_up)?;
        let request = rcgen::CertificateParams::default()
            .serialize_request(&key)
            .map_err(given_up)?
            .pem()
            .map_err(given_up)?;
        let profile = Profile::Institution {
            number,
            device: DeviceId(1),
            name: "bench".to_owned(),
            kind,
            code: None,
        };
        let csr = Csr::parse(request.as_bytes()).map_err(given_up)?;
        let issued = issue(
            self.authority,
            &profile,
            &csr,
            Some(300 * DAY_MS),
            self.now,
            &mut rand::rng(),
        )
        .map_err(given_up)?;
        let certificate = CertificateFacts {
            fingerprint: issued.fingerprint,
            serial: Serial::from_octets(issued.serial.as_bytes()).map_err(given_up)?,
            not_before: issued.not_before,
            not_after: issued.not_after,
        };
        self.enrol(tx, number, certificate)?;
        Ok(Clinic {
            number,
            index,
            host: self.network.site(number, 0).host(0x10),
            fingerprint: issued.fingerprint,
            chain_pem: issued.chain_pem,
            key_pem: key.serialize_pem(),
        })
    }
}

fn given_up(error: impl std::fmt::Display) -> StoreError {
    StoreError::GivenUp(error.to_string(), None)
}
