//! The files that a region's processes read: configurations as an operator
//! would write them, and the pages that its LAN hosts serve.

use crate::error::PilotError;
use crate::plan::{
    self, CENTER_DEVICE_PORT, CENTER_NAME, CENTER_PUBLIC_PORT, GATEWAY_LINK_LOCAL, Plan,
};
use crate::region::{Gateway, Site};
use serde::Serialize;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::path::{Path, PathBuf};

/// Bytes of the file whose download is cut when a certificate is revoked. It
/// is sparse: it takes no room. At the speed of a cable between namespaces it
/// lasts for more than a minute.
pub(crate) const LARGE_FILE_BYTES: u64 = 256 << 30;

/// Its name.
pub(crate) const LARGE_FILE: &str = "large";

#[derive(Serialize)]
struct CenterFile {
    name: &'static str,
    network: String,
    data_dir: PathBuf,
    issuing_dir: PathBuf,
    root_certificate: PathBuf,
    operator_socket: PathBuf,
    public_listen: SocketAddrV6,
    device_listen: SocketAddrV6,
}

#[derive(Serialize)]
struct GatewayFile {
    name: String,
    state_dir: PathBuf,
    pin_dir: PathBuf,
    control_socket: PathBuf,
    center_device: SocketAddrV6,
    center_public: SocketAddrV6,
    center_name: &'static str,
    root_certificate: PathBuf,
    backbone_interface: &'static str,
    link_local: &'static str,
    flows_max: u32,
    participants_max: u32,
    grants_max: u32,
    endpoints_max: u32,
    lines_max: u32,
    attach_connections_max: u32,
}

#[derive(Serialize)]
struct SiteFile {
    state_dir: PathBuf,
    line_interface: &'static str,
    lan_interface: &'static str,
    gateway_link_local: &'static str,
    root_certificate: PathBuf,
    center_name: &'static str,
}

fn on_backbone(address: Ipv6Addr, port: u16) -> SocketAddrV6 {
    SocketAddrV6::new(address, port, 0, 0)
}

/// Makes a directory and those above it.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_dir(path: &Path) -> Result<(), PilotError> {
    std::fs::create_dir_all(path).map_err(PilotError::io("could not make the directory", path))
}

/// Writes a file.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), PilotError> {
    std::fs::write(path, text).map_err(PilotError::io("could not write the file", path))
}

fn write_toml(path: &Path, table: &impl Serialize) -> Result<(), PilotError> {
    let text = toml::to_string(table).map_err(|error| {
        PilotError::io("could not write the file", path)(std::io::Error::other(error))
    })?;
    write(path, &text)
}

/// The center's configuration; returns its path.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn center(plan: &Plan) -> Result<PathBuf, PilotError> {
    let home = plan.home("center");
    make_dir(&home)?;
    let path = center_config(plan);
    write_toml(
        &path,
        &CenterFile {
            name: CENTER_NAME,
            network: plan.region().network.to_string(),
            data_dir: home.join("data"),
            issuing_dir: plan.path("issuing"),
            root_certificate: plan.root_certificate(),
            operator_socket: plan.operator_socket(),
            public_listen: on_backbone(plan.center_address(), CENTER_PUBLIC_PORT),
            device_listen: on_backbone(plan.center_address(), CENTER_DEVICE_PORT),
        },
    )?;
    make_dir(&home.join("data"))?;
    Ok(path)
}

/// Where the center's configuration is.
pub(crate) fn center_config(plan: &Plan) -> PathBuf {
    plan.home("center").join("center.toml")
}

/// A gateway's configuration; returns its path.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn gateway(plan: &Plan, gateway: &Gateway) -> Result<PathBuf, PilotError> {
    let name = gateway.id.as_str();
    let home = plan.home(name);
    make_dir(&home.join("state"))?;
    let path = gateway_config(plan, name);
    write_toml(
        &path,
        &GatewayFile {
            name: name.to_owned(),
            state_dir: home.join("state"),
            pin_dir: plan.pin_dir(name),
            control_socket: home.join("control.sock"),
            center_device: on_backbone(plan.center_address(), CENTER_DEVICE_PORT),
            center_public: on_backbone(plan.center_address(), CENTER_PUBLIC_PORT),
            center_name: CENTER_NAME,
            root_certificate: plan.root_certificate(),
            backbone_interface: plan::BACKBONE_INTERFACE,
            link_local: GATEWAY_LINK_LOCAL,
            // A region is small; so are its tables.
            flows_max: 65_536,
            participants_max: 8_192,
            grants_max: 16_384,
            endpoints_max: 4_096,
            lines_max: 256,
            attach_connections_max: 512,
        },
    )?;
    Ok(path)
}

/// Where a gateway's configuration is.
pub(crate) fn gateway_config(plan: &Plan, name: &str) -> PathBuf {
    plan.home(name).join("gateway.toml")
}

/// A site's configuration with this state directory; returns its path.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn site(plan: &Plan, path: &Path, state_dir: &Path) -> Result<(), PilotError> {
    make_dir(state_dir)?;
    write_toml(
        path,
        &SiteFile {
            state_dir: state_dir.to_owned(),
            line_interface: plan::LINE_INTERFACE,
            lan_interface: plan::LAN_INTERFACE,
            gateway_link_local: GATEWAY_LINK_LOCAL,
            root_certificate: plan.root_certificate(),
            center_name: CENTER_NAME,
        },
    )
}

/// Where a site's configuration is.
pub(crate) fn site_config(plan: &Plan, key: &str) -> PathBuf {
    plan.home(key).join("site.toml")
}

/// Where a site's agent keeps its key and certificate.
pub(crate) fn site_state(plan: &Plan, key: &str) -> PathBuf {
    plan.home(key).join("state")
}

/// The web server of a LAN host: its configuration and pages; returns the
/// configuration's path.
///
/// # Errors
/// When they cannot be written.
pub(crate) fn web(plan: &Plan, site: &Site, address: Ipv6Addr) -> Result<PathBuf, PilotError> {
    let home = plan.home(&site.key).join("web");
    let pages = home.join("pages");
    make_dir(&pages)?;
    write(&pages.join("index.html"), &page(site))?;
    let large = pages.join(LARGE_FILE);
    std::fs::File::create(&large)
        .and_then(|file| file.set_len(LARGE_FILE_BYTES))
        .map_err(PilotError::io("could not make the large file", large))?;
    let listens: String = plan
        .served_ports(site)
        .into_iter()
        .map(|port| format!("    listen [{address}]:{port};\n"))
        .collect();
    let shown = home.display();
    let config = home.join("nginx.conf");
    write(
        &config,
        &format!(
            "daemon off;\nuser root;\nworker_processes 1;\npid {shown}/nginx.pid;\nerror_log stderr warn;\n\
             events {{ worker_connections 256; }}\n\
             http {{\n  access_log {shown}/access.log;\n  client_body_temp_path {shown}/body;\n  proxy_temp_path {shown}/proxy;\n\
             \x20 fastcgi_temp_path {shown}/fastcgi;\n  uwsgi_temp_path {shown}/uwsgi;\n  scgi_temp_path {shown}/scgi;\n\
             \x20 default_type 'text/html; charset=utf-8';\n  sendfile on;\n\
             \x20 server {{\n{listens}    root {pages};\n  }}\n}}\n",
            pages = pages.display(),
        ),
    )?;
    Ok(config)
}

/// What the page of a site says, and no other page does.
pub(crate) fn mark(site: &Site) -> String {
    format!("iryonet-pilot-page:{}", site.key)
}

fn page(site: &Site) -> String {
    format!(
        "<!doctype html><meta charset=utf-8><title>{name}</title>\n<h1>{name}</h1><p>{name_en}</p>\n<p>{mark}</p>\n",
        name = site.name,
        name_en = site.name_en,
        mark = mark(site),
    )
}
