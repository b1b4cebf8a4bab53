//! What the pinned datapath promises: it outlives its process, a new process
//! takes over without a moment unfiltered, and what is taken away is gone at
//! once. With the real kernel, in namespaces of the test's own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops at the first surprise, and tells what it did"
)]

#[path = "differential/packets.rs"]
#[allow(dead_code, reason = "the other test uses the rest")]
mod packets;

use std::net::Ipv6Addr;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use iryonet_agent::sysctl;
use iryonet_gateway::datapath::{
    Binding, Changes, Config, Datapath, DatapathError, Opened, ParticipantState, monotonic_ns,
    remove_pins,
};
use iryonet_verdict::address::site_prefix;
use iryonet_verdict::{DenyReason, Hook};
use nix::mount::MsFlags;
use nix::sched::CloneFlags;

use packets::Tuple;

const NETWORK: u32 = 0x2001_0db8;
const LIVE: ParticipantState = ParticipantState::Live;

/// A folder with a bpffs and a network namespace that only this thread sees.
struct Place {
    folder: tempfile::TempDir,
    line: u32,
}

impl Place {
    fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            println!("SKIPPED: the datapath needs root (CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN)");
            return None;
        }
        nix::sched::unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).unwrap();
        let none = None::<&str>;
        nix::mount::mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let folder = tempfile::tempdir().unwrap();
        nix::mount::mount(
            Some("bpf"),
            folder.path(),
            Some("bpf"),
            MsFlags::empty(),
            none,
        )
        .unwrap();
        for command in [
            "link add line0 type veth peer name site0",
            "link set line0 up",
            "link set site0 up",
        ] {
            let status = Command::new("ip")
                .args(command.split(' '))
                .status()
                .unwrap();
            assert!(status.success(), "ip {command}");
        }
        let line = nix::net::if_::if_nametoindex("line0").unwrap();
        Some(Self { folder, line })
    }

    fn config(&self) -> Config {
        Config {
            pin_dir: self.pins(),
            flows_max: 1024,
            participants_max: 128,
            grants_max: 256,
            endpoints_max: 64,
            lines_max: 16,
            ..Config::default()
        }
    }

    fn pins(&self) -> PathBuf {
        self.folder.path().join("gateway")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = remove_pins(&self.pins());
        let _ = nix::mount::umount2(self.folder.path(), nix::mount::MntFlags::MNT_DETACH);
    }
}

fn address(participant: u32, host: u64) -> u128 {
    u128::from(site_prefix(NETWORK, participant, 0)) << 64 | u128::from(host)
}

fn frame(tuple: Tuple, flags: u8) -> Vec<u8> {
    let segment = packets::tcp(tuple.source_port, tuple.destination_port, flags, 20);
    let packet = packets::ipv6(tuple.source, tuple.destination, 6, 64, &segment);
    packets::ethernet(0x86dd, &packet)
}

/// Participant 1 at the line, participant 2's web service, an agreement.
fn small_policy(datapath: &mut Datapath, line: u32) -> Tuple {
    let server = address(2, 1);
    datapath
        .reconcile(
            [(1, LIVE, 1), (2, LIVE, 1)].into_iter(),
            [(1, 7)].into_iter(),
            [(Ipv6Addr::from(server), 6, 443, 7)].into_iter(),
        )
        .unwrap();
    let binding = Binding {
        participant: 1,
        prefix: site_prefix(NETWORK, 1, 0),
        lease_expires_ns: monotonic_ns() + 3_600_000_000_000,
    };
    datapath.bind(line, binding).unwrap();
    Tuple {
        source: address(1, 1),
        destination: server,
        protocol: 6,
        source_port: 5000,
        destination_port: 443,
    }
}

fn reason(datapath: &Datapath, hook: Hook, line: u32, frame: &[u8]) -> Option<DenyReason> {
    let run = datapath.test_run(hook, line, frame, 1).unwrap();
    assert_eq!(run.passed, run.reason.is_none());
    run.reason
}

#[test]
fn a_grant_taken_back_ends_conversations_in_force_and_each_denial_has_its_reason() {
    let Some(place) = Place::new() else { return };
    let line = place.line;
    let mut datapath = Datapath::open_unpinned(&place.config()).unwrap();
    let there = small_policy(&mut datapath, line);
    let open = frame(there, 0x02);
    let answer = frame(there.swapped(), 0x12);

    assert_eq!(
        reason(&datapath, Hook::LineOut, line, &answer),
        Some(DenyReason::NoSuchService)
    );
    assert_eq!(reason(&datapath, Hook::LineIn, line, &open), None);
    assert_eq!(reason(&datapath, Hook::LineOut, line, &answer), None);

    assert!(datapath.remove_grant(1, 7).unwrap());
    for (hook, packet) in [(Hook::LineOut, &answer), (Hook::LineIn, &open)] {
        assert_eq!(
            reason(&datapath, hook, line, packet),
            Some(DenyReason::NoAgreement)
        );
    }
    datapath.set_grant(1, 7).unwrap();
    assert_eq!(reason(&datapath, Hook::LineIn, line, &open), None);

    datapath
        .set_participant(2, ParticipantState::Quarantined, 2)
        .unwrap();
    assert_eq!(
        reason(&datapath, Hook::LineIn, line, &open),
        Some(DenyReason::PeerNotLive)
    );
    assert_eq!(
        reason(&datapath, Hook::LineOut, line, &answer),
        Some(DenyReason::Quarantined)
    );
    datapath.set_participant(2, LIVE, 3).unwrap();

    let server = Ipv6Addr::from(there.destination);
    datapath.set_endpoint(server, 17, 53, 8).unwrap();
    assert!(datapath.remove_endpoint(server, 6, 443).unwrap());
    assert_eq!(
        reason(&datapath, Hook::LineIn, line, &open),
        Some(DenyReason::PortNotInService)
    );
    assert!(datapath.remove_endpoint(server, 17, 53).unwrap());
    assert_eq!(
        reason(&datapath, Hook::LineIn, line, &open),
        Some(DenyReason::NoSuchService)
    );

    assert!(datapath.unbind(line).unwrap());
    assert_eq!(
        reason(&datapath, Hook::LineIn, line, &open),
        Some(DenyReason::NotAttached)
    );
    let binding = Binding {
        participant: 1,
        prefix: site_prefix(NETWORK, 1, 0),
        // The programs' clock is late by up to a tick.
        lease_expires_ns: monotonic_ns() - 100_000_000,
    };
    datapath.bind(line, binding).unwrap();
    assert_eq!(
        reason(&datapath, Hook::LineIn, line, &open),
        Some(DenyReason::LeaseExpired)
    );
    datapath
        .renew(line, monotonic_ns() + 60_000_000_000)
        .unwrap();
    assert_eq!(
        reason(&datapath, Hook::LineIn, line, &open),
        Some(DenyReason::NoSuchService)
    );

    let drops = datapath.drops().unwrap();
    let packets = |reason| {
        drops
            .iter()
            .filter(|d| d.reason == reason && d.ifindex == line)
            .map(|d| d.packets)
            .sum::<u64>()
    };
    assert_eq!(
        [2u64, 1, 1],
        [
            packets(DenyReason::NoAgreement),
            packets(DenyReason::NotAttached),
            packets(DenyReason::PortNotInService)
        ]
    );
    let newest = datapath.recent_denials(1).unwrap();
    assert_eq!(newest[0].reason, DenyReason::NoSuchService);
    assert_eq!(u128::from(newest[0].source), there.source);
    assert_eq!(
        (newest[0].source_port, newest[0].destination_port),
        (5000, 443)
    );
}

#[test]
fn what_cannot_be_is_refused_with_what_would_be_right() {
    let Some(place) = Place::new() else { return };
    let mut datapath = Datapath::open_unpinned(&place.config()).unwrap();
    let outside = "2001:db9::1".parse().unwrap();
    assert!(matches!(
        datapath.set_endpoint(outside, 6, 443, 1),
        Err(DatapathError::EndpointAddress { .. })
    ));
    let inside = Ipv6Addr::from(address(3, 1));
    for (protocol, port) in [(6, 0), (58, 1), (50, 0)] {
        let refused = datapath.set_endpoint(inside, protocol, port, 1);
        assert!(
            matches!(refused, Err(DatapathError::EndpointPort { .. })),
            "{protocol}/{port}"
        );
    }
    assert!(matches!(
        datapath.set_base_service(inside, 17, 53),
        Err(DatapathError::BaseAddress { .. })
    ));
    let binding = |participant, owner| Binding {
        participant,
        prefix: site_prefix(NETWORK, owner, 0),
        lease_expires_ns: u64::MAX,
    };
    assert!(matches!(
        datapath.bind(place.line, binding(1, 2)),
        Err(DatapathError::PrefixNotOwned { participant: 1, .. })
    ));
    datapath.bind(place.line, binding(1, 1)).unwrap();
    assert!(matches!(
        datapath.bind(place.line + 1, binding(1, 1)),
        Err(DatapathError::PrefixBound { .. })
    ));
    for number in 1..=128 {
        datapath.set_participant(number, LIVE, 1).unwrap();
    }
    let full = datapath
        .set_participant(129, LIVE, 1)
        .unwrap_err()
        .to_string();
    assert!(full.contains("128 of 128"), "{full}");
    let elsewhere = Config {
        pin_dir: "/tmp/not-a-bpffs/x".into(),
        ..place.config()
    };
    let refused = Datapath::open(&elsewhere).unwrap_err().to_string();
    assert!(refused.contains("mount -t bpf"), "{refused}");
    let absurd = Config {
        network_len: 48,
        ..place.config()
    };
    assert!(
        Datapath::open(&absurd)
            .unwrap_err()
            .to_string()
            .contains("network_len")
    );
}

#[test]
fn a_gateway_that_dies_leaves_enforcement_and_the_next_one_takes_over() {
    let Some(place) = Place::new() else { return };
    let config = place.config();
    let (mut first, opened) = Datapath::open(&config).unwrap();
    assert_eq!(opened, Opened::Fresh);
    first.attach_line(place.line, "line0").unwrap();
    first.attach_line(place.line, "line0").unwrap();
    let there = small_policy(&mut first, place.line);
    let site = Sender::new("site0");
    site.send(&frame(there, 0x02));
    eventually("the granted packet passes", || {
        first.line_counters(place.line).unwrap().in_packets == 1
    });
    drop(first);

    // Nobody is there, and a spoofed packet is refused all the same.
    let spoofed = frame(
        Tuple {
            source: address(9, 1),
            ..there
        },
        0x02,
    );
    site.send(&spoofed);
    let (mut second, opened) = Datapath::open(&config).unwrap();
    let Opened::Adopted {
        participants,
        grants,
        endpoints,
        bindings,
        lines,
        ..
    } = opened
    else {
        panic!("{opened:?}");
    };
    assert_eq!((participants, grants, endpoints), (2, 1, 1));
    assert_eq!(bindings[&place.line].participant, 1);
    assert_eq!(lines, [place.line]);
    eventually("the spoofed packet was counted", || {
        second
            .reason_totals()
            .unwrap()
            .iter()
            .any(|total| (total.reason, total.packets) == (DenyReason::SpoofedSource, 1))
    });
    // The conversation is known, and its answer comes back.
    let answer = frame(there.swapped(), 0x12);
    assert_eq!(reason(&second, Hook::LineOut, place.line, &answer), None);
    // The same snapshot again changes nothing; without the endpoint, that goes.
    let same = second
        .reconcile(
            [(1, LIVE, 1), (2, LIVE, 1)].into_iter(),
            [(1, 7)].into_iter(),
            [(Ipv6Addr::from(there.destination), 6, 443, 7)].into_iter(),
        )
        .unwrap();
    assert_eq!(same, Changes::default());
    assert_eq!(reason(&second, Hook::LineOut, place.line, &answer), None);
    let gone = second
        .reconcile(
            [(1, LIVE, 1), (2, LIVE, 1)].into_iter(),
            [(1, 7)].into_iter(),
            [].into_iter(),
        )
        .unwrap();
    assert_eq!(gone.endpoints_removed, 1);
    assert_eq!(
        reason(&second, Hook::LineOut, place.line, &answer),
        Some(DenyReason::NoSuchService)
    );
    drop(second);

    // Tables of another size are not adopted; the line stays shut meanwhile.
    let larger = Config {
        grants_max: 512,
        ..config.clone()
    };
    let (third, opened) = Datapath::open(&larger).unwrap();
    let Opened::Replaced { why, lines, .. } = opened else {
        panic!("{opened:?}")
    };
    assert!(why.contains("grants_max"), "{why}");
    assert_eq!(lines, [place.line]);
    site.send(&frame(there, 0x02));
    eventually("the packet is refused", || {
        third.unbound_counters().unwrap().in_denied == 1
    });
    drop(third);

    remove_pins(&config.pin_dir).unwrap();
    assert!(!Path::new(&config.pin_dir).exists());
    // The kernel lets go of a link some time after its last name is gone.
    eventually("nothing is left at the interface", || {
        programs_at("line0") == 0
    });
}

#[test]
fn no_packet_gets_by_while_one_gateway_process_takes_over_from_another() {
    let Some(place) = Place::new() else { return };
    let config = place.config();
    let (mut first, _) = Datapath::open(&config).unwrap();
    first.attach_line(place.line, "line0").unwrap();
    let site = Sender::new("site0");
    let packet = frame(
        Tuple {
            source: address(1, 1),
            destination: address(2, 1),
            protocol: 6,
            source_port: 1,
            destination_port: 2,
        },
        2,
    );
    // Whatever the interfaces say by themselves comes on top: count by reason.
    let refused = || {
        let totals = first.reason_totals().unwrap();
        totals
            .iter()
            .find(|t| t.reason == DenyReason::NotAttached)
            .map_or(0, |t| t.packets)
    };
    let stop = AtomicBool::new(false);
    let mut sent = 0;
    std::thread::scope(|scope| {
        let taking_over = scope.spawn(|| {
            // A thread made by this one is in the same namespaces.
            for _ in 0..8 {
                let (_, opened) = Datapath::open(&config).unwrap();
                assert!(matches!(opened, Opened::Adopted { .. }), "{opened:?}");
            }
            stop.store(true, Ordering::Relaxed);
        });
        while !stop.load(Ordering::Relaxed) && !taking_over.is_finished() {
            for _ in 0..100 {
                site.send(&packet);
            }
            sent += 100;
            eventually("every packet sent was refused", || refused() == sent);
        }
    });
    assert!(sent >= 1000, "only {sent} packets were sent meanwhile");
    assert_eq!(programs_at("line0"), 2, "one for each direction");
}

fn programs_at(interface: &str) -> usize {
    use aya::programs::{SchedClassifier, TcAttachType};
    [TcAttachType::Ingress, TcAttachType::Egress]
        .into_iter()
        .map(|direction| {
            SchedClassifier::query_tcx(interface, direction)
                .unwrap()
                .1
                .len()
        })
        .sum()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Sends frames out of an interface as they are.
struct Sender(std::os::fd::OwnedFd);

impl Sender {
    fn new(interface: &str) -> Self {
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
        let fd = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::empty(),
            None,
        )
        .unwrap();
        let index = nix::net::if_::if_nametoindex(interface).unwrap();
        // SAFETY: plain integers, all zero is valid.
        #[allow(unsafe_code, reason = "nix has no way to make a packet address")]
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex = index as i32;
        #[allow(unsafe_code, reason = "nix cannot bind a packet socket")]
        // SAFETY: the address lives through the call and its length is right.
        let failed = unsafe {
            libc::bind(
                fd.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as u32,
            )
        };
        assert_eq!(failed, 0);
        Self(fd)
    }

    fn send(&self, frame: &[u8]) {
        assert_eq!(nix::unistd::write(&self.0, frame).unwrap(), frame.len());
    }
}

fn ip(commands: &[&str]) {
    for command in commands {
        let status = Command::new("ip").args(command.split(' ')).status();
        assert!(status.unwrap().success(), "ip {command}");
    }
}

/// Packets that the kernel has forwarded in this thread's namespace.
fn forwarded() -> u64 {
    let counters = std::fs::read_to_string("/proc/thread-self/net/snmp6").unwrap();
    let line = counters
        .lines()
        .find_map(|line| line.strip_prefix("Ip6OutForwDatagrams"));
    line.unwrap().trim().parse().unwrap()
}

/// What the thread of the sites is told.
enum Told {
    /// The other end of this circuit is there.
    Circuit(u32),
    /// Send so many packets through `s2`, and one through `s1` after them.
    Send(u32),
}

/// Two sites in a namespace of their own: `s1` and `s2`, behind `c1` and `c2`.
/// Says its thread's number first, then each circuit when it is ready.
fn sites(told: std::sync::mpsc::Receiver<Told>, ready: std::sync::mpsc::Sender<i32>) {
    nix::sched::unshare(CloneFlags::CLONE_NEWNET).unwrap();
    ready.send(nix::unistd::gettid().as_raw()).unwrap();
    let send = |site: u32, count: u32| {
        let from: Ipv6Addr = format!("2001:db8:0:10{site}::1").parse().unwrap();
        let to: Ipv6Addr = format!("2001:db8:0:200::{site}").parse().unwrap();
        let socket = std::net::UdpSocket::bind((from, 0)).unwrap();
        for _ in 0..count {
            socket.send_to(b"in", (to, 9)).unwrap();
        }
    };
    for told in told {
        match told {
            Told::Circuit(site) => {
                ip(&[
                    &format!("link set s{site} up"),
                    &format!("-6 address add 2001:db8:0:10{site}::1/64 dev s{site} nodad"),
                    &format!("-6 neighbour add fe80::99 lladdr 02:00:00:00:00:0{site} dev s{site}"),
                    &format!("-6 route add 2001:db8:0:200::{site} via fe80::99 dev s{site}"),
                ]);
                ready.send(0).unwrap();
            }
            Told::Send(count) => {
                send(2, count);
                send(1, 1);
            }
        }
    }
}

#[test]
fn a_circuit_that_comes_up_by_itself_passes_nothing_on_before_it_has_its_programs() {
    let Some(place) = Place::new() else { return };
    let mut datapath = Datapath::open_unpinned(&place.config()).unwrap();
    ip(&[
        "link add back0 type veth peer name far0",
        "link set back0 up",
        "link set far0 up",
        "-6 route add 2001:db8:0:200::/64 dev back0",
        "-6 neighbour add 2001:db8:0:200::1 lladdr 02:00:00:00:00:09 dev back0",
        "-6 neighbour add 2001:db8:0:200::2 lladdr 02:00:00:00:00:09 dev back0",
    ]);
    sysctl::forward_ipv6().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let (ready, answers) = std::sync::mpsc::channel();
    let sites = std::thread::spawn(move || sites(told, ready));
    let thread = answers.recv().unwrap();
    let circuit = |number: u32| {
        ip(&[
            &format!(
                "link add c{number} address 02:00:00:00:00:0{number} type veth peer name s{number}"
            ),
            &format!("link set c{number} up"),
            &format!("link set s{number} netns {thread}"),
        ]);
        tell.send(Told::Circuit(number)).unwrap();
        answers.recv().unwrap();
    };
    // One that was there before: nothing holds it back, and so it shows when
    // everything that was sent before has been dealt with.
    circuit(1);
    let mut before = forwarded();
    let mut passed = |count| {
        tell.send(Told::Send(count)).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while forwarded() == before {
            assert!(Instant::now() < deadline, "nothing is forwarded at all");
            std::thread::yield_now();
        }
        let more = forwarded() - before;
        before += more;
        more
    };
    sysctl::close_new_interfaces().unwrap();
    circuit(2);
    assert_eq!(passed(50), 1, "the second circuit passes something on");

    // Taken: the programs first, then IPv6.
    let line = nix::net::if_::if_nametoindex("c2").unwrap();
    datapath.attach_line(line, "c2").unwrap();
    sysctl::quiet_interface("c2").unwrap();
    assert_eq!(passed(50), 1);
    let refused = |datapath: &Datapath| {
        let drops = datapath.drops().unwrap();
        let ours = drops.iter().filter(|drop| drop.ifindex == line);
        let ours = ours.filter(|drop| drop.reason == DenyReason::NotAttached);
        ours.map(|drop| drop.packets).sum::<u64>()
    };
    assert_eq!(refused(&datapath), 50, "now each has its reason");
    drop(tell);
    sites.join().unwrap();
}
