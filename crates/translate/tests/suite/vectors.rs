//! The vectors, byte by byte, and that they are what they say they are.

use std::collections::BTreeSet;

use iryonet_translate::native::{carry_out, translate};
use iryonet_translate::{Plan, Reason, plan_prefix};

use crate::cases;
use crate::file::{self, Vector, Way, read_bytes, write_answer};
use crate::judge::{judge, reassemble};

/// What the crate makes of a vector's packet.
fn outcome(vector: &Vector, packet: &[u8]) -> Result<Vec<Vec<u8>>, (Reason, String)> {
    let worlds = file::worlds();
    let world = file::world_of(vector, &worlds);
    let npt_way = match vector.way {
        Way::Translate => {
            return translate(&world, packet)
                .map_err(|(reason, answer)| (reason, write_answer(answer)));
        }
        Way::Outbound => iryonet_translate::Way::Outbound,
        Way::Inbound => iryonet_translate::Way::Inbound,
    };
    let npt = worlds[&vector.world].npt();
    let mut plan = Plan::EMPTY;
    match plan_prefix(&npt, npt_way, world.decrements, packet, &mut plan) {
        Ok(()) => Ok(carry_out(&plan, packet)),
        Err(reason) => Err((reason, write_answer(plan.answer))),
    }
}

#[test]
fn every_vector_comes_out_as_its_file_says() {
    let mut wrong = Vec::new();
    for (file, vector) in file::all() {
        let input = read_bytes(&vector.input);
        let expected: Vec<Vec<u8>> = vector.out.iter().map(|out| read_bytes(out)).collect();
        let got = outcome(&vector, &input);
        let right = match (&got, &vector.refused) {
            (Ok(packets), None) => *packets == expected,
            (Err((reason, answer)), Some(refused)) => {
                reason.as_str() == refused && Some(answer) == vector.answer.as_ref()
            }
            _ => false,
        };
        if !right {
            let got = match got {
                Ok(packets) => packets
                    .iter()
                    .map(|packet| hex(packet))
                    .collect::<Vec<_>>()
                    .join("\n       "),
                Err((reason, answer)) => format!("refused: {reason}, answer {answer}"),
            };
            let expected: Vec<String> = expected.iter().map(|packet| hex(packet)).collect();
            wrong.push(format!(
                "{file}: {}\n  says {}\n  got  {got}\n  want {} {:?} {:?}",
                vector.name,
                vector.says,
                expected.join("\n       "),
                vector.refused,
                vector.answer,
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn hex(bytes: &[u8]) -> String {
    let shown: String = bytes
        .iter()
        .take(120)
        .enumerate()
        .map(|(index, byte)| {
            let gap = if index % 4 == 0 && index != 0 {
                " "
            } else {
                ""
            };
            format!("{gap}{byte:02x}")
        })
        .collect();
    format!("[{}] {shown}", bytes.len())
}

#[test]
fn there_are_at_least_300_vectors_each_with_its_own_name() {
    let all = file::all();
    let names: BTreeSet<&str> = all.iter().map(|(_, vector)| vector.name.as_str()).collect();
    assert_eq!(names.len(), all.len(), "a name twice");
    assert!(all.len() >= 300, "{}", all.len());
    for (file, vector) in &all {
        assert!(
            vector.out.is_empty() == vector.refused.is_some()
                && vector.refused.is_some() == vector.answer.is_some(),
            "{file}: {}: either packets, or a reason and an answer",
            vector.name
        );
        if let Some(refused) = &vector.refused {
            assert!(
                Reason::ALL.iter().any(|reason| reason.as_str() == refused),
                "{}: no such reason: {refused}",
                vector.name
            );
        }
    }
}

/// `IRYONET_BLESS=1` writes the files anew.
#[test]
fn the_files_are_what_the_second_encoder_makes() {
    for (name, text) in cases::files() {
        let path = file::folder().join(name);
        if std::env::var_os("IRYONET_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == text,
            "{name} is not what tests/suite/cases makes; IRYONET_BLESS=1 writes it"
        );
    }
}

/// The files could be wrong in the same way as the crate. Their packets are taken
/// apart by somebody else; those that are meant to be wrong say so in their names.
#[test]
fn the_packets_of_the_files_are_what_a_foreign_parser_takes_for_right() {
    let mut judged = 0;
    for (file, vector) in file::all() {
        // Nor does the data of these look like what their numbers say.
        let no_header = [
            "protocol-51-ah",
            "next-header-51-ah",
            "next-header-135-mobility",
        ];
        if vector.out.is_empty()
            || vector.name.contains("checksum-wrong")
            || no_header.contains(&vector.name.as_str())
        {
            continue;
        }
        let out: Vec<Vec<u8>> = vector.out.iter().map(|out| read_bytes(out)).collect();
        // Fragments that start a packet and end it are a packet.
        let whole = out.len() > 1
            && !vector.name.contains("cut-fragment")
            && !vector.name.contains("cut-6-fragment");
        let packets = if whole { vec![reassemble(&out)] } else { out };
        for packet in packets {
            // What is behind a datagram is not in its checksum, which etherparse
            // takes by the packet's length.
            if vector.name.contains("udp-length-below") || vector.name.contains("checksum-length") {
                continue;
            }
            judged += 1;
            if let Err(wrong) = judge(&packet) {
                panic!("{file}: {}: {wrong}", vector.name);
            }
        }
    }
    assert!(judged >= 450, "{judged}");
}
