//! The same vectors through the kernel: planned by the same code behind the
//! verifier, carried out by the kernel's helpers, packet by packet in test runs.

use std::path::Path;

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, MapData};
use aya::programs::{SchedClassifier, TestRun as _, TestRunOptions};
use aya::{Ebpf, VerifierLogLevel};
use iryonet_translate::native::NativeWorld;
use iryonet_translate::{Answer, Eam, Npt, Reason, Side, World as _};

use crate::cases;
use crate::encode::{Four, Six, bytes_of, seq, tcp};
use crate::file::{self, Vector, Way, read_bytes, write_answer};
use crate::judge::judge;

/// `struct __sk_buff` of linux/bpf.h: its size, and the fields used here.
const CONTEXT_BYTES: usize = 192;
const CONTEXT_NOTES: usize = 48;
const CONTEXT_GSO_SIZE: usize = 176;
/// TCX_DROP of linux/bpf.h.
const DROP: u32 = 2;
/// A test run takes what fits into a page beside the buffer's own needs.
const PACKET_MAX: usize = 3_500;

pub(crate) fn load() -> Option<Ebpf> {
    if !nix::unistd::geteuid().is_root() {
        #[allow(clippy::print_stdout, reason = "a skipped test says so")]
        {
            println!("SKIPPED: loading eBPF programs needs root (CAP_BPF, CAP_NET_ADMIN)");
        }
        return None;
    }
    let object =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/ebpf/iryonet-translate-kernel.o");
    let bytes = std::fs::read(&object).unwrap_or_else(|error| {
        panic!("{}: {error}: `cargo xtask ebpf` makes it", object.display())
    });
    let mut ebpf = aya::EbpfLoader::new()
        .verifier_log_level(VerifierLogLevel::STATS)
        .load(&bytes)
        .unwrap();
    for name in PROGRAMS {
        let program: &mut SchedClassifier = ebpf.program_mut(name).unwrap().try_into().unwrap();
        if let Err(error) = program.load() {
            let text = format!("{error:?}");
            let end = text.len().saturating_sub(6_000);
            panic!(
                "{name}: the kernel refuses it: …{}",
                &text[end..].replace("\\n", "\n")
            );
        }
    }
    Some(ebpf)
}

const PROGRAMS: [&str; 4] = ["empty", "translate", "prefix_outbound", "prefix_inbound"];

fn eam_bytes(eam: &Eam) -> [u8; 24] {
    let mut out = [0; 24];
    out[..8].copy_from_slice(&eam.v6.high.to_ne_bytes());
    out[8..16].copy_from_slice(&eam.v6.low.to_ne_bytes());
    out[16..20].copy_from_slice(&eam.v4.to_ne_bytes());
    out[20] = eam.v4_bits;
    out[21] = eam.v6_bits;
    out
}

fn settings_bytes(world: &NativeWorld) -> [u8; 96] {
    let mut out = Vec::new();
    for side in [Side::Near, Side::Far] {
        let embedding = world.embedding(side).unwrap_or_default();
        out.extend(embedding.prefix.high.to_ne_bytes());
        out.extend(embedding.prefix.low.to_ne_bytes());
        out.extend([embedding.bits, 0, 0, 0, 0, 0, 0, 0]);
    }
    for word in [
        world.mtu_v6,
        world.mtu_v4,
        world.lowest_ipv6_mtu,
        world.hop_sources.first().copied().unwrap_or(0),
        world.traffic_class.map_or(u32::MAX, u32::from),
        world.tos.map_or(u32::MAX, u32::from),
        u32::from(world.identification),
        u32::from(world.decrements),
        world.udp_zero as u32,
        u32::from(world.illegal_error_sources),
        world.hairpin as u32,
        0,
    ] {
        out.extend(word.to_ne_bytes());
    }
    out.try_into().unwrap()
}

fn npt_bytes(npt: &Npt) -> [u8; 40] {
    let mut out = Vec::new();
    for word in [
        npt.internal.high,
        npt.internal.low,
        npt.external.high,
        npt.external.low,
    ] {
        out.extend(word.to_ne_bytes());
    }
    out.extend(npt.adjustment.to_ne_bytes());
    out.extend([npt.bits, 0, 0, 0, 0, 0]);
    out.try_into().unwrap()
}

/// Puts a world into the maps.
pub(crate) fn set_world(ebpf: &mut Ebpf, world: &NativeWorld, npt: Option<Npt>) {
    let mut settings: Array<&mut MapData, [u8; 96]> =
        ebpf.map_mut("SETTINGS").unwrap().try_into().unwrap();
    settings.set(0, settings_bytes(world), 0).unwrap();
    if let Some(npt) = npt {
        let mut map: Array<&mut MapData, [u8; 40]> =
            ebpf.map_mut("NPT").unwrap().try_into().unwrap();
        map.set(0, npt_bytes(&npt), 0).unwrap();
    }
    let sides = [(Side::Near, &world.near), (Side::Far, &world.far)];
    let mut v4: LpmTrie<&mut MapData, [u8; 8], [u8; 24]> =
        ebpf.map_mut("EAMS_V4").unwrap().try_into().unwrap();
    let old: Vec<Key<[u8; 8]>> = v4.keys().map(|key| key.unwrap()).collect();
    for key in old {
        v4.remove(&key).unwrap();
    }
    for (side, mappings) in sides {
        for eam in mappings.eams() {
            let mut data = [0; 8];
            data[3] = side as u8;
            data[4..].copy_from_slice(&eam.v4.to_be_bytes());
            let key = Key::new(32 + u32::from(eam.v4_bits), data);
            v4.insert(&key, eam_bytes(eam), 0).unwrap();
        }
    }
    let mut v6: LpmTrie<&mut MapData, [u8; 20], [u8; 24]> =
        ebpf.map_mut("EAMS_V6").unwrap().try_into().unwrap();
    let old: Vec<Key<[u8; 20]>> = v6.keys().map(|key| key.unwrap()).collect();
    for key in old {
        v6.remove(&key).unwrap();
    }
    for (side, mappings) in sides {
        for eam in mappings.eams() {
            let mut data = [0; 20];
            data[3] = side as u8;
            data[4..12].copy_from_slice(&eam.v6.high.to_be_bytes());
            data[12..].copy_from_slice(&eam.v6.low.to_be_bytes());
            let key = Key::new(32 + u32::from(eam.v6_bits), data);
            v6.insert(&key, eam_bytes(eam), 0).unwrap();
        }
    }
}

/// What a program did with a packet.
struct Run {
    packet: Result<Vec<u8>, (u8, String)>,
    gso_size: u32,
}

/// One packet through one program; `gso_size` of 0 is an ordinary one.
fn run(ebpf: &Ebpf, name: &str, packet: &[u8], gso_size: u32) -> Run {
    let program: &SchedClassifier = ebpf.program(name).unwrap().try_into().unwrap();
    let ethertype: [u8; 2] = if packet.first().is_some_and(|byte| byte >> 4 == 4) {
        [0x08, 0x00]
    } else {
        [0x86, 0xdd]
    };
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(ethertype);
    frame.extend(packet);
    let mut context = [0u8; CONTEXT_BYTES];
    context[CONTEXT_GSO_SIZE..CONTEXT_GSO_SIZE + 4].copy_from_slice(&gso_size.to_ne_bytes());
    let mut context_out = [0u8; CONTEXT_BYTES];
    let mut out = vec![0u8; 65_536];
    let result = program
        .test_run(TestRunOptions {
            data_in: Some(&frame),
            data_out: Some(&mut out),
            ctx_in: Some(&context),
            ctx_out: Some(&mut context_out),
            ..TestRunOptions::default()
        })
        .unwrap_or_else(|error| panic!("{} bytes: {error:?}", packet.len()));
    let word = |at: usize| u32::from_ne_bytes(context_out[at..at + 4].try_into().unwrap());
    let packet = if result.return_value == DROP {
        let what = word(CONTEXT_NOTES + 4);
        let answer = Answer::new(
            (what >> 16) as u8,
            (what >> 8) as u8,
            what as u8,
            word(CONTEXT_NOTES + 8),
        );
        Err((word(CONTEXT_NOTES) as u8, write_answer(answer)))
    } else {
        out.truncate(result.data_size_out as usize);
        assert_eq!(out[..12], frame[..12], "the addresses of the link stay");
        let ethertype = if out[14] >> 4 == 4 {
            [0x08, 0x00]
        } else {
            [0x86, 0xdd]
        };
        assert_eq!(out[12..14], ethertype, "what is behind them is named");
        Ok(out[14..].to_vec())
    };
    Run {
        packet,
        gso_size: word(CONTEXT_GSO_SIZE),
    }
}

fn program(vector: &Vector) -> &'static str {
    match vector.way {
        Way::Translate => "translate",
        Way::Outbound => "prefix_outbound",
        Way::Inbound => "prefix_inbound",
    }
}

#[test]
fn every_vector_comes_out_of_the_kernel_as_its_file_says() {
    let Some(mut ebpf) = load() else { return };
    let worlds = file::worlds();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (file, vector) in file::all() {
        let input = read_bytes(&vector.input);
        // One packet in, one packet out; and test runs take no less than a header.
        let header = if input.first().is_some_and(|byte| byte >> 4 == 4) {
            20
        } else {
            40
        };
        if vector.out.len() > 1 || input.len() > PACKET_MAX || input.len() < header {
            continue;
        }
        count += 1;
        let world = file::world_of(&vector, &worlds);
        let npt = (vector.way != Way::Translate).then(|| worlds[&vector.world].npt());
        set_world(&mut ebpf, &world, npt);
        let got = run(&ebpf, program(&vector), &input, 0).packet;
        let right = match (&got, &vector.refused) {
            (Ok(packet), None) => *packet == read_bytes(&vector.out[0]),
            (Err((number, answer)), Some(refused)) => {
                Reason::from_number(*number).is_some_and(|reason| reason.as_str() == refused)
                    && Some(answer) == vector.answer.as_ref()
            }
            _ => false,
        };
        if !right {
            wrong.push(format!("{file}: {}: {got:02x?}", vector.name));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count >= 700, "{count}");
}

#[test]
fn a_large_segment_goes_through_the_kernel_whole() {
    let Some(mut ebpf) = load() else { return };
    let worlds = file::worlds();
    let world = NativeWorld {
        lowest_ipv6_mtu: 1500,
        ..file::world_of(&file::vector_in("siit"), &worlds)
    };
    set_world(&mut ebpf, &world, None);
    let four = Four::new(cases::HOST4, cases::HOST6_IN_4, 6);
    let six = Six::new(cases::HOST4_IN_6, cases::HOST6, 6);
    let data = seq(0, 3_000);
    let packet = bytes_of(&four.with(tcp(four.ends(), 1, 2, 0x10, &data)));
    let expected = bytes_of(&six.with(tcp(six.ends(), 1, 2, 0x10, &data)));
    // 1440 bytes of data and 60 of headers are 1500 bytes of IPv6.
    let through = run(&ebpf, "translate", &packet, 1_440);
    assert_eq!(through.packet, Ok(expected.clone()));
    assert_eq!(through.gso_size, 1_440, "its segments keep their size");
    let through = run(&ebpf, "translate", &packet, 1_441);
    assert_eq!(
        through.packet,
        Err((Reason::TooBig as u8, "icmpv4 3/4 mtu 1480".into()))
    );
    // And back, where segments are 20 bytes shorter.
    let back = run(&ebpf, "translate", &expected, 1_440);
    let packet = back.packet.unwrap();
    assert_eq!(back.gso_size, 1_440);
    assert_eq!(packet.len(), 3_040);
    assert_eq!(
        packet[6..8],
        [0x40, 0x00],
        "DF, as the segments have more than 1260 bytes"
    );
    assert_eq!(judge(&packet), Ok(()));
}
