//! Whatever a server says: the checker's conversations end, and tell the same
//! however the network cuts it.
#![no_main]

use iryonet_tlscheck::fuzzing::server_says;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| server_says(octets));
