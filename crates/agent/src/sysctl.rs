//! The few kernel switches of the network namespace that we stand in.

use std::path::PathBuf;

/// A switch that could not be set.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot write {value} to {path}; this takes root (CAP_NET_ADMIN) in this network namespace"
)]
pub struct SysctlError {
    path: PathBuf,
    value: &'static str,
    #[source]
    source: std::io::Error,
}

fn set(path: String, value: &'static str) -> Result<(), SysctlError> {
    let path = PathBuf::from(path);
    // Writing what is there already would ask for a right that may be missing.
    if std::fs::read_to_string(&path).is_ok_and(|now| now.trim() == value) {
        return Ok(());
    }
    std::fs::write(&path, value).map_err(|source| SysctlError {
        path,
        value,
        source,
    })
}

/// Lets the kernel pass IPv6 packets from one interface to another.
///
/// # Errors
/// When the switch cannot be set.
pub fn forward_ipv6() -> Result<(), SysctlError> {
    set("/proc/sys/net/ipv6/conf/all/forwarding".to_owned(), "1")
}

/// Has every interface that appears from now on without IPv6, until
/// [`open_interface`]: whatever comes up by itself passes nothing on.
///
/// # Errors
/// When the switch cannot be set.
pub fn close_new_interfaces() -> Result<(), SysctlError> {
    close_interface("default")
}

/// Takes IPv6 off an interface: it takes nothing and passes nothing on.
///
/// # Errors
/// When the switch cannot be set.
pub fn close_interface(name: &str) -> Result<(), SysctlError> {
    set_disable_ipv6(name, "1")
}

/// Gives an interface IPv6 again.
///
/// # Errors
/// When the switch cannot be set.
pub fn open_interface(name: &str) -> Result<(), SysctlError> {
    set_disable_ipv6(name, "0")
}

fn set_disable_ipv6(name: &str, value: &'static str) -> Result<(), SysctlError> {
    let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
    set(path, value)
}

/// Makes an interface take addresses from nobody but us: no router
/// advertisements, no redirects, IPv6 on.
///
/// # Errors
/// When a switch cannot be set.
pub fn quiet_interface(name: &str) -> Result<(), SysctlError> {
    let conf = |key: &str| format!("/proc/sys/net/ipv6/conf/{name}/{key}");
    open_interface(name)?;
    set(conf("accept_ra"), "0")?;
    set(conf("accept_redirects"), "0")
}
