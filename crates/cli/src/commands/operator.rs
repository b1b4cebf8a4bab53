//! The commands to a center: each is one request, over its Unix socket in the
//! name of an actor that is never defaulted, or over its people's listener in
//! the session that `iryonet login` began.

use crate::{commands, output};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use hyper::body::Bytes;
use iryonet_center::client::{Content, OperatorClient};
use iryonet_domain::Actor;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Where the center is, and who acts.
#[derive(Args, Clone)]
pub(crate) struct Center {
    /// The center's operator socket, or its people's listener as
    /// https://center.example:8445.
    #[arg(
        long,
        global = true,
        env = "IRYONET_CENTER",
        value_name = "SOCKET|URL",
        default_value = "/run/iryonet/operator.sock"
    )]
    center: PathBuf,
    /// Who acts, as operator:suzuki. Wanted for every act at the socket, never
    /// assumed; at the people's listener the session says it.
    #[arg(
        long = "as",
        global = true,
        env = "IRYONET_AS",
        value_name = "ROLE:NAME"
    )]
    actor: Option<Actor>,
    /// The answer as JSON.
    #[arg(long, global = true)]
    json: bool,
}

impl Center {
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<ExitCode> {
        self.request("GET", path, None)
    }

    pub(crate) fn act(&self, path: &str, body: Value) -> anyhow::Result<ExitCode> {
        self.somebody_acts()?;
        self.request("POST", path, Some(body))
    }

    /// At the socket nobody acts who is not named.
    pub(crate) fn somebody_acts(&self) -> anyhow::Result<()> {
        if self.actor.is_none() && self.url().is_none() {
            bail!("who acts? Say --as role:name (or set IRYONET_AS), as --as operator:suzuki");
        }
        Ok(())
    }

    fn request(&self, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<ExitCode> {
        let answer = self.ask(method, path, body)?;
        output::show(&answer, self.json);
        Ok(ExitCode::SUCCESS)
    }

    /// One request; the answer.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let runtime = commands::runtime()?;
        let Some(url) = self.url() else {
            let client = OperatorClient::new(&self.center);
            let asked = client.request(method, path, self.actor.as_ref(), body.as_ref());
            return Ok(runtime.block_on(asked)?);
        };
        if self.actor.is_some() {
            bail!(
                "at the people's listener the session says who acts; leave --as (IRYONET_AS) out"
            );
        }
        let session = super::session::Session::load(url)?;
        let client = session.client()?;
        Ok(runtime.block_on(client.request(method, path, body.as_ref()))?)
    }

    /// One request that carries a document, or whose answer is one.
    pub(crate) fn document(
        &self,
        method: &str,
        path: &str,
        content: Content,
    ) -> anyhow::Result<Bytes> {
        let runtime = commands::runtime()?;
        let Some(url) = self.url() else {
            let client = OperatorClient::new(&self.center);
            let asked = client.document(method, path, self.actor.as_ref(), content);
            return Ok(runtime.block_on(asked)?);
        };
        let client = super::session::Session::load(url)?.client()?;
        Ok(runtime.block_on(client.document(method, path, content))?)
    }

    /// The people's listener, if that is meant.
    pub(crate) fn url(&self) -> Option<&str> {
        self.center
            .to_str()
            .filter(|center| center.starts_with("https://"))
    }

    /// Is JSON wanted?
    pub(crate) fn json(&self) -> bool {
        self.json
    }
}

/// Arguments of `gateways`.
#[derive(Args)]
pub(crate) struct GatewaysArguments {
    #[command(flatten)]
    center: Center,
    #[command(subcommand)]
    command: Gateways,
}

#[derive(Subcommand)]
enum Gateways {
    /// Register a gateway and the blocks of numbers that it is home to.
    Register {
        /// Its name, as gw-east-1.
        name: String,
        /// Its address on the backbone.
        #[arg(long)]
        backbone: std::net::Ipv6Addr,
        /// Blocks (the high eight bits of participant numbers).
        #[arg(long = "block", required = true)]
        blocks: Vec<u8>,
    },
    /// List the gateways.
    List,
}

pub(crate) fn gateways(arguments: GatewaysArguments) -> anyhow::Result<ExitCode> {
    let center = arguments.center;
    match arguments.command {
        Gateways::Register {
            name,
            backbone,
            blocks,
        } => center.act(
            "/v1/gateways",
            json!({"gateway": name, "backbone": backbone, "blocks": blocks}),
        ),
        Gateways::List => center.get("/v1/gateways"),
    }
}

/// Arguments of `participant`.
#[derive(Args)]
pub(crate) struct ParticipantArguments {
    #[command(flatten)]
    center: Center,
    #[command(subcommand)]
    command: Participant,
}

#[derive(Subcommand)]
enum Participant {
    /// Admit an institution or provider.
    Admit {
        /// hospital, clinic, dental-clinic, pharmacy, care-office, home-nursing or provider.
        #[arg(long)]
        kind: String,
        /// Its name.
        #[arg(long)]
        name: String,
        /// 医療機関コード, ten digits.
        #[arg(long)]
        code: Option<String>,
        /// Home gateway.
        #[arg(long)]
        gateway: String,
    },
    /// Add a site.
    AddSite {
        /// Participant number.
        number: u32,
        /// The site's name.
        #[arg(long)]
        name: String,
    },
    /// Add an ethernet line to a site.
    AddLine {
        /// Participant number.
        number: u32,
        /// The site's index.
        #[arg(long)]
        site: u8,
        /// The gateway that ends it.
        #[arg(long)]
        gateway: String,
        /// The attachment circuit's interface there.
        #[arg(long)]
        interface: String,
    },
    /// Show one.
    Show {
        /// Participant number.
        number: u32,
    },
    /// 経過: what became of one, oldest first.
    History {
        /// Participant number.
        number: u32,
        /// Begin after this step, as an answer's `next_after` names it.
        #[arg(long)]
        after: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// List, by number.
    List {
        /// Part of the name; width and blanks do not matter.
        #[arg(long)]
        name: Option<String>,
        /// Digits that the code begins with.
        #[arg(long)]
        code: Option<String>,
        /// 都道府県, 1 to 47.
        #[arg(long)]
        prefecture: Option<u8>,
        /// Part of the prefecture's name, or of the address that a public list
        /// gives for the code.
        #[arg(long)]
        area: Option<String>,
        /// Only of this standing, as on-hold.
        #[arg(long)]
        standing: Option<String>,
        /// Begin after this number.
        #[arg(long, default_value_t = 0)]
        after: u32,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// 隔離: cut off for security, at once.
    Quarantine {
        /// Participant number.
        number: u32,
        /// Why; recorded.
        #[arg(long)]
        reason: String,
    },
    /// End a quarantine.
    Release {
        /// Participant number.
        number: u32,
    },
    /// 閉鎖: end everything of a participant.
    Close {
        /// Participant number.
        number: u32,
    },
}

pub(crate) fn participant(arguments: ParticipantArguments) -> anyhow::Result<ExitCode> {
    let center = arguments.center;
    match arguments.command {
        Participant::Admit {
            kind,
            name,
            code,
            gateway,
        } => center.act(
            "/v1/participants",
            json!({"kind": kind, "name": name, "code": code, "gateway": gateway}),
        ),
        Participant::AddSite { number, name } => center.act(
            &format!("/v1/participants/{number}/sites"),
            json!({"name": name}),
        ),
        Participant::AddLine {
            number,
            site,
            gateway,
            interface,
        } => center.act(
            &format!("/v1/participants/{number}/lines"),
            json!({"site": site, "kind": "ethernet", "gateway": gateway, "interface": interface}),
        ),
        Participant::Show { number } => center.get(&format!("/v1/participants/{number}")),
        Participant::History {
            number,
            after,
            limit,
        } => center.get(&query(
            &format!("/v1/participants/{number}/history"),
            &[("after", after), ("limit", Some(limit.to_string()))],
        )),
        Participant::List {
            name,
            code,
            prefecture,
            area,
            standing,
            after,
            limit,
        } => center.get(&query(
            "/v1/participants",
            &[
                ("name", name),
                ("code", code),
                ("prefecture", prefecture.map(|it| it.to_string())),
                ("area", area),
                ("standing", standing),
                ("after", Some(after.to_string())),
                ("limit", Some(limit.to_string())),
            ],
        )),
        Participant::Quarantine { number, reason } => center.act(
            &format!("/v1/participants/{number}/quarantine"),
            json!({"reason": reason}),
        ),
        Participant::Release { number } => {
            center.act(&format!("/v1/participants/{number}/release"), json!({}))
        }
        Participant::Close { number } => {
            center.act(&format!("/v1/participants/{number}/close"), json!({}))
        }
    }
}

/// Arguments of `applicant`.
#[derive(Args)]
pub(crate) struct ApplicantArguments {
    #[command(flatten)]
    center: Center,
    #[command(subcommand)]
    command: Applicant,
}

#[derive(Subcommand)]
enum Applicant {
    /// 検索: institutions of the public lists, by code.
    Find {
        /// Part of the name; width and blanks do not matter.
        name: Option<String>,
        /// Digits that the code begins with.
        #[arg(long)]
        code: Option<String>,
        /// 都道府県, 1 to 47.
        #[arg(long)]
        prefecture: Option<u8>,
        /// Part of the address, or the beginning of the postal code.
        #[arg(long)]
        area: Option<String>,
        /// Begin after this code.
        #[arg(long)]
        after: Option<iryonet_domain::InstitutionCode>,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
}

pub(crate) fn applicant(arguments: ApplicantArguments) -> anyhow::Result<ExitCode> {
    let Applicant::Find {
        name,
        code,
        prefecture,
        area,
        after,
        limit,
    } = arguments.command;
    arguments.center.get(&query(
        "/v1/applicants",
        &[
            ("name", name),
            ("code", code),
            ("prefecture", prefecture.map(|it| it.to_string())),
            ("area", area),
            ("after", after.map(|it| it.to_string())),
            ("limit", Some(limit.to_string())),
        ],
    ))
}

/// Arguments of `enrolment-code`.
#[derive(Args)]
pub(crate) struct EnrolmentCodeArguments {
    #[command(flatten)]
    center: Center,
    /// For a participant's device.
    #[arg(long, conflicts_with = "gateway", required_unless_present = "gateway")]
    participant: Option<u32>,
    /// For a gateway.
    #[arg(long)]
    gateway: Option<String>,
    /// How long it may be used.
    #[arg(long, default_value_t = 72)]
    valid_hours: u32,
}

pub(crate) fn enrolment_code(arguments: EnrolmentCodeArguments) -> anyhow::Result<ExitCode> {
    let subject = match (arguments.participant, arguments.gateway) {
        (Some(number), _) => json!({"participant": number}),
        (None, gateway) => json!({"gateway": gateway}),
    };
    arguments.center.act(
        "/v1/enrolment-codes",
        json!({"subject": subject, "valid_hours": arguments.valid_hours}),
    )
}

/// Arguments of `device`.
#[derive(Args)]
pub(crate) struct DeviceArguments {
    #[command(flatten)]
    center: Center,
    #[command(subcommand)]
    command: Device,
}

#[derive(Subcommand)]
enum Device {
    /// List a participant's devices.
    List {
        /// Participant number.
        #[arg(long)]
        participant: u32,
    },
    /// 失効: revoke a certificate; its connections are cut at once.
    Revoke {
        /// SHA-256 of the certificate, 64 hexadecimal digits.
        fingerprint: String,
        /// Why; recorded.
        #[arg(long)]
        reason: String,
    },
}

pub(crate) fn device(arguments: DeviceArguments) -> anyhow::Result<ExitCode> {
    let center = arguments.center;
    match arguments.command {
        Device::List { participant } => {
            center.get(&format!("/v1/devices?participant={participant}"))
        }
        Device::Revoke {
            fingerprint,
            reason,
        } => {
            // The text becomes part of a path: only what a fingerprint may be.
            let fingerprint: iryonet_domain::Fingerprint = fingerprint.parse()?;
            center.act(
                &format!("/v1/devices/{fingerprint}/revoke"),
                json!({"reason": reason}),
            )
        }
    }
}

/// Arguments of `service`.
#[derive(Args)]
pub(crate) struct ServiceArguments {
    #[command(flatten)]
    center: Center,
    #[command(subcommand)]
    command: Service,
}

#[derive(Subcommand)]
enum Service {
    /// Register a provider's service.
    Register {
        /// Participant number of the provider.
        #[arg(long)]
        provider: u32,
        /// Its name.
        #[arg(long)]
        name: String,
        /// real-time, video, control, interactive, bulk or best-effort.
        #[arg(long)]
        class: String,
        /// What it may be used for; give several times.
        #[arg(long = "purpose", required = true)]
        purposes: Vec<String>,
        /// tcp:[ADDRESS]:PORT, udp:[ADDRESS]:PORT or echo:[ADDRESS]; give several times.
        #[arg(long = "endpoint", required = true)]
        endpoints: Vec<String>,
        /// Kinds of participants that may ask for it; none: all.
        #[arg(long = "eligible")]
        eligible: Vec<String>,
        #[command(flatten)]
        offer: HowOffered,
    },
    /// 定義一覧: descriptions of services in a file, from which they are registered.
    Described(super::service_catalogue::Described),
    /// 定義による登録: register a provider's service as a file describes it.
    RegisterDescribed(super::service_catalogue::RegisterDescribed),
    /// List the services.
    List {
        /// Begin after this number.
        #[arg(long, default_value_t = 0)]
        after: u32,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Show one.
    Show {
        /// Service number.
        service: u32,
    },
    /// 提供条件: replace how it is offered, all of it; agreements stay as they are.
    Offer {
        /// Service number.
        service: u32,
        #[command(flatten)]
        offer: HowOffered,
    },
    /// Retire one.
    Retire {
        /// Service number.
        service: u32,
    },
}

/// 提供条件: how a service is offered.
#[derive(Args)]
struct HowOffered {
    /// The name under which it is found, as claims.example.jp.
    #[arg(long)]
    dns: Option<String>,
    /// What it asks for at each user's line, in kbit/s.
    #[arg(long)]
    bandwidth_kbps: Option<u32>,
    /// 都道府県, 1 to 47, in which it may be asked for; give several times; none:
    /// everywhere.
    #[arg(long = "area")]
    areas: Vec<u8>,
    /// Kinds whose proposals are accepted in the same act; none: each by hand.
    #[arg(long = "accept-kind")]
    accepts: Vec<String>,
    /// How far its roll-out is: planned, pilot or open. It only goes on.
    #[arg(long, default_value = "open")]
    stage: String,
    /// Participants that may ask for it while it is on trial; give several times.
    #[arg(long = "pilot")]
    pilot: Vec<u32>,
}

impl HowOffered {
    fn body(self) -> Value {
        json!({"dns": self.dns, "bandwidth_kbps": self.bandwidth_kbps, "areas": self.areas,
            "accepts": self.accepts, "stage": self.stage, "pilot": self.pilot})
    }
}

pub(crate) fn service(arguments: ServiceArguments) -> anyhow::Result<ExitCode> {
    let center = arguments.center;
    match arguments.command {
        Service::Register {
            provider,
            name,
            class,
            purposes,
            endpoints,
            eligible,
            offer,
        } => {
            let endpoints = endpoints
                .iter()
                .map(|text| endpoint(text))
                .collect::<anyhow::Result<Vec<_>>>()?;
            center.act(
                "/v1/services",
                json!({"provider": provider, "name": name, "class": class, "purposes": purposes,
                    "endpoints": endpoints, "eligible": eligible, "offer": offer.body()}),
            )
        }
        Service::Described(described) => super::service_catalogue::list(&described, center.json),
        Service::RegisterDescribed(wish) => super::service_catalogue::register(&center, &wish),
        Service::List { after, limit } => {
            center.get(&format!("/v1/services?after={after}&limit={limit}"))
        }
        Service::Show { service } => center.get(&format!("/v1/services/{service}")),
        Service::Offer { service, offer } => {
            center.act(&format!("/v1/services/{service}/offer"), offer.body())
        }
        Service::Retire { service } => {
            center.act(&format!("/v1/services/{service}/retire"), json!({}))
        }
    }
}

/// `tcp:[2001:db8::1]:443` as the API takes it.
fn endpoint(text: &str) -> anyhow::Result<Value> {
    let parsed = (|| {
        let (protocol, rest) = text.split_once(':')?;
        let (address, port) = rest.strip_prefix('[')?.split_once(']')?;
        let address: std::net::Ipv6Addr = address.parse().ok()?;
        let port: u16 = match port {
            "" => 0,
            port => port.strip_prefix(':')?.parse().ok()?,
        };
        Some(json!({"protocol": protocol, "address": address, "port": port}))
    })();
    parsed.with_context(|| {
        format!("{text:?} is no endpoint; write tcp:[2001:db8::1]:443, udp:[2001:db8::1]:53 or echo:[2001:db8::1]")
    })
}

/// Arguments of `agreement`.
#[derive(Args)]
pub(crate) struct AgreementArguments {
    #[command(flatten)]
    center: Center,
    #[command(subcommand)]
    command: Agreement,
}

#[derive(Subcommand)]
enum Agreement {
    /// Propose, in the name of either party.
    Propose {
        /// Who would use the service.
        #[arg(long)]
        participant: u32,
        /// Which service.
        #[arg(long)]
        service: u32,
        /// For what.
        #[arg(long)]
        purpose: String,
        /// Which party proposes (its number).
        #[arg(long)]
        by: u32,
        /// From when (RFC 3339); at once if not given.
        #[arg(long)]
        from: Option<String>,
        /// Until when (RFC 3339).
        #[arg(long)]
        until: String,
    },
    /// Accept, in the name of the party that did not propose.
    Accept {
        /// Agreement number.
        agreement: u64,
        /// The accepting party's number.
        #[arg(long)]
        by: u32,
    },
    /// 終了: in the name of either party, or of nobody for the network's operator.
    End {
        /// Agreement number.
        agreement: u64,
        /// The ending party's number; left out when the operator ends it.
        #[arg(long)]
        by: Option<u32>,
        /// From when on it holds no more (RFC 3339); at once if not given.
        #[arg(long)]
        at: Option<String>,
    },
    /// Show one, with its officers and notices.
    Show {
        /// Agreement number.
        agreement: u64,
    },
    /// List.
    List {
        /// Only this participant's, as the asking side.
        #[arg(long)]
        participant: Option<u32>,
        /// Only those about this service.
        #[arg(long)]
        service: Option<u32>,
        /// Only in this state: proposed, accepted or ended.
        #[arg(long)]
        state: Option<String>,
        /// Begin after this number.
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
}

pub(crate) fn agreement(arguments: AgreementArguments) -> anyhow::Result<ExitCode> {
    let center = arguments.center;
    match arguments.command {
        Agreement::Propose {
            participant,
            service,
            purpose,
            by,
            from,
            until,
        } => {
            let from = from.as_deref().map(time_of).transpose()?;
            center.act(
                "/v1/agreements",
                json!({"participant": participant, "service": service, "purpose": purpose, "by": by,
                    "from": from, "until": time_of(&until)?}),
            )
        }
        Agreement::Accept { agreement, by } => center.act(
            &format!("/v1/agreements/{agreement}/accept"),
            json!({"by": by}),
        ),
        Agreement::End { agreement, by, at } => center.act(
            &format!("/v1/agreements/{agreement}/end"),
            json!({"by": by, "at": at.as_deref().map(time_of).transpose()?}),
        ),
        Agreement::Show { agreement } => center.get(&format!("/v1/agreements/{agreement}")),
        Agreement::List {
            participant,
            service,
            state,
            after,
            limit,
        } => center.get(&query(
            "/v1/agreements",
            &[
                ("participant", participant.map(|it| it.to_string())),
                ("service", service.map(|it| it.to_string())),
                ("state", state),
                ("after", Some(after.to_string())),
                ("limit", Some(limit.to_string())),
            ],
        )),
    }
}

/// A path with a query of what was said.
pub(crate) fn query(path: &str, said: &[(&str, Option<String>)]) -> String {
    let mut out = path.to_owned();
    let said = said
        .iter()
        .filter_map(|(key, value)| Some((key, value.as_ref()?)));
    for (place, (key, value)) in said.enumerate() {
        out.push(if place == 0 { '?' } else { '&' });
        out.push_str(key);
        out.push('=');
        out.push_str(&percent(value));
    }
    out
}

/// Text as it may stand in a path or query (RFC 3986, section 2.1).
pub(crate) fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

/// Milliseconds since the epoch of an RFC 3339 time.
pub(crate) fn time_of(text: &str) -> anyhow::Result<u64> {
    use time::format_description::well_known::Rfc3339;
    let at = time::OffsetDateTime::parse(text, &Rfc3339).with_context(|| {
        format!("{text:?} is no point in time; write it as 2027-03-31T23:59:59+09:00")
    })?;
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000)
        .with_context(|| format!("{text:?} lies before 1970"))
}

/// Arguments of `explain`.
#[derive(Args)]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    center: Center,
    /// Who would send: a participant number.
    #[arg(long)]
    from: u32,
    /// A service number, or an endpoint as tcp:[ADDRESS]:PORT.
    #[arg(long)]
    to: String,
}

pub(crate) fn explain(arguments: ExplainArguments) -> anyhow::Result<ExitCode> {
    if arguments.to.parse::<u32>().is_err() {
        endpoint(&arguments.to)?;
    }
    let to = percent(&arguments.to);
    arguments
        .center
        .get(&format!("/v1/explain?from={}&to={to}", arguments.from))
}

/// Arguments of `enforcement`.
#[derive(Args)]
pub(crate) struct EnforcementArguments {
    #[command(flatten)]
    center: Center,
}

pub(crate) fn enforcement(arguments: EnforcementArguments) -> anyhow::Result<ExitCode> {
    arguments.center.get("/v1/enforcement")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_read_as_a_person_writes_it() {
        assert_eq!(
            endpoint("tcp:[2001:db8::1]:443").unwrap(),
            json!({"protocol": "tcp", "address": "2001:db8::1", "port": 443})
        );
        assert!(endpoint("tcp:2001:db8::1:443").is_err());
        assert!(endpoint("tcp:[2001:db8::1]:99999").is_err());
    }

    #[test]
    fn a_time_carries_its_zone() {
        assert_eq!(time_of("1970-01-01T09:00:01+09:00").unwrap(), 1_000);
        assert!(time_of("2027-03-31").is_err());
    }
}
