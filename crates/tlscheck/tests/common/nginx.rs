//! Debian's nginx, started by the test and stopped with it.

use super::pki::Pki;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

pub struct Nginx {
    pub address: SocketAddr,
    child: Child,
}

/// What a server that meets guideline 4.3 says in its configuration.
pub const GOOD: &str = "
    ssl_certificate server.pem; ssl_certificate_key server.key;
    ssl_protocols TLSv1.2;
    ssl_ciphers ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256;
    ssl_prefer_server_ciphers on;
    ssl_ecdh_curve prime256v1:secp384r1;
    ssl_client_certificate root.pem; ssl_verify_client on;
    ssl_session_cache off; ssl_session_tickets off;
";

/// The good configuration with some of its lines replaced: each of `changes`
/// begins with the directive that it takes the place of.
pub fn changed(changes: &[&str]) -> String {
    let mut lines: Vec<String> = GOOD
        .split(';')
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    for change in changes {
        let directive = change.split(' ').next().unwrap();
        lines.retain(|line| line.split(' ').next() != Some(directive));
        if change.contains(' ') {
            lines.push((*change).to_owned());
        }
    }
    lines.join(";\n") + ";\n"
}

impl Nginx {
    pub fn start(pki: &Pki, server: &str) -> Self {
        Self::start_with(pki, server, "")
    }

    /// `more` are further server blocks on the same address.
    pub fn start_with(pki: &Pki, server: &str, more: &str) -> Self {
        // The kernel chooses the port, and nginx takes over the open listener
        // as on an upgrade of its binary: nobody else can get in between, and
        // there is nothing to wait for.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let more = more.replace("LISTEN", &format!("listen {address} ssl"));
        let configuration = format!(
            "daemon off; worker_processes 1; pid nginx.pid; error_log error.log; events {{}}
             http {{ access_log off; client_body_temp_path t1; proxy_temp_path t2;
               fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
               server {{ listen {address} ssl; server_name claims.example; {server}
                 location / {{ return 200 'the service'; }} }}
               {more} }}"
        );
        std::fs::write(pki.file("nginx.conf"), configuration).unwrap();
        let mut command = Command::new("nginx");
        command
            .arg("-p")
            .arg(pki.path())
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .env("NGINX", "0;")
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .expect("nginx is needed: apt-get install nginx-light");
        // A configuration that nginx refuses ends it; one that it takes makes
        // it write its number.
        let started = std::time::Instant::now();
        while !pki.file("nginx.pid").exists() {
            if child.try_wait().unwrap().is_some() || started.elapsed().as_secs() > 30 {
                let log = std::fs::read_to_string(pki.file("error.log")).unwrap_or_default();
                let _ = child.kill();
                panic!("nginx does not start: {log}");
            }
            std::thread::yield_now();
        }
        Self { address, child }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master takes its worker with it only when it is asked to stop.
        let master = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _ = nix::sys::signal::kill(master, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}
