//! Servers of other makers: openssl's own and GnuTLS's.

use super::pki::Pki;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use tokio::net::TcpSocket;

pub struct Foreign {
    pub address: SocketAddr,
    child: Child,
    /// Holds the port that GnuTLS's server was given.
    _reserved: Option<TcpSocket>,
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines are read to the end of the process, so that it never waits for us.
fn lines(stream: impl std::io::Read + Send + 'static) -> std::sync::mpsc::Receiver<String> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

/// openssl's server, which answers HTTP with a status page.
pub fn openssl(pki: &Pki, options: &[&str]) -> Foreign {
    let mut child = Command::new("openssl")
        .args(["s_server", "-accept", "127.0.0.1:0", "-www"])
        .args(["-cert", "server.pem", "-key", "server.key"])
        .args(options)
        .current_dir(pki.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is needed: apt-get install openssl");
    let lines = lines(child.stdout.take().unwrap());
    let address = loop {
        let line = lines.recv().expect("openssl s_server does not start");
        if let Some(address) = line.strip_prefix("ACCEPT ") {
            break address.parse().unwrap();
        }
    };
    Foreign {
        address,
        child,
        _reserved: None,
    }
}

/// GnuTLS's server. It takes a number of a port and tells none, so the port is
/// bound here, without listening, for as long as the server lives: with
/// SO_REUSEADDR on both that is allowed, and nobody else is given it.
pub fn gnutls(pki: &Pki, priority: &str, options: &[&str]) -> Foreign {
    let reserved = TcpSocket::new_v4().unwrap();
    reserved.set_reuseaddr(true).unwrap();
    reserved.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = reserved.local_addr().unwrap();
    let mut child = Command::new("gnutls-serv")
        .args(["--http", "--nodb", "--port", &address.port().to_string()])
        .args([
            "--x509certfile",
            "server.pem",
            "--x509keyfile",
            "server.key",
        ])
        .args(["--priority", priority])
        .args(options)
        .current_dir(pki.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("gnutls-serv is needed: apt-get install gnutls-bin");
    let lines = lines(child.stderr.take().unwrap());
    loop {
        let line = lines.recv().expect("gnutls-serv does not start");
        if line.contains("listening on IPv4") && line.contains("done") {
            break;
        }
    }
    Foreign {
        address,
        child,
        _reserved: Some(reserved),
    }
}

/// Whether GnuTLS's client, of the same version, can have a second handshake
/// with a server that knows no secure renegotiation.
pub fn renegotiates(pki: &Pki, address: SocketAddr) -> bool {
    let output = Command::new("gnutls-cli")
        .args(["--rehandshake", "--insecure"])
        .args([
            "--x509certfile",
            "client.pem",
            "--x509keyfile",
            "client.key",
        ])
        .args([
            "--priority",
            "NORMAL:-VERS-ALL:+VERS-TLS1.2:%DISABLE_SAFE_RENEGOTIATION",
        ])
        .args(["--port", &address.port().to_string()])
        .arg(address.ip().to_string())
        .current_dir(pki.path())
        .stdin(Stdio::null())
        .output()
        .expect("gnutls-cli is needed: apt-get install gnutls-bin");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("- Description: (TLS1.2"), "{said}");
    said.contains("ReHandshake was completed")
}
