//! The sites' side: one attach session per line, held by one thread in the
//! sites' namespace. The same conversation as the agent's; no LAN is set up,
//! since no packet of a LAN is sent.

use super::RevokeError;
use super::country::Clinic;
use super::region::{self, Region};
use iryonet_agent::frames;
use iryonet_tls::{
    Clock, Connector, Expect, HandshakeLimits, LocalIdentity, Profile, TrustRoots, client_config,
};
use iryonet_wire::attach::{ATTACH_PORT, FromDevice, FromGateway, VERSION};
use std::net::SocketAddrV6;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// The sessions, held until this is dropped.
pub(crate) struct Sessions {
    _end: oneshot::Sender<()>,
}

impl Sessions {
    /// Attaches every clinic and the provider.
    pub(crate) fn attach(
        region: &Region,
        clinics: &[Clinic],
        provider: &Clinic,
    ) -> Result<Self, RevokeError> {
        let failed = |error: &dyn std::fmt::Display| RevokeError::Region(error.to_string());
        let root = region.root_pem()?;
        let mut devices = Vec::new();
        for clinic in clinics {
            devices.push((connector(&root, clinic)?, region::site_port(clinic.index)));
        }
        devices.push((
            connector(&root, provider)?,
            region::PROVIDER_PORT.to_owned(),
        ));
        let (end, ended) = oneshot::channel();
        let entered = region.namespace_file("s");
        let (ready, is_ready) = std::sync::mpsc::channel();
        std::thread::Builder::new()
            .name("sites".to_owned())
            .spawn(move || {
                let held = hold(&entered, devices, ended, &ready);
                if let Err(error) = held {
                    let _ = ready.send(Err(error));
                }
            })
            .map_err(|e| failed(&e))?;
        is_ready
            .recv_timeout(Duration::from_secs(120))
            .map_err(|_| {
                RevokeError::Region("the sites did not attach within 120 s".to_owned())
            })??;
        Ok(Self { _end: end })
    }
}

fn connector(root: &[u8], clinic: &Clinic) -> Result<Connector, RevokeError> {
    let failed = |error: iryonet_tls::ConfigError| RevokeError::Region(error.to_string());
    let identity = LocalIdentity::from_pem(clinic.chain_pem.as_bytes(), clinic.key_pem.as_bytes())
        .map_err(failed)?;
    let roots = TrustRoots::from_pem(root).map_err(failed)?;
    client_config(
        Profile::Guideline43,
        &identity,
        roots,
        Expect::Gateway(None),
        Clock::system(),
    )
    .map_err(failed)
}

type Ready = std::sync::mpsc::Sender<Result<(), RevokeError>>;

fn hold(
    namespace: &std::path::Path,
    devices: Vec<(Connector, String)>,
    ended: oneshot::Receiver<()>,
    ready: &Ready,
) -> Result<(), RevokeError> {
    crate::lab::enter_file(namespace)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| RevokeError::Region(error.to_string()))?;
    runtime.block_on(async {
        let mut sessions = JoinSet::new();
        for (connector, port) in devices {
            let session = attach(&connector, &port).await?;
            sessions.spawn(session);
        }
        let _ = ready.send(Ok(()));
        // Ends when the other half is dropped.
        let _ = ended.await;
        sessions.abort_all();
        Ok(())
    })
}

/// Attaches one line; the future that comes back keeps the lease.
async fn attach(
    connector: &Connector,
    port: &str,
) -> Result<impl Future<Output = ()> + Send + 'static, RevokeError> {
    let failed = |what: &str| RevokeError::Region(format!("{port}: {what}"));
    let scope = nix::net::if_::if_nametoindex(port).map_err(|e| failed(&e.to_string()))?;
    let address = SocketAddrV6::new(region::GATEWAY_LINK_LOCAL, ATTACH_PORT, 0, scope);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    // The gateway opens its listeners as the lines arrive with its policy.
    let stream = loop {
        match TcpStream::connect(address).await {
            Ok(stream) => break stream,
            Err(error) if tokio::time::Instant::now() > deadline => {
                return Err(failed(&error.to_string()));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let (mut stream, _) = connector
        .connect(stream, &HandshakeLimits::default())
        .await
        .map_err(|error| failed(&error.to_string()))?;
    let hello = FromDevice::Hello {
        version: VERSION,
        agent: "iryonet bench".to_owned(),
    };
    frames::write(&mut stream, &hello)
        .await
        .map_err(|e| failed(&e.to_string()))?;
    let answer: FromGateway = frames::read(&mut stream)
        .await
        .map_err(|e| failed(&e.to_string()))?;
    let FromGateway::Bound { renew_ms, .. } = answer else {
        return Err(failed(&format!("not bound: {answer:?}")));
    };
    Ok(async move {
        let mut sequence = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(u64::from(renew_ms))).await;
            sequence += 1;
            if frames::write(&mut stream, &FromDevice::Renew { sequence })
                .await
                .is_err()
            {
                return;
            }
            match frames::read(&mut stream).await {
                Ok(FromGateway::Renewed { .. }) => {}
                _ => return,
            }
        }
    })
}
