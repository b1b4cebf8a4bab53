//! Services out of a file of descriptions (`rules/services.toml`): what is the
//! same about a service whoever runs it. Tomorrow's service is an entry there.

use super::operator::Center;
use crate::output;
use anyhow::{Context, bail};
use clap::Args;
use iryonet_agent::files;
use iryonet_domain::Acceptance;
use iryonet_rules::file::FILE_MAX_BYTES;
use iryonet_rules::shipped::SERVICES;
use iryonet_rules::{Catalogue, ServiceDescription};
use serde_json::{Value, json};
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where the descriptions are.
#[derive(Args)]
pub(crate) struct Described {
    /// A file of descriptions; the shipped one if not given.
    #[arg(long)]
    file: Option<PathBuf>,
}

/// A service out of a description.
#[derive(Args)]
pub(crate) struct RegisterDescribed {
    /// The description's name, as prescription.
    id: String,
    /// Participant number of the provider.
    #[arg(long)]
    provider: u32,
    /// An address of the provider's own at which it is reached; give several times.
    #[arg(long = "address", required = true)]
    addresses: Vec<Ipv6Addr>,
    /// The name under which it is found, as prescription.example.jp.
    #[arg(long)]
    dns: Option<String>,
    #[command(flatten)]
    described: Described,
}

/// Lists the descriptions.
pub(crate) fn list(described: &Described, json: bool) -> anyhow::Result<ExitCode> {
    let rows: Vec<Value> = read(described.file.as_deref())?
        .services
        .iter()
        .map(|one| {
            json!({"id": one.id, "name": one.name.ja, "name_en": one.name.en,
                "class": one.class.as_str(), "purposes": one.purposes,
                "stage": one.stage.as_str()})
        })
        .collect();
    output::show(&Value::Array(rows), json);
    Ok(ExitCode::SUCCESS)
}

/// Registers one as it is described.
pub(crate) fn register(center: &Center, wish: &RegisterDescribed) -> anyhow::Result<ExitCode> {
    let catalogue = read(wish.described.file.as_deref())?;
    let Some(one) = catalogue.services.iter().find(|one| one.id == wish.id) else {
        let known: Vec<&str> = catalogue
            .services
            .iter()
            .map(|one| one.id.as_str())
            .collect();
        bail!(
            "{:?} is none of the descriptions {}",
            wish.id,
            known.join(", ")
        );
    };
    center.act("/v1/services", body(one, wish))
}

fn body(one: &ServiceDescription, wish: &RegisterDescribed) -> Value {
    let endpoints: Vec<Value> = one
        .endpoints(&wish.addresses)
        .into_iter()
        .map(|endpoint| {
            json!({"protocol": endpoint.protocol, "address": endpoint.address,
                "port": endpoint.port})
        })
        .collect();
    let accepts = match &one.acceptance {
        Acceptance::ByHand => &[][..],
        Acceptance::Automatic(kinds) => kinds,
    };
    json!({
        "provider": wish.provider,
        "name": one.name.ja,
        "class": one.class,
        "purposes": one.purposes,
        "endpoints": endpoints,
        "eligible": one.kinds,
        "offer": {
            "dns": wish.dns,
            "bandwidth_kbps": one.bandwidth,
            "areas": one.areas,
            "accepts": accepts,
            "stage": one.stage,
        },
    })
}

fn read(file: Option<&Path>) -> anyhow::Result<Catalogue> {
    let Some(file) = file else {
        return Ok(Catalogue::read(SERVICES.0, SERVICES.1)?);
    };
    let shown = file.display().to_string();
    let Some(octets) = files::read_limited(file, FILE_MAX_BYTES as u64)? else {
        bail!("there is no file {shown}");
    };
    let text = String::from_utf8(octets).with_context(|| format!("{shown} is not UTF-8"))?;
    Ok(Catalogue::read(&shown, &text)?)
}
